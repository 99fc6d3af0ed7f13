//! How fast replicas that are out of sync catch up (KIP-73): `leader.replication.throttled.rate` and `follower.replication.throttled.rate`, Kafka's
//! `ReplicationQuotaManager`. Replicas that are in sync are never held back.
//!
//! ```text
//! credit = what the rate has given since, less what was taken; at most a second's worth
//!
//! credit > 0     bytes may go, as many as there are; a batch that is larger goes too, and the credit is negative then
//! credit <= 0    nothing goes until there is a tenth of a second's worth
//! ```
//!
//! So in any `t` seconds no more than `rate * (t + 1)` bytes go, and what those take who ask at the same moment: each leader's partition, or follower's request,
//! sees the same credit. What is taken too much is waited for afterwards. Pure: time is an argument.

use std::time::Duration;

use parking_lot::Mutex;

use crate::config::Settings;

/// What an idle quota saves up, in milliseconds of the rate.
const SAVED_MS: i128 = 1_000;
/// What is waited for, so that pieces are not too small.
const PIECE_MS: i128 = 100;

/// The limits of a broker.
#[derive(Debug, Default)]
pub struct Throttles {
    /// Of what it gives to followers.
    pub leader: Quota,
    /// Of what it asks leaders for.
    pub follower: Quota,
}

impl Throttles {
    /// The settings have changed.
    pub fn follow_settings(&self, now_ms: i64, settings: &Settings) {
        for (quota, name) in [
            (&self.leader, "leader.replication.throttled.rate"),
            (&self.follower, "follower.replication.throttled.rate"),
        ] {
            let rate = settings.whole(name).filter(|rate| *rate < i64::MAX);
            quota.set_rate(now_ms, rate);
        }
    }
}

/// A limit of bytes per second.
#[derive(Debug, Default)]
pub struct Quota(Mutex<Option<Credit>>);

#[derive(Debug)]
struct Credit {
    /// Bytes per second.
    rate: i128,
    /// Bytes, in thousandths.
    millibytes: i128,
    /// When that was so.
    at_ms: i64,
}

impl Quota {
    /// Sets the rate in bytes per second; `None` is no limit.
    pub fn set_rate(&self, now_ms: i64, rate: Option<i64>) {
        let mut credit = self.0.lock();
        let rate = rate.map(|rate| i128::from(rate.max(0)));
        match (&mut *credit, rate) {
            (Some(credit), Some(rate)) => {
                credit.refill(now_ms);
                credit.rate = rate;
                credit.millibytes = credit.millibytes.min(rate * SAVED_MS);
            }
            (credit, rate) => {
                *credit = rate.map(|rate| Credit {
                    rate,
                    millibytes: rate * PIECE_MS,
                    at_ms: now_ms,
                });
            }
        }
    }

    /// How many bytes may go now; `None` is any number.
    pub fn left(&self, now_ms: i64) -> Option<usize> {
        let mut credit = self.0.lock();
        let credit = credit.as_mut()?;
        credit.refill(now_ms);
        // A part of a byte is as good as one: a batch is larger anyway.
        let bytes = (credit.millibytes.max(0) + 999) / 1_000;
        Some(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// So many bytes have gone.
    pub fn take(&self, now_ms: i64, bytes: usize) {
        if let Some(credit) = &mut *self.0.lock() {
            credit.refill(now_ms);
            credit.millibytes -= i128::try_from(bytes).unwrap_or(i128::MAX / 2_000) * 1_000;
        }
    }

    /// How long nothing may go from now on; `None` if something may now. With a rate of 0 that is longer than anybody waits.
    pub fn pause(&self, now_ms: i64) -> Option<Duration> {
        let mut credit = self.0.lock();
        let credit = credit.as_mut()?;
        credit.refill(now_ms);
        if credit.millibytes > 0 {
            return None;
        }
        let missing = credit.rate * PIECE_MS - credit.millibytes;
        // A millisecond gives as many thousandths of a byte as a second gives bytes.
        let millis = (missing + credit.rate - 1).checked_div(credit.rate);
        let millis = millis.and_then(|millis| u64::try_from(millis).ok());
        Some(Duration::from_millis(millis.unwrap_or(u64::MAX)))
    }
}

impl Credit {
    fn refill(&mut self, now_ms: i64) {
        let passed_ms = i128::from(now_ms.saturating_sub(self.at_ms).max(0));
        self.at_ms = self.at_ms.max(now_ms);
        let full = self.rate * SAVED_MS;
        self.millibytes = (self.millibytes + self.rate * passed_ms).min(full);
    }
}

#[cfg(test)]
mod tests;

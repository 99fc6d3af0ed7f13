//! What the leader of a partition knows of its followers, beside what makes the high watermark.

use broker_replication::FollowerState;
use protocol::ErrorCode;
use protocol::model::{BrokerId, LeaderEpoch, Offset};

use super::{Partition, check_epoch};

/// A follower in the ISR, which consumers may read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InSyncFollower {
    /// Who.
    pub broker_id: BrokerId,
    /// Where its log begins.
    pub log_start: Offset,
    /// What it has on its disk.
    pub durable_end: Offset,
    /// For how long it has not had everything.
    pub behind_ms: i64,
}

/// How far a follower is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerLag {
    /// Who.
    pub broker_id: BrokerId,
    /// What it does not have on its disk, in offsets; all there is, if it has not said.
    pub lag: i64,
    /// Whether it is in the ISR.
    pub in_sync: bool,
}

impl Partition {
    /// How far those of these replicas that follow are behind. One short lock, for any number of them.
    pub fn lags(&self, replicas: impl Iterator<Item = BrokerId>) -> Vec<FollowerLag> {
        let log = self.log.offsets();
        let state = self.state.lock();
        let isr = &state.leader.view().isr;
        let followers = replicas.filter(|id| *id != self.leading.id);
        followers
            .map(|broker_id| {
                let durable_end = state.leader.durable_end_of(broker_id);
                let durable_end = durable_end.unwrap_or(log.start);
                FollowerLag {
                    broker_id,
                    // It may have said so since the log was looked at.
                    lag: (log.end.get() - durable_end.get()).max(0),
                    in_sync: isr.contains(&broker_id),
                }
            })
            .collect()
    }

    /// A follower of the leadership `current` asks for what is behind its log, which begins at `log_start`. Returns whether it is in the ISR.
    pub fn on_follower_fetch(
        &self,
        follower: BrokerId,
        current: Option<LeaderEpoch>,
        log_start: Option<Offset>,
    ) -> Result<bool, ErrorCode> {
        if current.is_none() {
            return Err(ErrorCode::UnknownLeaderEpoch);
        }
        let mut state = self.state.lock();
        let view = state.leader.view();
        check_epoch(view.leader_epoch, current)?;
        let is_in_sync = view.isr.contains(&follower);
        if let Some(log_start) = log_start {
            state.follower_starts.insert(follower, log_start);
        }
        Ok(is_in_sync)
    }

    /// Whether followers that are out of sync are given records at a limited rate (KIP-73).
    pub fn is_throttled(&self) -> bool {
        let config = self.config();
        config
            .leader_throttled
            .has(self.id.partition, self.leading.id)
    }

    /// The followers that are in the ISR, alive, and have said where they are. None where others may lead by now.
    pub fn in_sync_followers(&self) -> Vec<InSyncFollower> {
        let now_ms = (self.leading.now_ms)();
        let state = self.state.lock();
        if state.is_abandoned || state.closed.is_some() {
            return Vec::new();
        }
        let view = state.leader.view();
        let is_in_sync = |it: &FollowerState| {
            view.isr.contains(&it.broker_id) && view.live.contains_key(&it.broker_id)
        };
        let followers = state.leader.followers().filter(is_in_sync);
        followers
            .filter_map(|it| {
                Some(InSyncFollower {
                    broker_id: it.broker_id,
                    log_start: *state.follower_starts.get(&it.broker_id)?,
                    durable_end: it.durable_end,
                    behind_ms: now_ms.saturating_sub(it.caught_up_ms),
                })
            })
            .collect()
    }
}

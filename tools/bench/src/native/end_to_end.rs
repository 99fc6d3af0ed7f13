//! From when a batch was due until a consumer had it: both ends are in this process, and find each other by partition and offset, so that batches
//! carry no clock and need no checksum anew.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::Mutex;

use crate::recorder::{Answer, Recorder};

/// What is known of a batch of which the other half is not known yet.
#[derive(Clone, Copy, Debug)]
enum Half {
    Acknowledged(Batch),
    Seen(Instant),
}

/// A batch that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) due: Instant,
    pub(crate) records: u64,
    /// Of the values.
    pub(crate) bytes: u64,
    pub(crate) is_measured: bool,
}

/// Which partition, of which of the run's topics.
pub type At = (usize, i32);

/// A group of consumers, and what it has seen.
#[derive(Debug)]
pub(crate) struct Group {
    /// By topic and partition, and then by offset.
    halves: Vec<Vec<Mutex<HashMap<i64, Half>>>>,
    pub(crate) recorder: Recorder,
}

impl Group {
    pub(crate) fn new(topics: usize, partitions: i32) -> Group {
        let partitions = || (0..partitions).map(|_| Mutex::default()).collect();
        Group {
            halves: (0..topics).map(|_| partitions()).collect(),
            recorder: Recorder::default(),
        }
    }

    pub(crate) fn on_acknowledged(&self, at: At, offset: i64, batch: Batch) {
        let Some(halves) = self.at(at) else { return };
        let seen = {
            let mut halves = halves.lock();
            match halves.remove(&offset) {
                Some(Half::Seen(seen)) => seen,
                _ => {
                    halves.insert(offset, Half::Acknowledged(batch));
                    return;
                }
            }
        };
        self.record(batch, seen);
    }

    pub(crate) fn on_seen(&self, at: At, offset: i64, seen: Instant) {
        let Some(halves) = self.at(at) else { return };
        let batch = {
            let mut halves = halves.lock();
            match halves.remove(&offset) {
                Some(Half::Acknowledged(batch)) => batch,
                _ => {
                    halves.insert(offset, Half::Seen(seen));
                    return;
                }
            }
        };
        self.record(batch, seen);
    }

    /// Records that were acknowledged and not seen.
    pub(crate) fn unseen(&self) -> u64 {
        let halves = self.halves.iter().flatten();
        let of = |halves: &Mutex<HashMap<i64, Half>>| -> u64 {
            let halves = halves.lock();
            let records = halves.values().map(|half| match half {
                Half::Acknowledged(batch) => batch.records,
                Half::Seen(_) => 0,
            });
            records.sum()
        };
        halves.map(of).sum()
    }

    fn at(&self, (topic, partition): At) -> Option<&Mutex<HashMap<i64, Half>>> {
        self.halves
            .get(topic)?
            .get(usize::try_from(partition).ok()?)
    }

    fn record(&self, batch: Batch, seen: Instant) {
        self.recorder.on_answer(Answer {
            records: batch.records,
            bytes: batch.bytes,
            latency: seen.saturating_duration_since(batch.due),
            weight: batch.records,
            is_measured: batch.is_measured,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn either_half_may_come_first() {
        let group = Group::new(1, 2);
        let due = Instant::now();
        let batch = Batch {
            due,
            records: 5,
            bytes: 500,
            is_measured: true,
        };
        group.on_acknowledged((0, 1), 40, batch);
        assert_eq!(group.unseen(), 5);
        group.on_seen((0, 1), 40, due + Duration::from_millis(8));
        // The same offset of another partition is another batch.
        group.on_seen((0, 0), 45, due + Duration::from_millis(2));
        group.on_acknowledged((0, 0), 45, batch);
        assert_eq!(group.unseen(), 0);
        let measured = group.recorder.measured();
        assert_eq!((measured.records, measured.bytes), (10, 1_000));
        assert_eq!(measured.latency.count(), 10);
        assert!((7.9..8.1).contains(&measured.latency.max()));
    }
}

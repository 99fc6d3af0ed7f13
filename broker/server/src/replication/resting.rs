//! Partitions that their leader has refused: each is left alone for a while, and the others of the same leader are not. Kafka's `DelayedItem` of a partition's fetch
//! state. Pure: time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::model::{LeaderEpoch, TopicIdPartition};
use tokio::time::Instant;

/// After an error a partition is left alone for so long, unless the metadata names another leadership.
pub(super) const BACKOFF: Duration = Duration::from_millis(50);

/// Those that rest, in which leadership, and until when.
#[derive(Debug, Default)]
pub(super) struct Resting(BTreeMap<TopicIdPartition, (LeaderEpoch, Instant)>);

impl Resting {
    /// The leader has refused a partition.
    pub(super) fn on_refused(&mut self, now: Instant, id: TopicIdPartition, epoch: LeaderEpoch) {
        self.0.insert(id, (epoch, now + BACKOFF));
    }

    /// Lets those go that have rested, or are followed no more. `followed` is what is followed, and in which leadership.
    pub(super) fn wake(
        &mut self,
        now: Instant,
        followed: impl Fn(&TopicIdPartition) -> Option<LeaderEpoch>,
    ) {
        self.0
            .retain(|id, (epoch, until)| now < *until && followed(id) == Some(*epoch));
    }

    /// Whether a partition rests.
    pub(super) fn has(&self, id: &TopicIdPartition) -> bool {
        self.0.contains_key(id)
    }

    /// When the first of them has rested.
    pub(super) fn first_in(&self, now: Instant) -> Option<Duration> {
        let first = self.0.values().map(|(_, until)| *until).min()?;
        Some(first.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use protocol::model::{PartitionIndex, TopicId, Uuid};

    use super::*;

    fn id(partition: i32) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: TopicId::new(Uuid::from_u128(7)).expect("not zero"),
            partition: PartitionIndex::new(partition),
        }
    }

    const EPOCH: LeaderEpoch = LeaderEpoch::new(3);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_partition_rests_by_itself() {
        let now = Instant::now();
        let mut resting = Resting::default();
        assert_eq!(resting.first_in(now), None);
        resting.on_refused(now, id(0), EPOCH);
        resting.on_refused(now + 20 * MS, id(1), EPOCH);
        assert_eq!(resting.first_in(now + 30 * MS), Some(20 * MS));
        resting.wake(now + 49 * MS, |_| Some(EPOCH));
        assert!(resting.has(&id(0)) && resting.has(&id(1)) && !resting.has(&id(2)));
        resting.wake(now + 50 * MS, |_| Some(EPOCH));
        assert!(!resting.has(&id(0)) && resting.has(&id(1)));
    }

    #[test]
    fn another_leadership_is_asked_at_once() {
        let now = Instant::now();
        let mut resting = Resting::default();
        (0..3).for_each(|partition| resting.on_refused(now, id(partition), EPOCH));
        // The second has another leader, and the third is not followed any more.
        resting.wake(now, |it| match it.partition.get() {
            0 => Some(EPOCH),
            1 => Some(LeaderEpoch::new(4)),
            _ => None,
        });
        assert!(resting.has(&id(0)) && !resting.has(&id(1)) && !resting.has(&id(2)));
    }
}

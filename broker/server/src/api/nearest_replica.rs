//! Which replica a consumer is told to read from (KIP-392): Kafka's `ReplicaManager.findPreferredReadReplica` with its `RackAwareReplicaSelector`.

use std::cmp::Reverse;

use broker_controller::MetadataImage;
use protocol::model::{BrokerId, Offset};

use crate::partition::{InSyncFollower, Partition};

/// A consumer, as far as the choice goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near<'a> {
    /// Its rack.
    pub(super) rack: &'a str,
    /// The listener that it came in through, which it has to reach others by.
    pub(super) listener: &'a str,
    /// What it asks for.
    pub(super) offset: Offset,
}

/// The replica that a consumer had better read from, instead of the leader, this broker.
pub(super) fn nearest_replica(
    image: &MetadataImage,
    leader: BrokerId,
    partition: &Partition,
    near: Near<'_>,
) -> Option<BrokerId> {
    let rack_of = |id: BrokerId| {
        image.endpoint(id, near.listener)?;
        image.broker(id)?.rack.as_deref()
    };
    if rack_of(leader) == Some(near.rack) {
        return None;
    }
    choose(
        near.rack,
        near.offset,
        rack_of,
        &partition.in_sync_followers(),
    )
}

/// Of the followers in the rack that have the offset, the one that has most, then the one that had everything last, then the one with the greatest id, as in Kafka.
fn choose<'a>(
    rack: &str,
    offset: Offset,
    rack_of: impl Fn(BrokerId) -> Option<&'a str>,
    followers: &[InSyncFollower],
) -> Option<BrokerId> {
    let is_near = |it: &&InSyncFollower| rack_of(it.broker_id) == Some(rack);
    let has_it = |it: &&InSyncFollower| (it.log_start..=it.durable_end).contains(&offset);
    let near = followers.iter().filter(is_near).filter(has_it);
    let best = near.max_by_key(|it| (it.durable_end, Reverse(it.behind_ms), it.broker_id));
    best.map(|it| it.broker_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broker, start, end and how long it has been behind.
    fn follower((id, log_start, durable_end, behind_ms): (i32, i64, i64, i64)) -> InSyncFollower {
        InSyncFollower {
            broker_id: BrokerId::new(id),
            log_start: Offset::new(log_start),
            durable_end: Offset::new(durable_end),
            behind_ms,
        }
    }

    fn chosen(offset: i64, followers: &[(i32, i64, i64, i64)]) -> Option<i32> {
        // Brokers 2 and 3 are near, 4 is elsewhere, and of 5 nothing is known.
        let rack_of = |id: BrokerId| match id.get() {
            2 | 3 => Some("near"),
            4 => Some("far"),
            _ => None,
        };
        let followers: Vec<_> = followers.iter().copied().map(follower).collect();
        choose("near", Offset::new(offset), rack_of, &followers).map(BrokerId::get)
    }

    #[test]
    fn the_one_that_is_near_is_chosen() {
        assert_eq!(
            chosen(5, &[(4, 0, 10, 0), (2, 0, 10, 0), (5, 0, 10, 0)]),
            Some(2)
        );
        assert_eq!(chosen(5, &[(4, 0, 10, 0), (5, 0, 10, 0)]), None);
        assert_eq!(chosen(5, &[]), None);
    }

    #[test]
    fn only_who_has_the_offset_is_chosen() {
        assert_eq!(
            chosen(10, &[(2, 0, 10, 0)]),
            Some(2),
            "what comes next it will have"
        );
        assert_eq!(chosen(11, &[(2, 0, 10, 0)]), None);
        assert_eq!(chosen(4, &[(2, 4, 10, 0)]), Some(2));
        assert_eq!(chosen(3, &[(2, 4, 10, 0)]), None, "it is deleted there");
        assert_eq!(chosen(3, &[(2, 4, 10, 0), (3, 0, 5, 0)]), Some(3));
    }

    #[test]
    fn who_has_most_is_chosen_and_then_who_had_all_last() {
        assert_eq!(chosen(5, &[(2, 0, 11, 900), (3, 0, 10, 0)]), Some(2));
        assert_eq!(chosen(5, &[(2, 0, 10, 5), (3, 0, 10, 9)]), Some(2));
        assert_eq!(chosen(5, &[(2, 0, 10, 5), (3, 0, 10, 5)]), Some(3));
    }
}

//! Who leads a partition, and what a broker's coming and going changes.
//!
//! Leaders come from the ISR only. The ISR itself is changed here in one case, that of a lost directory: a broker
//! that is merely fenced stays in it until the leader says otherwise, so that nobody who has not all
//! committed records is ever elected.

use protocol::model::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId};

use crate::image::{BrokerRegistration, PartitionImage};
use crate::record::{PartitionChangeRecord, Replica};
use crate::{MetadataImage, MetadataRecord};

/// Whether a broker's registration is the beginning of another life of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is the process it was.
    Same,
    /// It may not lead on under an epoch of its former life, whose unsynced end is gone.
    New,
}

/// The partition changes that go with `record`, which changes the broker's registration.
pub(crate) fn follow_broker(
    image: &MetadataImage,
    record: &MetadataRecord,
    broker_id: BrokerId,
    life: Life,
) -> Vec<MetadataRecord> {
    let after = image.apply([record]).image;
    let Some(broker) = after.broker(broker_id) else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    for topic in after.topics() {
        for (index, partition) in topic.partitions() {
            let change = change(&after, broker, life, (topic.topic_id(), index), partition);
            changes.extend(change.map(MetadataRecord::PartitionChange));
        }
    }
    changes
}

fn change(
    after: &MetadataImage,
    broker: &BrokerRegistration,
    life: Life,
    (topic_id, index): (TopicId, PartitionIndex),
    partition: &PartitionImage,
) -> Option<PartitionChangeRecord> {
    let directory = partition.directory_on(broker.broker_id)?;
    let led = partition.leader == Some(broker.broker_id);
    let mut next = partition.clone();
    if !broker.directories.contains(&directory) {
        leave(&mut next, broker);
    }
    let may_stay = |leader| {
        after.can_lead(leader, &next) && next.isr.contains(&leader) && !(led && life == Life::New)
    };
    if !partition.leader.is_some_and(may_stay) {
        next.leader = elect(after, &next);
    }
    let new_leadership = next.leader != partition.leader || (led && life == Life::New);
    if new_leadership {
        next.leader_epoch = LeaderEpoch::new(partition.leader_epoch.get() + 1);
    }
    (next != *partition).then(|| PartitionChangeRecord {
        topic_id,
        partition: index,
        replicas: (next.replicas != partition.replicas).then_some(next.replicas),
        isr: (next.isr != partition.isr).then_some(next.isr),
        elr: (next.elr != partition.elr).then_some(next.elr),
        leader: next.leader,
        leader_epoch: next.leader_epoch,
        partition_epoch: PartitionEpoch::new(partition.partition_epoch.get() + 1),
    })
}

/// The preferred replica among those that may lead.
fn elect(image: &MetadataImage, partition: &PartitionImage) -> Option<BrokerId> {
    partition
        .replica_brokers()
        .find(|broker| partition.isr.contains(broker) && image.can_lead(*broker, partition))
}

/// Takes a replica whose directory is gone out of ISR and ELR, and gives it a directory to refill in.
///
/// The last member of an ISR stays as it is: the partition is offline until that very directory is back. To lead
/// from an empty one would be to lose what was acknowledged.
fn leave(partition: &mut PartitionImage, broker: &BrokerRegistration) {
    let broker_id = broker.broker_id;
    if partition.isr == [broker_id] {
        return;
    }
    partition.isr.retain(|member| *member != broker_id);
    partition.elr.retain(|member| *member != broker_id);
    for replica in &mut partition.replicas {
        if replica.broker_id == broker_id {
            *replica = Replica {
                broker_id,
                directory_id: broker.directories[0],
            };
        }
    }
}

use broker_controller::DirectoryId;
use broker_controller::record::Replica;
use protocol::model::{LeaderEpoch, PartitionEpoch, Uuid};

use super::*;

/// A partition with replicas on brokers 1, 2 and 3, which nobody has heard of.
fn partition(leader: Option<i32>, isr: &[i32]) -> PartitionImage {
    let replica = |id| Replica {
        broker_id: BrokerId::new(id),
        directory_id: DirectoryId::new(Uuid::from_u128(1000)),
    };
    PartitionImage {
        replicas: [1, 2, 3].map(replica).to_vec(),
        isr: isr.iter().copied().map(BrokerId::new).collect(),
        elr: Vec::new(),
        leader: leader.map(BrokerId::new),
        leader_epoch: LeaderEpoch::new(0),
        partition_epoch: PartitionEpoch::new(0),
        adding: Vec::new(),
        removing: Vec::new(),
    }
}

fn said(state: &PartitionImage) -> Vec<&'static str> {
    let image = MetadataImage::default();
    let mut said = conditions(&image, state, 2);
    // Of brokers that are not registered.
    said.retain(|condition| *condition != "offline-replica");
    said
}

#[test]
fn what_is_wrong_with_a_partition_is_said() {
    assert!(said(&partition(Some(1), &[1, 2, 3])).is_empty());
    assert_eq!(said(&partition(Some(1), &[1, 2])), ["under-replicated"]);
    assert_eq!(
        said(&partition(Some(1), &[1])),
        ["under-min-isr", "under-replicated"]
    );
    assert_eq!(
        said(&partition(None, &[1])),
        ["no-leader", "under-min-isr", "under-replicated"]
    );
}

#[test]
fn a_replica_that_is_on_its_way_is_not_missed() {
    let moving = PartitionImage {
        adding: vec![BrokerId::new(3)],
        ..partition(Some(1), &[1, 2])
    };
    assert_eq!(said(&moving), ["reassigning"]);
}

#[test]
fn replicas_of_brokers_that_are_gone_are_offline() {
    let image = MetadataImage::default();
    let conditions = conditions(&image, &partition(Some(1), &[1, 2, 3]), 2);
    assert_eq!(conditions, ["offline-replica"]);
}

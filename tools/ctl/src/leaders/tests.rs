use client::{MetadataBroker, PartitionMetadata, TopicMetadata};
use protocol::{ErrorCode, model::Uuid};

use super::*;

fn topic() -> Topic {
    Topic {
        name: "t".to_owned(),
        id: Uuid::from_u128(1),
        partitions: 1,
    }
}

fn told(leader: Option<i32>, leader_epoch: Option<i32>) -> ClusterMetadata {
    let brokers = [1, 2].map(|id| MetadataBroker {
        id,
        address: format!("host:{id}"),
        rack: None,
    });
    let partition = PartitionMetadata {
        partition: 0,
        leader,
        leader_epoch,
        replicas: vec![1, 2],
        isr: vec![1, 2],
    };
    let topic = TopicMetadata {
        name: "t".to_owned(),
        id: Uuid::from_u128(1),
        error: ErrorCode::None,
        is_internal: false,
        partitions: vec![partition],
    };
    ClusterMetadata {
        brokers: brokers.to_vec(),
        topics: vec![topic],
        ..ClusterMetadata::default()
    }
}

fn leader(known: &Known) -> Option<i32> {
    let leader = known.partitions.get(&0).cloned().flatten();
    leader.map(|leader| leader.id)
}

#[test]
fn the_newest_leadership_counts_whoever_tells_of_it() {
    let mut known = Known::default();
    known.apply(&topic(), told(Some(1), Some(4)));
    assert_eq!(leader(&known), Some(1));
    known.apply(&topic(), told(Some(2), Some(5)));
    assert_eq!(leader(&known), Some(2));
    // Of a broker that has not heard of it yet.
    known.apply(&topic(), told(Some(1), Some(4)));
    assert_eq!((leader(&known), known.generation), (Some(2), 3));
    known.apply(&topic(), told(None, Some(6)));
    assert_eq!(leader(&known), None);
}

#[test]
fn brokers_that_tell_no_epochs_are_believed() {
    let mut known = Known::default();
    known.apply(&topic(), told(Some(1), None));
    known.apply(&topic(), told(Some(2), None));
    assert_eq!(leader(&known), Some(2));
}

#[test]
fn another_topic_of_the_same_name_is_none_of_ours() {
    let mut known = Known::default();
    let mut other = told(Some(1), Some(4));
    other.topics[0].id = Uuid::from_u128(2);
    known.apply(&topic(), other);
    assert_eq!(leader(&known), None);
    // Nor is a leader that no broker's address is known of.
    known.apply(&topic(), told(Some(3), Some(4)));
    assert_eq!(leader(&known), None);
}

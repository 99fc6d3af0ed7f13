use std::collections::BTreeSet;

use protocol::model::{LeaderEpoch, PartitionEpoch, TopicIdPartition, Uuid};

use super::*;
use crate::record::{
    ConfigRecord, PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord,
    Replica, TopicRecord, UnregisterBrokerRecord,
};
use crate::{DirectoryId, IncarnationId, MetadataRecord};

const BROKER: BrokerId = BrokerId::new(1);

fn directory() -> DirectoryId {
    DirectoryId::new(Uuid::from_u128(1000))
}

fn id(number: u128) -> TopicId {
    TopicId::new(Uuid::from_u128(number + 1)).unwrap()
}

fn one_broker() -> MetadataImage {
    let record = MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: BROKER,
        broker_epoch: BrokerEpoch::new(0),
        incarnation_id: IncarnationId::new(Uuid::from_u128(1)),
        directories: vec![directory()],
        listeners: Vec::new(),
        rack: None,
        features: Vec::new(),
        fenced: false,
    });
    MetadataImage::default().apply(&[record]).image
}

fn topic(name: &str, topic_id: TopicId, partitions: i32) -> Vec<MetadataRecord> {
    let mut records = vec![MetadataRecord::Topic(TopicRecord {
        name: name.into(),
        topic_id,
    })];
    records.extend((0..partitions).map(|partition| {
        MetadataRecord::Partition(PartitionRecord {
            topic_id,
            partition: PartitionIndex::new(partition),
            replicas: vec![Replica {
                broker_id: BROKER,
                directory_id: directory(),
            }],
            isr: vec![BROKER],
            elr: Vec::new(),
            leader: Some(BROKER),
            leader_epoch: LeaderEpoch::new(0),
            partition_epoch: PartitionEpoch::new(0),
        })
    }));
    records
}

fn remove(topic_id: TopicId) -> MetadataRecord {
    MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id })
}

fn config(name: &str, value: Option<&str>) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: ResourceType::Topic,
        resource_name: name.into(),
        key: "retention.ms".into(),
        value: value.map(str::to_owned),
    })
}

fn change(topic_id: TopicId, leader_epoch: i32, partition_epoch: i32) -> MetadataRecord {
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        topic_id,
        partition: PartitionIndex::new(0),
        replicas: None,
        isr: None,
        elr: None,
        leader: Some(BROKER),
        leader_epoch: LeaderEpoch::new(leader_epoch),
        partition_epoch: PartitionEpoch::new(partition_epoch),
    })
}

#[test]
fn an_image_stays_as_it_is_and_shares_what_stays() {
    let before = one_broker()
        .apply(&[topic("a", id(1), 2), topic("b", id(2), 1)].concat())
        .image;
    let after = before.apply(&[change(id(2), 1, 1)]).image;
    assert_eq!(before.topic_named("b").unwrap().partition_count(), 1);
    let epoch = |image: &MetadataImage| {
        image
            .partition(id(2), PartitionIndex::new(0))
            .unwrap()
            .leader_epoch
            .get()
    };
    assert_eq!((epoch(&before), epoch(&after)), (0, 1));
    assert!(Arc::ptr_eq(
        before.topic(id(1)).unwrap(),
        after.topic(id(1)).unwrap()
    ));
}

#[test]
fn one_topic_more_among_ten_thousand_shares_all_others() {
    let many = (0..10_000)
        .flat_map(|n| topic(&format!("t{n}"), id(n), 1))
        .collect::<Vec<_>>();
    let before = one_broker().apply(&many).image;
    let after = before.apply(&topic("one-more", id(20_000), 1)).image;
    assert_eq!(after.topic_count(), 10_001);
    assert!(
        before
            .topics()
            .all(|it| Arc::ptr_eq(it, after.topic(it.topic_id()).unwrap()))
    );
    assert_eq!(after.check_invariants(), Ok(()));
    // Thousands of single steps: with a copy of the outer maps in each, this would take minutes.
    let step = |image: MetadataImage, n: u128| {
        image
            .apply(&topic(&format!("s{n}"), id(30_000 + n), 1))
            .image
    };
    let last = (0..5_000).fold(after, step);
    assert_eq!(last.partition_count(), 15_001);
}

#[test]
fn the_delta_names_what_changed() {
    let image = one_broker().apply(&topic("a", id(1), 2)).image;
    let records = [
        vec![config("a", Some("1"))],
        topic("b", id(2), 1),
        vec![change(id(1), 1, 1)],
    ];
    let delta = image.apply(&records.concat()).delta;
    assert_eq!(delta.topics_created, BTreeSet::from([id(2)]));
    assert!(delta.topics_deleted.is_empty());
    let partition = |topic_id| TopicIdPartition {
        topic_id,
        partition: PartitionIndex::new(0),
    };
    assert_eq!(
        delta.partitions,
        BTreeSet::from([partition(id(1)), partition(id(2))])
    );
    assert_eq!(delta.configs, BTreeSet::from([ConfigResource::topic("a")]));
}

#[test]
fn a_topic_deleted_and_made_again_is_another_topic() {
    let records = [
        topic("a", id(1), 2),
        vec![config("a", Some("1")), change(id(1), 4, 1)],
    ];
    let image = one_broker().apply(&records.concat()).image;
    let again = [vec![remove(id(1))], topic("a", id(2), 1)].concat();
    let Applied {
        image: after,
        delta,
    } = image.apply(&again);
    assert_eq!(after.topic_named("a").unwrap().topic_id(), id(2));
    assert_eq!(after.topic(id(1)), None);
    assert_eq!(
        after.topic_configs("a"),
        None,
        "the configuration went with the topic"
    );
    assert_eq!(after.partition_count(), 1);
    assert_eq!(delta.topics_created, BTreeSet::from([id(2)]));
    let deleted = &delta.topics_deleted[&id(1)].topic;
    assert_eq!((&**deleted.name(), deleted.partition_count()), ("a", 2));
    assert!(delta.partitions.iter().all(|it| it.topic_id == id(2)));
    assert_eq!(after.check_invariants(), Ok(()));
}

#[test]
fn a_topic_that_came_and_went_was_never_there() {
    let records = [topic("a", id(1), 2), vec![remove(id(1))]].concat();
    let Applied { image, delta } = one_broker().apply(&records);
    assert!(delta.is_empty(), "{delta:?}");
    assert_eq!(image, one_broker());
}

#[test]
fn the_last_key_unset_leaves_nothing() {
    let image = one_broker().apply(&topic("a", id(1), 1)).image;
    let set = image.apply(&[config("a", Some("1"))]).image;
    assert_eq!(set.topic_configs("a").unwrap()["retention.ms"], "1");
    assert_eq!(set.resources(ResourceType::Topic).count(), 1);
    assert_eq!(
        set.apply(&[config("a", None), config("a", None)]).image,
        image
    );
}

#[test]
fn pages_of_topics_are_by_name() {
    let records = ["c", "a", "b"]
        .into_iter()
        .zip(1..)
        .flat_map(|(n, at)| topic(n, id(at), 1));
    let image = one_broker().apply(&records.collect::<Vec<_>>()).image;
    let names = |after| {
        image
            .topics_after(after)
            .map(|it| it.name().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["a", "b", "c"]);
    assert_eq!(names("a"), ["b", "c"]);
    assert_eq!(names("aa"), ["b", "c"]);
    assert!(names("c").is_empty());
}

fn unregister(broker_epoch: i64) -> MetadataRecord {
    MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
        broker_id: BROKER,
        broker_epoch: BrokerEpoch::new(broker_epoch),
    })
}

#[test]
fn the_epoch_of_a_broker_that_is_gone_is_not_given_out_again() {
    let Applied { image, delta } = one_broker().apply(&[unregister(0)]);
    assert_eq!((image.broker_count(), delta.brokers.len()), (0, 1));
    assert_eq!(image.next_broker_epoch(), BrokerEpoch::new(1));
    assert_eq!(image.check_invariants(), Ok(()));
    let again = MetadataImage::default().apply(&image.snapshot()).image;
    assert_eq!(again, image);
}

#[test]
#[should_panic(expected = "a broker that holds replicas stays")]
fn a_broker_that_is_gone_with_its_replicas_stops_us() {
    let image = one_broker().apply(&topic("a", id(1), 1)).image;
    image.apply(&[unregister(0)]);
}

#[test]
#[should_panic(expected = "another life of it is registered")]
fn another_life_of_a_broker_that_is_gone_stops_us() {
    one_broker().apply(&[unregister(1)]);
}

#[test]
#[should_panic(expected = "epochs never go back")]
fn a_leader_epoch_that_goes_back_stops_us() {
    let records = [
        topic("a", id(1), 1),
        vec![change(id(1), 4, 1), change(id(1), 3, 2)],
    ]
    .concat();
    one_broker().apply(&records);
}

#[test]
#[should_panic(expected = "no topic for")]
fn a_partition_without_a_topic_stops_us() {
    one_broker().apply(&topic("a", id(1), 1)[1..]);
}

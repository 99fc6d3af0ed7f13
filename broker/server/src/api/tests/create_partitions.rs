//! CreatePartitions. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::super::topics::text;
use super::create;
use crate::testing::TestBroker;

fn grown(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default()
        .with_name(text(name).into())
        .with_count(count)
        .with_assignments(None)
}

fn assigned(name: &str, count: i32, brokers: &[&[i32]]) -> CreatePartitionsTopic {
    let assignment = |ids: &&[i32]| {
        let ids = ids.iter().map(|id| (*id).into()).collect();
        CreatePartitionsAssignment::default().with_broker_ids(ids)
    };
    grown(name, count).with_assignments(Some(brokers.iter().map(assignment).collect()))
}

fn request(topics: Vec<CreatePartitionsTopic>) -> CreatePartitionsRequest {
    CreatePartitionsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(10_000)
}

/// Name, code and message of each topic, by name.
async fn ask(
    broker: &mut TestBroker,
    version: i16,
    request: CreatePartitionsRequest,
) -> Vec<(String, i16, Option<String>)> {
    let response: CreatePartitionsResponse = broker.ask(version, &request).await;
    let mut told: Vec<_> = response
        .results
        .into_iter()
        .map(|it| {
            let message = it.error_message.map(|message| message.to_string());
            (it.name.to_string(), it.error_code, message)
        })
        .collect();
    told.sort();
    told
}

fn partitions(broker: &TestBroker, name: &str) -> usize {
    let image = broker.broker.metadata.image();
    image
        .topic_named(name)
        .map_or(0, |topic| topic.partition_count())
}

#[tokio::test]
async fn every_version_adds_partitions_that_take_records() {
    let mut broker = TestBroker::start(&[]).await;
    let id = create(&mut broker, "a", 1).await;
    for version in 0..=3 {
        let count = i32::from(version) + 2;
        let told = ask(&mut broker, version, request(vec![grown("a", count)])).await;
        assert_eq!(told, [("a".to_owned(), 0, None)]);
        assert!(broker.partition(id, count - 1).is_some());
        assert!(broker.partition(id, count).is_none());
    }
}

#[tokio::test]
async fn each_topic_has_its_own_error() {
    let mut broker = TestBroker::start(&[("node.id", "1")]).await;
    create(&mut broker, "a", 3).await;
    let manual = "The manual partition assignment includes";
    let cases = [
        (
            grown("a", 3),
            37,
            "Topic already has 3 partition(s).".to_owned(),
        ),
        (
            grown("a", 0),
            37,
            "The topic a currently has 3 partition(s); 0 would not be an increase.".to_owned(),
        ),
        (
            grown("a", -4),
            37,
            "The topic a currently has 3 partition(s); -4 would not be an increase.".to_owned(),
        ),
        (
            assigned("a", 9, &[&[1]]),
            39,
            "Attempted to add 6 additional partition(s), but only 1 assignment(s) were specified."
                .to_owned(),
        ),
        (
            assigned("a", 4, &[&[9]]),
            39,
            format!("{manual} broker 9, but no such broker is registered."),
        ),
        (
            assigned("a", 4, &[&[-1]]),
            39,
            format!("{manual} broker -1, but no such broker is registered."),
        ),
        (
            assigned("a", 4, &[&[1, 1]]),
            39,
            format!("{manual} the broker 1 more than once."),
        ),
        (
            assigned("a", 4, &[&[]]),
            39,
            format!("{manual} an empty replica list."),
        ),
    ];
    for (topic, code, message) in cases {
        let told = ask(&mut broker, 3, request(vec![topic])).await;
        assert_eq!(told, [("a".to_owned(), code, Some(message))]);
    }
    for unknown in ["none", "", "a/b", "__cluster_metadata"] {
        let told = ask(&mut broker, 3, request(vec![grown(unknown, 2)])).await;
        assert_eq!(told, [(unknown.to_owned(), 3, None)]);
    }
    assert_eq!(partitions(&broker, "a"), 3);
}

#[tokio::test]
async fn one_topics_error_does_not_hold_up_the_others() {
    let mut broker = TestBroker::start(&[("node.id", "1")]).await;
    for name in ["a", "b", "c"] {
        create(&mut broker, name, 1).await;
    }
    let topics = vec![
        grown("a", 2),
        grown("a", 3),
        grown("none", 2),
        assigned("b", 3, &[&[1], &[1]]),
        grown("c", 1),
    ];
    let told = ask(&mut broker, 3, request(topics)).await;
    let duplicate = Some("Duplicate topic name.".to_owned());
    let equal = Some("Topic already has 1 partition(s).".to_owned());
    assert_eq!(
        told,
        [
            ("a".to_owned(), 42, duplicate),
            ("b".to_owned(), 0, None),
            ("c".to_owned(), 37, equal),
            ("none".to_owned(), 3, None),
        ]
    );
    assert_eq!(partitions(&broker, "b"), 3);
    assert_eq!(partitions(&broker, "a"), 1);
}

#[tokio::test]
async fn nothing_is_created_where_nothing_is_to_be() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let validated = request(vec![grown("a", 5)]).with_validate_only(true);
    assert_eq!(
        ask(&mut broker, 3, validated).await,
        [("a".to_owned(), 0, None)]
    );
    for timeout_ms in [0, -1] {
        let topics = vec![grown("a", 5), grown("a", 6), grown("b", 1)];
        let hurried = request(topics).with_timeout_ms(timeout_ms);
        let told = ask(&mut broker, 3, hurried).await;
        assert_eq!(
            told,
            [("a".to_owned(), 7, None), ("b".to_owned(), 7, None)],
            "each name once"
        );
    }
    assert_eq!(ask(&mut broker, 3, request(vec![])).await, []);
    assert_eq!(partitions(&broker, "a"), 1);
}

#[tokio::test]
async fn too_many_partitions_are_refused_as_a_whole() {
    let mut broker = TestBroker::start(&[("create.partitions.max", "10")]).await;
    create(&mut broker, "a", 1).await;
    for count in [12, i32::MAX] {
        let told = ask(&mut broker, 3, request(vec![grown("a", count)])).await;
        let message = "Excessively large number of partitions per request.".to_owned();
        assert_eq!(told, [("a".to_owned(), 44, Some(message))]);
    }
    assert_eq!(partitions(&broker, "a"), 1);
    ask(&mut broker, 3, request(vec![grown("a", 11)])).await;
    assert_eq!(partitions(&broker, "a"), 11);
}

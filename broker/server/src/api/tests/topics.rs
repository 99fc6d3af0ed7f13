//! CreateTopics and DeleteTopics. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::ErrorCode;
use protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use protocol::messages::create_topics_response::CreatableTopicResult;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};
use protocol::model::Uuid;

use super::super::topics::text;
use super::{create, names, one_topic};
use crate::testing::TestBroker;

fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(text(name).into())
        .with_num_partitions(partitions)
        .with_replication_factor(replicas)
}

fn config(name: &str, value: Option<&str>) -> CreatableTopicConfig {
    CreatableTopicConfig::default()
        .with_name(text(name))
        .with_value(value.map(text))
}

async fn create_all(
    broker: &mut TestBroker,
    version: i16,
    topics: Vec<CreatableTopic>,
) -> Vec<CreatableTopicResult> {
    let request = CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(10_000);
    let response: CreateTopicsResponse = broker.ask(version, &request).await;
    response.topics
}

fn outcome(result: &CreatableTopicResult) -> (&str, i16, Option<&str>) {
    (
        result.name.as_str(),
        result.error_code,
        result.error_message.as_deref(),
    )
}

#[tokio::test]
async fn every_version_creates_a_topic_that_takes_records() {
    let mut broker = TestBroker::start(&[("num.partitions", "3")]).await;
    for version in 2..=7 {
        let name = format!("v{version}");
        let topics = vec![
            topic(&name, 2, 1),
            topic(&format!("{name}-default"), -1, -1),
        ];
        let topics = if version >= 4 {
            topics
        } else {
            topics[..1].to_vec()
        };
        let results = create_all(&mut broker, version, topics).await;
        let image = broker.broker.metadata.image();
        for (result, partitions) in results.iter().zip([2, 3]) {
            assert_eq!(
                outcome(result),
                (result.name.as_str(), 0, None),
                "{version}"
            );
            let created = image.topic_named(&result.name).expect("created");
            let id = created.topic_id().get();
            assert_eq!(id.get_version_num(), 4);
            assert!(broker.partition(id, partitions - 1).is_some());
            assert!(broker.partition(id, partitions).is_none());
            let told = if version >= 5 {
                (partitions, 1)
            } else {
                (-1, -1)
            };
            assert_eq!(
                (result.num_partitions, result.replication_factor),
                told,
                "{version}"
            );
            assert_eq!(
                result.topic_id,
                if version >= 7 { id } else { Uuid::nil() },
                "{version}"
            );
            let configs = result.configs.as_deref().unwrap_or_default();
            assert_eq!(configs.is_empty(), version < 5, "{version}");
            assert!(configs.is_sorted_by_key(|config| config.name.as_str()));
        }
    }
}

#[tokio::test]
async fn each_topic_has_its_own_error_and_its_own_configuration() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "there", 1).await;
    let mine = topic("mine", 1, 1).with_configs(vec![config("retention.ms", Some("1234"))]);
    let topics = vec![
        topic("there", 1, 1),
        topic("not good", 1, 1),
        topic("dup", 1, 1),
        topic("dup", 1, 1),
        topic("zero", 0, 1),
        topic("wide", 1, 9),
        topic("", 1, 1),
        topic("number", 1, 1).with_configs(vec![config("retention.ms", Some("x"))]),
        topic("unknown", 1, 1).with_configs(vec![config("nope", Some("x"))]),
        topic("null", 1, 1).with_configs(vec![config("retention.ms", None)]),
        topic("__cluster_metadata", 1, 1),
        mine,
    ];
    let results = create_all(&mut broker, 7, topics).await;
    let expected = [
        ("there", 36, Some("Topic 'there' already exists.")),
        (
            "not good",
            17,
            Some(
                "Topic name is invalid: 'not good' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
            ),
        ),
        ("dup", 42, Some("Duplicate topic name.")),
        (
            "zero",
            37,
            Some("Number of partitions was set to an invalid non-positive value."),
        ),
        ("wide", 38, None),
        (
            "",
            17,
            Some("Topic name is invalid: the empty string is not allowed"),
        ),
        (
            "number",
            40,
            Some("Invalid value x for configuration retention.ms: Not a number of type LONG"),
        ),
        ("unknown", 40, Some("Unknown topic config name: nope")),
        (
            "null",
            40,
            Some("Null value not supported for topic configs: retention.ms"),
        ),
        (
            "__cluster_metadata",
            42,
            Some("Creation of internal topic __cluster_metadata is prohibited."),
        ),
        ("mine", 0, None),
    ];
    assert_eq!(results.len(), expected.len());
    for (result, (name, code, message)) in results.iter().zip(expected) {
        assert_eq!(
            (result.name.as_str(), result.error_code),
            (name, code),
            "{result:?}"
        );
        if message.is_some() {
            assert_eq!(result.error_message.as_deref(), message);
        }
        if code != 0 {
            assert_eq!((result.num_partitions, result.replication_factor), (-1, -1));
            assert_eq!(
                (result.topic_id, result.configs.as_deref()),
                (Uuid::nil(), Some(&[][..]))
            );
        }
    }
    let configs = results
        .last()
        .and_then(|result| result.configs.as_deref())
        .expect("told");
    let retention = configs
        .iter()
        .find(|it| it.name.as_str() == "retention.ms")
        .expect("told");
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("1234"), 1)
    );
    let policy = configs
        .iter()
        .find(|it| it.name.as_str() == "cleanup.policy")
        .expect("told");
    assert_eq!(
        (policy.value.as_deref(), policy.config_source),
        (Some("delete"), 5)
    );
}

#[tokio::test]
async fn partitions_can_be_placed_by_hand() {
    let mut broker = TestBroker::start(&[]).await;
    let on = |partition, brokers: &[i32]| {
        CreatableReplicaAssignment::default()
            .with_partition_index(partition)
            .with_broker_ids(brokers.iter().map(|id| (*id).into()).collect())
    };
    let node = broker.broker.id.get();
    let topics = vec![
        topic("a", -1, -1).with_assignments(vec![on(1, &[node]), on(0, &[node])]),
        topic("b", 1, -1).with_assignments(vec![on(0, &[node])]),
        topic("c", -1, -1).with_assignments(vec![on(0, &[77])]),
        topic("d", -1, -1).with_assignments(vec![on(0, &[])]),
    ];
    let results = create_all(&mut broker, 7, topics).await;
    let outcomes: Vec<_> = results.iter().map(outcome).collect();
    assert_eq!(
        outcomes,
        [
            ("a", 0, None),
            (
                "b",
                42,
                Some(
                    "A manual partition assignment was specified, but numPartitions was not set to -1."
                )
            ),
            (
                "c",
                39,
                Some(
                    "The manual partition assignment includes broker 77, but no such broker is registered."
                )
            ),
            (
                "d",
                39,
                Some("The manual partition assignment includes an empty replica list.")
            ),
        ]
    );
    assert_eq!(
        (results[0].num_partitions, results[0].replication_factor),
        (2, 1)
    );
}

#[tokio::test]
async fn validation_creates_nothing() {
    let mut broker = TestBroker::start(&[]).await;
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic("a", 2, 1)])
        .with_timeout_ms(10_000)
        .with_validate_only(true);
    let response: CreateTopicsResponse = broker.ask(7, &request).await;
    assert_eq!(outcome(&response.topics[0]), ("a", 0, None));
    assert_eq!(response.topics[0].num_partitions, 2);
    assert_eq!(broker.broker.metadata.image().topic_count(), 0);
}

#[tokio::test]
async fn without_time_nothing_is_created_or_deleted() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "there", 1).await;
    for timeout_ms in [0, -1] {
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic("a", 2, 1)])
            .with_timeout_ms(timeout_ms);
        let response: CreateTopicsResponse = broker.ask(7, &request).await;
        let timed_out = ErrorCode::RequestTimedOut.code();
        assert_eq!(outcome(&response.topics[0]), ("a", timed_out, None));
        let request = delete_named(&["there"]).with_timeout_ms(timeout_ms);
        let response: DeleteTopicsResponse = broker.ask(5, &request).await;
        assert_eq!(response.responses[0].error_code, timed_out);
    }
    assert_eq!(broker.broker.metadata.image().topic_count(), 1);
}

#[tokio::test]
async fn a_request_has_limits() {
    let settings = [("create.topics.max", "2"), ("create.partitions.max", "5")];
    let mut broker = TestBroker::start(&settings).await;
    let three = ["a", "b", "c"].map(|name| topic(name, 1, 1)).to_vec();
    for topics in [three, vec![topic("a", 3, 1), topic("b", 3, 1)]] {
        let results = create_all(&mut broker, 7, topics.clone()).await;
        assert_eq!(results.len(), topics.len());
        let refused = ErrorCode::PolicyViolation.code();
        assert!(
            results.iter().all(|result| result.error_code == refused),
            "{results:?}"
        );
    }
    assert_eq!(broker.broker.metadata.image().topic_count(), 0);
}

fn delete_named(names: &[&str]) -> DeleteTopicsRequest {
    let names = names.iter().map(|name| text(*name).into()).collect();
    DeleteTopicsRequest::default()
        .with_topic_names(names)
        .with_timeout_ms(10_000)
}

fn state(name: Option<&str>, id: Uuid) -> DeleteTopicState {
    DeleteTopicState::default()
        .with_name(name.map(|name| text(name).into()))
        .with_topic_id(id)
}

#[tokio::test]
async fn every_version_deletes_a_topic() {
    let mut broker = TestBroker::start(&[]).await;
    for version in 1..=6 {
        let id = create(&mut broker, "a", 1).await;
        assert!(broker.partition(id, 0).is_some());
        let request = match version {
            6 => DeleteTopicsRequest::default()
                .with_timeout_ms(10_000)
                .with_topics(vec![
                    state(Some("a"), Uuid::nil()),
                    state(Some("none"), Uuid::nil()),
                ]),
            _ => delete_named(&["a", "none"]),
        };
        let response: DeleteTopicsResponse = broker.ask(version, &request).await;
        let [deleted, unknown] = &response.responses[..] else {
            panic!("{response:?}")
        };
        assert_eq!(
            (names(deleted.name.as_ref()).as_str(), deleted.error_code),
            ("a", 0)
        );
        assert_eq!(
            deleted.topic_id,
            if version >= 6 { id } else { Uuid::nil() }
        );
        assert_eq!(
            (names(unknown.name.as_ref()).as_str(), unknown.error_code),
            ("none", 3)
        );
        let message = unknown.error_message.as_deref();
        let words = "This server does not host this topic-partition.";
        assert_eq!(message, (version >= 5).then_some(words), "{version}");
        assert!(broker.partition(id, 0).is_none());
        assert!(broker.broker.metadata.image().topic_named("a").is_none());
    }
    assert_eq!(
        one_topic(&mut broker, "a").await.error_code,
        0,
        "the name is free again"
    );
}

#[tokio::test]
async fn topics_are_deleted_by_id_and_named_one_way() {
    let mut broker = TestBroker::start(&[]).await;
    let a = create(&mut broker, "a", 1).await;
    let b = create(&mut broker, "b", 1).await;
    let topics = vec![
        state(None, a),
        state(Some("b"), b),
        state(None, Uuid::nil()),
        state(None, Uuid::from_u128(5)),
        state(Some("dup"), Uuid::nil()),
        state(Some("dup"), Uuid::nil()),
        state(Some("__cluster_metadata"), Uuid::nil()),
    ];
    let request = DeleteTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(topics);
    let response: DeleteTopicsResponse = broker.ask(6, &request).await;
    let mut outcomes: Vec<_> = response
        .responses
        .iter()
        .map(|it| {
            (
                names(it.name.as_ref()),
                it.topic_id,
                it.error_code,
                it.error_message.as_deref(),
            )
        })
        .collect();
    let mut expected = vec![
        ("a".to_owned(), a, 0, None),
        (
            "b".to_owned(),
            b,
            42,
            Some("You may not specify both topic name and topic id."),
        ),
        (
            String::new(),
            Uuid::nil(),
            42,
            Some("Neither topic name nor id were specified."),
        ),
        (
            String::new(),
            Uuid::from_u128(5),
            100,
            Some("This server does not host this topic ID."),
        ),
        (
            "dup".to_owned(),
            Uuid::nil(),
            42,
            Some("Duplicate topic name."),
        ),
        (
            "__cluster_metadata".to_owned(),
            Uuid::nil(),
            3,
            Some("This server does not host this topic-partition."),
        ),
    ];
    // Kafka shuffles them.
    outcomes.sort();
    expected.sort();
    assert_eq!(outcomes, expected);
    let image = broker.broker.metadata.image();
    assert!(image.topic_named("a").is_none() && image.topic_named("b").is_some());
}

#[tokio::test]
async fn deletion_can_be_disabled() {
    let mut broker = TestBroker::start(&[("delete.topic.enable", "false")]).await;
    create(&mut broker, "a", 1).await;
    for (version, code) in [
        (1, ErrorCode::InvalidRequest),
        (2, ErrorCode::InvalidRequest),
        (3, ErrorCode::TopicDeletionDisabled),
        (5, ErrorCode::TopicDeletionDisabled),
    ] {
        let response: DeleteTopicsResponse = broker.ask(version, &delete_named(&["a"])).await;
        let response = &response.responses[0];
        assert_eq!(
            (response.error_code, response.error_message.as_deref()),
            (code.code(), None)
        );
    }
    assert!(broker.broker.metadata.image().topic_named("a").is_some());
}

//! Metadata and DescribeCluster. What is expected here is what Apache Kafka 4.3.1 answers, but for creations, which it does not await.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, MetadataRequest, MetadataResponse,
};
use protocol::model::Uuid;

use super::super::topics::text;
use super::{create, names, one_topic};
use crate::testing::TestBroker;

const OMITTED: i32 = i32::MIN;

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(text(name).into()))
}

fn by_id(id: Uuid) -> MetadataRequestTopic {
    MetadataRequestTopic::default()
        .with_name(None)
        .with_topic_id(id)
}

fn request(topics: Vec<MetadataRequestTopic>, version: i16) -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(topics))
        .with_allow_auto_topic_creation(version < 4)
}

async fn metadata(
    broker: &mut TestBroker,
    version: i16,
    topics: Vec<MetadataRequestTopic>,
) -> MetadataResponse {
    broker.ask(version, &request(topics, version)).await
}

fn codes(response: &MetadataResponse) -> Vec<(String, i16)> {
    response
        .topics
        .iter()
        .map(|topic| (names(topic.name.as_ref()), topic.error_code))
        .collect()
}

#[tokio::test]
async fn every_version_describes_a_topic() {
    let mut broker = TestBroker::start(&[]).await;
    let id = create(&mut broker, "a", 2).await;
    for version in 0..=13 {
        let response = metadata(&mut broker, version, vec![named("a")]).await;
        let topic = &response.topics[0];
        assert_eq!(
            (response.topics.len(), topic.error_code),
            (1, 0),
            "{version}"
        );
        let partitions: Vec<i32> = topic
            .partitions
            .iter()
            .map(|it| it.partition_index)
            .collect();
        assert_eq!(partitions, [0, 1], "{version}");
        let partition = &topic.partitions[1];
        let node = response.brokers[0].node_id;
        assert_eq!(
            (partition.leader_id, partition.error_code),
            (node, 0),
            "{version}"
        );
        assert_eq!(
            (&partition.replica_nodes, &partition.isr_nodes),
            (&vec![node], &vec![node])
        );
        assert_eq!(
            partition.leader_epoch,
            if version >= 7 { 0 } else { -1 },
            "{version}"
        );
        assert_eq!(
            topic.topic_id,
            if version >= 10 { id } else { Uuid::nil() },
            "{version}"
        );
        let address = (response.brokers[0].host.as_str(), response.brokers[0].port);
        assert_eq!(address, ("127.0.0.1", 9092), "{version}");
        let rack = response.brokers[0].rack.as_deref();
        assert_eq!(rack, (version >= 1).then_some("r1"), "{version}");
        let cluster_id = response.cluster_id.as_deref();
        assert_eq!(
            cluster_id,
            (version >= 2).then_some(&*broker.broker.cluster_id),
            "{version}"
        );
        assert_eq!(response.error_code, 0, "{version}");
    }
}

#[tokio::test]
async fn all_topics_are_asked_for_by_null_and_in_version_0_by_an_empty_list() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "b", 1).await;
    create(&mut broker, "a", 1).await;
    let both = vec![("a".to_owned(), 0), ("b".to_owned(), 0)];
    assert_eq!(codes(&metadata(&mut broker, 0, vec![]).await), both);
    assert_eq!(codes(&metadata(&mut broker, 1, vec![]).await), []);
    let all = MetadataRequest::default().with_topics(None);
    assert_eq!(codes(&broker.ask(1, &all).await), both);
    assert_eq!(codes(&broker.ask(13, &all).await), both);
}

#[tokio::test]
async fn what_is_not_there_has_an_error_of_its_own() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let wanted = [
        "a",
        "none",
        "not good",
        "__consumer_offsets",
        "__cluster_metadata",
        "a",
    ];
    let request =
        request(wanted.map(named).to_vec(), 12).with_include_topic_authorized_operations(true);
    let response: MetadataResponse = broker.ask(12, &request).await;
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    let expected = [
        ("a", 0),
        ("none", unknown),
        ("not good", ErrorCode::InvalidTopicException.code()),
        ("__consumer_offsets", unknown),
        ("__cluster_metadata", unknown),
    ];
    assert_eq!(
        codes(&response),
        expected.map(|(name, code)| (name.to_owned(), code))
    );
    let internal: Vec<bool> = response
        .topics
        .iter()
        .map(|topic| topic.is_internal)
        .collect();
    assert_eq!(internal, [false, false, false, true, false]);
    assert!(
        response
            .topics
            .iter()
            .all(|topic| topic.topic_authorized_operations == 3576)
    );
}

#[tokio::test]
async fn ids_count_from_version_12_and_before_names() {
    let mut broker = TestBroker::start(&[]).await;
    let id = create(&mut broker, "a", 1).await;
    create(&mut broker, "b", 1).await;
    let none = Uuid::from_u128(5);
    let topics = vec![named("b"), by_id(none), by_id(id), by_id(none)];
    let request = request(topics, 12).with_include_topic_authorized_operations(true);
    let response: MetadataResponse = broker.ask(12, &request).await;
    let unknown = ErrorCode::UnknownTopicId.code();
    assert_eq!(
        codes(&response),
        [(String::new(), unknown), ("a".to_owned(), 0)]
    );
    assert_eq!(
        (response.topics[0].topic_id, response.topics[1].topic_id),
        (none, id)
    );
    assert_eq!(response.topics[0].topic_authorized_operations, OMITTED);
    for (version, topics) in [
        (10, vec![by_id(id)]),
        (11, vec![by_id(id)]),
        (12, vec![by_id(Uuid::nil())]),
    ] {
        let response = metadata(&mut broker, version, topics).await;
        assert_eq!(
            codes(&response),
            [(String::new(), ErrorCode::InvalidRequest.code())],
            "{version}"
        );
        assert_eq!(
            (response.brokers.len(), response.controller_id.0),
            (0, -1),
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_missing_topic_is_created_where_allowed_and_takes_records() {
    let mut broker = TestBroker::start(&[("num.partitions", "3")]).await;
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    let response = metadata(&mut broker, 4, vec![named("a")]).await;
    assert_eq!(
        codes(&response),
        [("a".to_owned(), unknown)],
        "the request did not allow it"
    );
    let allowed = request(
        [
            "a",
            "__consumer_offsets",
            "__cluster_metadata",
            "a_b",
            "a.b",
            "",
        ]
        .map(named)
        .to_vec(),
        13,
    )
    .with_allow_auto_topic_creation(true);
    let response: MetadataResponse = broker.ask(13, &allowed).await;
    let invalid = ErrorCode::InvalidTopicException.code();
    let expected = [
        ("a", 0),
        ("__consumer_offsets", unknown),
        ("__cluster_metadata", unknown),
        ("a_b", 0),
        ("a.b", invalid),
        ("", invalid),
    ];
    assert_eq!(
        codes(&response),
        expected.map(|(name, code)| (name.to_owned(), code))
    );
    assert_eq!(response.topics[0].partitions.len(), 3);
    assert!(broker.partition(response.topics[0].topic_id, 2).is_some());
    let response = metadata(&mut broker, 3, vec![named("old")]).await;
    assert_eq!(
        codes(&response),
        [("old".to_owned(), 0)],
        "old versions imply it"
    );

    let mut broker = TestBroker::start(&[("auto.create.topics.enable", "false")]).await;
    let response: MetadataResponse = broker.ask(13, &allowed).await;
    assert_eq!(
        response.topics[0].error_code, unknown,
        "the configuration forbids it"
    );
    assert_eq!(broker.broker.metadata.image().topic_count(), 0);
}

#[tokio::test]
async fn a_creation_goes_on_when_nobody_waits() {
    let mut broker = TestBroker::start(&[]).await;
    let allowed = request(vec![named("a")], 12).with_allow_auto_topic_creation(true);
    drop(broker.begin(12, &allowed));
    let created = async {
        while broker.broker.metadata.image().topic_named("a").is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), created)
        .await
        .expect("created all the same");
    let again = one_topic(&mut broker, "a").await;
    assert_eq!(again.error_code, ErrorCode::TopicAlreadyExists.code());
}

#[tokio::test]
async fn another_listener_has_no_leader_to_name() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let address = broker.connection.local();
    broker.connection =
        crate::net::ConnectionContext::new(2, "OTHER".into(), address, address, true);
    let response = metadata(&mut broker, 12, vec![named("a")]).await;
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::ListenerNotFound.code());
    assert_eq!((partition.leader_id.0, response.brokers.len()), (-1, 0));
}

#[tokio::test]
async fn operations_are_told_when_asked() {
    let mut broker = TestBroker::start(&[]).await;
    for version in 8..=10 {
        let asked = MetadataRequest::default()
            .with_topics(Some(vec![]))
            .with_include_cluster_authorized_operations(true);
        let response: MetadataResponse = broker.ask(version, &asked).await;
        assert_eq!(response.cluster_authorized_operations, 8096, "{version}");
    }
    let response = metadata(&mut broker, 10, vec![]).await;
    assert_eq!(response.cluster_authorized_operations, OMITTED);
}

#[tokio::test]
async fn the_cluster_is_described_in_every_version() {
    let mut broker = TestBroker::start(&[]).await;
    for version in 0..=2 {
        for (asked, operations) in [(true, 8096), (false, OMITTED)] {
            let request = DescribeClusterRequest::default()
                .with_include_cluster_authorized_operations(asked)
                .with_include_fenced_brokers(version >= 2);
            let response: DescribeClusterResponse = broker.ask(version, &request).await;
            assert_eq!((response.error_code, response.error_message), (0, None));
            assert_eq!(response.cluster_id.as_str(), broker.broker.cluster_id);
            assert_eq!(
                response.cluster_authorized_operations, operations,
                "{version}"
            );
            let node = &response.brokers[0];
            assert_eq!(
                (node.host.as_str(), node.port, node.is_fenced),
                ("127.0.0.1", 9092, false)
            );
            assert_eq!(
                (node.broker_id, node.rack.as_deref()),
                (response.controller_id, Some("r1"))
            );
        }
    }
}

#[tokio::test]
async fn only_brokers_are_described() {
    let mut broker = TestBroker::start(&[]).await;
    let cases = [
        (
            2,
            ErrorCode::MismatchedEndpointType,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
        ),
        (
            3,
            ErrorCode::UnsupportedEndpointType,
            "Unsupported endpoint type 3",
        ),
    ];
    for (endpoint_type, code, message) in cases {
        let request = DescribeClusterRequest::default().with_endpoint_type(endpoint_type);
        let response: DescribeClusterResponse = broker.ask(1, &request).await;
        assert_eq!(response.error_code, code.code());
        assert_eq!(response.error_message.as_deref(), Some(message));
        assert_eq!(
            (response.endpoint_type, response.cluster_id.as_str()),
            (1, "")
        );
        assert_eq!((response.controller_id.0, response.brokers.len()), (-1, 0));
    }
}

//! DescribeProducers. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::ErrorCode;
use protocol::messages::describe_producers_request::TopicRequest;
use protocol::messages::describe_producers_response::PartitionResponse;
use protocol::messages::{DescribeProducersRequest, DescribeProducersResponse};

use super::super::describe_producers::respond;
use super::super::topics::text;
use super::super::{ApiKey, Head};
use super::create;
use super::produced::{append, idempotent};
use crate::testing::{TestBroker, decoded};

fn request(topics: &[(&str, &[i32])]) -> DescribeProducersRequest {
    let topic = |(name, partitions): &(&str, &[i32])| {
        TopicRequest::default()
            .with_name(text(*name).into())
            .with_partition_indexes(partitions.to_vec())
    };
    DescribeProducersRequest::default().with_topics(topics.iter().map(topic).collect())
}

/// Topic, partition, code and message.
type Told = (String, i32, i16, Option<String>);

fn told(response: &DescribeProducersResponse) -> Vec<Told> {
    let topics = response.topics.iter();
    let partitions = topics.flat_map(|topic| {
        topic.partitions.iter().map(|it| {
            let message = it.error_message.as_ref().map(ToString::to_string);
            (
                topic.name.to_string(),
                it.partition_index,
                it.error_code,
                message,
            )
        })
    });
    partitions.collect()
}

/// Id, epoch, last sequence and last timestamp of each producer.
fn producers(partition: &PartitionResponse) -> Vec<(i64, i32, i32, i64)> {
    let active = partition.active_producers.iter().map(|it| {
        assert_eq!(
            (it.coordinator_epoch, it.current_txn_start_offset),
            (-1, -1)
        );
        (
            it.producer_id.0,
            it.producer_epoch,
            it.last_sequence,
            it.last_timestamp,
        )
    });
    active.collect()
}

#[tokio::test]
async fn idempotent_producers_are_told() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "z", 2).await;
    append(&broker, topic, 1, idempotent(8888, 0, 0, &[9000])).await;
    append(&broker, topic, 1, idempotent(7777, 3, 0, &[1000, 3000])).await;
    append(&broker, topic, 1, idempotent(7777, 3, 2, &[1500, 1400])).await;
    let response: DescribeProducersResponse = broker.ask(0, &request(&[("z", &[0, 1])])).await;
    let [none, two] = &response.topics[0].partitions[..] else {
        panic!("{response:?}");
    };
    assert_eq!((none.error_code, producers(none)), (0, vec![]));
    assert_eq!(producers(two), [(7777, 3, 3, 1500), (8888, 0, 0, 9000)]);
}

#[tokio::test]
async fn each_partition_has_its_own_error_and_is_told_once() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "z", 2).await;
    let asked = request(&[
        ("z", &[1, 9, -1, 1]),
        ("none", &[0]),
        ("a/b", &[0]),
        ("__cluster_metadata", &[0]),
        ("z", &[1, 0]),
        ("z", &[]),
    ]);
    let response: DescribeProducersResponse = broker.ask(0, &asked).await;
    let unknown = Some(ErrorCode::UnknownTopicOrPartition.message().to_owned());
    let invalid = Some("Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'".to_owned());
    let named = |name: &str, partition: i32, code: i16, message: &Option<String>| {
        (name.to_owned(), partition, code, message.clone())
    };
    assert_eq!(
        told(&response),
        [
            named("z", 1, 0, &None),
            named("z", 9, 3, &None),
            named("z", -1, 3, &None),
            named("none", 0, 3, &unknown),
            named("a/b", 0, 17, &invalid),
            named("__cluster_metadata", 0, 3, &unknown),
            named("z", 0, 0, &None),
        ]
    );
    assert_eq!(response.topics.len(), 6);
}

#[tokio::test]
async fn an_answer_has_an_end() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "z", 3).await;
    for partition in 0..3 {
        for id in 0..4 {
            append(&broker, topic, partition, idempotent(id, 0, 0, &[1000])).await;
        }
    }
    let head = Head {
        api: ApiKey::DescribeProducers,
        version: 0,
        correlation_id: 7,
        client_id: None,
    };
    let codes = |producers_max: usize| -> Vec<(i16, usize)> {
        let response = respond(
            &broker.broker,
            &head,
            &request(&[("z", &[0, 1, 2])]),
            producers_max,
        );
        let response: DescribeProducersResponse = decoded(&response, head.api, 0);
        let partitions = response.topics[0].partitions.iter();
        partitions
            .map(|it| (it.error_code, it.active_producers.len()))
            .collect()
    };
    let refused = (ErrorCode::PolicyViolation.code(), 0);
    assert_eq!(codes(12), [(0, 4), (0, 4), (0, 4)]);
    assert_eq!(codes(11), [(0, 4), (0, 4), refused]);
    assert_eq!(
        codes(1),
        [(0, 4), refused, refused],
        "the first is told whole"
    );
}

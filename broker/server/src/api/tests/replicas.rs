//! ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments and DescribeQuorum on a broker that is alone: what is refused, and what is nothing to do.
//! Expected is what Apache Kafka 4.3.1 answers.

use protocol::ErrorCode;
use protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use protocol::messages::elect_leaders_request::TopicPartitions;
use protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, DescribeQuorumRequest,
    DescribeQuorumResponse, ElectLeadersRequest, ElectLeadersResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, describe_quorum_request,
};

use super::super::topics::text;
use super::{create, names};
use crate::testing::TestBroker;

/// Topic, partition, code and message.
type Told = Vec<(String, i32, ErrorCode, Option<String>)>;

fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("a code of Kafka's")
}

async fn elect(
    broker: &mut TestBroker,
    version: i16,
    election_type: i8,
    partitions: Option<&[(&str, i32)]>,
) -> (ErrorCode, Told) {
    let partitions = partitions.map(|partitions| {
        let of = |(topic, partition): &(&str, i32)| {
            TopicPartitions::default()
                .with_topic(text(*topic).into())
                .with_partitions(vec![*partition])
        };
        partitions.iter().map(of).collect()
    });
    let request = ElectLeadersRequest::default()
        .with_election_type(election_type)
        .with_timeout_ms(10_000)
        .with_topic_partitions(partitions);
    let response: ElectLeadersResponse = broker.ask(version, &request).await;
    let topics = response.replica_election_results.into_iter();
    let told = topics.flat_map(|topic| {
        let name = topic.topic.to_string();
        topic.partition_result.into_iter().map(move |it| {
            let message = it.error_message.map(|it| it.to_string());
            (name.clone(), it.partition_id, code(it.error_code), message)
        })
    });
    (code(response.error_code), told.collect())
}

#[tokio::test]
async fn elections_on_one_broker_are_not_needed() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    for version in 0..=2 {
        let (error, told) = elect(
            &mut broker,
            version,
            0,
            Some(&[("a", 0), ("a", 1), ("b", 0)]),
        )
        .await;
        assert_eq!(error, ErrorCode::None);
        let codes: Vec<_> = told.iter().map(|it| (it.0.as_str(), it.1, it.2)).collect();
        assert_eq!(
            codes,
            [
                ("a", 0, ErrorCode::ElectionNotNeeded),
                ("a", 1, ErrorCode::UnknownTopicOrPartition),
                ("b", 0, ErrorCode::UnknownTopicOrPartition),
            ]
        );
        let (error, told) = elect(&mut broker, version, 0, None).await;
        assert_eq!((error, told.len()), (ErrorCode::None, 0));
    }
    let (error, told) = elect(&mut broker, 2, 1, Some(&[("a", 0)])).await;
    assert_eq!(
        (error, told[0].2),
        (ErrorCode::None, ErrorCode::ElectionNotNeeded)
    );
    let (error, told) = elect(&mut broker, 2, 7, Some(&[("a", 0)])).await;
    assert_eq!(
        (error, told[0].2),
        (ErrorCode::InvalidRequest, ErrorCode::InvalidRequest)
    );
}

async fn reassign(
    broker: &mut TestBroker,
    version: i16,
    partitions: &[(&str, i32, Option<&[i32]>)],
) -> Told {
    let of = |(topic, partition, brokers): &(&str, i32, Option<&[i32]>)| {
        let brokers = brokers.map(|ids| ids.iter().map(|id| (*id).into()).collect());
        let partition = ReassignablePartition::default()
            .with_partition_index(*partition)
            .with_replicas(brokers);
        ReassignableTopic::default()
            .with_name(text(*topic).into())
            .with_partitions(vec![partition])
    };
    let request = AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(partitions.iter().map(of).collect());
    let response: AlterPartitionReassignmentsResponse = broker.ask(version, &request).await;
    assert_eq!((response.error_code, response.error_message), (0, None));
    let topics = response.responses.into_iter();
    let told = topics.map(|topic| {
        let it = &topic.partitions[0];
        let message = it.error_message.as_ref().map(|it| it.to_string());
        (
            names(Some(&topic.name)),
            it.partition_index,
            code(it.error_code),
            message,
        )
    });
    told.collect()
}

#[tokio::test]
async fn reassignments_are_checked_one_by_one() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 4).await;
    for version in 0..=1 {
        let told = reassign(
            &mut broker,
            version,
            &[
                ("a", 0, Some(&[1])),
                ("a", 1, Some(&[1, 2])),
                ("a", 2, Some(&[])),
                ("a", 3, None),
                ("a", 3, None),
                ("a", 7, Some(&[1])),
                ("b", 0, None),
            ],
        )
        .await;
        let codes: Vec<_> = told.iter().map(|it| it.2).collect();
        assert_eq!(
            codes,
            [
                ErrorCode::None,
                ErrorCode::InvalidReplicaAssignment,
                ErrorCode::InvalidReplicaAssignment,
                ErrorCode::NoReassignmentInProgress,
                ErrorCode::InvalidRequest,
                ErrorCode::UnknownTopicOrPartition,
                ErrorCode::UnknownTopicOrPartition,
            ],
            "{told:?}"
        );
    }
    for topics in [
        None,
        Some(vec![ListPartitionReassignmentsTopics::default()]),
    ] {
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(10_000)
            .with_topics(topics);
        let listed: ListPartitionReassignmentsResponse = broker.ask(0, &request).await;
        assert_eq!((listed.error_code, listed.topics.len()), (0, 0));
    }
}

#[tokio::test]
async fn names_are_not_repeated_for_any_number_of_partitions() {
    let mut broker = TestBroker::start(&[("create.partitions.max", "3")]).await;
    create(&mut broker, "a", 1).await;
    let long = "x".repeat(250);
    for (topic, count, expected) in [
        ("a", 3, ErrorCode::None),
        ("a", 4, ErrorCode::PolicyViolation),
        (long.as_str(), 1, ErrorCode::InvalidTopicException),
    ] {
        let partitions: Vec<i32> = (0..count).collect();
        let named = TopicPartitions::default()
            .with_topic(text(topic).into())
            .with_partitions(partitions.clone());
        let request = ElectLeadersRequest::default()
            .with_timeout_ms(10_000)
            .with_topic_partitions(Some(vec![named]));
        let response: ElectLeadersResponse = broker.ask(2, &request).await;
        assert_eq!(code(response.error_code), expected);
        let partition = |index| {
            ReassignablePartition::default()
                .with_partition_index(index)
                .with_replicas(None)
        };
        let named = ReassignableTopic::default()
            .with_name(text(topic).into())
            .with_partitions(partitions.into_iter().map(partition).collect());
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(10_000)
            .with_topics(vec![named]);
        let response: AlterPartitionReassignmentsResponse = broker.ask(1, &request).await;
        assert_eq!(code(response.error_code), expected);
    }
}

#[tokio::test]
async fn the_quorum_is_described_in_every_version() {
    let mut broker = TestBroker::start(&[]).await;
    let partition = describe_quorum_request::PartitionData::default();
    let asked = |topic: &str| {
        let topic = describe_quorum_request::TopicData::default()
            .with_topic_name(text(topic).into())
            .with_partitions(vec![partition.clone()]);
        DescribeQuorumRequest::default().with_topics(vec![topic])
    };
    for version in 0..=2 {
        let response: DescribeQuorumResponse =
            broker.ask(version, &asked("__cluster_metadata")).await;
        let partition = &response.topics[0].partitions[0];
        assert_eq!((response.error_code, partition.error_code), (0, 0));
        assert_eq!((partition.leader_id.0, partition.observers.len()), (1, 0));
        let [voter] = &partition.current_voters[..] else {
            panic!("{partition:?}");
        };
        assert_eq!(voter.replica_id.0, 1);
        assert!(voter.log_end_offset >= partition.high_watermark && partition.high_watermark > 0);
        let directory = broker.data_dir().meta().directory_id;
        let told = (version >= 2).then_some(directory);
        assert_eq!(voter.replica_directory_id, told.unwrap_or_default());
        assert_eq!(response.nodes.len(), usize::from(version >= 2));
        let response: DescribeQuorumResponse = broker.ask(version, &asked("another")).await;
        let code = response.topics[0].partitions[0].error_code;
        assert_eq!(code, ErrorCode::UnknownTopicOrPartition.code());
    }
}

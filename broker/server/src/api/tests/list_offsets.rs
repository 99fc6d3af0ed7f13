//! ListOffsets. What is expected here is what Apache Kafka 4.3.1 answers.

use broker_replication::FollowerReport;
use protocol::batch::{BatchBuilder, BatchHeader};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use protocol::model::{BrokerEpoch, BrokerId, LeaderEpoch, Offset};

use super::super::topics::text;
use super::create;
use super::produced::{append, batch, partition};
use crate::partition::{Acks, PartitionsWait};
use crate::testing::TestBroker;

/// Partition, code, timestamp, offset and epoch of each partition.
async fn list(
    broker: &mut TestBroker,
    version: i16,
    isolation_level: i8,
    topic: &str,
    asked: &[(i32, i64)],
) -> Vec<(i32, i16, i64, i64, i32)> {
    let partitions = asked.iter().map(|(index, timestamp)| {
        ListOffsetsPartition::default()
            .with_partition_index(*index)
            .with_current_leader_epoch(-1)
            .with_timestamp(*timestamp)
    });
    let topic = ListOffsetsTopic::default()
        .with_name(text(topic).into())
        .with_partitions(partitions.collect());
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation_level)
        .with_topics(vec![topic]);
    let response: ListOffsetsResponse = broker.ask(version, &request).await;
    let partitions = response.topics[0].partitions.iter();
    partitions
        .map(|it| {
            (
                it.partition_index,
                it.error_code,
                it.timestamp,
                it.offset,
                it.leader_epoch,
            )
        })
        .collect()
}

async fn of(broker: &mut TestBroker, version: i16, timestamp: i64) -> (i16, i64, i64, i32) {
    let told = list(broker, version, 0, "t", &[(0, timestamp)]).await;
    let [(_, code, timestamp, offset, epoch)] = told[..] else {
        panic!("{told:?}");
    };
    (code, timestamp, offset, epoch)
}

#[tokio::test]
async fn special_timestamps_have_a_first_version() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 1).await;
    let plain = batch(BatchBuilder::new(), &[1000, 3000, 2000]);
    append(&broker, topic, 0, plain).await;
    let again = batch(BatchBuilder::new(), &[1500, 3000, 2500]);
    append(&broker, topic, 0, again).await;
    append(&broker, topic, 0, batch(BatchBuilder::new(), &[500, 600])).await;
    // Timestamp, the first version that knows it, and the answer.
    let cases = [
        (-1, 1, (0, -1, 8, 0)),
        (-2, 1, (0, -1, 0, 0)),
        (-3, 7, (0, 3000, 1, 0)),
        (-4, 8, (0, -1, 0, 0)),
        (-5, 9, (0, -1, -1, -1)),
        (-6, 11, (0, -1, -1, -1)),
        (-7, 12, (0, 0, 0, 0)),
        (0, 1, (0, 1000, 0, 0)),
        (1000, 1, (0, 1000, 0, 0)),
        (1001, 1, (0, 3000, 1, 0)),
        (3000, 1, (0, 3000, 1, 0)),
        (3001, 1, (0, -1, -1, -1)),
    ];
    for version in 1..=11 {
        for (timestamp, first, (code, found, offset, epoch)) in cases {
            let expected = if version < first {
                (35, -1, -1, -1)
            } else {
                let epoch = if version >= 4 { epoch } else { -1 };
                (code, found, offset, epoch)
            };
            let told = of(&mut broker, version, timestamp).await;
            assert_eq!(told, expected, "version {version}, timestamp {timestamp}");
        }
    }
}

#[tokio::test]
async fn where_there_is_nothing_the_epoch_is_the_leaders() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 1).await;
    let led = partition(&broker, topic, 0);
    led.lead_on(LeaderEpoch::new(2));
    for timestamp in [-1, -2, -4] {
        assert_eq!(of(&mut broker, 11, timestamp).await, (0, -1, 0, 2));
    }
    for timestamp in [-3, -5, -6, 0] {
        assert_eq!(of(&mut broker, 11, timestamp).await, (0, -1, -1, -1));
    }
    append(&broker, topic, 0, batch(BatchBuilder::new(), &[1000])).await;
    led.lead_on(LeaderEpoch::new(3));
    assert_eq!(of(&mut broker, 11, -1).await, (0, -1, 1, 3));
    assert_eq!(of(&mut broker, 11, -2).await, (0, -1, 0, 2));
    assert_eq!(of(&mut broker, 11, -3).await, (0, 1000, 0, 2));
}

#[tokio::test]
async fn right_after_an_election_the_end_is_not_told() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 1).await;
    let led = partition(&broker, topic, 0);
    append(&broker, topic, 0, batch(BatchBuilder::new(), &[1000])).await;
    // Another broker is in the ISR, and has not said yet what it has.
    led.lead_with(LeaderEpoch::new(2), BrokerId::new(9));
    let second = batch(BatchBuilder::new(), &[2000]);
    let header = BatchHeader::parse(&second).expect("well-formed");
    led.append(Acks::All, second, &header, 0, None)
        .expect("it is appended");
    // What is appended is on disk here, and counts when the other has it too.
    led.lead_with(LeaderEpoch::new(3), BrokerId::new(9));
    for (version, code) in [(4, 5), (5, 78), (11, 78)] {
        assert_eq!(of(&mut broker, version, -1).await.0, code);
        assert_eq!(of(&mut broker, version, 1500).await.0, code);
        assert_eq!(of(&mut broker, version, -2).await.0, 0);
        assert_eq!(of(&mut broker, version, 500).await.2, 0);
    }
    let report = FollowerReport {
        broker_id: BrokerId::new(9),
        broker_epoch: BrokerEpoch::new(0),
        durable_end: Offset::new(2),
    };
    led.on_report(LeaderEpoch::new(3), report)
        .expect("it is in the ISR");
    let wait = PartitionsWait::new(1);
    led.when_committed(Offset::new(2), &wait, 0);
    wait.all().await;
    assert_eq!(of(&mut broker, 11, -1).await, (0, -1, 2, 3));
}

#[tokio::test]
async fn a_partition_asked_for_twice_is_refused_and_told_once() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "t", 2).await;
    let asked = [(0, -1), (1, -1), (0, -2), (0, -1)];
    let told = list(&mut broker, 11, 0, "t", &asked).await;
    assert_eq!(told, [(0, 42, -1, -1, -1), (1, 0, -1, 0, 0)]);
}

#[tokio::test]
async fn isolation_levels_and_what_is_not_there() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 1).await;
    append(&broker, topic, 0, batch(BatchBuilder::new(), &[1000])).await;
    for (isolation_level, expected) in [
        (0, (0, 0, -1, 1, 0)),
        (1, (0, 0, -1, 1, 0)),
        (7, (0, 42, -1, -1, -1)),
    ] {
        let told = list(&mut broker, 11, isolation_level, "t", &[(0, -1)]).await;
        assert_eq!(told, [expected]);
    }
    for (topic, index) in [
        ("none", 0),
        ("t", 9),
        ("t", -1),
        ("", 0),
        ("__cluster_metadata", 0),
    ] {
        let told = list(&mut broker, 11, 0, topic, &[(index, -1)]).await;
        assert_eq!(told, [(index, 3, -1, -1, -1)]);
    }
}

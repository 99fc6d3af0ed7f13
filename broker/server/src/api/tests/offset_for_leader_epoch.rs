//! OffsetForLeaderEpoch. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::batch::BatchBuilder;
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use protocol::model::LeaderEpoch;

use super::super::topics::text;
use super::create;
use super::produced::{append, batch, partition};
use crate::testing::TestBroker;

/// Code, epoch and end offset.
async fn ask(
    broker: &mut TestBroker,
    version: i16,
    (topic, index): (&str, i32),
    current: i32,
    epoch: i32,
) -> (i16, i32, i64) {
    let partition = OffsetForLeaderPartition::default()
        .with_partition(index)
        .with_current_leader_epoch(current)
        .with_leader_epoch(epoch);
    let topic = OffsetForLeaderTopic::default()
        .with_topic(text(topic).into())
        .with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default()
        .with_replica_id(if version >= 3 { -1 } else { -2 }.into())
        .with_topics(vec![topic]);
    let response: OffsetForLeaderEpochResponse = broker.ask(version, &request).await;
    let told = &response.topics[0].partitions[0];
    assert_eq!(told.partition, index);
    (told.error_code, told.leader_epoch, told.end_offset)
}

#[tokio::test]
async fn every_version_tells_where_the_epoch_of_now_ends() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 2).await;
    append(&broker, topic, 0, batch(BatchBuilder::new(), &[1, 2, 3])).await;
    for version in 2..=4 {
        assert_eq!(ask(&mut broker, version, ("t", 0), -1, 0).await, (0, 0, 3));
        assert_eq!(ask(&mut broker, version, ("t", 1), 0, 0).await, (0, 0, 0));
        assert_eq!(ask(&mut broker, version, ("t", 0), 0, 1).await, (0, -1, -1));
        assert_eq!(
            ask(&mut broker, version, ("t", 0), 0, -1).await,
            (0, -1, -1)
        );
    }
}

/// Records 0-2 of epoch 0, 3-4 of epoch 4, none of epoch 5, and then epoch 9.
#[tokio::test]
async fn an_epoch_that_left_no_records_is_answered_with_the_one_before() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 1).await;
    let led = partition(&broker, topic, 0);
    append(&broker, topic, 0, batch(BatchBuilder::new(), &[1, 2, 3])).await;
    led.lead_on(LeaderEpoch::new(4));
    append(&broker, topic, 0, batch(BatchBuilder::new(), &[4, 5])).await;
    led.lead_on(LeaderEpoch::new(9));
    let at = |epoch: i32| {
        (
            epoch,
            (if epoch < 4 { 0 } else { 4 }, if epoch < 4 { 3 } else { 5 }),
        )
    };
    for (epoch, (known, end)) in [at(0), at(1), at(3), at(4), at(5), at(8)] {
        let told = ask(&mut broker, 4, ("t", 0), 9, epoch).await;
        assert_eq!(told, (0, known, end), "epoch {epoch}");
    }
    assert_eq!(ask(&mut broker, 4, ("t", 0), 9, 9).await, (0, 9, 5));
    assert_eq!(ask(&mut broker, 4, ("t", 0), 9, 10).await, (0, -1, -1));
}

/// A log that begins after the epoch that is asked for.
#[tokio::test]
async fn an_epoch_older_than_the_log_ends_where_it_begins() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 1).await;
    partition(&broker, topic, 0).lead_on(LeaderEpoch::new(4));
    assert_eq!(ask(&mut broker, 4, ("t", 0), 4, 2).await, (0, 2, 0));
    append(&broker, topic, 0, batch(BatchBuilder::new(), &[4, 5])).await;
    assert_eq!(ask(&mut broker, 4, ("t", 0), 4, 2).await, (0, 2, 0));
    assert_eq!(ask(&mut broker, 4, ("t", 0), 4, 4).await, (0, 4, 2));
}

#[tokio::test]
async fn refusals_are_kafkas() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 1).await;
    partition(&broker, topic, 0).lead_on(LeaderEpoch::new(4));
    let cases = [
        (("t", 0), 5, 75),
        (("t", 0), 3, 74),
        (("t", 7), -1, 3),
        (("t", -7), -1, 3),
        (("none", 0), -1, 3),
        (("", 0), -1, 3),
        (("__cluster_metadata", 0), -1, 3),
    ];
    for (partition, current, code) in cases {
        let told = ask(&mut broker, 4, partition, current, 0).await;
        assert_eq!(told, (code, -1, -1), "{partition:?}");
    }
}

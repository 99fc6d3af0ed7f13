//! Consumers that read from followers (KIP-392): whom a leader names, and what a follower gives. Expected is what Apache Kafka 4.3.1 answers, but for replicas that are
//! out of sync.

use std::sync::Arc;
use std::time::Duration;

use broker_controller::decide::{AlterPartition, FenceBroker, IsrProposal};
use broker_replication::FollowerReport;
use bytes::{Bytes, BytesMut};
use protocol::batch::BatchBuilder;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use protocol::messages::fetch_response::PartitionData;
use protocol::messages::{ApiKey, FetchRequest, FetchResponse};
use protocol::model::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, TopicId, TopicIdPartition, Uuid,
};

use super::leader_hints::led_elsewhere;
use super::produced::{batch, partition};
use crate::api::Answer;
use crate::clock::wall_clock_ms;
use crate::net::PeerBroker;
use crate::partition::{Acks, PartitionsWait};
use crate::replication::{Fetched, Followed};
use crate::testing::{TestBroker, decoded, finished};

/// The other broker, which is in rack `r2`; this one is in `r1`.
pub(super) const OTHER: BrokerId = BrokerId::new(2);
const BY_RACK: (&str, &str) = (
    "replica.selector.class",
    "org.apache.kafka.common.replica.RackAwareReplicaSelector",
);
pub(super) const NONE: i16 = 0;
const OUT_OF_RANGE: i16 = 1;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;
/// Longer than any test may take.
pub(super) const LONG_MS: i32 = 60_000;

pub(super) fn id(topic: Uuid) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::new(topic).expect("not zero"),
        partition: PartitionIndex::new(0),
    }
}

pub(super) fn request(topic: Uuid, partition: FetchPartition, rack: &str) -> FetchRequest {
    let topic = FetchTopic::default()
        .with_topic_id(topic)
        .with_topic(crate::api::topics::text("t").into())
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_min_bytes(1)
        .with_session_epoch(-1)
        .with_rack_id(crate::api::topics::text(rack))
        .with_topics(vec![topic])
}

pub(super) fn at(offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_fetch_offset(offset)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_partition_max_bytes(1 << 20)
}

async fn fetch(
    broker: &mut TestBroker,
    version: i16,
    topic: Uuid,
    partition: FetchPartition,
    rack: &str,
) -> PartitionData {
    let request = request(topic, partition, rack);
    let mut answer: FetchResponse = broker.ask(version, &request).await;
    answer.responses.remove(0).partitions.remove(0)
}

pub(super) fn bytes(data: &PartitionData) -> usize {
    data.records.as_ref().map_or(0, Bytes::len)
}

/// A batch of a leader, with so many records.
fn led_batch(base: i64, count: usize) -> BytesMut {
    let builder = BatchBuilder::new()
        .base_offset(Offset::new(base))
        .leader_epoch(LeaderEpoch::new(0));
    batch(builder, &vec![1; count])
}

/// A topic whose replica here follows, with ten records, of which six are committed.
async fn followed() -> (TestBroker, Uuid, Arc<Followed>) {
    let broker = TestBroker::start(&[BY_RACK]).await;
    let topic = led_elsewhere(&broker, &[2, 1]).await;
    let followed = broker.broker.partitions.followed(id(topic));
    let followed = followed.expect("it follows");
    let mut records = led_batch(0, 6);
    records.extend_from_slice(&led_batch(6, 4));
    take(&followed, records.freeze(), 6);
    (broker, topic, followed)
}

/// The leader has answered a follower.
fn take(followed: &Followed, records: Bytes, high_watermark: i64) {
    let asked = followed.position(OTHER, 0).expect("it follows");
    let fetched = Fetched::Records {
        records,
        high_watermark: Offset::new(high_watermark),
        log_start: Offset::ZERO,
    };
    followed.on_fetched(&asked, fetched, 0);
}

#[tokio::test]
async fn a_follower_gives_what_is_committed() {
    let (mut broker, topic, followed) = followed().await;
    for version in [11, 12, 13, 18] {
        let data = fetch(&mut broker, version, topic, at(0), "").await;
        assert_eq!((data.error_code, data.high_watermark), (NONE, 6));
        assert_eq!((data.last_stable_offset, data.log_start_offset), (6, 0));
        assert_eq!(bytes(&data), led_batch(0, 6).len(), "version {version}");
        assert_eq!(data.preferred_read_replica.0, -1);
    }
    // What it has and does not know to be committed, and its end.
    for offset in [6, 7, 10] {
        let data = fetch(&mut broker, 18, topic, at(offset), "r1").await;
        assert_eq!((data.error_code, bytes(&data)), (NONE, 0));
    }
    let data = fetch(&mut broker, 18, topic, at(11), "").await;
    assert_eq!(data.error_code, OUT_OF_RANGE);
    take(&followed, Bytes::new(), 10);
    let data = fetch(&mut broker, 18, topic, at(6), "").await;
    assert_eq!(bytes(&data), led_batch(6, 4).len());
}

#[tokio::test]
async fn a_follower_refuses_who_may_read_from_leaders_only() {
    let (mut broker, topic, _) = followed().await;
    for version in [4, 10] {
        let data = fetch(&mut broker, version, topic, at(0), "").await;
        assert_eq!(data.error_code, NOT_LEADER_OR_FOLLOWER, "version {version}");
    }
    broker.connection.state::<PeerBroker>().0 = Some(OTHER);
    let replica = ReplicaState::default().with_replica_id(OTHER.get().into());
    let partition = at(0).with_current_leader_epoch(0);
    let request = request(topic, partition, "").with_replica_state(replica);
    let answer: FetchResponse = broker.ask(18, &request).await;
    let data = &answer.responses[0].partitions[0];
    assert_eq!(data.error_code, NOT_LEADER_OR_FOLLOWER);
}

#[tokio::test]
async fn a_follower_checks_epochs() {
    let (mut broker, topic, followed) = followed().await;
    followed.follow(Some(OTHER), LeaderEpoch::new(3), true);
    for (epoch, code) in [
        (2, FENCED_LEADER_EPOCH),
        (3, NONE),
        (4, UNKNOWN_LEADER_EPOCH),
    ] {
        let partition = at(0).with_current_leader_epoch(epoch);
        let data = fetch(&mut broker, 18, topic, partition, "").await;
        assert_eq!(data.error_code, code, "epoch {epoch}");
    }
    // That it lacks records of an epoch says nothing; that it has none of it below what is committed does.
    for (offset, last_epoch, end) in [(9, 0, -1), (6, 0, -1), (6, 2, 10)] {
        let partition = at(offset).with_last_fetched_epoch(last_epoch);
        let data = fetch(&mut broker, 18, topic, partition, "").await;
        assert_eq!(data.diverging_epoch.end_offset, end, "offset {offset}");
    }
}

#[tokio::test]
async fn a_follower_that_is_out_of_sync_sends_its_consumers_away_once_they_have_all() {
    let (mut broker, topic, followed) = followed().await;
    followed.follow(Some(OTHER), LeaderEpoch::new(0), false);
    let data = fetch(&mut broker, 18, topic, at(0), "").await;
    assert_eq!((data.error_code, data.high_watermark), (NONE, 6));
    let data = fetch(&mut broker, 18, topic, at(6), "").await;
    assert_eq!(data.error_code, NOT_LEADER_OR_FOLLOWER);
    assert_eq!(data.current_leader.leader_id.0, OTHER.get());
    followed.stop();
    let data = fetch(&mut broker, 18, topic, at(0), "").await;
    assert_eq!(data.error_code, NOT_LEADER_OR_FOLLOWER);
}

/// The leader takes itself for the only one in sync.
pub(super) async fn alone_in_sync(broker: &TestBroker, topic: Uuid, leader: BrokerId) {
    let image = broker.broker.metadata.image();
    let epoch = image.broker(leader).expect("it is registered").broker_epoch;
    let state = image.partition(id(topic).topic_id, id(topic).partition);
    let state = state.expect("it is there");
    let alone = AlterPartition {
        broker_id: leader,
        broker_epoch: epoch,
        proposals: vec![IsrProposal {
            topic_id: id(topic).topic_id,
            partition: id(topic).partition,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: vec![(leader, epoch)],
        }],
    };
    let decided = broker.broker.metadata.submit(&alone).await;
    let decided = decided.expect("a controller").expect("it is registered");
    decided[0].result.expect("it leads");
}

#[tokio::test]
async fn what_is_committed_can_be_read_without_a_leader() {
    let (mut broker, topic, _) = followed().await;
    alone_in_sync(&broker, topic, OTHER).await;
    let image = broker.broker.metadata.image();
    let dead = FenceBroker {
        broker_id: OTHER,
        broker_epoch: image.broker(OTHER).expect("it is registered").broker_epoch,
    };
    let fenced = broker.broker.metadata.submit(&dead).await;
    fenced.expect("a controller").expect("it is registered");
    let image = broker.broker.metadata.image();
    let state = image.partition(id(topic).topic_id, id(topic).partition);
    assert_eq!(state.expect("it is there").leader, None);
    let data = fetch(&mut broker, 18, topic, at(0), "").await;
    assert_eq!((data.error_code, data.high_watermark), (NONE, 6));
    let data = fetch(&mut broker, 18, topic, at(6), "").await;
    assert_eq!(data.error_code, NOT_LEADER_OR_FOLLOWER);
}

/// A fetch that waits.
pub(super) fn waiting(
    broker: &mut TestBroker,
    request: &FetchRequest,
) -> tokio::task::JoinHandle<PartitionData> {
    let answer = broker.begin(18, request);
    assert!(matches!(answer, Answer::Later(_)), "it waits");
    tokio::spawn(async move {
        let response = finished(answer).await;
        let mut answer: FetchResponse = decoded(&response, ApiKey::Fetch, 18);
        answer.responses.remove(0).partitions.remove(0)
    })
}

/// Lets a fetch come as far as its wait.
pub(super) async fn until_it_waits() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_consumer_waits_at_a_follower_for_the_high_watermark() {
    let (mut broker, topic, followed) = followed().await;
    let request = request(topic, at(6), "").with_max_wait_ms(LONG_MS);
    let waits = waiting(&mut broker, &request);
    until_it_waits().await;
    // More records, and no more that is known to be committed.
    take(&followed, led_batch(10, 2).freeze(), 6);
    until_it_waits().await;
    assert!(!waits.is_finished());
    take(&followed, Bytes::new(), 10);
    let data = waits.await.expect("an answer");
    assert_eq!((data.error_code, data.high_watermark), (NONE, 10));
    assert_eq!(bytes(&data), led_batch(6, 4).len());
}

#[tokio::test]
async fn a_consumer_that_waits_at_a_follower_hears_that_it_is_out_of_sync() {
    let (mut broker, topic, _) = followed().await;
    let request = request(topic, at(6), "").with_max_wait_ms(LONG_MS);
    let waits = waiting(&mut broker, &request);
    until_it_waits().await;
    alone_in_sync(&broker, topic, OTHER).await;
    let data = waits.await.expect("an answer");
    assert_eq!(data.error_code, NOT_LEADER_OR_FOLLOWER);
}

#[tokio::test]
async fn a_follower_that_is_read_from_asks_for_the_high_watermark() {
    let (mut broker, topic, followed) = followed().await;
    let now_ms = crate::clock::monotonic_ms();
    let asked = |now_ms| {
        followed
            .position(OTHER, now_ms)
            .expect("it follows")
            .high_watermark
    };
    assert_eq!(asked(now_ms), None, "nobody reads here");
    fetch(&mut broker, 18, topic, at(0), "").await;
    let now_ms = crate::clock::monotonic_ms();
    assert_eq!(asked(now_ms), Some(Offset::new(6)));
    assert_eq!(asked(now_ms + 60_000), None, "nobody does any more");
}

/// A topic that is led here, with ten committed records, and followed by the other broker, whose life it gives.
pub(super) async fn led(settings: &[(&str, &str)]) -> (TestBroker, Uuid, BrokerEpoch) {
    let broker = TestBroker::start(settings).await;
    let topic = led_elsewhere(&broker, &[1, 2]).await;
    let image = broker.broker.metadata.image();
    let epoch = image.broker(OTHER).expect("it is registered").broker_epoch;
    produce(&broker, topic, 10);
    report(&broker, topic, epoch, 10);
    let partition = partition(&broker, topic, 0);
    let wait = PartitionsWait::new(1);
    partition.when_committed(Offset::new(10), &wait, 0);
    wait.all().await;
    (broker, topic, epoch)
}

pub(super) fn produce(broker: &TestBroker, topic: Uuid, count: usize) {
    let partition = partition(broker, topic, 0);
    let now_ms = wall_clock_ms();
    let records = batch(BatchBuilder::new(), &vec![now_ms; count]);
    let received = partition.receive(records, 13, now_ms, None, 0);
    let produced = received.and_then(|batch| batch.append(Acks::All, now_ms));
    produced.expect("a good batch");
}

pub(super) fn report(
    broker: &TestBroker,
    topic: Uuid,
    broker_epoch: BrokerEpoch,
    durable_end: i64,
) {
    let report = FollowerReport {
        broker_id: OTHER,
        broker_epoch,
        durable_end: Offset::new(durable_end),
    };
    let partition = partition(broker, topic, 0);
    partition
        .on_report(LeaderEpoch::new(0), report)
        .expect("it counts");
}

/// What the other broker asks for that has so much, and may know so much to be committed.
pub(super) fn follower_request(
    topic: Uuid,
    offset: i64,
    start: i64,
    high_watermark: i64,
) -> FetchRequest {
    let partition = at(offset)
        .with_current_leader_epoch(0)
        .with_log_start_offset(start)
        .with_high_watermark(high_watermark);
    let replica = ReplicaState::default().with_replica_id(OTHER.get().into());
    request(topic, partition, "").with_replica_state(replica)
}

async fn follower_fetches(broker: &mut TestBroker, topic: Uuid, start: i64) {
    broker.connection.state::<PeerBroker>().0 = Some(OTHER);
    let request = follower_request(topic, 10, start, i64::MAX);
    let answer: FetchResponse = broker.ask(18, &request).await;
    assert_eq!(answer.responses[0].partitions[0].error_code, NONE);
    broker.connection.state::<PeerBroker>().0 = None;
}

#[tokio::test]
async fn a_leader_names_a_replica_in_the_consumers_rack() {
    let (mut broker, topic, _) = led(&[BY_RACK]).await;
    let (preferred, none) = (OTHER.get(), -1);
    let data = fetch(&mut broker, 18, topic, at(0), "r2").await;
    assert_eq!(
        data.preferred_read_replica.0, none,
        "where it begins is not known"
    );
    follower_fetches(&mut broker, topic, 3).await;
    for (rack, version, offset, named) in [
        ("r2", 18, 3, preferred),
        ("r2", 11, 10, preferred),
        ("r2", 18, 2, none),
        ("r1", 18, 3, none),
        ("r3", 18, 3, none),
        ("", 18, 3, none),
    ] {
        let data = fetch(&mut broker, version, topic, at(offset), rack).await;
        let what = format!("rack {rack}, version {version}, offset {offset}");
        assert_eq!((data.error_code, data.high_watermark), (NONE, 10), "{what}");
        assert_eq!(data.preferred_read_replica.0, named, "{what}");
        let is_given = named == none && offset < 10;
        assert_eq!(bytes(&data) > 0, is_given, "{what}");
    }
    // There is nothing to wait for.
    let asked = request(topic, at(10), "r2").with_max_wait_ms(LONG_MS);
    assert!(matches!(broker.begin(18, &asked), Answer::Now(_)));
}

#[tokio::test]
async fn a_leader_names_nobody_unless_it_is_told_to_select() {
    let (mut broker, topic, _) = led(&[]).await;
    follower_fetches(&mut broker, topic, 0).await;
    let data = fetch(&mut broker, 18, topic, at(0), "r2").await;
    assert_eq!(data.preferred_read_replica.0, -1);
    assert!(bytes(&data) > 0);
}

#[tokio::test]
async fn a_session_tells_who_had_better_be_asked() {
    let (mut broker, topic, _) = led(&[BY_RACK]).await;
    let first = request(topic, at(0), "r2").with_session_epoch(0);
    let answer: FetchResponse = broker.ask(18, &first).await;
    let session = answer.session_id;
    assert!(session > 0);
    follower_fetches(&mut broker, topic, 0).await;
    for epoch in [1, 2] {
        let next = request(topic, at(10), "r2")
            .with_session_id(session)
            .with_session_epoch(epoch);
        let answer: FetchResponse = broker.ask(18, &next).await;
        let data = &answer.responses[0].partitions[0];
        assert_eq!(data.preferred_read_replica.0, OTHER.get());
    }
}

#[tokio::test]
async fn a_follower_that_asks_for_the_high_watermark_is_told_at_once() {
    let (mut broker, topic, epoch) = led(&[]).await;
    broker.connection.state::<PeerBroker>().0 = Some(OTHER);
    let knows = |offset, high_watermark| {
        follower_request(topic, offset, 0, high_watermark).with_max_wait_ms(LONG_MS)
    };
    let answer: FetchResponse = broker.ask(18, &knows(10, 9)).await;
    assert_eq!(answer.responses[0].partitions[0].high_watermark, 10);
    // It knows all that it can know, and hears of more once that is committed, though there are no more records.
    produce(&broker, topic, 2);
    let waits = waiting(&mut broker, &knows(12, 10));
    until_it_waits().await;
    assert!(!waits.is_finished());
    report(&broker, topic, epoch, 12);
    let data = waits.await.expect("an answer");
    assert_eq!((data.high_watermark, bytes(&data)), (12, 0));
    // One that does not ask for it is not.
    let waits = waiting(&mut broker, &knows(12, i64::MAX));
    until_it_waits().await;
    assert!(!waits.is_finished());
    waits.abort();
}

/// Lags, as the leader sees them and as the follower does.
#[tokio::test]
async fn lags_are_known_on_both_sides() {
    let (broker, topic, epoch) = led(&[]).await;
    let partition = partition(&broker, topic, 0);
    let lag = || {
        let lags = partition.lags([1, 2].map(BrokerId::new).into_iter());
        let [lag] = lags[..] else {
            panic!("one follows: {lags:?}");
        };
        (lag.broker_id, lag.lag, lag.in_sync)
    };
    assert_eq!(lag(), (OTHER, 0, true));
    produce(&broker, topic, 7);
    assert_eq!(lag(), (OTHER, 7, true));
    report(&broker, topic, epoch, 15);
    assert_eq!(lag(), (OTHER, 2, true));

    let (_broker, _, followed) = self::followed().await;
    assert_eq!(followed.lag(), Some((OTHER, 0)));
    take(&followed, Bytes::new(), 25);
    assert_eq!(followed.lag(), Some((OTHER, 15)));
    followed.follow(Some(OTHER), LeaderEpoch::new(1), true);
    assert_eq!(followed.lag(), None, "the leader has not said yet");
    followed.stop();
    assert_eq!(followed.lag(), None);
}

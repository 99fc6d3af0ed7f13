//! What a leader gives to followers at a limited rate (KIP-73).

use std::sync::Arc;

use protocol::messages::{FetchRequest, FetchResponse};
use protocol::model::{BrokerId, Offset, Uuid};

use super::fetch_from_followers::{
    LONG_MS, NONE, OTHER, alone_in_sync, bytes, follower_request, led, produce, request,
    until_it_waits, waiting,
};
use super::produced::partition;
use crate::api::Answer;
use crate::clock::monotonic_ms;
use crate::config::{ThrottledReplicas, TopicConfig};
use crate::net::PeerBroker;
use crate::partition::{Acks, PartitionsWait};
use crate::testing::TestBroker;

fn throttle(broker: &TestBroker, topic: Uuid, throttled: ThrottledReplicas) {
    let partition = partition(broker, topic, 0);
    let config = TopicConfig {
        leader_throttled: throttled,
        ..(*partition.config()).clone()
    };
    partition.set_config(Arc::new(config));
}

fn set_rate(broker: &TestBroker, rate: Option<i64>) {
    let throttles = broker.broker.partitions.throttles();
    throttles.leader.set_rate(monotonic_ms(), rate);
}

/// The other broker lacks what was written since, and is out of sync.
async fn fall_behind(broker: &TestBroker, topic: Uuid) {
    produce(broker, topic, 10);
    let partition = partition(broker, topic, 0);
    let wait = PartitionsWait::new(1);
    partition.when_acknowledged(Acks::Leader, Offset::new(20), &wait, 0);
    wait.all().await;
    alone_in_sync(broker, topic, BrokerId::new(1)).await;
    assert_eq!(partition.in_sync().0, 1);
}

/// What is given to the other broker, without a wait.
async fn given(broker: &mut TestBroker, topic: Uuid) -> usize {
    let request = follower_request(topic, 0, 0, i64::MAX);
    let answer: FetchResponse = broker.ask(18, &request).await;
    let data = &answer.responses[0].partitions[0];
    assert_eq!(data.error_code, NONE);
    bytes(data)
}

fn patient(topic: Uuid) -> FetchRequest {
    follower_request(topic, 0, 0, i64::MAX).with_max_wait_ms(LONG_MS)
}

#[tokio::test]
async fn only_throttled_replicas_that_are_out_of_sync_are_held() {
    let (mut broker, topic, _) = led(&[]).await;
    broker.connection.state::<PeerBroker>().0 = Some(OTHER);
    set_rate(&broker, Some(0));
    throttle(&broker, topic, ThrottledReplicas::All);
    assert!(given(&mut broker, topic).await > 0, "it is in sync");
    fall_behind(&broker, topic).await;
    assert_eq!(given(&mut broker, topic).await, 0);
    let those = |pairs: &[(i32, i32)]| ThrottledReplicas::Those(pairs.iter().copied().collect());
    // The leader's replica is what is named, not the follower's.
    throttle(&broker, topic, those(&[(0, 2), (1, 1)]));
    assert!(given(&mut broker, topic).await > 0);
    throttle(&broker, topic, those(&[(0, 1)]));
    assert_eq!(given(&mut broker, topic).await, 0);
    set_rate(&broker, None);
    assert!(given(&mut broker, topic).await > 0);
    // Consumers have nothing to do with it.
    set_rate(&broker, Some(0));
    broker.connection.state::<PeerBroker>().0 = None;
    let consumer = request(topic, super::fetch_from_followers::at(0), "");
    let answer: FetchResponse = broker.ask(18, &consumer).await;
    assert!(bytes(&answer.responses[0].partitions[0]) > 0);
}

#[tokio::test]
async fn what_is_held_is_given_as_soon_as_the_rate_allows() {
    let (mut broker, topic, _) = led(&[]).await;
    broker.connection.state::<PeerBroker>().0 = Some(OTHER);
    fall_behind(&broker, topic).await;
    throttle(&broker, topic, ThrottledReplicas::All);
    // A batch is more than a tenth of a second's worth.
    set_rate(&broker, Some(500));
    let batch = given(&mut broker, topic).await;
    assert!(batch > 100, "{batch} bytes");
    assert_eq!(given(&mut broker, topic).await, 0);
    let since = monotonic_ms();
    let data = waiting(&mut broker, &patient(topic))
        .await
        .expect("an answer");
    assert!(bytes(&data) >= batch);
    let waited = monotonic_ms() - since;
    assert!(waited < i64::from(LONG_MS) / 2, "{waited} ms");
    let counted = &broker.broker.metrics.cluster;
    let given = (batch + bytes(&data)) as u64;
    assert_eq!(counted.leader_throttled_bytes.get(), given);
    assert_eq!(counted.replication_bytes_out.get(), given);
}

#[tokio::test]
async fn what_is_appended_does_not_wake_who_is_held() {
    let (mut broker, topic, _) = led(&[]).await;
    broker.connection.state::<PeerBroker>().0 = Some(OTHER);
    fall_behind(&broker, topic).await;
    throttle(&broker, topic, ThrottledReplicas::All);
    set_rate(&broker, Some(0));
    assert!(matches!(
        broker.begin(18, &patient(topic)),
        Answer::Later(_)
    ));
    let waits = waiting(&mut broker, &patient(topic));
    produce(&broker, topic, 3);
    until_it_waits().await;
    assert!(!waits.is_finished());
    waits.abort();
}

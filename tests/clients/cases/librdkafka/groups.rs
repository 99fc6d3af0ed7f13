//! Consumers that share a topic as a group, of the classic protocol and of the consumer protocol (KIP-848).

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use tests_clients::{NUM_PARTITIONS, Record, Target, assert_same, bulk};

use super::client::{PATIENCE, acknowledged, config, create_topic, produce, record};

const POLL: Duration = Duration::from_millis(100);

/// One member reads some, two others go on where it stopped.
pub(super) fn group(target: &Target) {
    let topic = target.topic("rdkafka-group");
    resume(target, &topic, &[]);
}

/// The same, with partitions that move one by one.
pub(super) fn cooperative(target: &Target) {
    let topic = target.topic("rdkafka-cooperative");
    let strategy = ("partition.assignment.strategy", "cooperative-sticky");
    resume(target, &topic, &[strategy]);
}

const CONSUMER_PROTOCOL: (&str, &str) = ("group.protocol", "consumer");

/// The same, assigned by the broker.
pub(super) fn consumer_protocol(target: &Target) {
    let topic = target.topic("rdkafka-consumer-protocol");
    resume(target, &topic, &[CONSUMER_PROTOCOL]);
}

/// The same, subscribed to an expression that the broker resolves.
pub(super) fn regular_expression(target: &Target) {
    let topic = target.topic("rdkafka-regex");
    let other = target.topic("other-rdkafka-regex");
    create_topic(target, &topic, &[]);
    create_topic(target, &other, &[]);
    let consumer = member(target, &format!("^{topic}.*"), &[CONSUMER_PROTOCOL]);
    let deadline = Instant::now() + PATIENCE;
    while assigned(&consumer).len() < NUM_PARTITIONS as usize {
        assert!(Instant::now() < deadline, "partitions are not assigned");
        let _ = consumer.poll(POLL);
    }
    let assignment = consumer.assignment().expect("an assignment");
    let is_its = |topics: &rdkafka::TopicPartitionList| {
        topics
            .elements()
            .iter()
            .all(|element| element.topic() == topic)
    };
    assert!(is_its(&assignment), "{assignment:?}");
    // A topic that is made now is found as well.
    let more = format!("{topic}-more");
    create_topic(target, &more, &[]);
    while assigned(&consumer).len() < 2 * NUM_PARTITIONS as usize {
        assert!(Instant::now() < deadline, "the new topic is not found");
        let _ = consumer.poll(POLL);
    }
}

/// A group of the classic protocol becomes one of the other while it reads, and is classic again in the end.
pub(super) fn migration(target: &Target) {
    let topic = target.topic("rdkafka-migration");
    create_topic(target, &topic, &[]);
    let cooperative = ("partition.assignment.strategy", "cooperative-sticky");
    let classic = member(target, &topic, &[cooperative]);
    let both = |one: &BaseConsumer, other: &BaseConsumer| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let _ = (one.poll(POLL), other.poll(POLL));
            let shares = (assigned(one), assigned(other));
            let is_shared = !shares.0.is_empty() && !shares.1.is_empty();
            let mut all = [shares.0, shares.1].concat();
            all.sort_unstable();
            if is_shared && all == (0..NUM_PARTITIONS).collect::<Vec<i32>>() {
                return;
            }
            assert!(Instant::now() < deadline, "{all:?} are assigned");
        }
    };
    let deadline = Instant::now() + PATIENCE;
    while assigned(&classic).len() < NUM_PARTITIONS as usize {
        assert!(Instant::now() < deadline, "partitions are not assigned");
        let _ = classic.poll(POLL);
    }
    let new = member(target, &topic, &[CONSUMER_PROTOCOL]);
    both(&classic, &new);
    drop(new);
    let another = member(target, &topic, &[cooperative]);
    both(&classic, &another);
}

fn resume(target: &Target, topic: &str, settings: &[(&str, &str)]) {
    create_topic(target, topic, &[]);
    let mut written = acknowledged(produce(target, topic, &bulk(300), &[]));
    let first = read(target, topic, 1, 100, settings);
    assert_eq!(first.len(), 100);
    let rest = read(target, topic, 2, written.len() - first.len(), settings);
    let mut all = [first, rest].concat();
    let in_order = |record: &Record| (record.partition, record.offset);
    all.sort_by_key(in_order);
    written.sort_by_key(in_order);
    // Reports know nothing of keys, values and headers.
    for (written, read) in written.iter_mut().zip(&all) {
        written.key.clone_from(&read.key);
        written.value.clone_from(&read.value);
        written.headers.clone_from(&read.headers);
    }
    assert_same(&written, &all);
}

fn member(target: &Target, topic: &str, settings: &[(&str, &str)]) -> BaseConsumer {
    let ours = [
        ("group.id", topic),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "true"),
    ];
    let settings = [&ours[..], settings].concat();
    let consumer: BaseConsumer = config(target, &settings).create().expect("known settings");
    consumer.subscribe(&[topic]).expect("a topic");
    consumer
}

/// Has members read until they have `count` records, commit them, and leave.
fn read(
    target: &Target,
    topic: &str,
    members: usize,
    count: usize,
    settings: &[(&str, &str)],
) -> Vec<Record> {
    let read = Mutex::new(BTreeMap::new());
    let is_full = AtomicBool::new(false);
    let deadline = Instant::now() + PATIENCE;
    let run = || {
        let consumer = member(target, topic, settings);
        while !is_full.load(Ordering::Relaxed) {
            assert!(
                Instant::now() < deadline,
                "{} records of {count}",
                read.lock().expect("read").len()
            );
            let Some(polled) = consumer.poll(POLL) else {
                continue;
            };
            let record = record(&polled.expect("a record"));
            let mut read = read.lock().expect("read");
            if read.len() < count {
                // After a rebalance a record that was not committed is read again.
                read.insert((record.partition, record.offset), record);
                commit(&consumer);
            }
            is_full.store(read.len() >= count, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..members {
            scope.spawn(run);
        }
    });
    read.into_inner().expect("read").into_values().collect()
}

/// Of partitions that somebody else has by now it is refused, and they are read again there.
fn commit(consumer: &BaseConsumer) {
    use RDKafkaErrorCode::{
        IllegalGeneration, RebalanceInProgress, StaleMemberEpoch, UnknownMemberId,
    };
    match consumer.commit_consumer_state(CommitMode::Sync) {
        Ok(()) => {}
        Err(KafkaError::ConsumerCommit(
            IllegalGeneration | RebalanceInProgress | StaleMemberEpoch | UnknownMemberId,
        )) => {}
        Err(error) => panic!("committing failed: {error}"),
    }
}

/// A static member that comes back has its partitions again without a rebalance.
pub(super) fn static_members(target: &Target) {
    comes_back(target, &target.topic("rdkafka-static"), &[]);
}

/// The same, assigned by the broker.
pub(super) fn static_members_of_the_consumer_protocol(target: &Target) {
    let topic = target.topic("rdkafka-static-consumer-protocol");
    comes_back(target, &topic, &[CONSUMER_PROTOCOL]);
}

fn comes_back(target: &Target, topic: &str, settings: &[(&str, &str)]) {
    create_topic(target, topic, &[]);
    let start = |instance: &str| {
        let settings = [settings, &[("group.instance.id", instance)]].concat();
        member(target, topic, &settings)
    };
    let (one, two) = (start("one"), start("two"));
    let deadline = Instant::now() + PATIENCE;
    while assigned(&one).len() + assigned(&two).len() < NUM_PARTITIONS as usize
        || assigned(&one).is_empty()
        || assigned(&two).is_empty()
    {
        assert!(Instant::now() < deadline, "partitions are not assigned");
        let _ = (one.poll(POLL), two.poll(POLL));
    }
    let (before, kept) = (assigned(&one), assigned(&two));
    // Without leaving: that is what a static member does.
    drop(one);
    let again = start("one");
    while assigned(&again).is_empty() {
        assert!(Instant::now() < deadline, "partitions are not given back");
        let _ = (again.poll(POLL), two.poll(POLL));
    }
    assert_eq!((assigned(&again), assigned(&two)), (before, kept));
}

fn assigned(consumer: &BaseConsumer) -> Vec<i32> {
    let assignment = consumer.assignment().expect("an assignment");
    let elements = assignment.elements();
    let mut partitions: Vec<i32> = elements
        .iter()
        .filter(|element| element.offset() != Offset::End)
        .map(|element| element.partition())
        .collect();
    partitions.sort_unstable();
    partitions
}

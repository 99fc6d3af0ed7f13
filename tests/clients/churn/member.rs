//! A member of a group, in a process of its own, so that it can be killed and paused.
//!
//! It prints `read PARTITION OFFSET` for each record, and only then commits it; what else it does it tells in lines that begin with `does `. When
//! its input ends it leaves the group.

use std::{
    io::{Read, stdin},
    process::ExitCode,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
    types::RDKafkaErrorCode,
};

/// The first argument of such a process.
pub const COMMAND: &str = "--member";

const POLL: Duration = Duration::from_millis(50);
/// What was read is committed so often.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// What was read, and not committed yet.
#[derive(Default)]
struct Unsettled(Mutex<TopicPartitionList>);

impl Unsettled {
    fn list(&self) -> MutexGuard<'_, TopicPartitionList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, topic: &str, partition: i32, next: Offset) {
        let mut list = self.list();
        match list.find_partition(topic, partition) {
            Some(mut known) => known.set_offset(next),
            None => list.add_partition_offset(topic, partition, next),
        }
        .expect("an offset");
    }

    fn take(&self) -> TopicPartitionList {
        std::mem::take(&mut *self.list())
    }

    /// Forgets partitions that are about to be somebody else's.
    fn forget(&self, partitions: &TopicPartitionList) {
        let kept = self.take();
        let mut list = self.list();
        for element in kept.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            if partitions.find_partition(topic, partition).is_none() {
                list.add_partition_offset(topic, partition, element.offset())
                    .expect("an offset");
            }
        }
    }

    /// Brings back what could not be committed, where nothing was read since.
    fn put_back(&self, refused: &TopicPartitionList) {
        let mut list = self.list();
        for element in refused.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            if list.find_partition(topic, partition).is_none() {
                list.add_partition_offset(topic, partition, element.offset())
                    .expect("an offset");
            }
        }
    }
}

/// Commits while the partitions are still its own: later it would take back what their next owner has committed.
fn commit(consumer: &BaseConsumer<Unsettled>) {
    let unsettled = consumer.context().take();
    if unsettled.count() > 0 {
        println!("does commit {}", text(&unsettled));
        match consumer.commit(&unsettled, CommitMode::Sync) {
            Ok(()) => println!("does commit: done"),
            Err(error) => {
                println!("does commit: {error}");
                // In a cooperative group it goes on reading meanwhile, and keeps what it is not told to give up. What is
                // refused for another reason is read again by somebody else.
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::RebalanceInProgress) {
                    consumer.context().put_back(&unsettled);
                }
            }
        }
    }
}

/// `PARTITION` or `PARTITION@OFFSET` of each.
fn text(list: &TopicPartitionList) -> String {
    let elements = list.elements();
    let of_element = elements.iter().map(|element| match element.offset() {
        Offset::Offset(offset) => format!("{}@{offset}", element.partition()),
        _ => element.partition().to_string(),
    });
    of_element.collect::<Vec<_>>().join(" ")
}

impl ClientContext for Unsettled {}

impl ConsumerContext for Unsettled {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            // They have long been somebody else's.
            Rebalance::Revoke(list) if consumer.assignment_lost() => {
                println!("does lose {}", text(list));
                drop(self.take());
            }
            Rebalance::Revoke(list) => {
                println!("does give up {}", text(list));
                commit(consumer);
                consumer.context().forget(list);
            }
            Rebalance::Assign(list) => println!("does get {}", text(list)),
            Rebalance::Error(error) => println!("does see {error}"),
        }
    }
}

/// Reads until it is told to leave: `[BOOTSTRAP, TOPIC, GROUP, NAME=VALUE...]`.
pub fn run(args: &[String]) -> ExitCode {
    let is_to_leave = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_to_leave);
    std::thread::spawn(move || {
        let _ = stdin().read_to_end(&mut Vec::new());
        told.store(true, Ordering::SeqCst);
    });
    let [bootstrap, topic, group, settings @ ..] = args else {
        return ExitCode::from(2);
    };
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("group.id", group);
    config.set("auto.offset.reset", "earliest");
    config.set("enable.auto.commit", "false");
    // The broker is often away.
    config.set("reconnect.backoff.max.ms", "200");
    for setting in settings {
        if let Some((name, value)) = setting.split_once('=') {
            config.set(name, value);
        }
    }
    let consumer: BaseConsumer<Unsettled> = config
        .create_with_context(Unsettled::default())
        .expect("known settings");
    consumer.subscribe(&[topic]).expect("a topic");
    let mut committed = Instant::now();
    while !is_to_leave.load(Ordering::SeqCst) {
        // After an error it goes on by itself.
        if let Some(Ok(message)) = consumer.poll(POLL) {
            let (partition, offset) = (message.partition(), message.offset());
            println!("read {partition} {offset}");
            let next = Offset::Offset(offset + 1);
            consumer.context().note(topic, partition, next);
        }
        if committed.elapsed() >= COMMIT_INTERVAL {
            commit(&consumer);
            committed = Instant::now();
        }
    }
    commit(&consumer);
    ExitCode::SUCCESS
}

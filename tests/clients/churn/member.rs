//! A member of a group, in a process of its own, so that it can be killed and paused.
//!
//! It prints `read PARTITION OFFSET` for each record, and only then commits it. When its input ends it leaves the group.

use std::{
    io::{BufWriter, Read, Write, stdin, stdout},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};

/// The first argument of such a process.
pub const COMMAND: &str = "--member";

const POLL: Duration = Duration::from_millis(50);
/// What was read is committed so often.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

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
    let consumer: BaseConsumer = config.create().expect("known settings");
    consumer.subscribe(&[topic]).expect("a topic");
    let mut out = BufWriter::new(stdout().lock());
    let mut read = TopicPartitionList::new();
    let mut committed = Instant::now();
    while !is_to_leave.load(Ordering::SeqCst) {
        // After an error it goes on by itself.
        if let Some(Ok(message)) = consumer.poll(POLL) {
            let (partition, offset) = (message.partition(), message.offset());
            writeln!(out, "read {partition} {offset}").expect("a reader");
            let next = Offset::Offset(offset + 1);
            match read.find_partition(topic, partition) {
                Some(mut known) => known.set_offset(next),
                None => read.add_partition_offset(topic, partition, next),
            }
            .expect("an offset");
        }
        if read.count() > 0 && committed.elapsed() >= COMMIT_INTERVAL {
            out.flush().expect("a reader");
            // Of partitions that somebody else has by now it is refused, and they are read again there.
            let _ = consumer.commit(&read, CommitMode::Sync);
            read = TopicPartitionList::new();
            committed = Instant::now();
        }
    }
    out.flush().expect("a reader");
    if read.count() > 0 {
        let _ = consumer.commit(&read, CommitMode::Sync);
    }
    ExitCode::SUCCESS
}

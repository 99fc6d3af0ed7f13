//! Consumers, one in the rack of each broker, that read what is written while everything happens: whoever gives it to them, it is what is committed.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::{NODES, PARTITIONS, TOPIC, check::Logs, writer::client};

const POLL: Duration = Duration::from_millis(100);
/// Once all is well, and nothing is written any more, everything is read within this.
const CAUGHT_UP_MAX: Duration = Duration::from_secs(20);
/// Of one kind so many are named.
const NAMED_MAX: usize = 5;

/// What one of them has read.
#[derive(Default)]
struct Reads {
    logs: Logs,
    anomalies: Vec<String>,
}

/// All of them.
#[derive(Default)]
pub struct Readers {
    reads: [Mutex<Reads>; NODES],
    stop: AtomicBool,
}

/// The rack of a broker, from 0.
pub fn rack(node: usize) -> String {
    format!("rack-{}", node + 1)
}

impl Readers {
    /// Reads in the rack of a broker, from 0, until it is told to stop.
    pub fn read(&self, bootstrap: &str, node: usize) -> Result<(), Failed> {
        let consumer: BaseConsumer = client(bootstrap)
            .set("group.id", "readers")
            .set("enable.auto.commit", "false")
            .set("client.rack", rack(node))
            .set("fetch.error.backoff.ms", "50")
            // Nothing that was read is ever taken back.
            .set("auto.offset.reset", "error")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(TOPIC, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        while !self.stop.load(Ordering::SeqCst) {
            let message = match consumer.poll(POLL) {
                None => continue,
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    self.tell(node, "an offset that was read is out of range".to_owned());
                    continue;
                }
                // After another error it goes on by itself.
                Some(Err(_)) => continue,
                Some(Ok(message)) => message,
            };
            let number = message.payload_view::<str>().and_then(Result::ok);
            let number = number.and_then(|it| it.parse().ok()).ok_or("no number")?;
            let (partition, offset) = (message.partition(), message.offset());
            let mut reads = self.of(node);
            let log = reads.logs.entry(partition).or_default();
            let next = log.last_key_value().map_or(0, |(last, _)| last + 1);
            let before = log.insert(offset, number);
            drop(reads);
            if offset != next || before.is_some() {
                self.tell(node, format!("{partition}@{offset} is read, not {next}"));
            }
        }
        Ok(())
    }

    /// Waits until each has read all of these, has them stop, and says what was wrong.
    pub fn finish(&self, logs: &Logs) -> Vec<String> {
        let deadline = Instant::now() + CAUGHT_UP_MAX;
        let count = |logs: &Logs| logs.values().map(BTreeMap::len).sum::<usize>();
        let is_there = |node| count(&self.of(node).logs) >= count(logs);
        while !(0..NODES).all(is_there) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        self.stop.store(true, Ordering::SeqCst);
        let mut found = Vec::new();
        for node in 0..NODES {
            let reads = self.of(node);
            let mut anomalies = reads.anomalies.clone();
            for (partition, log) in logs {
                let read = reads.logs.get(partition);
                let read = |offset| read.and_then(|read| read.get(offset)).copied();
                let other = log.iter().filter(|(offset, it)| read(offset) != Some(**it));
                anomalies.extend(other.map(|(offset, it)| {
                    format!(
                        "{partition}@{offset} is {it}, and was read as {:?}",
                        read(offset)
                    )
                }));
            }
            if !anomalies.is_empty() {
                let some = anomalies
                    .iter()
                    .take(NAMED_MAX)
                    .cloned()
                    .collect::<Vec<_>>();
                let (rack, count) = (rack(node), anomalies.len());
                found.push(format!("read in {rack}: {count}, as {}", some.join("; ")));
            }
        }
        found
    }

    fn tell(&self, node: usize, anomaly: String) {
        self.of(node).anomalies.push(anomaly);
    }

    fn of(&self, node: usize) -> std::sync::MutexGuard<'_, Reads> {
        self.reads[node]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

//! What is there in the end, and what is wrong with it. The names of anomalies are those of Jepsen's tests of logs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use peer::HoldfastCluster;
use protocol::batch::batches;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    PARTITIONS, RECOVERY_MAX,
    schedule::Happened,
    writer::{Acknowledged, History, client},
};

/// How long reading everything may take.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Of a batch's header as much as is looked at: base offset, length, and the last record's place.
const BATCH_HEADER_BYTES: usize = 27;
/// The length counts what follows it.
const LENGTH_END: usize = 12;
/// Of one kind so many are named.
const NAMED_MAX: usize = 5;
/// And so many headers of batches.
const BATCHES_MAX: usize = 50;

/// What each partition holds: numbers by offset.
pub type Logs = BTreeMap<i32, BTreeMap<i64, i64>>;

/// Reads all partitions of a topic from the begin to what is committed.
pub fn read_all(bootstrap: &str, topic: &str) -> Result<Logs, Failed> {
    let consumer: BaseConsumer = client(bootstrap)
        .set("group.id", "check")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut list = TopicPartitionList::new();
    let mut ends = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let (_, end) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        ends.insert(partition, end);
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut logs: Logs = (0..PARTITIONS)
        .map(|partition| (partition, BTreeMap::new()))
        .collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is_whole = |(partition, end): (&i32, &i64)| {
            let last = logs[partition].last_key_value();
            last.map_or(0, |(offset, _)| offset + 1) >= *end
        };
        if ends.iter().all(is_whole) {
            return Ok(logs);
        }
        if Instant::now() > deadline {
            return Err("what is committed cannot be read".into());
        }
        let Some(message) = consumer.poll(POLL) else {
            continue;
        };
        // After an error it goes on by itself.
        if let Ok(message) = message {
            let number = message.payload_view::<str>().and_then(Result::ok);
            let number = number.and_then(|it| it.parse().ok()).ok_or("no number")?;
            let log = logs.entry(message.partition()).or_default();
            log.insert(message.offset(), number);
        }
    }
}

/// What is wrong.
pub fn anomalies(history: &History, logs: &Logs) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |name: &str, of: Vec<String>| {
        if !of.is_empty() {
            let some = of.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>();
            found.push(format!(
                "{name}: {} of them, as {}",
                of.len(),
                some.join("; ")
            ));
        }
    };
    let mut numbers: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    for (partition, log) in logs {
        numbers.insert(*partition, log.values().copied().collect());
    }
    let is_there = |it: &&Acknowledged| numbers[&it.partition].contains(&it.number);
    let lost = history.acknowledged.iter().filter(|it| !is_there(it));
    tell("lost-write", lost.map(|it| format!("{it:?}")).collect());
    tell("failed", history.failed.clone());
    let at = |it: &Acknowledged| logs[&it.partition].get(&it.offset?).copied();
    let other = history
        .acknowledged
        .iter()
        .filter(|it| it.offset.is_some() && at(it) != Some(it.number));
    let text = |it: &Acknowledged| format!("{it:?} is {:?}", at(it));
    tell("inconsistent-offsets", other.map(text).collect());
    let (mut doubled, mut disordered) = (Vec::new(), Vec::new());
    for (partition, log) in logs {
        let mut before = -1;
        let twice = doubled_in(log);
        for (number, first, again) in &twice {
            doubled.push(format!(
                "{number} of partition {partition} at {first} and {again}"
            ));
        }
        for (offset, number) in log {
            let is_again = twice.iter().any(|(.., again)| again == offset);
            if !is_again && *number < before {
                disordered.push(format!(
                    "{number} of partition {partition} at {offset} behind {before}"
                ));
            }
            before = *number;
        }
    }
    tell("duplicate", doubled);
    tell("int-nonmonotonic-send", disordered);
    found
}

/// What a log has twice: which number, and where.
fn doubled_in(log: &BTreeMap<i64, i64>) -> Vec<(i64, i64, i64)> {
    let mut seen = BTreeMap::new();
    let twice = log.iter().filter_map(|(offset, number)| {
        let first = seen.insert(*number, *offset)?;
        Some((*number, first, *offset))
    });
    twice.collect()
}

/// The headers of batches that hold what is there twice, and of those between them, as the first broker, which is stopped, has them.
pub fn batches_of_doubled(
    cluster: &mut HoldfastCluster,
    topic: &str,
    logs: &Logs,
) -> Result<Vec<String>, Failed> {
    let mut found = Vec::new();
    for (partition, log) in logs {
        let twice = doubled_in(log);
        let first = twice.iter().map(|(_, first, _)| *first).min();
        let last = twice.iter().map(|(.., again)| *again).max();
        let Some((first, last)) = first.zip(last) else {
            continue;
        };
        let directory = cluster.node(0).data_dir();
        let bytes = segment_bytes(&directory.join(format!("{topic}-{partition}")))?;
        for batch in batches(&bytes) {
            let (header, _) = batch?;
            let base = header.base_offset.get();
            let end = base + i64::from(header.last_offset_delta) + 1;
            if end > first && base <= last && found.len() < BATCHES_MAX {
                found.push(format!("of partition {partition}: {header:?}"));
            }
        }
    }
    Ok(found)
}

/// What brokers have said of batches that do not fit: nothing was lost, and producers may think so and write what they have written again.
pub fn said_of_producers(cluster: &mut HoldfastCluster) -> Result<Vec<String>, Failed> {
    let mut found = Vec::new();
    for at in 0..cluster.len() {
        let log = cluster.node(at).stderr()?;
        let lines = log
            .lines()
            .filter(|line| line.contains("refused: it does not fit"));
        found.extend(
            lines
                .take(BATCHES_MAX)
                .map(|line| format!("out-of-order-sequence: broker {}: {line}", at + 1)),
        );
    }
    Ok(found)
}

/// How long it took from the end of each fault until every partition had a write acknowledged, the longest first.
pub fn recoveries(history: &History, happened: &[Happened]) -> Vec<(Duration, String)> {
    let mut times: BTreeMap<i32, Vec<Instant>> = BTreeMap::new();
    for it in &history.acknowledged {
        times.entry(it.partition).or_default().push(it.at);
    }
    let mut found = Vec::new();
    for (at, fault) in happened.iter().enumerate() {
        let next = happened.get(at + 1).map(|next| next.began);
        for partition in 0..PARTITIONS {
            let times = times.get(&partition).map_or(&[][..], Vec::as_slice);
            let first = times.partition_point(|time| *time < fault.healed);
            let first = times.get(first).copied();
            let until = first.or(next).unwrap_or(fault.healed + RECOVERY_MAX);
            let is_cut_short = next.is_some_and(|next| next < until);
            let lasted = until - fault.healed;
            let end = if is_cut_short { ", until the next" } else { "" };
            found.push((
                lasted,
                format!("partition {partition} after {:?}{end}", fault.fault),
            ));
        }
    }
    found.sort_by_key(|(lasted, _)| std::cmp::Reverse(*lasted));
    found
}

/// How long a partition went without an acknowledgement while a fault lasted that leaves a majority, the longest first.
pub fn stalls(history: &History, happened: &[Happened]) -> Vec<(Duration, String)> {
    let mut found = Vec::new();
    for partition in 0..PARTITIONS {
        let of_partition = history.acknowledged.iter();
        let mut times: Vec<Instant> = of_partition
            .filter(|it| it.partition == partition)
            .map(|it| it.at)
            .collect();
        times.sort_unstable();
        for fault in happened.iter().filter(|it| it.fault.leaves_majority()) {
            let before = times
                .partition_point(|at| *at < fault.began)
                .saturating_sub(1);
            let until = times.partition_point(|at| *at < fault.healed) + 1;
            let within = &times[before..until.min(times.len())];
            let gaps = within.windows(2).map(|pair| pair[1] - pair[0]);
            if let Some(longest) = gaps.max() {
                let lasted = (fault.healed - fault.began).as_secs_f64();
                let what = format!(
                    "partition {partition} in {lasted:.1} s of {:?}",
                    fault.fault
                );
                found.push((longest, what));
            }
        }
    }
    found.sort_by_key(|(longest, _)| std::cmp::Reverse(*longest));
    found
}

/// Stops all brokers.
pub fn stop_all(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    for at in 0..cluster.len() {
        cluster.node(at).stop()?;
    }
    Ok(())
}

/// Replicas of a topic whose bytes differ where everything is committed, in the files of brokers that are stopped.
pub fn differing_replicas(
    cluster: &mut HoldfastCluster,
    topic: &str,
    logs: &Logs,
) -> Result<Vec<String>, Failed> {
    let mut found = Vec::new();
    for (partition, log) in logs {
        let mut first: Option<Vec<u8>> = None;
        for at in 0..cluster.len() {
            let directory = cluster
                .node(at)
                .data_dir()
                .join(format!("{topic}-{partition}"));
            let committed = committed_bytes(&directory, log.len())?;
            let of = format!("{topic}-{partition} of broker {}", at + 1);
            match (&first, committed) {
                (_, None) => found.push(format!("unseen: {of} has not all that is committed")),
                (None, committed) => first = committed,
                (Some(first), Some(other)) if *first != other => {
                    found.push(format!("replicas that differ: {of}"));
                }
                (Some(_), Some(_)) => {}
            }
        }
    }
    Ok(found)
}

/// The bytes of the batches before an offset, from all segments; `None` if they end before.
fn committed_bytes(directory: &Path, end: usize) -> Result<Option<Vec<u8>>, Failed> {
    let mut bytes = segment_bytes(directory)?;
    let mut at = 0;
    loop {
        let Some(header) = bytes.get(at..at + BATCH_HEADER_BYTES) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(header[8..12].try_into()?);
        let last = u32::from_be_bytes(header[23..27].try_into()?);
        let base = i64::from_be_bytes(header[..8].try_into()?);
        at += LENGTH_END + usize::try_from(length)?;
        if usize::try_from(base + i64::from(last) + 1)? >= end {
            bytes.truncate(at);
            return Ok(Some(bytes));
        }
    }
}

/// The bytes of all segments.
fn segment_bytes(directory: &Path) -> Result<Vec<u8>, Failed> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "log") {
            segments.push(path);
        }
    }
    segments.sort();
    let mut bytes = Vec::new();
    for segment in segments {
        bytes.extend(std::fs::read(segment)?);
    }
    Ok(bytes)
}

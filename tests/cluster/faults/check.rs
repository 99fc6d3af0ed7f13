//! What is there in the end, and what is wrong with it. The names of anomalies are those of Jepsen's tests of logs.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use ctl::verify::{
    check::Verdict,
    files::{self, FilesConfig},
    history::{Batch, Begin, Event, FORMAT, NUMBER_MAX, Poll, Run, Seen},
};
use libtest_mimic::Failed;
use peer::HoldfastCluster;
use protocol::batch::batches;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    PARTITIONS,
    writer::{History, client, partition_of},
};

/// How long reading everything may take.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// So many headers of batches are shown.
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

/// What holdfast-ctl finds wrong with what became of a topic.
pub fn verdict(topic: &str, history: &History, logs: &Logs) -> Verdict {
    let one = |number: i64| Batch {
        writer: 0,
        first: u64::try_from(number).unwrap_or(NUMBER_MAX),
        count: 1,
    };
    let sent = (0..history.sent).map(|number| Event::Send {
        at_us: 0,
        partition: partition_of(number),
        producer: 0,
        batch: one(number),
    });
    let acknowledged = history.acknowledged.iter().map(|it| Event::Ack {
        at_us: 0,
        partition: it.partition,
        batch: one(it.number),
        offset: it.offset,
    });
    let read = logs.iter().flat_map(|(&partition, log)| {
        let records = log.iter().map(|(&offset, &number)| {
            let batch = one(number);
            Seen::Run(Run { offset, batch })
        });
        let end = log.last_key_value().map_or(0, |(offset, _)| offset + 1);
        let end = Event::End {
            at_us: 0,
            partition,
            high_watermark: Some(end),
        };
        let poll = Event::Poll(Poll {
            asked_us: 0,
            at_us: 0,
            consumer: ctl::verify::history::Consumer::FinalLarge,
            partition,
            from: 0,
            leader: -1,
            leader_epoch: None,
            high_watermark: None,
            records: records.collect(),
        });
        [end, poll]
    });
    Verdict::of(&ctl::verify::history::History {
        begin: Begin {
            format: FORMAT,
            topic: topic.to_owned(),
            partitions: PARTITIONS,
            starts: (0..PARTITIONS).map(|_| 0).collect(),
            ..Begin::default()
        },
        events: sent.chain(acknowledged).chain(read).collect(),
    })
}

/// Each kind of anomaly in a line.
pub fn anomalies(topic: &str, verdict: &Verdict) -> Vec<String> {
    let lines = verdict.anomalies.iter().map(|group| {
        let (name, count, examples) = (group.name, group.count, group.examples.join("; "));
        format!("{name}: {count} of them in {topic}, as {examples}")
    });
    lines.collect()
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

/// Stops all brokers.
pub fn stop_all(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    for at in 0..cluster.len() {
        cluster.node(at).stop()?;
    }
    Ok(())
}

/// What is wrong with the replicas of a topic, before the ends of what was read, in the files of brokers that are stopped.
pub fn differing_replicas(
    cluster: &HoldfastCluster,
    topic: &str,
    ends: BTreeMap<i32, i64>,
) -> Result<Vec<String>, Failed> {
    let directories = (0..cluster.len()).map(|at| cluster.data_dir(at).to_owned());
    let report = files::compare(&FilesConfig {
        topic: topic.to_owned(),
        directories: directories.collect(),
        ends,
    })?;
    let mut found = Vec::new();
    for partition in &report.partitions {
        let (number, replicas) = (partition.partition, &partition.replicas);
        if replicas.len() < cluster.len() {
            let count = replicas.len();
            found.push(format!("unseen: {topic}-{number} has {count} replicas"));
        }
        for replica in replicas {
            let (problems, directory) = (replica.problems.join("; "), replica.directory.display());
            if !problems.is_empty() {
                found.push(format!("replicas-differ: {directory}: {problems}"));
            }
        }
    }
    Ok(found)
}

/// The end of each log.
pub fn ends(logs: &Logs) -> BTreeMap<i32, i64> {
    let ends = logs.iter().map(|(partition, log)| {
        let last = log.last_key_value();
        (*partition, last.map_or(0, |(offset, _)| offset + 1))
    });
    ends.collect()
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

//! How long a start takes: until a connection is accepted, until the first answer, and until a partition answers.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use client::{Connection, OffsetSpec, Topic};
use peer::{Cluster, Holdfast, HoldfastConfig};
use serde::Serialize;

use crate::interrupt::Interrupt;
use crate::native::{self, Run, Starts};
use crate::process::Usage;
use crate::workload::Workload;
use crate::workload::quantity::{Size, Span};
use crate::{BenchError, topic};

/// A start that takes longer is broken, not slow.
const START_MAX: Duration = Duration::from_secs(120);
/// Much longer than it takes to write a few gigabytes.
const LOAD_MAX: Duration = Duration::from_secs(300);
const LOOK_INTERVAL: Duration = Duration::from_micros(500);
const ENDING_MAX: Duration = Duration::from_secs(1);
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A topic has so many partitions, at most, so that one request does not make them all.
const TOPIC_PARTITIONS_MAX: i32 = 1_000;

/// What is there before a start.
#[derive(Clone, Debug)]
pub struct Before {
    /// Partitions, each with a few records.
    pub partitions: i32,
    /// Gigabytes (10^9 bytes) of values to write before each stop.
    pub gigabytes: f64,
    /// Groups, each of which has committed an offset in every partition of the first topic.
    pub groups: u32,
    /// SIGKILL in the middle of that, not a clean stop after it.
    pub kill: bool,
    /// Where the data is; without one, a temporary directory.
    pub data_dir: Option<PathBuf>,
    /// Settings of the broker by name.
    pub settings: Vec<(String, String)>,
}

/// One start. Milliseconds since the process was created.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Start {
    /// A connection is accepted.
    pub port_open_ms: f64,
    /// ApiVersions is answered.
    pub first_answer_ms: f64,
    /// The end of a partition is told, if there is a partition: what was acknowledged can be read.
    pub partition_answers_ms: Option<f64>,
    /// Every group's offsets are told, if there is a group: coordinators are loaded while all else is served.
    pub groups_answer_ms: Option<f64>,
    /// CPU time in seconds until then.
    pub cpu_seconds: f64,
}

/// Starts a broker once for what `before` asks for, and then `count` times, each time after more load.
pub fn measure(before: &Before, count: usize) -> Result<Vec<Start>, BenchError> {
    let config = HoldfastConfig {
        data_dir: before.data_dir.clone(),
        settings: before.settings.clone(),
        ready_timeout: START_MAX,
        ..HoldfastConfig::default()
    };
    let mut broker = Holdfast::start(config)?;
    let topics = make_topics(&broker.bootstrap(), before.partitions)?;
    let groups = commit_offsets(&broker.bootstrap(), topics.first(), before.groups)?;
    let mut starts = Vec::with_capacity(count);
    for number in 1..=count {
        eprintln!("start {number} of {count}");
        load_and_end(&mut broker, &topics, before)?;
        let start = Instant::now();
        broker.relaunch()?;
        let watched = watch(&mut broker, &topics, &groups, start);
        starts.push(watched.map_err(|error| match ended(&mut broker) {
            Some(status) => BenchError::Ended {
                status,
                log: broker.log_tail(),
            },
            None => error,
        })?);
    }
    Ok(starts)
}

/// How the broker ended, if it does: a connection breaks a moment before the process is gone.
fn ended(broker: &mut Holdfast) -> Option<ExitStatus> {
    let deadline = Instant::now() + ENDING_MAX;
    loop {
        let status = broker.ended();
        if status.is_some() || Instant::now() >= deadline {
            return status;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn make_topics(bootstrap: &str, partitions: i32) -> Result<Vec<Topic>, BenchError> {
    let mut topics = Vec::new();
    let mut left = partitions;
    while left > 0 {
        let some = left.min(TOPIC_PARTITIONS_MAX);
        let name = format!("start-{}", topics.len());
        let made = topic::create(bootstrap, &name, some, &[])?;
        // Twice as many requests as partitions: two records in each of them.
        let rounds = u64::from(some.unsigned_abs());
        let record_bytes = 100;
        let load = Workload {
            bytes: Size(rounds * 2 * record_bytes),
            size: Size(record_bytes),
            batch_records: 1,
            producers: 1,
            partitions: some,
            ..load()
        };
        write(bootstrap, &made, &load)?;
        topics.push(made);
        left -= some;
    }
    Ok(topics)
}

/// Has groups commit in every partition of a topic. Returns their ids.
fn commit_offsets(
    bootstrap: &str,
    topic: Option<&Topic>,
    count: u32,
) -> Result<Vec<String>, BenchError> {
    let groups: Vec<String> = (0..count).map(|number| format!("start-{number}")).collect();
    let Some(topic) = topic.filter(|_| count > 0) else {
        return Ok(Vec::new());
    };
    let mut connection = Connection::connect(bootstrap, "holdfast-bench", SILENCE_MAX)?;
    connection.find_coordinator(&groups[0])?;
    let offsets = (0..topic.partitions)
        .map(|partition| (partition, 1))
        .collect();
    for group in &groups {
        connection.commit_offsets(group, topic, &offsets)?;
    }
    Ok(groups)
}

fn load() -> Workload {
    Workload {
        size: Size(1_024),
        batch_records: 60,
        warm_up: Span(Duration::ZERO),
        duration: Span(Duration::from_millis(1)),
        ..Workload::default()
    }
}

/// Until all is acknowledged.
fn write(bootstrap: &str, topic: &Topic, load: &Workload) -> Result<(), BenchError> {
    let measured = native::run(&Run {
        bootstrap,
        topics: std::slice::from_ref(topic),
        starts: &Starts::new(),
        workload: load,
        on_interval: &|_| {},
        interrupt: &Interrupt::default(),
        brokers: &Vec::new(),
    })?;
    measured.cause.map_or(Ok(()), Err)
}

fn load_and_end(
    broker: &mut Holdfast,
    topics: &[Topic],
    before: &Before,
) -> Result<(), BenchError> {
    let bytes = (before.gigabytes * 1e9) as u64;
    let (bootstrap, pid) = (broker.bootstrap(), broker.pid());
    let written_before = Usage::of(pid)?.written_bytes;
    let loaded = topics.first().filter(|_| bytes > 0);
    if !before.kill {
        if let Some(topic) = loaded {
            let load = Workload {
                bytes: Size(bytes),
                partitions: topic.partitions,
                ..load()
            };
            write(&bootstrap, topic, &load)?;
        }
        broker.stop()?;
        return Ok(());
    }
    std::thread::scope(|scope| {
        if let Some(topic) = loaded {
            let load = Workload {
                bytes: Size(u64::MAX),
                partitions: topic.partitions,
                ..load()
            };
            // It ends when the broker does, with an error that says so.
            scope.spawn(move || write(&bootstrap, topic, &load).err());
            let begun = Instant::now();
            while Usage::of(pid)?.written_bytes < written_before + bytes {
                if begun.elapsed() > LOAD_MAX {
                    broker.kill9();
                    return Err(BenchError::Unexpected("the broker writes next to nothing"));
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
        broker.kill9();
        Ok(())
    })
}

fn watch(
    broker: &mut Holdfast,
    topics: &[Topic],
    groups: &[String],
    start: Instant,
) -> Result<Start, BenchError> {
    let address = broker.bootstrap();
    let since = || start.elapsed().as_secs_f64() * 1e3;
    // A refused connection says nothing about when the next one succeeds.
    while TcpStream::connect(&address).is_err() {
        if broker.ended().is_some() || start.elapsed() > START_MAX {
            return Err(BenchError::Unexpected("the broker does not start"));
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    let port_open_ms = since();
    let mut connection = Connection::connect(&address, "holdfast-bench", SILENCE_MAX)?;
    let first_answer_ms = since();
    let mut partition_answers_ms = None;
    if let Some(topic) = topics.last() {
        while let Err(error) =
            connection.list_offset(topic, topic.partitions - 1, OffsetSpec::Latest)
        {
            if !error.is_retriable() || start.elapsed() > START_MAX {
                return Err(error.into());
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        partition_answers_ms = Some(since());
    }
    let mut groups_answer_ms = None;
    if let Some(topic) = topics.first().filter(|_| !groups.is_empty()) {
        for group in groups {
            let committed = loop {
                match connection.committed_offsets(group, topic) {
                    Err(error) if error.is_retriable() && start.elapsed() < START_MAX => {
                        std::thread::sleep(LOOK_INTERVAL);
                    }
                    committed => break committed?,
                }
            };
            if committed.len() != topic.partitions as usize {
                return Err(BenchError::Unexpected("committed offsets are missing"));
            }
        }
        groups_answer_ms = Some(since());
    }
    let cpu_seconds = Usage::of(broker.pid())?.cpu_seconds;
    broker.wait_ready()?;
    Ok(Start {
        port_open_ms,
        first_answer_ms,
        partition_answers_ms,
        groups_answer_ms,
        cpu_seconds,
    })
}

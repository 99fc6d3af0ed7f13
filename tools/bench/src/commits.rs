//! Groups that commit offsets, each as soon as its last commit was answered: a closed loop, since a consumer waits for its commit.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use client::{ClientError, Connection, Topic};

use crate::BenchError;
use crate::latency::Latency;
use crate::measure::metered;
use crate::round::{Client, Costs, Flow, Round};
use crate::topic;

const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Much longer than a coordinator takes to be there.
const READY_WITHIN: Duration = Duration::from_secs(60);
const ASK_INTERVAL: Duration = Duration::from_millis(50);

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct CommitLoad {
    /// Groups, each on a connection of its own.
    pub groups: usize,
    /// Partitions that each commit is for.
    pub partitions: i32,
    /// How long.
    pub duration: Duration,
}

/// What one run did.
struct Committed {
    latencies: Latency,
    elapsed: Duration,
}

/// Commits to a topic of its own for a while. A record, in the round, is a commit.
pub fn round(
    bootstrap: &str,
    pids: &[u32],
    name: &str,
    load: &CommitLoad,
) -> Result<Round, BenchError> {
    let topic = topic::create(bootstrap, name, load.partitions, &[])?;
    let mut groups = Vec::with_capacity(load.groups);
    for number in 0..load.groups {
        groups.push(Group::begin(bootstrap, format!("{name}-{number}"), &topic)?);
    }
    let (committed, used) = metered(pids, || run(groups, &topic, load.duration))?;
    topic::delete(bootstrap, name)?;
    let commits = committed.latencies.count();
    let seconds = committed.elapsed.as_secs_f64();
    Ok(Round {
        seconds,
        produce: Flow::new(commits, 0, seconds, Some(committed.latencies)),
        broker: Costs::new(&used, commits, 0),
        client: Client::new(&used),
        ..Round::default()
    })
}

/// A group and its connection.
struct Group {
    id: String,
    connection: Connection,
}

impl Group {
    /// Connects, and waits until its coordinator takes a commit.
    fn begin(bootstrap: &str, id: String, topic: &Topic) -> Result<Group, BenchError> {
        let mut connection = Connection::connect(bootstrap, "holdfast-bench", SILENCE_MAX)?;
        let deadline = Instant::now() + READY_WITHIN;
        let mut ready = || {
            connection.find_coordinator(&id)?;
            connection.commit_offsets(&id, topic, &[(0, 0)].into())
        };
        loop {
            match ready() {
                Err(error) if error.is_retriable() && Instant::now() < deadline => {
                    std::thread::sleep(ASK_INTERVAL);
                }
                done => break done?,
            }
        }
        Ok(Group { id, connection })
    }

    fn commit_until(
        &mut self,
        topic: &Topic,
        end: Instant,
        latencies: &mut Latency,
    ) -> Result<(), ClientError> {
        let mut offset = 0;
        loop {
            let sent = Instant::now();
            if sent >= end {
                return Ok(());
            }
            offset += 1;
            let offsets: BTreeMap<i32, i64> =
                (0..topic.partitions).map(|it| (it, offset)).collect();
            self.connection.commit_offsets(&self.id, topic, &offsets)?;
            latencies.record(sent.elapsed());
        }
    }
}

fn run(groups: Vec<Group>, topic: &Topic, duration: Duration) -> Result<Committed, BenchError> {
    let together = Barrier::new(groups.len() + 1);
    std::thread::scope(|scope| {
        let running: Vec<_> = groups
            .into_iter()
            .map(|mut group| {
                let together = &together;
                scope.spawn(move || {
                    let mut latencies = Latency::default();
                    together.wait();
                    let end = Instant::now() + duration;
                    let done = group.commit_until(topic, end, &mut latencies);
                    done.map(|()| latencies)
                })
            })
            .collect();
        together.wait();
        let begun = Instant::now();
        let mut all = Latency::default();
        for group in running {
            let latencies = group
                .join()
                .map_err(|_| BenchError::Unexpected("a committing thread panicked"))??;
            all.add(&latencies);
        }
        Ok(Committed {
            latencies: all,
            elapsed: begun.elapsed(),
        })
    })
}

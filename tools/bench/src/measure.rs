//! A round: topics of its own, the load, all of it read back if that is wanted, and what it cost.

use std::time::{Duration, Instant};

use client::Topic;

use crate::fault::Brokers;
use crate::interrupt::Interrupt;
use crate::journal::JournalRound;
use crate::native::{self, Run, Starts, read_back};
use crate::process::{self, Usage};
use crate::recorder::Interval;
use crate::round::{Round, Used};
use crate::topic::{self, TemporaryTopics};
use crate::workload::{Client, Workload};
use crate::{BenchError, librdkafka};

/// A broker gets this long to finish what it left for later.
const IDLE_WAIT_MAX: Duration = Duration::from_secs(60);

/// A cluster to measure.
#[derive(Clone, Debug)]
pub struct Target {
    /// A broker, `HOST:PORT`.
    pub bootstrap: String,
    /// The brokers' processes, if they are on this machine.
    pub pids: Vec<u32>,
}

/// What is written to.
#[derive(Clone, Debug)]
pub enum Topics {
    /// Topics of this name, or that begin with it, which are made for a round and deleted after it.
    Temporary(String),
    /// One that is there, or is made, and stays.
    Named(String),
}

/// Loads a cluster once.
///
/// An error is one from before the load begins; what ends a load that has begun is in what the round says.
pub fn round(
    target: &Target,
    workload: &Workload,
    topics: &Topics,
    on_interval: &(dyn Fn(&Interval) + Sync),
    interrupt: &Interrupt,
) -> Result<Round, BenchError> {
    let by = (&target.pids as &dyn Brokers, interrupt);
    round_with(target, workload, topics, on_interval, by)
}

/// The same, where it is known how to start brokers again.
pub fn round_with(
    target: &Target,
    workload: &Workload,
    topics: &Topics,
    on_interval: &(dyn Fn(&Interval) + Sync),
    (brokers, interrupt): (&dyn Brokers, &Interrupt),
) -> Result<Round, BenchError> {
    if workload.fault.is_some() && workload.client == Client::Native {
        return Err(BenchError::Workload {
            what: "a fault ends what the native client does: --client librdkafka".to_owned(),
        });
    }
    let Made {
        topics: made,
        starts,
        ..
    } = &make(target, workload, topics)?;
    let run = Run {
        bootstrap: &target.bootstrap,
        topics: made,
        starts,
        workload,
        on_interval,
        interrupt,
        brokers,
    };
    let ((measured, journal), used) = metered(&target.pids, || {
        let (before, begin) = (brokers.journal(), Instant::now());
        let measured = match workload.client {
            Client::Native => native::run(&run),
            Client::Librdkafka => librdkafka::run(&run),
        }?;
        // Seals and checkpoints that follow are no part of it.
        let (seconds, after) = (begin.elapsed().as_secs_f64(), brokers.journal());
        let journal = before.zip(after);
        let journal =
            journal.and_then(|(before, after)| JournalRound::between(before, after, seconds));
        Ok((measured, journal))
    })?;
    let (records, is_whole) = (measured.records_in_all, measured.cause.is_none());
    let round = Round {
        journal,
        ..Round::of_run(measured, workload, used)
    };
    if !workload.read_back || !is_whole {
        return Ok(round);
    }
    let read = || read_back::run(&target.bootstrap, made, starts, records, interrupt);
    let (read, used) = metered(&target.pids, read)?;
    Ok(round.with_read_back(&read, used))
}

/// Topics that are there, and what removes them.
struct Made {
    topics: Vec<Topic>,
    starts: Starts,
    _temporary: Option<TemporaryTopics>,
}

fn make(target: &Target, workload: &Workload, topics: &Topics) -> Result<Made, BenchError> {
    let prefix = match topics {
        Topics::Named(name) => {
            let topic = topic::existing(&target.bootstrap, name, workload.partitions)?;
            let ends = topic::ends(&target.bootstrap, &topic)?;
            return Ok(Made {
                topics: vec![topic],
                starts: ends.into_iter().map(|(at, end)| ((0, at), end)).collect(),
                _temporary: None,
            });
        }
        Topics::Temporary(prefix) => prefix,
    };
    let configs = workload.topic_configs.iter();
    let configs = configs.map(|(name, value)| (name.clone(), value.clone()));
    let configs: Vec<(String, String)> = configs.collect();
    let mut temporary = TemporaryTopics::new(&target.bootstrap);
    let mut made = Vec::with_capacity(workload.topics);
    for number in 0..workload.topics {
        let name = match workload.topics {
            1 => prefix.clone(),
            _ => format!("{prefix}-{number}"),
        };
        let replicas = workload.replication_factor;
        made.push(temporary.create(&name, workload.partitions, replicas, &configs)?);
    }
    Ok(Made {
        topics: made,
        starts: Starts::new(),
        _temporary: Some(temporary),
    })
}

/// Runs something, and says what it cost the brokers, what they put off included, and this process.
pub(crate) fn metered<T>(
    pids: &[u32],
    run: impl FnOnce() -> Result<T, BenchError>,
) -> Result<(T, Used), BenchError> {
    let own = std::process::id();
    let here = Some(pids).filter(|pids| !pids.is_empty());
    let idle_share = here.map(process::share_of_cpu).transpose()?;
    let own_before = Usage::of(own)?;
    let before = here.map(process::usage_of_all).transpose()?;
    let begin = Instant::now();
    let result = run()?;
    let seconds = begin.elapsed().as_secs_f64();
    let own_after = Usage::of(own)?;
    let broker = match before.zip(idle_share) {
        // A broker that is gone by now has no costs that could be told.
        Some((before, idle_share)) => process::wait_until_idle(pids, idle_share, IDLE_WAIT_MAX)
            .and_then(|_| process::usage_of_all(pids))
            .ok()
            .map(|after| (before, after)),
        None => None,
    };
    let used = Used {
        broker,
        client_cpu_seconds: own_after.cpu_seconds - own_before.cpu_seconds,
        seconds,
    };
    Ok((result, used))
}

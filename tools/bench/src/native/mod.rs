//! The load generator's own client: it speaks the protocol with batches that were made beforehand, so that it costs little beside the broker.
//!
//! - [`leaders`]: who leads what, and which connections that makes.
//! - [`batches`]: batches and requests.
//! - [`under_way`]: the threads of a run.
//! - [`produce`]: connections that send on schedule and wait for acknowledgements.
//! - [`follow`]: consumers that read meanwhile.
//! - [`end_to_end`]: when each batch was due, and when a consumer had it.
//! - [`read_back`]: a topic read from its start.

mod batches;
mod end_to_end;
mod follow;
mod leaders;
mod link;
mod produce;
pub mod read_back;
mod under_way;

use std::sync::Arc;
use std::time::Duration;

use client::Topic;
use protocol::messages::ApiKey;

pub use self::end_to_end::At;
use self::end_to_end::Group;
pub use self::follow::Starts;
use self::under_way::UnderWay;
use crate::course::Course;
use crate::fault::{Brokers, FaultRound};
use crate::interrupt::Interrupt;
use crate::latency::Latency;
use crate::recorder::{Counted, Interval, Recorder, measured_by_all};
use crate::workload::Workload;
use crate::{BenchError, topic};

/// The newest versions that name topics, which every broker has.
const PRODUCE_VERSION_MAX: i16 = 12;
const FETCH_VERSION_MAX: i16 = 12;

/// A run.
pub struct Run<'a> {
    /// A broker, `HOST:PORT`.
    pub bootstrap: &'a str,
    /// The topics, which are there.
    pub topics: &'a [Topic],
    /// Where they ended before, if they were there.
    pub starts: &'a Starts,
    /// What is done to them.
    pub workload: &'a Workload,
    /// Told about once a second what came of it.
    pub on_interval: &'a (dyn Fn(&Interval) + Sync),
    /// Ends it before its time.
    pub interrupt: &'a Interrupt,
    /// To whom a fault happens, if there is to be one.
    pub brokers: &'a dyn Brokers,
}

/// What a run gave, up to its end or to what ended it.
#[derive(Debug, Default)]
pub struct Measured {
    /// How long was measured: until the last request was sent.
    pub elapsed: Duration,
    /// What was acknowledged, from when it was due.
    pub produced: Counted,
    /// From when a request was sent to its answer.
    pub from_sent: Latency,
    /// How late requests were sent by the load generator's own fault.
    pub late: Latency,
    /// Requests that were due and had to wait for room in the window.
    pub had_to_wait: u64,
    /// What all groups of consumers had, from when it was due.
    pub end_to_end: Counted,
    /// What consumers read, warm-up included.
    pub fetched: Fetched,
    /// Consumers that began with a backlog, and have read it.
    pub caught_up: Option<CaughtUp>,
    /// What came of it second by second, warm-up included.
    pub timeline: Vec<Interval>,
    /// Records that were acknowledged in all, warm-up included.
    pub records_in_all: u64,
    /// The busiest thread's share of a CPU.
    pub busiest_thread: f64,
    /// What a fault came to.
    pub fault: Option<FaultRound>,
    /// What ended it before its time.
    pub cause: Option<BenchError>,
}

/// What consumers read.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Records.
    pub records: u64,
    /// Bytes of their batches, as they were sent.
    pub bytes: u64,
    /// How long fetches took that brought something.
    pub latency: Latency,
}

/// Consumers that began with a backlog.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CaughtUp {
    /// From when they began until each had come to the end of what there was.
    pub after: Duration,
    /// Records that were there when they began.
    pub backlog: u64,
}

/// Produces to all partitions of the topics, and has consumers read them.
///
/// An error is one from before the load begins; what ends a run that has begun is in what it gives.
pub fn run(run: &Run<'_>) -> Result<Measured, BenchError> {
    let workload = run.workload;
    let produce_version = topic::version(run.bootstrap, ApiKey::Produce, PRODUCE_VERSION_MAX)?;
    let fetch_version = topic::version(run.bootstrap, ApiKey::Fetch, FETCH_VERSION_MAX)?;
    let leaders = leaders::leaders(run.bootstrap, run.topics, workload, produce_version)?;
    let connections = leaders::connections(&leaders, workload.producers);
    let recorders: Vec<Recorder> = connections.iter().map(|_| Recorder::default()).collect();
    let group = |_| Group::new(run.topics.len(), workload.partitions);
    let groups: Vec<Group> = (0..workload.consumer_groups).map(group).collect();
    let course = Arc::new(Course::of(workload));
    run.interrupt.ends(&course);
    let under_way = UnderWay::new(run, &course, &leaders, &recorders, &groups);
    let mut measured = under_way.run(&connections, (produce_version, fetch_version));
    measured.produced = measured_by_all(&recorders);
    measured.records_in_all = recorders.iter().map(Recorder::records_in_all).sum();
    for group in &groups {
        measured.end_to_end.add(&group.recorder.measured());
    }
    measured.cause = course.take_cause();
    Ok(measured)
}

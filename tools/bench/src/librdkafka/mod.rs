//! The same load through librdkafka: an independent figure, of a client that people use. It batches, compresses and retries by itself.
//!
//! - [`record`]: what a record says of itself.
//! - [`produce`]: producers that send each record when it is due.
//! - [`consume`]: consumers that read meanwhile.

mod consume;
mod produce;
mod record;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use self::consume::Consumer;
use self::produce::{Ended, Producer, Shared};
use crate::course::{Course, Patience, UNREAD_MAX};
use crate::fault::{self, Watch};
use crate::ledger::Ledger;
use crate::native::{Fetched, Measured, Run};
use crate::recorder::{self, INTERVAL, Interval, Recorder, measured_by_all};
use crate::workload::Workload;
use crate::{BenchError, topic};

/// How often what was measured is looked at where a fault is to be seen.
const FAULT_INTERVAL: Duration = Duration::from_millis(100);
/// How often it is asked whether all was read.
const LOOK: Duration = Duration::from_millis(20);

/// Produces to all partitions of the topics, and has consumers read them.
///
/// An error is one from before the load begins; what ends a run that has begun is in what it gives.
pub fn run(run: &Run<'_>) -> Result<Measured, BenchError> {
    let workload = run.workload;
    record::check(workload)?;
    let victim = workload.fault.map(|_| leader(run)).transpose()?;
    let course = Arc::new(Course::of(workload));
    run.interrupt.ends(&course);
    let partitions = run.topics.iter().map(|it| it.partitions).sum::<i32>();
    let shared = Arc::new(Shared {
        recorders: (0..workload.producers)
            .map(|_| Recorder::default())
            .collect(),
        ledger: Ledger::new(workload.producers),
        sent: (0..workload.producers).map(|_| AtomicU64::new(0)).collect(),
        measured_from: course.measured_from,
        bytes: workload.size.0,
        errors: Mutex::default(),
        fault: workload
            .fault
            .map(|_| Watch::new(course.start, usize::try_from(partitions).unwrap_or(0))),
        topics: run.topics.to_vec(),
    });
    let producers = (0..workload.producers)
        .map(|number| Producer::new(run, number, &shared))
        .collect::<Result<Vec<_>, _>>()?;
    let recorders: Vec<Recorder> = (0..workload.consumer_groups)
        .map(|_| Recorder::default())
        .collect();
    let mut consumers = Vec::with_capacity(recorders.len());
    for (number, recorder) in recorders.iter().enumerate() {
        consumers.push(Consumer::new(run, number, &course, recorder, &shared)?);
    }
    let is_over = AtomicBool::new(false);
    let mut measured = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(run, &course, &shared));
        let striking =
            scope.spawn(|| unless_failed(strike(run, victim, &course, &shared), &course));
        let producing: Vec<_> = producers
            .iter()
            .map(|producer| scope.spawn(|| unless_failed(producer.run(&course), &course)))
            .collect();
        wait_for_backlog(workload, &course, &shared, &producing);
        let following: Vec<_> = consumers
            .iter()
            .map(|consumer| scope.spawn(|| unless_failed(consumer.run(&is_over), &course)))
            .collect();
        let mut measured = Measured::default();
        for thread in producing {
            if let Some(ended) = thread.join().ok().flatten() {
                on_produced(&mut measured, &ended);
            }
        }
        // What was killed is back by then, or what it alone had would be missing.
        let _ = striking.join();
        if !consumers.is_empty() {
            wait_for_readers(&course, &shared);
        }
        is_over.store(true, Ordering::Relaxed);
        for thread in following {
            if let Some(fetched) = thread.join().ok().flatten() {
                on_read(&mut measured, &fetched);
            }
        }
        course.finish();
        measured.timeline = watching.join().unwrap_or_default();
        measured
    });
    measured.elapsed = measured.elapsed.saturating_sub(workload.warm_up.0);
    measured.produced = measured_by_all(&shared.recorders);
    measured.records_in_all = shared.recorders.iter().map(Recorder::records_in_all).sum();
    measured.end_to_end = measured_by_all(&recorders);
    let (produced, sums) = (&measured.produced, shared.ledger.sums());
    let is_whole = !course.is_stopped();
    let fault = shared.fault.as_ref();
    measured.fault = fault.and_then(|it| it.outcome(produced, &sums, (course.end, is_whole)));
    measured.cause = course.take_cause();
    Ok(measured)
}

/// Who leads the first partition.
fn leader(run: &Run<'_>) -> Result<i32, BenchError> {
    let leader = topic::first_leader(run.bootstrap, &run.topics[0].name)?;
    // Better said now than in the middle of the run.
    fault::pid_of(leader, run.brokers)?;
    Ok(leader)
}

fn strike(
    run: &Run<'_>,
    victim: Option<i32>,
    course: &Course,
    shared: &Shared,
) -> Result<(), BenchError> {
    let fault = run.workload.fault.as_ref();
    let Some(((fault, victim), watch)) = fault.zip(victim).zip(shared.fault.as_ref()) else {
        return Ok(());
    };
    let sleep_until = |due| course.sleep_until(due);
    fault::strike(
        fault,
        (victim, run.brokers),
        watch,
        course.measured_from,
        sleep_until,
    )
}

/// What producers and consumers have in common.
fn config(run: &Run<'_>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", run.bootstrap);
    config.set("client.id", "holdfast-bench");
    // A broker that is gone is what is measured, and not news to the terminal.
    config.set("log_level", "2");
    for (name, value) in &run.workload.client_configs {
        config.set(name, value);
    }
    config
}

fn failed(doing: &'static str) -> impl Fn(KafkaError) -> BenchError {
    move |source| BenchError::Librdkafka {
        doing,
        reason: source.to_string(),
    }
}

fn unless_failed<T>(outcome: Result<T, BenchError>, course: &Course) -> Option<T> {
    outcome.map_err(|error| course.fail(error)).ok()
}

fn watch(run: &Run<'_>, course: &Course, shared: &Shared) -> Vec<Interval> {
    let interval = match shared.fault {
        Some(_) => FAULT_INTERVAL,
        None => INTERVAL,
    };
    recorder::follow(course, &shared.recorders, interval, run.on_interval)
}

fn wait_for_backlog<T>(
    workload: &Workload,
    course: &Course,
    shared: &Shared,
    producing: &[std::thread::ScopedJoinHandle<'_, T>],
) {
    let written = || {
        shared
            .recorders
            .iter()
            .map(Recorder::bytes_in_all)
            .sum::<u64>()
    };
    while written() < workload.backlog.0
        && !producing
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        && course.sleep_until(Instant::now() + LOOK)
    {}
}

/// Until all that was acknowledged is read, or nothing comes any more.
fn wait_for_readers(course: &Course, shared: &Shared) {
    let mut patience = Patience::new(UNREAD_MAX);
    while course.sleep_until(Instant::now() + LOOK) {
        let unread = shared.ledger.sums().unread();
        if unread == 0 {
            return;
        }
        if patience.is_over(unread) {
            if shared.fault.is_some() {
                // What is missing is what was measured.
                return;
            }
            course.fail(BenchError::Unread {
                records: unread,
                waited: UNREAD_MAX,
            });
        }
    }
}

fn on_produced(measured: &mut Measured, ended: &Ended) {
    measured.elapsed = measured.elapsed.max(ended.sent_for);
    measured.late.add(&ended.late);
    measured.had_to_wait += ended.had_to_wait;
    measured.busiest_thread = measured.busiest_thread.max(ended.busy.0);
}

fn on_read(measured: &mut Measured, fetched: &Fetched) {
    measured.fetched.records += fetched.records;
    measured.fetched.bytes += fetched.bytes;
}

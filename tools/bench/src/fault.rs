//! Something happens to a broker while it is under load: what clients see of it, and for how long.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::BenchError;
use crate::journal::JournalTotals;
use crate::ledger::Sums;
use crate::recorder::Counted;
use crate::workload::quantity::Span;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// SIGKILL; where brokers are started here, it is started again
    Kill,
    /// SIGSTOP, and SIGCONT
    Pause,
    /// SIGTERM; where brokers are started here, it is started again
    Stop,
}

/// A fault, as a part of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// When, from the end of the warm-up on.
    pub at: Span,
    /// Until it is over: the broker goes on, or is started again.
    pub lasts: Span,
}

impl FaultKind {
    fn signal(self) -> Signal {
        match self {
            FaultKind::Kill => Signal::KILL,
            FaultKind::Pause => Signal::STOP,
            FaultKind::Stop => Signal::TERM,
        }
    }

    fn name(self) -> &'static str {
        match self {
            FaultKind::Kill => "killed",
            FaultKind::Pause => "paused",
            FaultKind::Stop => "stopped",
        }
    }
}

/// Brokers to which something can be done.
pub trait Brokers: Send + Sync {
    /// The process of the broker of that id; `None` where it is not known.
    fn pid(&self, id: i32) -> Option<u32>;

    /// Starts it again after it has ended, and waits until it serves. False where it is not known how.
    fn restart(&self, id: i32) -> Result<bool, BenchError>;

    /// What the journal of a single one has written; `None` where it is not known.
    fn journal(&self) -> Option<JournalTotals> {
        None
    }
}

/// Processes that are there, of which the first is the one to which it happens, whichever it leads.
impl Brokers for Vec<u32> {
    fn pid(&self, _: i32) -> Option<u32> {
        self.first().copied()
    }

    fn restart(&self, _: i32) -> Result<bool, BenchError> {
        Ok(false)
    }
}

/// What a fault came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultRound {
    /// What happened to whom.
    pub what: String,
    /// When, in seconds from the begin of the run, warm-up included.
    pub at_seconds: f64,
    /// When it was over; absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_at_seconds: Option<f64>,
    /// Milliseconds until the client said that anything is wrong; absent if it never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error_ms: Option<f64>,
    /// The longest time from then on in which a partition acknowledged nothing, in milliseconds.
    pub gap_ms: f64,
    /// The longest that a record waited for its acknowledgement in the whole run, in milliseconds.
    pub longest_wait_ms: f64,
    /// Records of which the client said that they are not there.
    pub refused: u64,
    /// Records that were acknowledged and not read; not known of a run that ended before consumers had read all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Records that were read more than once.
    pub duplicates: u64,
}

/// What clients note of a fault while it happens.
#[derive(Debug)]
pub(crate) struct Watch {
    start: Instant,
    struck: OnceLock<(Instant, String)>,
    over: OnceLock<Instant>,
    first_error: OnceLock<Instant>,
    refused: AtomicU64,
    partitions: Vec<Partition>,
}

/// Of a partition, in nanoseconds from the begin of the run.
#[derive(Debug, Default)]
struct Partition {
    last: AtomicU64,
    gap: AtomicU64,
}

impl Watch {
    /// Of a run with so many partitions.
    pub(crate) fn new(start: Instant, partitions: usize) -> Watch {
        Watch {
            start,
            struck: OnceLock::new(),
            over: OnceLock::new(),
            first_error: OnceLock::new(),
            refused: AtomicU64::new(0),
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
        }
    }

    /// A partition has acknowledged something.
    pub(crate) fn on_acknowledged(&self, partition: usize, now: Instant) {
        let Some(partition) = self.partitions.get(partition) else {
            return;
        };
        let nanos = self.nanos(now);
        let last = partition.last.fetch_max(nanos, Ordering::Relaxed);
        if self.struck.get().is_some() {
            let gap = nanos.saturating_sub(last);
            partition.gap.fetch_max(gap, Ordering::Relaxed);
        }
    }

    /// A client says that something is wrong.
    pub(crate) fn on_error(&self) {
        if self.struck.get().is_some() {
            self.first_error.get_or_init(Instant::now);
        }
    }

    /// A client says that a record is not there.
    pub(crate) fn on_refused(&self) {
        self.on_error();
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// What came of it, at the end of a run in which nothing was due after `end`. `None` if nothing happened. One that is not whole was ended before
    /// consumers could read all.
    pub(crate) fn outcome(
        &self,
        produced: &Counted,
        sums: &Sums,
        (end, is_whole): (Instant, bool),
    ) -> Option<FaultRound> {
        let (struck, what) = self.struck.get()?;
        let end = self.nanos(end);
        let gaps = self.partitions.iter().map(|partition| {
            // One that has not come back has a gap up to the end.
            let open = end.saturating_sub(partition.last.load(Ordering::Relaxed));
            partition.gap.load(Ordering::Relaxed).max(open)
        });
        let seconds = |at: &Instant| at.saturating_duration_since(self.start).as_secs_f64();
        let error = self.first_error.get();
        Some(FaultRound {
            what: what.clone(),
            at_seconds: seconds(struck),
            over_at_seconds: self.over.get().map(seconds),
            first_error_ms: error.map(|at| at.duration_since(*struck).as_secs_f64() * 1e3),
            gap_ms: gaps.max().unwrap_or(0) as f64 / 1e6,
            longest_wait_ms: produced.latency.max(),
            refused: self.refused.load(Ordering::Relaxed),
            lost: is_whole.then(|| sums.unread()),
            duplicates: sums.duplicates,
        })
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Has a fault happen to the broker `id`, when `sleep_until` has come to its time, and ends it. `sleep_until` says false when the run is over before.
pub(crate) fn strike(
    fault: &Fault,
    (id, brokers): (i32, &dyn Brokers),
    watch: &Watch,
    measured_from: Instant,
    sleep_until: impl Fn(Instant) -> bool,
) -> Result<(), BenchError> {
    let at = measured_from + fault.at.0;
    if !sleep_until(at) {
        return Ok(());
    }
    let pid = pid_of(id, brokers)?;
    let what = format!("process {pid} was {}", fault.kind.name());
    // Before it happens, so that no error is too early.
    let _ = watch.struck.set((Instant::now(), what));
    signal(pid, fault.kind.signal())?;
    // However early the run ends, a broker that was stopped goes on.
    sleep_until(at + fault.lasts.0);
    match fault.kind {
        FaultKind::Pause => signal(pid, Signal::CONT)?,
        FaultKind::Kill | FaultKind::Stop if !brokers.restart(id)? => return Ok(()),
        FaultKind::Kill | FaultKind::Stop => {}
    }
    let _ = watch.over.set(Instant::now());
    Ok(())
}

/// The process to which it is to happen.
pub(crate) fn pid_of(id: i32, brokers: &dyn Brokers) -> Result<u32, BenchError> {
    brokers.pid(id).ok_or_else(|| BenchError::Workload {
        what: format!("nobody knows the process of broker {id}: --pid"),
    })
}

fn signal(pid: u32, signal: Signal) -> Result<(), BenchError> {
    let doing = "signal the broker";
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| BenchError::Io {
        doing,
        source: std::io::ErrorKind::InvalidInput.into(),
    })?;
    kill_process(pid, signal).map_err(|error| BenchError::Io {
        doing,
        source: error.into(),
    })
}

/// Brokers that are started here, of which one at a time can be started again.
impl Brokers for Mutex<crate::targets::Running> {
    fn pid(&self, id: i32) -> Option<u32> {
        self.lock().pid_of(id)
    }

    fn restart(&self, id: i32) -> Result<bool, BenchError> {
        self.lock().restart(id).map(|()| true)
    }

    fn journal(&self) -> Option<JournalTotals> {
        self.lock().journal()
    }
}

impl Fault {
    /// Longer than any run has a use for.
    const LASTS_MAX: Duration = Duration::from_secs(3_600);

    pub(crate) fn check(&self) -> Result<(), BenchError> {
        match self.lasts.0 <= Fault::LASTS_MAX {
            true => Ok(()),
            false => Err(BenchError::Workload {
                what: "a fault lasts an hour at most".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{WaitOptions, waitpid};

    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn the_gap_is_that_of_the_partition_that_had_the_longest_after_the_fault() {
        let start = Instant::now();
        let watch = Watch::new(start, 3);
        for ms in (0..1_000).step_by(10) {
            (0..3).for_each(|partition| watch.on_acknowledged(partition, at(start, ms)));
        }
        // Before the fault a gap says nothing of it.
        watch.on_acknowledged(0, at(start, 1_900));
        watch.struck.set((at(start, 2_000), String::new())).unwrap();
        watch.on_acknowledged(0, at(start, 2_100));
        watch.on_acknowledged(1, at(start, 2_400));
        watch.on_acknowledged(2, at(start, 2_050));
        let sums = Sums::default();
        let outcome = watch.outcome(&Counted::default(), &sums, (at(start, 2_500), true));
        // From 990 on, the last of the second partition.
        assert_eq!(outcome.unwrap().gap_ms.round(), 1_410.0);

        watch.on_acknowledged(0, at(start, 9_000));
        watch.on_acknowledged(1, at(start, 9_000));
        let outcome = watch.outcome(&Counted::default(), &sums, (at(start, 20_000), true));
        assert_eq!(
            outcome.unwrap().gap_ms.round(),
            17_950.0,
            "the third is not back"
        );
    }

    #[test]
    fn an_error_before_the_fault_is_none_of_it() {
        let start = Instant::now();
        let watch = Watch::new(start, 1);
        watch.on_error();
        let sums = Sums::default();
        assert_eq!(
            watch.outcome(&Counted::default(), &sums, (start, true)),
            None
        );
        watch.struck.set((Instant::now(), String::new())).unwrap();
        let before = watch
            .outcome(&Counted::default(), &sums, (start, true))
            .unwrap();
        assert_eq!(before.first_error_ms, None);
        watch.on_refused();
        let after = watch
            .outcome(&Counted::default(), &sums, (start, true))
            .unwrap();
        assert!(after.first_error_ms.is_some());
        assert_eq!((after.refused, after.lost), (1, Some(0)));
        // What is not read yet when a run is interrupted is not lost.
        let early = watch.outcome(&Counted::default(), &sums, (start, false));
        assert_eq!(early.unwrap().lost, None);
    }

    /// Ends with the test, however that ends.
    struct Sleeper(std::process::Child);

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_process_is_paused_and_goes_on_though_the_run_ends() {
        let sleeper = std::process::Command::new("sleep").arg("60").spawn();
        let sleeper = Sleeper(sleeper.unwrap());
        let fault = Fault {
            kind: FaultKind::Pause,
            at: Span(Duration::ZERO),
            lasts: Span(Duration::from_secs(30)),
        };
        let start = Instant::now();
        let watch = Watch::new(start, 1);
        let pid = Pid::from_child(&sleeper.0);
        // Waits until it is as it is asked for.
        let becomes = |state| waitpid(Some(pid), state).unwrap().unwrap().1;
        let ends_early = |due| {
            if due > start {
                assert!(becomes(WaitOptions::UNTRACED).stopped());
            }
            due == start
        };
        let brokers = vec![sleeper.0.id()];
        strike(&fault, (1, &brokers), &watch, start, ends_early).unwrap();
        assert!(becomes(WaitOptions::CONTINUED).continued());
        let outcome = watch.outcome(&Counted::default(), &Sums::default(), (start, true));
        assert!(outcome.unwrap().over_at_seconds.is_some());
    }
}

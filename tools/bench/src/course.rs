//! What all threads of a run know: when it began, what is measured, and whether it is over.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::BenchError;
use crate::workload::Workload;

/// A run that is under way.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) start: Instant,
    /// What is due before is warm-up.
    pub(crate) measured_from: Instant,
    /// Nothing is due after this, but for what is missing of the bytes that are wanted.
    pub(crate) end: Instant,
    /// What is later than this is not sent any more.
    behind_max: Duration,
    is_stopped: AtomicBool,
    ending: Mutex<Ending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Ending {
    is_finished: bool,
    cause: Option<BenchError>,
    connections: Vec<TcpStream>,
}

/// How long nothing may come of what was acknowledged.
pub(crate) const UNREAD_MAX: Duration = Duration::from_secs(10);

/// For how long a number that should become less may stay as it is.
#[derive(Debug)]
pub(crate) struct Patience {
    least: u64,
    since: Instant,
    max: Duration,
}

impl Patience {
    pub(crate) fn new(max: Duration) -> Patience {
        Patience {
            least: u64::MAX,
            since: Instant::now(),
            max,
        }
    }

    /// Whether it has been so for too long.
    pub(crate) fn is_over(&mut self, number: u64) -> bool {
        if number < self.least {
            (self.least, self.since) = (number, Instant::now());
        }
        self.since.elapsed() > self.max
    }
}

impl Course {
    /// Of a load.
    pub(crate) fn of(workload: &Workload) -> Course {
        Course {
            behind_max: workload.drain_max.0,
            ..Course::begin(workload.warm_up.0, workload.duration.0)
        }
    }

    pub(crate) fn begin(warm_up: Duration, duration: Duration) -> Course {
        let start = Instant::now();
        Course {
            start,
            measured_from: start + warm_up,
            end: start + warm_up + duration,
            behind_max: Duration::MAX,
            is_stopped: AtomicBool::new(false),
            ending: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// No more is sent; what was sent may still be answered. The first cause is kept: what follows from it says less.
    pub(crate) fn end_because(&self, cause: BenchError) {
        let mut ending = self.ending.lock();
        ending.cause.get_or_insert(cause);
        self.is_stopped.store(true, Ordering::Relaxed);
        drop(ending);
        self.changed.notify_all();
    }

    /// The run cannot go on, and no answer is waited for.
    pub(crate) fn fail(&self, cause: BenchError) {
        self.end_because(cause);
        self.hang_up();
    }

    /// Everybody has ended.
    pub(crate) fn finish(&self) {
        self.ending.lock().is_finished = true;
        self.changed.notify_all();
    }

    /// Waits for that, until `deadline`.
    pub(crate) fn finishes_before(&self, deadline: Instant) -> bool {
        let mut ending = self.ending.lock();
        while !ending.is_finished {
            if self.changed.wait_until(&mut ending, deadline).timed_out() {
                return ending.is_finished;
            }
        }
        true
    }

    /// Ends all connections, so that nobody waits for an answer.
    pub(crate) fn hang_up(&self) {
        for connection in &self.ending.lock().connections {
            // It may be over already.
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }

    /// A connection that ends with the run.
    pub(crate) fn watch(&self, connection: TcpStream) {
        self.ending.lock().connections.push(connection);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Whether what was due then is given up: the load has been over, or it has been due, for too long.
    pub(crate) fn gives_up(&self, due: Instant) -> bool {
        let behind = Instant::now().saturating_duration_since(self.end.max(due));
        behind > self.behind_max
    }

    /// Returns when it is time, or the run is stopped: false.
    pub(crate) fn sleep_until(&self, due: Instant) -> bool {
        if self.is_stopped() {
            return false;
        }
        if Instant::now() >= due {
            return true;
        }
        let mut ending = self.ending.lock();
        while !self.is_stopped() {
            if self.changed.wait_until(&mut ending, due).timed_out() {
                return !self.is_stopped();
            }
        }
        false
    }

    pub(crate) fn take_cause(&self) -> Option<BenchError> {
        self.ending.lock().cause.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_ends_sleep() {
        let course = Course::begin(Duration::ZERO, Duration::ZERO);
        std::thread::scope(|scope| {
            let sleeping =
                scope.spawn(|| course.sleep_until(course.start + Duration::from_secs(600)));
            course.end_because(BenchError::Interrupted);
            assert!(!sleeping.join().unwrap());
        });
        assert!(!course.sleep_until(course.start));
    }

    #[test]
    fn the_first_cause_is_kept() {
        let course = Course::begin(Duration::ZERO, Duration::ZERO);
        assert!(course.sleep_until(course.start + Duration::from_millis(1)));
        course.fail(BenchError::Unexpected("first"));
        course.fail(BenchError::Unexpected("second"));
        assert_eq!(course.take_cause().unwrap().to_string(), "first");
        assert!(course.is_stopped());
    }
}

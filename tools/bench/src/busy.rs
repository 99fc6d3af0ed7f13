//! How busy a thread was: whether the load generator, and not the broker, was what a run waited for.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A thread's CPU time as a share of the time it was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Busy(pub(crate) f64);

impl Busy {
    pub(crate) fn new(cpu: Duration, elapsed: Duration) -> Busy {
        Busy(cpu.as_secs_f64() / elapsed.as_secs_f64().max(1e-9))
    }

    pub(crate) fn max(self, other: Busy) -> Busy {
        Busy(self.0.max(other.0))
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen_and_sleep_is_not() {
        let before = thread_cpu();
        std::thread::sleep(Duration::from_millis(30));
        assert!(thread_cpu() - before < Duration::from_millis(25));
        let (mut sum, before) = (0u64, thread_cpu());
        while thread_cpu() - before < Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
        assert_eq!(Busy(0.3).max(Busy(0.5)), Busy(0.5));
    }
}

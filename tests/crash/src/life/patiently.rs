//! Load by writers that take a refusal for want of space, or of a disk, for a reason to try again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{Life, WRITERS};
use crate::{failure::Failure, load::Pulse};

/// Much longer than it takes until a broker notices what has become of its disks.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// What a writer sends before it goes on with small batches.
const WRITER_BYTES: usize = 4 << 20;

impl Life<'_> {
    /// Runs all writers for as long as `meanwhile` takes.
    pub(super) fn load_patiently(
        &mut self,
        may_fail: bool,
        meanwhile: impl FnOnce(&mut Self, &[Pulse]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let address = self.victim.address();
        let topics = self.topics.existing();
        let stop = AtomicBool::new(false);
        let pulses: Vec<Pulse> = WRITERS.iter().map(|_| Pulse::default()).collect();
        let mut writers = std::mem::take(&mut self.writers);
        let (reports, outcome) = thread::scope(|scope| {
            let running: Vec<_> = writers
                .iter_mut()
                .zip(&pulses)
                .map(|(writer, pulse)| {
                    let (address, topics, stop) = (&address, &topics, &stop);
                    scope.spawn(move || {
                        writer.run_patiently(address, topics, WRITER_BYTES, stop, pulse)
                    })
                })
                .collect();
            let outcome = meanwhile(self, &pulses);
            stop.store(true, Ordering::SeqCst);
            let reports: Vec<_> = running
                .into_iter()
                .map(|writer| writer.join().expect("a writer does not panic"))
                .collect();
            (reports, outcome)
        });
        self.writers = writers;
        self.refused += pulses.iter().map(Pulse::refused).sum::<u64>();
        for report in reports {
            self.take_report(report, may_fail)?;
        }
        outcome
    }

    /// SIGKILL, whatever a crash is otherwise.
    pub(super) fn crash_process(&mut self) {
        self.crashes += 1;
        self.victim.kill9();
    }

    /// Looks until it is so.
    pub(super) fn wait_until(
        &self,
        what: &str,
        test: impl Fn(&Self) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + NOTICED_WITHIN;
        while !test(self)? {
            if Instant::now() > deadline {
                return Err(Failure::Broken(format!("it is not so that {what}")));
            }
            thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }
}

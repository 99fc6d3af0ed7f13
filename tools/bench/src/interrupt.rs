//! Ctrl-C, and SIGTERM: what was measured so far is kept, and topics are removed. A second one ends the process at once.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::BenchError;
use crate::course::Course;

/// Answers are waited for so long.
const GRACE: Duration = Duration::from_secs(2);
/// As a shell has it: 128 and the number of the signal.
pub const EXIT_CODE: u8 = 130;

/// Whether somebody wants it to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    is_raised: AtomicBool,
    courses: Mutex<Vec<Weak<Course>>>,
}

impl Interrupt {
    /// From now on the process does not end at once at the first signal.
    pub fn on_signals() -> io::Result<Interrupt> {
        let interrupt = Interrupt::default();
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let exit_code = i32::from(EXIT_CODE);
            signal_hook::flag::register_conditional_shutdown(
                signal,
                exit_code,
                Arc::clone(&is_second),
            )?;
            signal_hook::flag::register(signal, Arc::clone(&is_second))?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let raised = interrupt.clone();
        std::thread::spawn(move || {
            for _ in signals.forever() {
                raised.raise();
            }
        });
        Ok(interrupt)
    }

    /// Ends what is under way.
    pub fn raise(&self) {
        self.inner.is_raised.store(true, Ordering::Relaxed);
        let courses = self.inner.courses.lock();
        let under_way: Vec<Arc<Course>> = courses.iter().filter_map(Weak::upgrade).collect();
        drop(courses);
        for course in &under_way {
            course.end_because(BenchError::Interrupted);
        }
        std::thread::spawn(move || {
            for course in under_way {
                if !course.finishes_before(std::time::Instant::now() + GRACE) {
                    course.hang_up();
                }
            }
        });
    }

    /// Whether it was.
    pub fn is_raised(&self) -> bool {
        self.inner.is_raised.load(Ordering::Relaxed)
    }

    /// Has a run ended by it.
    pub(crate) fn ends(&self, course: &Arc<Course>) {
        let mut courses = self.inner.courses.lock();
        courses.retain(|course| course.strong_count() > 0);
        courses.push(Arc::downgrade(course));
        drop(courses);
        if self.is_raised() {
            course.end_because(BenchError::Interrupted);
        }
    }
}

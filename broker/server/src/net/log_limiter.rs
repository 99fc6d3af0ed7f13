//! A bound on log lines that strangers can cause.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(1);
const LINES_PER_WINDOW_MAX: u64 = 10;

/// Lets some lines per second pass, and counts the others.
#[derive(Debug)]
pub(super) struct LogLimiter {
    started: Instant,
    /// The window in the upper half, lines passed in the lower.
    window: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimiter {
    pub(super) fn new(now: Instant) -> LogLimiter {
        LogLimiter {
            started: now,
            window: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// `Some` if a line may be written: with the number of lines that were not, since the last
    /// that was.
    pub(super) fn admit(&self, now: Instant) -> Option<u64> {
        let window = now.duration_since(self.started).as_secs() / WINDOW.as_secs();
        let admitted = self
            .window
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
                match state >> 32 == window & u64::from(u32::MAX) {
                    true if state & u64::from(u32::MAX) >= LINES_PER_WINDOW_MAX => None,
                    true => Some(state + 1),
                    false => Some((window << 32) + 1),
                }
            });
        match admitted {
            Ok(_) => Some(self.suppressed.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.suppressed.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

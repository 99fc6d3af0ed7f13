//! The clock that may jump.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The time by the wall clock, in milliseconds since the epoch: for timestamps and what is compared with them.
pub fn wall_clock_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since some moment of this process, by a clock that never jumps.
pub fn monotonic_ms() -> i64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    i64::try_from(BEGIN.elapsed().as_millis()).unwrap_or(i64::MAX)
}

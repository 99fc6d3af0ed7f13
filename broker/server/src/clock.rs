//! The clock that may jump.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time by the wall clock, in milliseconds since the epoch: for timestamps and what is compared with them.
pub fn wall_clock_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

//! The wall clock of this machine.

use std::time::SystemTime;

/// Milliseconds since the epoch.
pub(crate) fn wall_clock_ms() -> i64 {
    ms_since_epoch(SystemTime::now())
}

/// The same of another time.
pub(crate) fn ms_since_epoch(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

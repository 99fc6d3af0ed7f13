//! The clock that may jump, and the one that does not.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// By how much the wall clock of this process is wrong, for tests.
static OFFSET_MS: AtomicI64 = AtomicI64::new(0);
/// Between two looks into the file that says so.
const OFFSET_LOOK: Duration = Duration::from_millis(50);

/// The time by the wall clock, in milliseconds since the epoch: for timestamps and what is compared with them.
pub fn wall_clock_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    now_ms.saturating_add(OFFSET_MS.load(Ordering::Relaxed))
}

/// Milliseconds since some moment of this process, by a clock that never jumps.
pub fn monotonic_ms() -> i64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    i64::try_from(BEGIN.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// Has the wall clock be wrong by as many milliseconds as a file says, from now on, for as long as it is polled. A file that says nothing changes nothing.
pub async fn follow_offset(file: PathBuf) {
    loop {
        let said = std::fs::read_to_string(&file).ok();
        if let Some(offset_ms) = said.and_then(|it| it.trim().parse().ok()) {
            OFFSET_MS.store(offset_ms, Ordering::Relaxed);
        }
        tokio::time::sleep(OFFSET_LOOK).await;
    }
}

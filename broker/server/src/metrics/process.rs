//! The process, under the names that every Prometheus client uses.

use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::exposition::Exposition;

/// When this was first asked for, which the broker does as it starts: near enough.
static START_SECONDS: LazyLock<f64> = LazyLock::new(|| {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
});

pub(super) fn expose(out: &mut Exposition) {
    // A value that /proc does not give is left out.
    if let Some(fds) = fs::read_dir("/proc/self/fd").ok().map(Iterator::count) {
        // The directory that is read is open too.
        out.gauge("process_open_fds", "Open file descriptors.")
            .value(&[], fds.saturating_sub(1));
    }
    if let Some(max) = getrlimit(Resource::Nofile).current {
        out.gauge("process_max_fds", "File descriptors allowed.")
            .value(&[], max);
    }
    if let Some(bytes) = resident_bytes() {
        out.gauge("process_resident_memory_bytes", "Resident memory.")
            .value(&[], bytes);
    }
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    out.counter(
        "process_cpu_seconds_total",
        "Processor time, user and system.",
    )
    .value(&[], cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
    out.gauge(
        "process_start_time_seconds",
        "Start of the process, since 1970.",
    )
    .value(&[], *START_SECONDS);
}

/// Notes the time of the start.
pub(super) fn note_start() {
    LazyLock::force(&START_SECONDS);
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

//! What the system says of a process: for a broker on this machine, and for the load generator itself.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::BenchError;

/// What a process has used since it started.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Usage {
    /// CPU time in seconds, user and system.
    pub cpu_seconds: f64,
    /// The most memory it ever had resident, in bytes.
    pub resident_bytes_max: u64,
    /// Bytes it caused to be written to devices.
    pub written_bytes: u64,
    /// Switches to another thread, of its threads that are there.
    pub switches: u64,
}

impl Usage {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> Result<Usage, BenchError> {
        let read = |name: &str| {
            std::fs::read_to_string(format!("/proc/{pid}/{name}"))
                .map_err(BenchError::io("read a process's usage"))
        };
        let ticks = cpu_ticks(&read("stat")?);
        let ticks = ticks.ok_or(BenchError::Unexpected("/proc/PID/stat is not understood"))?;
        Ok(Usage {
            cpu_seconds: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            resident_bytes_max: field(&read("status")?, "VmHWM:").unwrap_or(0) * 1024,
            written_bytes: field(&read("io")?, "write_bytes:").unwrap_or(0),
            switches: switches(pid).map_err(BenchError::io("read a process's usage"))?,
        })
    }
}

/// What several processes have used together.
pub fn usage_of_all(pids: &[u32]) -> Result<Usage, BenchError> {
    let mut sum = Usage::default();
    for pid in pids {
        let usage = Usage::of(*pid)?;
        sum.cpu_seconds += usage.cpu_seconds;
        sum.resident_bytes_max += usage.resident_bytes_max;
        sum.written_bytes += usage.written_bytes;
        sum.switches += usage.switches;
    }
    Ok(sum)
}

/// How long a process is looked at to see how busy it is.
const LOOK: Duration = Duration::from_millis(1500);

/// The share of a CPU that processes use now. A JVM is never quite idle.
pub fn share_of_cpu(pids: &[u32]) -> Result<f64, BenchError> {
    let before = usage_of_all(pids)?;
    std::thread::sleep(LOOK);
    let used = usage_of_all(pids)?.cpu_seconds - before.cpu_seconds;
    Ok(used / LOOK.as_secs_f64())
}

/// Waits until the processes are as idle as `idle_share` says they can be, within a hundredth of a CPU, so that what they left for later
/// counts as well; at most `limit`. False when the limit ended it.
pub fn wait_until_idle(pids: &[u32], idle_share: f64, limit: Duration) -> Result<bool, BenchError> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if share_of_cpu(pids)? <= idle_share + 0.01 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Of all threads: a process as a whole is told only those of its first.
fn switches(pid: u32) -> io::Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // It may have ended since.
        let Ok(status) = std::fs::read_to_string(thread?.path().join("status")) else {
            continue;
        };
        for name in ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"] {
            sum += field(&status, name).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// User and system time, behind the name in parentheses, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_fields() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 300 45 0 0 20";
        assert_eq!(cpu_ticks(stat), Some(345));
    }

    #[test]
    fn the_own_process_has_used_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_bytes_max > 100_000);
        assert!(usage.switches > 0);
    }
}

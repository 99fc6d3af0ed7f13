//! The machine that a result comes from. Without it a number says nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::latency::Latency;

/// What a probe writes, again and again.
const PROBE_BYTES: usize = 4096;
/// Enough for a median; less than a second on most devices.
const PROBES: u64 = 200;
const PROBE_MAX: Duration = Duration::from_secs(3);

/// A machine, as its system describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Its name.
    pub host: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor's model.
    pub cpu: String,
    /// How many of them, as this process may use.
    pub cpus: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The hypervisor, if the processor says that there is one.
    pub is_virtual: bool,
    /// Where brokers that are started here keep their data: file system and device.
    pub file_system: String,
    /// The device it is on.
    pub device: String,
    /// Milliseconds of a synced write of 4 KiB there: the median, and 99 in 100.
    pub sync_p50_ms: Option<f64>,
    /// The same.
    pub sync_p99_ms: Option<f64>,
}

impl Environment {
    /// Of this machine, with data in `directory`.
    pub fn look(directory: &Path) -> Environment {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let (file_system, device) = mounted(&read("/proc/self/mountinfo"), directory);
        let probe = probe(directory).ok();
        Environment {
            host: read("/proc/sys/kernel/hostname").trim().to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpu: value(&cpus, "model name").unwrap_or("unknown").to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            is_virtual: value(&cpus, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            file_system,
            device,
            sync_p50_ms: probe.as_ref().map(|latency| latency.at(0.5)),
            sync_p99_ms: probe.as_ref().map(|latency| latency.at(0.99)),
        }
    }

    /// In a line.
    pub fn summary(&self) -> String {
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        let mut line = format!(
            "{} x {}{}, {gib:.0} GiB, Linux {}, {} on {}",
            self.cpus,
            self.cpu,
            if self.is_virtual { " (virtual)" } else { "" },
            self.kernel,
            self.file_system,
            self.device,
        );
        if let Some((p50, p99)) = self.sync_p50_ms.zip(self.sync_p99_ms) {
            line += &format!(", synced 4 KiB write p50 {p50:.2} ms, p99 {p99:.2} ms");
        }
        line
    }
}

/// How long synced writes take.
fn probe(directory: &Path) -> std::io::Result<Latency> {
    let file = tempfile::NamedTempFile::new_in(directory)?;
    // Written before, so that a write changes no metadata.
    let mut plain = File::create(file.path())?;
    plain.write_all(&[0; PROBE_BYTES])?;
    plain.sync_all()?;
    let flags = i32::try_from(OFlags::DSYNC.bits()).unwrap_or(0);
    let synced = OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(file.path())?;
    let mut latency = Latency::default();
    let begin = Instant::now();
    while latency.count() < PROBES && begin.elapsed() < PROBE_MAX {
        let before = Instant::now();
        rustix::io::pwrite(&synced, &[1; PROBE_BYTES], 0)?;
        latency.record(before.elapsed());
    }
    Ok(latency)
}

/// File system and device of the mount that a path is on: the longest mount point that it begins with.
fn mounted(mounts: &str, path: &Path) -> (String, String) {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mount = mounts.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let point = Path::new(mount.split(' ').nth(4)?);
        let mut source = source.split(' ');
        let found = (source.next()?, source.next()?);
        path.starts_with(point)
            .then(|| (point.components().count(), found))
    });
    match mount.max_by_key(|(length, _)| *length) {
        Some((_, (file_system, device))) => (file_system.to_owned(), device.to_owned()),
        None => ("unknown".to_owned(), "unknown".to_owned()),
    }
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

fn memory_bytes(meminfo: &str) -> u64 {
    let kib = value(meminfo, "MemTotal").and_then(|it| it.split(' ').next());
    kib.and_then(|kib| kib.parse().ok()).unwrap_or(0_u64) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let environment = Environment::look(&std::env::temp_dir());
        assert!(environment.cpus > 0 && environment.memory_bytes > 1 << 20);
        assert!(!environment.kernel.is_empty());
        assert!(environment.summary().contains("Linux"));
    }

    #[test]
    fn the_longest_mount_point_is_that_of_a_path() {
        let mounts = "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n\
                      30 22 0:26 / /tmp rw,nosuid - tmpfs tmpfs rw\n\
                      31 22 0:27 / /tmpest rw - xfs /dev/vdb rw\n";
        let of = |path: &str| mounted(mounts, Path::new(path)).0;
        assert_eq!(of("/tmp"), "tmpfs");
        assert_eq!(of("/nowhere/at/all"), "ext4");
        assert_eq!(mounted("", Path::new("/")).0, "unknown");
    }
}

//! What `fio`, which knows nothing of Holdfast, writes to the same file system in the same manner as a broker that syncs: the most that the device has for it.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

/// How long it writes.
const RUNTIME: Duration = Duration::from_secs(5);
/// Of its file, which it writes again and again: less than a journal has by default, so that it is laid out soon.
const FILE_BYTES: u64 = 512 << 20;
/// Blocks are whole blocks of a device.
const BLOCK_BYTES: u64 = 4 << 10;
/// No larger than a commit is.
const BLOCKS_MAX: u64 = 1 << 10;
/// As many as `journal.depth` allows.
const DEPTH_MAX: u32 = 64;
/// The first that this system lets it use.
const ENGINES: [&str; 2] = ["io_uring", "libaio"];

/// What it writes: one job, sequentially, with `O_DIRECT` and `O_DSYNC`, into blocks that were written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FioLoad {
    /// Bytes of a write.
    pub block_bytes: u64,
    /// Writes in flight.
    pub depth: u32,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fio {
    /// Its version, as it says it.
    pub version: String,
    /// How it wrote.
    pub engine: &'static str,
    /// Bytes per second.
    pub bytes_per_second: f64,
}

impl FioLoad {
    /// As is stored what bypasses a journal: in large writes, several at once.
    pub const LARGE: FioLoad = FioLoad {
        block_bytes: 1 << 20,
        depth: 8,
    };

    /// As a journal writes whose commits have so many bytes, and of which so many are in flight, on average.
    pub fn like_journal(commit_bytes: f64, in_flight: f64) -> FioLoad {
        let blocks = (commit_bytes / BLOCK_BYTES as f64).round() as u64;
        FioLoad {
            block_bytes: blocks.clamp(1, BLOCKS_MAX) * BLOCK_BYTES,
            depth: (in_flight.ceil() as u32).clamp(1, DEPTH_MAX),
        }
    }

    /// Runs for about five seconds in `directory`, whose file system needs 512 MiB of room. The error says why there is no result: `fio` is not
    /// installed, or what it says itself.
    pub fn run(self, directory: &Path) -> Result<Fio, String> {
        let mut why = String::new();
        for engine in ENGINES {
            match self.run_with(engine, directory) {
                Err(reason) => why = reason,
                done => return done,
            }
        }
        Err(why)
    }

    fn run_with(self, engine: &'static str, directory: &Path) -> Result<Fio, String> {
        let file = tempfile::NamedTempFile::with_prefix_in("holdfast-bench-fio-", directory);
        let file = file.map_err(|error| format!("no file to write to: {error}"))?;
        let mut command = Command::new("fio");
        command.arg("--filename").arg(file.path());
        let output = command.args(self.arguments(engine)).output();
        let output = output.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "fio is not on the PATH".to_owned(),
            _ => format!("fio does not start: {error}"),
        })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let measured = parsed(&said, engine);
        measured.ok_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("nothing");
            format!("fio ended with {} and said {last}", output.status)
        })
    }

    fn arguments(self, engine: &str) -> Vec<String> {
        let FioLoad { block_bytes, depth } = self;
        // Whole blocks, so that the last write of the file is one.
        let bytes = FILE_BYTES / block_bytes * block_bytes;
        let runtime = RUNTIME.as_secs();
        vec![
            "--name=journal".to_owned(),
            "--rw=write".to_owned(),
            "--direct=1".to_owned(),
            "--sync=dsync".to_owned(),
            "--numjobs=1".to_owned(),
            // A write changes no metadata, as with the journal's files.
            "--overwrite=1".to_owned(),
            "--time_based".to_owned(),
            "--output-format=json".to_owned(),
            format!("--ioengine={engine}"),
            format!("--bs={block_bytes}"),
            format!("--iodepth={depth}"),
            format!("--size={bytes}"),
            format!("--runtime={runtime}"),
        ]
    }
}

/// The part of `--output-format=json` that is of use here.
#[derive(Deserialize)]
struct Output {
    #[serde(rename = "fio version")]
    version: String,
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    error: i32,
    write: Written,
}

#[derive(Deserialize)]
struct Written {
    bw_bytes: f64,
}

/// `None` if it is no result, or that of a job that failed. Warnings may stand before it.
fn parsed(said: &str, engine: &'static str) -> Option<Fio> {
    let json = &said[said.find('{')?..];
    let output: Output = serde_json::from_str(json).ok()?;
    let [job] = output.jobs.as_slice() else {
        return None;
    };
    let is_done = job.error == 0 && job.write.bw_bytes > 0.0;
    is_done.then_some(Fio {
        version: output.version,
        engine,
        bytes_per_second: job.write.bw_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of fio 3.33, without what is not looked at.
    const SAID: &str = r#"fio: a warning
{
  "fio version" : "fio-3.33",
  "timestamp" : 1795778059,
  "time" : "Fri Nov 27 11:14:19 2026",
  "jobs" : [
    {
      "jobname" : "j",
      "groupid" : 0,
      "error" : 0,
      "elapsed" : 4,
      "job options" : { "rw" : "write", "bs" : "256k", "direct" : "1", "sync" : "dsync", "iodepth" : "4" },
      "read" : { "io_bytes" : 0, "bw_bytes" : 0, "iops" : 0.000000 },
      "write" : {
        "io_bytes" : 445120512,
        "io_kbytes" : 434688,
        "bw_bytes" : 148274654,
        "bw" : 144799,
        "iops" : 565.622918,
        "runtime" : 3002
      },
      "sys_cpu" : 3.632123
    }
  ],
  "disk_util" : [ { "name" : "vda", "write_ios" : 9888, "util" : 96.989967 } ]
}
"#;

    #[test]
    fn a_result_is_read() {
        let expected = Fio {
            version: "fio-3.33".to_owned(),
            engine: "libaio",
            bytes_per_second: 148_274_654.0,
        };
        assert_eq!(parsed(SAID, "libaio"), Some(expected));
    }

    #[test]
    fn a_job_that_failed_is_no_result() {
        let failed = SAID.replace("\"error\" : 0", "\"error\" : 28");
        assert_eq!(parsed(&failed, "libaio"), None);
        let nothing = SAID.replace("148274654", "0");
        assert_eq!(parsed(&nothing, "libaio"), None);
        assert_eq!(parsed("", "libaio"), None);
        assert_eq!(parsed("{}", "libaio"), None);
    }

    #[test]
    fn it_writes_what_a_commit_writes() {
        let load = FioLoad::like_journal(185_000.0, 1.2);
        let expected = FioLoad {
            block_bytes: 45 * 4096,
            depth: 2,
        };
        assert_eq!(load, expected);
        let least = FioLoad {
            block_bytes: 4096,
            depth: 1,
        };
        assert_eq!(FioLoad::like_journal(0.0, 0.0), least);
        assert_eq!(FioLoad::like_journal(1e12, 1.0).block_bytes, 4 << 20);
    }
}

//! How fast a log is compacted: a topic is filled, then it becomes a compacted one, and its files are watched until they do not change any more.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::{Connection, PartitionBatch, Topic};
use protocol::batch::{BatchBuilder, NewRecord};
use rand::{Rng, RngCore, SeedableRng, rngs::SmallRng};

use crate::{BenchError, topic};

const SILENCE_MAX: Duration = Duration::from_secs(60);
/// A pass has ended when the files have been the same for so long.
const REST: Duration = Duration::from_secs(5);
/// It begins within this time.
const BEGIN_MAX: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const BATCH_RECORDS: usize = 60;
const WINDOW: usize = 16;
const SEED: u64 = 1;

/// Settings under which brokers are measured: dirty logs are looked for often.
pub const SETTINGS: [(&str, &str); 1] = [("log.cleaner.backoff.ms", "100")];

/// What the log holds.
#[derive(Clone, Copy, Debug)]
pub struct CompactionLoad {
    /// Bytes of values.
    pub bytes: u64,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Keys, of which each record has any.
    pub keys: u64,
}

/// What was measured once.
#[derive(Clone, Copy, Debug)]
pub struct CompactionReport {
    /// Bytes of the segments before.
    pub before: u64,
    /// And after.
    pub after: u64,
    /// From the change of the topic's setting to the last change of its files.
    pub time: Duration,
}

impl CompactionReport {
    /// 10^6 bytes of the log a second.
    pub fn megabytes_per_second(&self) -> f64 {
        self.before as f64 / 1e6 / self.time.as_secs_f64()
    }
}

/// Fills a topic, compacts it, and deletes it. `data_dir` is the broker's.
pub fn round(
    bootstrap: &str,
    data_dir: &Path,
    name: &str,
    load: &CompactionLoad,
) -> Result<CompactionReport, BenchError> {
    let configs = [
        ("cleanup.policy", "delete"),
        ("segment.bytes", "104857600"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("file.delete.delay.ms", "0"),
    ];
    let configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let topic = topic::create(bootstrap, name, 1, &configs)?;
    fill(bootstrap, &topic, load)?;
    // What the one still has to write must not be counted, since the other need not.
    rustix::fs::sync();
    let partition = data_dir.join(format!("{name}-0"));
    let before = log_bytes(&partition)?;
    let begun = Instant::now();
    topic::set_config(bootstrap, name, "cleanup.policy", "compact")?;
    let (mut bytes, mut changed) = (before, None);
    while changed.is_none_or(|at: Instant| at.elapsed() < REST) {
        if changed.is_none() && begun.elapsed() > BEGIN_MAX {
            return Err(BenchError::Unexpected("nothing is compacted"));
        }
        std::thread::sleep(LOOK_INTERVAL);
        let now = log_bytes(&partition)?;
        if now != bytes {
            (bytes, changed) = (now, Some(Instant::now()));
        }
    }
    let end = changed.unwrap_or(begun);
    topic::delete(bootstrap, name)?;
    Ok(CompactionReport {
        before,
        after: bytes,
        time: end.saturating_duration_since(begun),
    })
}

fn fill(bootstrap: &str, topic: &Topic, load: &CompactionLoad) -> Result<(), BenchError> {
    let mut random = SmallRng::seed_from_u64(SEED);
    let mut connection = Connection::connect(bootstrap, "holdfast-bench", SILENCE_MAX)?;
    let mut noise = vec![0; 1 << 20];
    random.fill_bytes(&mut noise);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let timestamp = since.map_or(0, |since| since.as_millis() as i64);
    let mut written = 0;
    let mut in_flight = 0;
    while written < load.bytes || in_flight > 0 {
        if written < load.bytes && in_flight < WINDOW {
            let mut batch = BatchBuilder::new();
            for _ in 0..BATCH_RECORDS {
                let key = random.random_range(0..load.keys).to_be_bytes();
                let at = random.random_range(0..noise.len() - load.value_bytes);
                batch.push(&NewRecord {
                    timestamp,
                    key: Some(&key),
                    value: Some(&noise[at..at + load.value_bytes]),
                    ..NewRecord::default()
                });
            }
            let batch = batch.build().freeze();
            connection.send_produce(&[PartitionBatch {
                topic,
                partition: 0,
                batch,
            }])?;
            written += (BATCH_RECORDS * load.value_bytes) as u64;
            in_flight += 1;
            continue;
        }
        for produced in connection.receive_produced(&[(topic, 0)])? {
            produced.outcome.map_err(|code| BenchError::Refused {
                doing: "a produce request",
                code,
            })?;
        }
        in_flight -= 1;
    }
    Ok(())
}

/// Bytes of the segments; those that are on their way in or out have other names.
fn log_bytes(partition: &Path) -> Result<u64, BenchError> {
    let failed = |source| BenchError::Io {
        doing: "look at the segments",
        source,
    };
    let mut bytes = 0;
    for entry in std::fs::read_dir(partition).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|it| it == "log") {
            match path.metadata() {
                Ok(metadata) => bytes += metadata.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    Ok(bytes)
}

//! A seeded life of a data directory: appends, commits, write-behind, checkpoints, topics made and deleted, and crashes at any operation.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::batch::{BatchBuilder, BatchHeader, NewRecord};
use protocol::model::{BrokerId, LeaderEpoch, PartitionIndex, TopicId, TopicIdPartition, Uuid};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use storage::data_dir::{DataDir, DataDirConfig, Identity};
use storage::io::sim::{PowerLoss, SimConfig, SimDisk};
use storage::journal::{JournalObserver, JournalWriter, WriterConfig, WriterStep};
use storage::log::LogConfig;

use super::model::Expected;

/// What a run saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Power losses and kills.
    pub crashes: u64,
    /// Starts that had to cut an in-flight tail.
    pub cuts: u64,
    /// Clean stops.
    pub clean: u64,
    /// Records compared after restarts.
    pub verified: u64,
}

impl Outcome {
    /// Adds another run's.
    pub fn add(&mut self, other: &Outcome) {
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.clean += other.clean;
        self.verified += other.verified;
    }
}

struct NoObserver;

impl JournalObserver for NoObserver {
    fn on_commit(&self, _: u64, _: u64, _: u64) {}
}

struct Life {
    disk: SimDisk,
    random: SmallRng,
    salts: Arc<AtomicU64>,
    expected: BTreeMap<TopicIdPartition, (String, Expected)>,
    /// Deleted, but possibly not durably.
    dropped: BTreeMap<TopicIdPartition, (String, Expected)>,
    topics_made: u128,
    now_ms: i64,
    outcome: Outcome,
}

/// Runs one seed. `lie` makes the disk claim syncs that did not happen.
pub fn run_seed(seed: u64, lie: bool) -> Result<Outcome, String> {
    let mut random = SmallRng::seed_from_u64(seed);
    let config = SimConfig {
        direct: random.random_bool(0.7),
        ..SimConfig::default()
    };
    let disk = SimDisk::new(seed, config);
    let mut life = Life {
        disk,
        random,
        salts: Arc::new(AtomicU64::new(seed << 20)),
        expected: BTreeMap::new(),
        dropped: BTreeMap::new(),
        topics_made: 0,
        now_ms: 1_000,
        outcome: Outcome::default(),
    };
    for _ in 0..life.random.random_range(2..6) {
        life.disk.lie_about_sync(lie);
        life.run_once()?;
    }
    life.disk.lie_about_sync(false);
    let opened = life.open()?;
    match opened {
        Some((data_dir, _)) => life.verify(&data_dir)?,
        None => return Err("the disk lost power though nobody cut it".into()),
    }
    Ok(life.outcome)
}

impl Life {
    fn config(&mut self) -> DataDirConfig {
        let salts = Arc::clone(&self.salts);
        DataDirConfig {
            journal_file_bytes: 256 << 10,
            journal_files: 3,
            journal_first_file_bytes: 64 << 10,
            writer: WriterConfig {
                commit_bytes_max: 32 << 10,
                depth: self.random.random_range(1..=4),
                overlap_bytes_min: 512,
                seal_after: Duration::from_millis(10),
                clock: Arc::new(|| 0),
                salt: Arc::new(move || {
                    let mut salt = [0x5a; 16];
                    let next = salts.fetch_add(1, Ordering::Relaxed);
                    salt[..8].copy_from_slice(&next.to_le_bytes());
                    salt
                }),
            },
            tail_bytes_max: self.random.random_range(1..64) << 10,
            write_behind_ms: 1_000,
            open_files_max: self.random.random_range(1..40),
        }
    }

    /// Opens the directory; `None` when the power was cut meanwhile.
    fn open(&mut self) -> Result<Option<(Arc<DataDir>, JournalWriter)>, String> {
        let identity = Identity {
            cluster_id: Some("sim".into()),
            node_id: BrokerId::new(1),
            new_directory_id: Uuid::from_u128(1),
            new_cluster_id: Uuid::from_u128(2),
        };
        let opened = DataDir::open(
            self.disk.io(),
            Path::new("/data"),
            &identity,
            self.config(),
            &|_| log_config(),
            Arc::new(NoObserver),
            self.now_ms,
        );
        match opened {
            Ok((data_dir, report)) => {
                self.outcome.cuts += u64::from(report.cut.is_some());
                if !report.damage.is_empty() {
                    return Err(format!("damage on a sound disk: {:?}", report.damage));
                }
                let writer = data_dir.take_writer().ok_or("no writer")?;
                Ok(Some((data_dir, writer)))
            }
            Err(_) if self.disk.is_down() => Ok(None),
            Err(error) => Err(format!("start refused: {error}")),
        }
    }

    /// A start, work, and an end of one kind or another.
    fn run_once(&mut self) -> Result<(), String> {
        let steps = self.random.random_range(5..120);
        if self.random.random_bool(0.8) {
            let until = self.random.random_range(0..400);
            self.disk.crash_after(until);
        }
        if let Some((data_dir, mut writer)) = self.open()? {
            self.verify(&data_dir)?;
            for _ in 0..steps {
                if self.disk.is_down() {
                    break;
                }
                self.step(&data_dir, &mut writer)?;
            }
            if !self.disk.is_down() && self.random.random_bool(0.3) {
                self.stop(&data_dir, &mut writer)?;
            }
            self.observe();
            self.forget_logs();
        }
        if self.disk.is_down() {
            self.disk.restart();
        } else if self.random.random_bool(0.5) {
            self.disk.crash();
        } else {
            self.disk.kill();
        }
        self.outcome.crashes += 1;
        Ok(())
    }

    fn step(&mut self, data_dir: &Arc<DataDir>, writer: &mut JournalWriter) -> Result<(), String> {
        self.now_ms += 100;
        let result = match self.random.random_range(0..100) {
            0..45 => self.append(),
            45..75 => {
                if writer.step() == WriterStep::Idle && self.random.random_bool(0.5) {
                    writer.seal();
                }
                Ok(())
            }
            75..85 => data_dir.write_behind(self.now_ms).map(|_| ()),
            85..90 => data_dir.checkpoint(None).map(|_| ()),
            90..93 => data_dir.grow_journal().map(|_| ()),
            93..95 => data_dir.remove_dropped().map(|_| ()),
            95..98 => self.create(data_dir),
            _ => self.drop_one(data_dir),
        };
        self.observe();
        match result {
            Err(error) if !PowerLoss::is(&error) && !self.disk.is_down() => {
                Err(format!("a step failed on a sound disk: {error}"))
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self) -> std::io::Result<()> {
        let count = self.expected.len();
        if count == 0 {
            return Ok(());
        }
        let at = self.random.random_range(0..count);
        let records = self.random.random_range(1..5);
        let padding = if self.random.random_bool(0.1) {
            6_000
        } else {
            self.random.random_range(0..400)
        };
        let Some((_, expected)) = self.expected.values_mut().nth(at) else {
            return Ok(());
        };
        let Some(log) = expected.log.clone() else {
            return Ok(());
        };
        let mut builder = BatchBuilder::new();
        let mut values = Vec::new();
        for record in 0..records {
            let number = expected.values.len() + record;
            let value = format!("{}-{number}-{}", log.id(), "x".repeat(padding)).into_bytes();
            let record = NewRecord {
                timestamp: self.now_ms,
                value: Some(&value),
                ..NewRecord::default()
            };
            builder.push(&record);
            values.push(value);
        }
        let batch = builder.build();
        let header = BatchHeader::parse(&batch).map_err(std::io::Error::other)?;
        match log.append(batch, &header, LeaderEpoch::new(0), self.now_ms, None) {
            Ok(appended) => {
                assert_eq!(appended.base.get(), expected.values.len() as i64);
                expected.values.append(&mut values);
                Ok(())
            }
            Err(error) => Err(std::io::Error::other(error)),
        }
    }

    fn create(&mut self, data_dir: &DataDir) -> std::io::Result<()> {
        if self.expected.len() >= 4 {
            return Ok(());
        }
        self.topics_made += 1;
        let topic_id = TopicId::new(Uuid::from_u128(self.topics_made));
        let Some(topic_id) = topic_id else {
            return Ok(());
        };
        // Few names, so that a topic is often made again under the name of a deleted one.
        let name = format!("topic{}", self.random.random_range(0..3));
        if self.expected.values().any(|(taken, _)| *taken == name) {
            return Ok(());
        }
        let partition = TopicIdPartition {
            topic_id,
            partition: PartitionIndex::new(0),
        };
        let log = data_dir
            .create_log(partition, &name, log_config())
            .map_err(std::io::Error::other)?;
        let expected = Expected {
            values: Vec::new(),
            durable: 0,
            log: Some(log),
        };
        self.expected.insert(partition, (name, expected));
        Ok(())
    }

    fn drop_one(&mut self, data_dir: &DataDir) -> std::io::Result<()> {
        let at = self.random.random_range(0..self.expected.len().max(1));
        let Some(partition) = self.expected.keys().nth(at).copied() else {
            return Ok(());
        };
        let Some(removed) = self.expected.remove(&partition) else {
            return Ok(());
        };
        self.dropped.insert(partition, removed);
        data_dir.drop_log(partition).map_err(std::io::Error::other)
    }

    fn stop(&mut self, data_dir: &DataDir, writer: &mut JournalWriter) -> Result<(), String> {
        let stopped = (|| {
            data_dir.checkpoint(None)?;
            match writer.finish() {
                Some(end) => data_dir.checkpoint(Some(end)),
                None => Ok(0),
            }
        })();
        match stopped {
            Ok(_) => {
                self.outcome.clean += 1;
                Ok(())
            }
            Err(_) if self.disk.is_down() => Ok(()),
            Err(error) => Err(format!("stop failed on a sound disk: {error}")),
        }
    }

    fn observe(&mut self) {
        for (_, expected) in self.expected.values_mut().chain(self.dropped.values_mut()) {
            expected.observe();
        }
    }

    fn forget_logs(&mut self) {
        for (_, expected) in self.expected.values_mut().chain(self.dropped.values_mut()) {
            expected.log = None;
        }
    }

    fn verify(&mut self, data_dir: &Arc<DataDir>) -> Result<(), String> {
        let mut found = BTreeMap::new();
        for log in data_dir.logs() {
            found.insert(log.partition(), log);
        }
        let mut gone = Vec::new();
        for (partition, (name, expected)) in &mut self.expected {
            let Some(log) = found.remove(partition) else {
                if expected.durable > 0 {
                    return Err(format!(
                        "{name}: the log is gone, {} were durable",
                        expected.durable
                    ));
                }
                gone.push(*partition);
                continue;
            };
            match expected.verify(&log) {
                Ok(()) => self.outcome.verified += expected.durable as u64,
                Err(_) if self.disk.is_down() => return Ok(()),
                Err(error) => return Err(error),
            }
            expected.log = Some(log);
        }
        for partition in gone {
            self.expected.remove(&partition);
        }
        // A deletion that was not durable may be undone by a crash; then the log is whole again. The metadata above would delete it again.
        for (partition, log) in found {
            let Some((name, expected)) = self.dropped.get_mut(&partition) else {
                return Err(format!("{log:?} was never created"));
            };
            match expected.verify(&log) {
                Ok(()) => {}
                Err(_) if self.disk.is_down() => return Ok(()),
                Err(error) => return Err(format!("{name}, deletion undone: {error}")),
            }
            if let Err(error) = data_dir.drop_log(partition)
                && !self.disk.is_down()
            {
                return Err(format!("deleting again: {error}"));
            }
        }
        Ok(())
    }
}

fn log_config() -> LogConfig {
    LogConfig {
        segment_bytes: 16 << 10,
        index_interval_bytes: 512,
        segment_index_bytes: 1 << 10,
        ..LogConfig::default()
    }
}

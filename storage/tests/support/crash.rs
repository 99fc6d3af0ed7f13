//! A seeded life of a data directory: appends, truncations, commits, write-behind, checkpoints, topics made and deleted; and the end of
//! the process or of the power at any operation, disks that refuse, and bits that rot.

mod disk;
mod outcome;
mod steps;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::model::{BrokerId, TopicIdPartition, Uuid};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use storage::data_dir::{
    CompactionSettings, DataDir, DataDirConfig, Identity, OpenError, RecoveryReport,
};
use storage::io::sim::{SimConfig, SimDisk};
use storage::journal::{
    JournalObserver, JournalWriter, Turn, WriterConfig, WriterStep, WriterWait,
};
use storage::log::{BypassConfig, Compaction, Log, LogConfig, Retention, is_disk_full};

use super::model::Expected;

pub use outcome::Outcome;

/// What may go wrong besides crashes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// The disk claims syncs that did not happen.
    pub lies: bool,
    /// Writes and syncs fail now and then, and the disk is full now and then.
    pub refuses: bool,
    /// A byte rots before the last start.
    pub rots: bool,
}

struct NoObserver;

impl JournalObserver for NoObserver {
    fn on_commit(&self, _: u64, _: u64, _: u64) {}
}

struct Life {
    disk: SimDisk,
    random: SmallRng,
    trouble: Trouble,
    salts: Arc<AtomicU64>,
    expected: BTreeMap<TopicIdPartition, (String, Expected)>,
    /// Deleted, but possibly not durably.
    dropped: BTreeMap<TopicIdPartition, (String, Expected)>,
    logs_max: usize,
    log_config: LogConfig,
    /// The last life ended with the power, or with a directory that went offline: what was not synced may be gone.
    lost_power: bool,
    /// The disk takes nothing more.
    is_tight: bool,
    topics_made: u128,
    now_ms: i64,
    outcome: Outcome,
}

/// Runs one seed.
pub fn run_seed(seed: u64, trouble: Trouble) -> Result<Outcome, String> {
    let mut random = SmallRng::seed_from_u64(seed);
    let config = SimConfig {
        direct: random.random_bool(0.7),
        ..SimConfig::default()
    };
    let disk = SimDisk::new(seed, config);
    let log_config = log_config(&mut random);
    let logs_max = if random.random_bool(0.1) { 30 } else { 4 };
    let mut life = Life {
        disk,
        random,
        trouble,
        salts: Arc::new(AtomicU64::new(seed << 20)),
        expected: BTreeMap::new(),
        dropped: BTreeMap::new(),
        logs_max,
        log_config,
        lost_power: false,
        is_tight: false,
        topics_made: 0,
        now_ms: 1_000,
        outcome: Outcome::default(),
    };
    for _ in 0..life.random.random_range(2..6) {
        life.disk.lie_about_sync(trouble.lies);
        life.run_once()?;
    }
    life.disk.lie_about_sync(false);
    if trouble.rots {
        life.rot()?;
        return Ok(life.outcome);
    }
    match life.open()? {
        Some((data_dir, _)) => life.verify(&data_dir)?,
        None => return Err("the disk lost power though nobody cut it".into()),
    }
    Ok(life.outcome)
}

impl Life {
    fn config(&mut self) -> DataDirConfig {
        let salts = Arc::clone(&self.salts);
        let mut config = DataDirConfig {
            journal_file_bytes: 256 << 10,
            journal_files: 3,
            journal_first_file_bytes: 64 << 10,
            writer: WriterConfig {
                commit_bytes_max: 4096 << self.random.random_range(0..6),
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
            bypass: BypassConfig {
                batch_bytes_min: [None, Some(0), Some(200), Some(5_000)]
                    [self.random.random_range(0..4)],
                backlog_bytes_min: [0, 3_000][self.random.random_range(0..2)],
                sync_bytes_min: [0, 3_000][self.random.random_range(0..2)],
            },
            write_behind_ms: 1_000,
            open_files_max: self.random.random_range(1..40),
            unsynced_files_max: 0,
            retention_check_ms: 300_000,
            clock_jump_pause_ms: 86_400_000,
            compaction: CompactionSettings::default(),
            compaction_hash_key: [9; 16],
            producer_expiration_ms: i64::MAX,
            free_bytes_min: None,
        };
        config.unsynced_files_max = config.open_files_max;
        config
    }

    fn try_open(&mut self) -> Result<(Arc<DataDir>, RecoveryReport), OpenError> {
        let identity = Identity {
            cluster_id: Some("sim".into()),
            node_id: BrokerId::new(1),
            new_directory_id: Uuid::from_u128(1),
            new_cluster_id: Uuid::from_u128(2),
        };
        DataDir::open(
            self.disk.io(),
            Path::new("/data"),
            &identity,
            self.config(),
            &|_| self.log_config.clone(),
            Arc::new(NoObserver),
            self.now_ms,
        )
    }

    /// Opens the directory; `None` when the process or the power ended meanwhile.
    fn open(&mut self) -> Result<Option<(Arc<DataDir>, JournalWriter)>, String> {
        match self.try_open() {
            Ok((data_dir, report)) => {
                self.outcome.cuts += u64::from(report.cut.is_some());
                if !report.damage.is_empty() {
                    return Err(format!("damage on a sound disk: {:?}", report.damage));
                }
                let writer = data_dir.take_writer().ok_or("no writer")?;
                Ok(Some((data_dir, writer)))
            }
            Err(_) if self.disk.is_down() => Ok(None),
            Err(OpenError::Io { source, .. }) if self.is_tight && is_disk_full(&source) => {
                // Crashes in a row have used up every file, or there is nothing yet.
                self.outcome.no_space += 1;
                self.is_tight = false;
                self.disk.set_capacity(u64::MAX);
                self.open()
            }
            Err(error) => Err(format!("start refused: {error}")),
        }
    }

    /// A start, work, and an end of one kind or another.
    fn run_once(&mut self) -> Result<(), String> {
        let steps = self.random.random_range(5..120);
        let mut is_killed = false;
        let mut is_online = true;
        if self.random.random_bool(0.8) {
            let until = self.random.random_range(0..400);
            is_killed = self.random.random_bool(0.3);
            if is_killed {
                self.disk.kill_after(until);
            } else {
                self.disk.crash_after(until);
            }
        }
        if let Some((data_dir, mut writer)) = self.open()? {
            self.verify(&data_dir)?;
            for _ in 0..steps {
                if self.disk.is_down() {
                    break;
                }
                self.step(&data_dir, &mut writer)?;
            }
            is_online = data_dir.fault().is_none();
            self.outcome.faults += u64::from(!is_online && !self.disk.is_down());
            if !self.disk.is_down() && is_online && self.random.random_bool(0.3) {
                self.stop(&data_dir, &mut writer)?;
            }
            self.observe();
            self.forget_logs();
        }
        self.disk.clear_faults();
        if self.random.random_bool(0.5) {
            self.is_tight = false;
            self.disk.set_capacity(u64::MAX);
        }
        if self.disk.is_down() {
            self.outcome.struck += 1;
            self.disk.restart();
        } else if self.random.random_bool(0.5) {
            is_killed = false;
            self.disk.crash();
        } else {
            is_killed = true;
            self.disk.kill();
        }
        self.lost_power |= !is_killed || !is_online;
        self.outcome.crashes += 1;
        Ok(())
    }

    fn step(&mut self, data_dir: &Arc<DataDir>, writer: &mut JournalWriter) -> Result<(), String> {
        self.now_ms += 100;
        if self.trouble.refuses {
            self.refuse();
        }
        let reserve = data_dir.reserve_bytes();
        let result = match self.random.random_range(0..100) {
            0..36 => self.append(),
            36..38 => self.compact(),
            38..39 => self.advance_start(),
            39..40 => {
                self.retain(data_dir);
                Ok(())
            }
            40..44 => self.truncate(),
            44..46 => self.retry(),
            46..50 => self.read().map_err(std::io::Error::other),
            50..53 => data_dir.write_waiting_page_cache(self.now_ms),
            53..57 => self.store_bypassing(data_dir),
            57..75 => {
                let is_idle = match self.random.random_bool(0.5) {
                    true => writer.step() == WriterStep::Idle,
                    false => writer.turn() == Turn::Wait(WriterWait::Entry),
                };
                if is_idle && self.random.random_bool(0.5) {
                    writer.seal();
                }
                Ok(())
            }
            75..85 => data_dir.write_behind(self.now_ms).map(|_| ()),
            85..90 => data_dir.checkpoint(None).map(|_| ()),
            90..92 => data_dir.grow_journal().map(|_| ()),
            92..93 => data_dir.grow_reserve().map(|_| ()),
            93..94 => data_dir.remove_dropped().map(|_| ()),
            94..95 => data_dir.remove_condemned(self.now_ms),
            95..98 => self.create(data_dir),
            _ => self.drop_one(data_dir),
        };
        self.outcome.full += u64::from(data_dir.is_full());
        self.outcome.reserves += u64::from(data_dir.reserve_bytes() < reserve);
        self.observe();
        match result {
            Err(error) if !self.trouble.refuses && !self.disk.is_down() => {
                Err(format!("a step failed on a sound disk: {error}"))
            }
            _ => Ok(()),
        }
    }

    fn pick(&mut self) -> Option<(Arc<Log>, TopicIdPartition)> {
        let at = self.random.random_range(0..self.expected.len().max(1));
        let (partition, (_, expected)) = self.expected.iter().nth(at)?;
        Some((expected.log.clone()?, *partition))
    }

    fn stop(&mut self, data_dir: &DataDir, writer: &mut JournalWriter) -> Result<(), String> {
        let stopped = (|| {
            data_dir.bypass_no_more()?;
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
            Err(_) if self.disk.is_down() || self.trouble.refuses => Ok(()),
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
                if expected.has_durable() {
                    return Err(format!("{name}: the log is gone, records were durable"));
                }
                gone.push(*partition);
                continue;
            };
            match expected.verify(&log, self.lost_power) {
                Ok(count) if expected.is_unjournaled => self.outcome.unjournaled += count as u64,
                Ok(count) => self.outcome.verified += count as u64,
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
            // It has not been looked at since it was deleted, whatever happened meanwhile.
            match expected.verify(&log, true) {
                Ok(_) => {}
                Err(_) if self.disk.is_down() => return Ok(()),
                Err(error) => return Err(format!("{name}, deletion undone: {error}")),
            }
            if let Err(error) = data_dir.drop_log(partition)
                && !self.disk.is_down()
            {
                return Err(format!("deleting again: {error}"));
            }
        }
        self.lost_power = false;
        Ok(())
    }
}

fn log_config(random: &mut SmallRng) -> LogConfig {
    let retention = random.random_bool(0.6).then(|| Retention {
        ms: random.random_bool(0.5).then_some(2_000),
        bytes: random
            .random_bool(0.5)
            .then(|| random.random_range(0..100) << 10),
    });
    let compaction = random.random_bool(0.4).then_some(Compaction {
        min_dirty_ppm: 0,
        min_lag_ms: 0,
        max_lag_ms: i64::MAX,
        delete_retention_ms: 1_000,
    });
    LogConfig {
        compaction,
        segment_bytes: 16 << 10,
        segment_jitter_ms: 1_000,
        index_interval_bytes: 512,
        segment_index_bytes: 1 << 10,
        retention,
        file_delete_delay_ms: random.random_range(0..2_000),
        ..LogConfig::default()
    }
}

//! A seeded life of a data directory: appends, truncations, commits, write-behind, checkpoints, topics made and deleted; and the end of
//! the process or of the power at any operation, disks that refuse, and bits that rot.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::batch::{BatchBuilder, BatchHeader, BatchProducer, NewRecord};
use protocol::model::{
    BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TopicId,
    TopicIdPartition, Uuid,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use storage::data_dir::{DataDir, DataDirConfig, Identity, OpenError, RecoveryReport};
use storage::io::sim::{SimConfig, SimDisk};
use storage::journal::{
    DurableListener, JournalFault, JournalObserver, JournalPosition, JournalWriter, WriterConfig,
    WriterStep,
};
use storage::log::{Durability, Log, LogConfig, Retention, RetentionTime, is_disk_full};

use super::model::{Batch, Expected};

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

/// What a run saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Power losses and kills.
    pub crashes: u64,
    /// Of these, in the middle of an operation.
    pub struck: u64,
    /// Starts that had to cut an in-flight tail.
    pub cuts: u64,
    /// Clean stops.
    pub clean: u64,
    /// Records compared after restarts.
    pub verified: u64,
    /// Records compared while the process worked.
    pub read: u64,
    /// Truncations.
    pub truncations: u64,
    /// Records compared of logs in the page cache.
    pub unjournaled: u64,
    /// Retries recognised.
    pub duplicates: u64,
    /// Directories that went offline.
    pub faults: u64,
    /// Segments deleted by retention.
    pub deleted: u64,
    /// Starts moved by hand.
    pub starts: u64,
    /// Times the disk was found to be full.
    pub full: u64,
    /// Times the reserve was given up.
    pub reserves: u64,
    /// Starts that a full disk refused.
    pub no_space: u64,
    /// Rotten bytes that refused the start.
    pub refused: u64,
    /// Rotten bytes that cost records, reported.
    pub damaged: u64,
    /// Rotten bytes that cost nothing.
    pub harmless: u64,
}

impl Outcome {
    /// Adds another run's.
    pub fn add(&mut self, other: &Outcome) {
        self.crashes += other.crashes;
        self.struck += other.struck;
        self.cuts += other.cuts;
        self.clean += other.clean;
        self.verified += other.verified;
        self.read += other.read;
        self.truncations += other.truncations;
        self.duplicates += other.duplicates;
        self.faults += other.faults;
        self.unjournaled += other.unjournaled;
        self.deleted += other.deleted;
        self.starts += other.starts;
        self.full += other.full;
        self.reserves += other.reserves;
        self.no_space += other.no_space;
        self.refused += other.refused;
        self.damaged += other.damaged;
        self.harmless += other.harmless;
    }
}

/// Who does not care.
struct Nobody;

impl DurableListener for Nobody {
    fn on_durable(&self, _: JournalPosition) {}
    fn on_fault(&self, _: &JournalFault) {}
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
        DataDirConfig {
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
            write_behind_ms: 1_000,
            open_files_max: self.random.random_range(1..40),
            retention_check_ms: 300_000,
            clock_jump_pause_ms: 86_400_000,
            producer_expiration_ms: i64::MAX,
            free_bytes_min: None,
        }
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
            0..38 => self.append(),
            38..39 => self.advance_start(),
            39..40 => {
                self.retain(data_dir);
                Ok(())
            }
            40..44 => self.truncate(),
            44..46 => self.retry(),
            46..50 => self.read().map_err(std::io::Error::other),
            50..55 => data_dir.write_waiting_page_cache(self.now_ms),
            55..75 => {
                if writer.step() == WriterStep::Idle && self.random.random_bool(0.5) {
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

    /// Lets the disk refuse something soon.
    fn refuse(&mut self) {
        const PLACES: [&str; 8] = [
            "journal",
            ".journal",
            ".log",
            "index",
            "checkpoint",
            "partition",
            "-0",
            "/data",
        ];
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        match self.random.random_range(0..200) {
            0..2 => {
                let place = PLACES[self.random.random_range(0..PLACES.len())];
                let errno = if self.random.random_bool(0.3) {
                    EIO
                } else {
                    ENOSPC
                };
                if self.random.random_bool(0.7) {
                    self.disk.fail_next_write(place, errno);
                } else {
                    self.disk.fail_next_sync(place, errno);
                }
            }
            2..5 => {
                self.is_tight = true;
                self.disk.set_free(0);
            }
            5..12 => {
                self.is_tight = false;
                self.disk.set_capacity(u64::MAX);
            }
            _ => {}
        }
    }

    fn pick(&mut self) -> Option<(Arc<Log>, TopicIdPartition)> {
        let at = self.random.random_range(0..self.expected.len().max(1));
        let (partition, (_, expected)) = self.expected.iter().nth(at)?;
        Some((expected.log.clone()?, *partition))
    }

    fn append(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let records = self.random.random_range(1..5);
        let padding = match self.random.random_range(0..50) {
            0 => 30_000,
            1..5 => 6_000,
            _ => self.random.random_range(0..400),
        };
        let is_idempotent = self.random.random_bool(0.5);
        let producer_id = self.random.random_range(0..2);
        let Some((_, expected)) = self.expected.get_mut(&partition) else {
            return Ok(());
        };
        let base = expected.end();
        let values: Vec<Vec<u8>> = (0..records)
            .map(|record| {
                // Made once: a record written again at an offset that was taken back is another.
                format!(
                    "{}-{}-{}-{}",
                    log.id(),
                    base + record,
                    self.now_ms,
                    "x".repeat(padding)
                )
            })
            .map(String::into_bytes)
            .collect();
        let producer = (is_idempotent && !expected.has_lost).then(|| {
            let id = ProducerId::new(producer_id);
            let last = expected.now.batches.iter().rev().find_map(|batch| {
                let producer = batch.producer.filter(|producer| producer.id == id)?;
                Some(producer.base_sequence?.plus(batch.values.len() as i32))
            });
            BatchProducer {
                id,
                epoch: ProducerEpoch::new(0),
                base_sequence: Some(last.unwrap_or(Sequence::new(0))),
            }
        });
        // Now and then another leader.
        let epoch = expected.now.batches.last().map_or(0, |last| last.epoch);
        let batch = Batch {
            base,
            values,
            epoch: epoch + i32::from(self.now_ms % 700 == 0),
            producer,
        };
        let appended = send(&log, &batch, batch.epoch, self.now_ms)?;
        assert_eq!(appended.base.get(), base as i64);
        assert!(appended.duplicate.is_none(), "it was never sent before");
        expected.append(batch);
        Ok(())
    }

    /// Sends a batch again that the log has.
    fn retry(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get(&partition) else {
            return Ok(());
        };
        if expected.has_lost {
            return Ok(());
        }
        let written = expected
            .now
            .batches
            .iter()
            .rev()
            .find(|batch| batch.producer.is_some());
        let Some(batch) = written else { return Ok(()) };
        let epoch = expected.now.batches.last().map_or(0, |last| last.epoch);
        let appended = send(&log, batch, epoch, self.now_ms)?;
        assert!(
            appended.duplicate.is_some(),
            "{log:?}: a retry was written again: {appended:?}"
        );
        assert_eq!(appended.base.get(), batch.base as i64);
        self.outcome.duplicates += 1;
        Ok(())
    }

    fn truncate(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get_mut(&partition) else {
            return Ok(());
        };
        if expected.is_unjournaled {
            return Ok(());
        }
        let end = expected.end();
        // Mostly a little, sometimes deep into the segments.
        let back = if self.random.random_bool(0.7) {
            end.min(6)
        } else {
            end
        };
        let to = end - self.random.random_range(0..=back);
        let reached = log
            .truncate(Offset::new(to as i64))
            .map_err(std::io::Error::other)?;
        let reached = usize::try_from(reached.get()).unwrap_or(0);
        assert!(reached <= to.max(expected.start()) || to >= end);
        if reached < end {
            expected.truncate(reached);
            assert_eq!(expected.end(), reached, "a batch is cut as a whole");
            self.outcome.truncations += 1;
        }
        Ok(())
    }

    fn advance_start(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get_mut(&partition) else {
            return Ok(());
        };
        let durable_end = log.offsets().durable_end.get() as usize;
        let start = self
            .random
            .random_range(expected.start()..=durable_end.max(expected.start()));
        let moved = log
            .advance_start(Offset::new(start as i64), Arc::new(Nobody))
            .map_err(std::io::Error::other)?;
        if moved.is_some() {
            expected.starts_at(start);
            self.outcome.starts += 1;
        }
        Ok(())
    }

    fn retain(&mut self, data_dir: &DataDir) {
        let logs = self
            .expected
            .values_mut()
            .filter_map(|(_, expected)| Some((expected.log.clone()?, expected)));
        let mut before = Vec::new();
        for (log, expected) in logs {
            log.set_high_watermark(log.offsets().durable_end);
            before.push((log.size_bytes(), log, expected));
        }
        let retained = data_dir.retain(RetentionTime {
            wall_ms: self.random.random_bool(0.5).then_some(self.now_ms),
            monotonic_ms: self.now_ms,
        });
        self.outcome.deleted += retained.segments;
        for (bytes, log, expected) in before {
            let start = log.offsets().start.get() as usize;
            if start == expected.start() {
                continue;
            }
            expected.starts_at(start);
            let retention = self.log_config.retention.unwrap_or_default();
            let kept = retention.bytes.is_some_and(|kept| log.size_bytes() >= kept);
            assert!(
                kept || retention.ms.is_some(),
                "{log:?}: {} bytes of {bytes} are left",
                log.size_bytes()
            );
        }
    }

    fn read(&mut self) -> Result<(), String> {
        let Some((_, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get(&partition) else {
            return Ok(());
        };
        match expected.check_live() {
            Ok(count) => {
                self.outcome.read += count as u64;
                Ok(())
            }
            Err(_) if self.disk.is_down() => Ok(()),
            // Reading does not need a disk that can be written.
            Err(error) => panic!("{error}"),
        }
    }

    fn create(&mut self, data_dir: &DataDir) -> std::io::Result<()> {
        if self.expected.len() >= self.logs_max {
            return Ok(());
        }
        self.topics_made += 1;
        let topic_id = TopicId::new(Uuid::from_u128(self.topics_made));
        let Some(topic_id) = topic_id else {
            return Ok(());
        };
        // Few names, so that a topic is often made again under the name of a deleted one.
        let name = format!("topic{}", self.random.random_range(0..self.logs_max - 1));
        if self.expected.values().any(|(taken, _)| *taken == name) {
            return Ok(());
        }
        let partition = TopicIdPartition {
            topic_id,
            partition: PartitionIndex::new(0),
        };
        let durability = if self.random.random_bool(0.2) {
            Durability::Os
        } else {
            Durability::Fsync
        };
        let log = data_dir
            .create_log(partition, &name, durability, self.log_config.clone())
            .map_err(std::io::Error::other)?;
        let expected = Expected::of(log);
        self.expected.insert(partition, (name, expected));
        Ok(())
    }

    fn drop_one(&mut self, data_dir: &DataDir) -> std::io::Result<()> {
        let Some((_, partition)) = self.pick() else {
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

    /// Flips a bit anywhere, and starts: reported or refused, never served; and no business of logs that have nothing there.
    fn rot(&mut self) -> Result<(), String> {
        let files: Vec<(PathBuf, usize)> = self
            .disk
            .image()
            .into_iter()
            .map(|(path, bytes)| (path, bytes.len()))
            .filter(|(path, len)| *len > 0 && !path.to_string_lossy().contains("-delete"))
            .collect();
        if files.is_empty() {
            return Ok(());
        }
        let (path, len) = &files[self.random.random_range(0..files.len())];
        let bytes = self.disk.image().remove(path).unwrap_or_default();
        // Where something is: most of a journal file is zeros.
        let used: Vec<usize> = (0..*len).filter(|at| bytes[*at] != 0).collect();
        let at = match used.get(self.random.random_range(0..used.len().max(1))) {
            Some(at) if self.random.random_bool(0.9) => *at,
            _ => self.random.random_range(0..*len),
        };
        let mask = 1 << self.random.random_range(0..8);
        self.disk
            .rot(path, at as u64, mask)
            .map_err(|error| error.to_string())?;
        let context = format!("bit {mask:#x} of byte {at} of {}", path.display());
        let (data_dir, report) = match self.try_open() {
            Ok(opened) => opened,
            Err(OpenError::Io { path, source }) => {
                return Err(format!("{context}: {}: {source}", path.display()));
            }
            Err(_) => {
                self.outcome.refused += 1;
                return Ok(());
            }
        };
        let in_journal = path.starts_with("/data/journal");
        let mut is_whole = true;
        for log in data_dir.logs() {
            let known = self.expected.get_mut(&log.partition());
            let Some((_, expected)) = known.or_else(|| self.dropped.get_mut(&log.partition()))
            else {
                return Err(format!("{context}: {log:?} was never created"));
            };
            let whole = expected
                .verify_damaged(&log, self.lost_power)
                .map_err(|error| format!("{context}: {error}"))?;
            let is_its_own = in_journal || path.starts_with(log.dir());
            if !whole && !is_its_own {
                return Err(format!("{context}: {log:?} lost something"));
            }
            let is_segment = path.extension().is_some_and(|name| name == "log")
                // Until the first checkpoint it says whose the directory of a log is that is not in the journal.
                || (expected.is_unjournaled && path.ends_with("partition.metadata"));
            if !whole && !in_journal && !is_segment {
                return Err(format!(
                    "{context}: {log:?} lost something with a file that can be rebuilt"
                ));
            }
            is_whole &= whole;
        }
        if in_journal && !is_whole && report.damage.is_empty() && report.cut.is_none() {
            return Err(format!(
                "{context}: records are lost and nothing is reported"
            ));
        }
        if is_whole {
            self.outcome.harmless += 1;
        } else {
            self.outcome.damaged += 1;
        }
        Ok(())
    }
}

fn send(
    log: &Arc<Log>,
    batch: &Batch,
    epoch: i32,
    now_ms: i64,
) -> std::io::Result<storage::log::Appended> {
    let mut builder = BatchBuilder::new();
    if let Some(producer) = batch.producer {
        builder = builder.producer(producer);
    }
    for value in &batch.values {
        builder.push(&NewRecord {
            timestamp: now_ms,
            value: Some(value),
            ..NewRecord::default()
        });
    }
    let bytes = builder.build();
    let header = BatchHeader::parse(&bytes).map_err(std::io::Error::other)?;
    log.append(bytes, &header, LeaderEpoch::new(epoch), now_ms, None)
        .map_err(std::io::Error::other)
}

fn log_config(random: &mut SmallRng) -> LogConfig {
    let retention = random.random_bool(0.6).then(|| Retention {
        ms: random.random_bool(0.5).then_some(2_000),
        bytes: random
            .random_bool(0.5)
            .then(|| random.random_range(0..100) << 10),
    });
    LogConfig {
        segment_bytes: 16 << 10,
        segment_jitter_ms: 1_000,
        index_interval_bytes: 512,
        segment_index_bytes: 1 << 10,
        retention,
        file_delete_delay_ms: random.random_range(0..2_000),
        ..LogConfig::default()
    }
}

//! A data directory: its logs, their one journal, and the checkpoints between them.
//!
//! ```text
//! meta.properties           whose it is; written last when the directory is formatted
//! checkpoint                what the partition files hold, and where the journal is needed from
//! journal/0000.journal ...  the journal's files, used in turn
//! reserve                   space that is given up when the disk is full
//! topic-0/...               a directory for each partition, as Apache Kafka lays it out
//! topic-0.<id>-delete/      a deleted one on its way out
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use protocol::model::{BrokerId, Offset, TopicIdPartition};
use uuid::Uuid;

pub use checkpoint::Checkpoint;
pub use compaction::{CompactionProgress, CompactionSettings, CompactionStatus};
pub use meta::Meta;
pub(crate) use meta::read_small;
pub use pressure::{CHECKPOINT_AT, DELAY_FROM, PRODUCE_DELAY_MAX, produce_delay};
pub use recovery::RecoveryReport;
pub use retention::RetentionStatus;
pub use retention_clock::{ABSENCE_MAX_MS, JUMP_MIN_MS};
pub use size::JOURNAL_DISK_SHARE;
pub use space::SpaceState;
pub use workers::Workers;

mod checkpoint;
mod compaction;
mod meta;
mod page_cache;
mod pressure;
mod recovery;
mod reserve;
mod retention;
mod retention_clock;
mod side_file;
mod size;
mod space;
#[cfg(test)]
mod tests;
mod workers;

use reserve::Reserve;
use space::Space;

use crate::io::{Io, IoFile};
pub use crate::journal::DiskProgress;
use crate::journal::{
    DurableListener, Entry, EntryKind, JournalEnd, JournalFault, JournalFiles, JournalObserver,
    JournalPosition, JournalUsage, JournalWriter, LogId, OfflineListener, OpenEntry, ScanError,
    WriterConfig,
};
use crate::log::{
    Durability, HashKey, Log, LogConfig, LogEnvironment, NewLog, SyncFailed, TailBudget, Unsynced,
    is_disk_full,
};

/// Over so many files that are not synced, the whole file system is.
const SINGLE_SYNCS_MAX: usize = 256;

/// Bounds and habits of a data directory.
#[derive(Clone)]
pub struct DataDirConfig {
    /// Bytes of each journal file.
    pub journal_file_bytes: u64,
    /// Journal files.
    pub journal_files: u32,
    /// Bytes of the file that the very first start prepares before it is ready.
    pub journal_first_file_bytes: u64,
    /// The writer's bounds.
    pub writer: WriterConfig,
    /// Bytes in tails at which write-behind begins with the fullest logs, whatever their age.
    pub tail_bytes_max: usize,
    /// A batch is written behind when it is so old, in milliseconds.
    pub write_behind_ms: i64,
    /// Partition files open at once.
    pub open_files_max: usize,
    /// Between two looks for segments to delete, in milliseconds.
    pub retention_check_ms: i64,
    /// After a jump of the wall clock nothing is deleted for its age for so long, in milliseconds.
    pub clock_jump_pause_ms: i64,
    /// What compaction goes by at first.
    pub compaction: CompactionSettings,
    /// What the hashes of keys depend on in compaction: different in each process, so that nobody can make two keys look the same.
    pub compaction_hash_key: HashKey,
    /// An idempotent producer that has been silent for so long is forgotten, in milliseconds.
    pub producer_expiration_ms: i64,
    /// Bytes that are to be left free on the disk; by default a twentieth of it, at most as much as the journal takes.
    pub free_bytes_min: Option<u64>,
}

/// Who the directory must belong to.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cluster, where it is known; a new directory without one founds its own.
    pub cluster_id: Option<String>,
    /// The broker.
    pub node_id: BrokerId,
    /// The id a new directory gets.
    pub new_directory_id: Uuid,
    /// The cluster id a new directory gets when none is given.
    pub new_cluster_id: Uuid,
}

/// Why a data directory cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A call failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// `meta.properties` cannot be used.
    #[error("{path}: {what}. Nothing was changed")]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The directory is another cluster's.
    #[error(
        "{path} belongs to cluster {found}, not to {expected}: point --data-dir at another directory, or set cluster.id to {found}. Nothing was changed"
    )]
    OtherCluster {
        /// The directory.
        path: PathBuf,
        /// Its cluster.
        found: String,
        /// Ours.
        expected: String,
    },
    /// The directory is another broker's.
    #[error(
        "{path} belongs to node {found}, not to node {expected}: point --data-dir at another directory, or set node.id to {found}. Nothing was changed"
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Its node.
        found: BrokerId,
        /// Ours.
        expected: BrokerId,
    },
    /// The directory holds something, but not a data directory.
    #[error(
        "{path} is not empty and is no Holdfast data directory (it has no meta.properties, but {what}): point --data-dir at an empty directory. Nothing was changed"
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The checkpoint cannot be used.
    #[error(
        "{path}: {what}. Restore the directory from a replica or a backup. Nothing was changed"
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] ScanError),
}

/// Why a log could not be created or dropped.
#[derive(Debug, thiserror::Error)]
pub enum LogChangeError {
    /// The directory is offline.
    #[error(transparent)]
    Offline(#[from] JournalFault),
    /// A call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[derive(Default)]
struct Logs {
    by_id: BTreeMap<LogId, Arc<Log>>,
    by_partition: HashMap<TopicIdPartition, Arc<Log>>,
    next_id: LogId,
}

impl Logs {
    fn insert(&mut self, log: Arc<Log>) {
        self.by_partition.insert(log.partition(), Arc::clone(&log));
        self.by_id.insert(log.id(), log);
    }

    fn remove(&mut self, id: LogId) -> Option<Arc<Log>> {
        let log = self.by_id.remove(&id)?;
        self.by_partition.remove(&log.partition());
        Some(log)
    }
}

/// An open data directory.
pub struct DataDir {
    path: PathBuf,
    io: Arc<dyn Io>,
    meta: Meta,
    config: DataDirConfig,
    environment: LogEnvironment,
    journal_files: Arc<JournalFiles>,
    logs: RwLock<Logs>,
    writer: Mutex<Option<JournalWriter>>,
    checkpointing: Mutex<()>,
    /// Open since before anything was written: through it the kernel tells of every failure to write back.
    any_file: Arc<dyn IoFile>,
    /// A checkpoint is to be written soon, however empty the journal.
    checkpoint_wanted: AtomicBool,
    retention: RetentionStatus,
    compaction: CompactionStatus,
    compaction_settings: Mutex<CompactionSettings>,
    /// What the wall clock last said, in milliseconds since the epoch.
    seen_ms: AtomicI64,
    producer_expiration_ms: AtomicI64,
    /// What it said when the last checkpoint before the start was written.
    last_seen_ms: Option<i64>,
    reserve: Reserve,
    space: Space,
    /// Directories of deleted logs whose deletion is durable.
    garbage: Arc<Mutex<Vec<Garbage>>>,
}

/// The directory of a deleted log.
#[derive(Debug)]
struct Garbage {
    path: PathBuf,
    /// The first checkpoint that does not count the log. Until it is durable the directory stays: should the journal's entry of the deletion
    /// rot, the log is back, and finds its own files and not those of another of its name.
    checkpoint: u64,
}

impl std::fmt::Debug for DataDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataDir({})", self.path.display())
    }
}

impl DataDir {
    /// Opens a directory, formatting an empty one, and recovers what the last stop or crash left. `config_of` gives the
    /// configuration of a topic's logs.
    ///
    /// Done means: every record that was ever durable is in its log, a new run of the journal has begun, and nothing runs yet: call
    /// [`Workers::start`].
    pub fn open(
        io: Arc<dyn Io>,
        path: &Path,
        identity: &Identity,
        config: DataDirConfig,
        config_of: &dyn Fn(&str) -> LogConfig,
        observer: Arc<dyn JournalObserver>,
        now_ms: i64,
    ) -> Result<(Arc<DataDir>, RecoveryReport), OpenError> {
        recovery::open(io, path, identity, config, config_of, observer, now_ms)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        self.io.engine()
    }

    /// Space on the file system.
    pub fn disk_space(&self) -> io::Result<crate::io::DiskSpace> {
        self.io.disk_space(&self.path)
    }

    /// How full the journal is.
    pub fn journal_usage(&self) -> JournalUsage {
        self.journal_files.usage()
    }

    /// How the disk serves the journal.
    pub fn disk_progress(&self) -> DiskProgress {
        self.journal_files.disk_progress()
    }

    /// How near the directory is to taking nothing more: the share of the journal in use, and 1 when the disk is full, the
    /// journal's writer waits for a file, or the directory is offline. See [`produce_delay`].
    pub fn pressure(&self) -> f64 {
        if self.is_full() || self.journal_files.is_stalled() || self.fault().is_some() {
            return 1.0;
        }
        let usage = self.journal_files.usage();
        (usage.live as f64 / usage.capacity.max(1) as f64).min(1.0)
    }

    /// Where the disk stands. In any state but [`SpaceState::Enough`] produce requests should be refused, with an error that can be
    /// retried; what frees space still works.
    pub fn space_state(&self) -> SpaceState {
        self.space.state()
    }

    /// Whether the disk had no space when partition files were last written. Everything acknowledged is in the journal.
    pub fn is_full(&self) -> bool {
        self.space_state() == SpaceState::Full
    }

    /// Whether what is replicated should be appended. Not while the disk is short of space and three quarters of the journal are in use: the rest is for what is never
    /// refused, changes of the metadata above all, and a journal without any is one whose voter is gone.
    pub fn has_room_to_follow(&self) -> bool {
        let usage = self.journal_files.usage();
        self.space_state() == SpaceState::Enough
            || (usage.live as f64) < usage.capacity as f64 * DELAY_FROM
    }

    /// Bytes that are to be left free on the disk.
    pub fn free_bytes_min(&self) -> u64 {
        self.space.watermark()
    }

    /// Bytes of the reserve: given up when the disk is full, taken again when there is space.
    pub fn reserve_bytes(&self) -> u64 {
        self.reserve.held()
    }

    /// Measures the space of the disk. What is free, and promised to nobody, decides whether produce requests are taken.
    pub fn measure_space(&self) {
        // A disk that does not even say how large it is will fail a write soon enough.
        let Ok(disk) = self.disk_space() else { return };
        // Some file systems in user space know nothing of their size.
        if disk.total > 0 {
            let owed = self.reserve.missing() + self.environment.tails.bytes() as u64;
            self.space.on_measured(disk, owed, &self.path);
        }
    }

    /// Bytes in the tails of all logs.
    pub fn tails(&self) -> &Arc<TailBudget> {
        &self.environment.tails
    }

    /// Logs with something to write behind.
    pub fn waiting(&self) -> usize {
        self.environment.waiting.len()
    }

    /// Why the directory is offline, if it is.
    pub fn fault(&self) -> Option<JournalFault> {
        self.environment.journal.fault()
    }

    /// Names who hears, once, that the directory goes offline: nothing more is acknowledged, and its logs are gone from here, so that they hold no
    /// memory. Before its threads are started.
    pub fn set_offline_listener(self: &Arc<Self>, listener: OfflineListener) {
        let this = Arc::downgrade(self);
        let journal = &self.environment.journal;
        journal.set_offline_listener(Box::new(move |fault| {
            listener(fault);
            if let Some(this) = this.upgrade() {
                this.fail_page_cache(fault);
                let mut logs = this.logs.write();
                let emptied = Logs {
                    next_id: logs.next_id,
                    ..Logs::default()
                };
                let gone = std::mem::replace(&mut *logs, emptied);
                drop(logs);
                drop(gone);
            }
        }));
    }

    /// How long an idle producer is known, in milliseconds.
    pub fn producer_expiration_ms(&self) -> i64 {
        self.producer_expiration_ms.load(Ordering::Relaxed)
    }

    /// Changes [`DataDirConfig::producer_expiration_ms`].
    pub fn set_producer_expiration(&self, ms: i64) {
        self.producer_expiration_ms.store(ms, Ordering::Relaxed);
    }

    /// The largest batch the journal takes.
    pub fn batch_bytes_max(&self) -> usize {
        self.environment.journal.entry_bytes_max()
    }

    /// Every log, by id.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().by_id.values().cloned().collect()
    }

    /// The log of a partition.
    pub fn log(&self, partition: TopicIdPartition) -> Option<Arc<Log>> {
        self.logs.read().by_partition.get(&partition).cloned()
    }

    /// Creates the log of a partition. Done means: it takes appends, and its creation is queued for the journal before any of them.
    pub fn create_log(
        &self,
        partition: TopicIdPartition,
        topic: &str,
        durability: Durability,
        config: LogConfig,
    ) -> Result<Arc<Log>, LogChangeError> {
        self.create_log_at(partition, topic, durability, config, Offset::ZERO)
    }

    /// The same, with `start` as the offset of its first record: for a replica whose leader has no record before any more.
    pub fn create_log_at(
        &self,
        partition: TopicIdPartition,
        topic: &str,
        durability: Durability,
        config: LogConfig,
        start: Offset,
    ) -> Result<Arc<Log>, LogChangeError> {
        let mut logs = self.logs.write();
        assert!(
            !logs.by_partition.contains_key(&partition),
            "a partition has one log"
        );
        let id = logs.next_id;
        let new = NewLog {
            id,
            partition,
            topic,
            durability,
            start,
        };
        let dir = self.log_dir(topic, partition);
        let log = Arc::new(Log::new(new, &dir, config, self.environment.clone()));
        let kind = match durability {
            Durability::Fsync => EntryKind::Open,
            Durability::Os => EntryKind::OpenUnjournaled,
        };
        let position = self
            .environment
            .journal
            .push(life_entry(kind, &log), Arc::clone(&log) as _)?;
        log.set_open_position(position);
        logs.next_id = LogId(id.0 + 1);
        logs.insert(Arc::clone(&log));
        Ok(log)
    }

    /// Deletes a log. Done means: nobody finds it any more and its deletion is queued for the journal; its files go
    /// when that is durable.
    pub fn drop_log(&self, partition: TopicIdPartition) -> Result<(), LogChangeError> {
        let log = {
            let mut logs = self.logs.write();
            let Some(id) = logs.by_partition.get(&partition).map(|log| log.id()) else {
                return Ok(());
            };
            logs.remove(id)
        };
        let Some(log) = log else { return Ok(()) };
        log.set_dropped();
        self.environment.files.forget(log.id());
        let away = deleted_dir(log.dir(), log.id());
        if self.io.exists(log.dir())? {
            self.with_reserve(|| self.io.rename(log.dir(), &away))?;
        }
        let listener = Deletion {
            away,
            checkpoint: self.environment.checkpoints.next(),
            garbage: Arc::clone(&self.garbage),
        };
        self.environment
            .journal
            .push(life_entry(EntryKind::Drop, &log), Arc::new(listener))?;
        Ok(())
    }

    /// Removes the files of logs whose deletion is durable and that no checkpoint counts any more, or, while there is too little space, as soon as
    /// the deletion is durable. Returns how many were removed. The first error ends it; what is left is tried again the next time.
    pub fn remove_dropped(&self) -> io::Result<usize> {
        let hurry = self.space_state() != SpaceState::Enough;
        let waiting = std::mem::take(&mut *self.garbage.lock());
        let mut left = Vec::new();
        let mut result = Ok(0);
        for garbage in waiting {
            let may_go = hurry || self.environment.checkpoints.is_durable(garbage.checkpoint);
            let Some(removed) = result.as_mut().ok().filter(|_| may_go) else {
                left.push(garbage);
                continue;
            };
            match self.remove_directory(&garbage.path) {
                Ok(count) => *removed += count,
                Err(error) => {
                    result = Err(error);
                    left.push(garbage);
                }
            }
        }
        if !left.is_empty() {
            // It may be long until the journal needs one.
            self.wish_checkpoint();
            self.garbage.lock().append(&mut left);
        }
        result
    }

    fn remove_directory(&self, path: &Path) -> io::Result<usize> {
        let is_there = self.io.exists(path)?;
        if is_there {
            self.io.remove_dir_all(path)?;
        }
        Ok(usize::from(is_there))
    }

    /// Writes behind what is old enough, and more when tails hold too much. Returns the bytes moved.
    ///
    /// A full disk ([`is_disk_full`]) may be tried again later. Any other error takes the directory offline.
    pub fn write_behind(&self, now_ms: i64) -> io::Result<usize> {
        self.seen_ms.store(now_ms, Ordering::Relaxed);
        let mut waiting = self.environment.waiting.take();
        let moved = self.check_online().and_then(|()| {
            let moved = self.with_reserve(|| {
                let moved = self.write_waiting(&waiting, now_ms)?;
                self.bound_unsynced_files()?;
                Ok(moved)
            });
            if moved.as_ref().is_ok_and(|moved| *moved > 0) {
                self.space.on_written();
            }
            self.settle("writing partition files", moved)
        });
        waiting.retain(|id| {
            self.logs
                .read()
                .by_id
                .get(id)
                .is_some_and(|log| !log.stops_waiting())
        });
        self.environment.waiting.put_back(waiting);
        moved
    }

    fn write_waiting(&self, waiting: &[LogId], now_ms: i64) -> io::Result<usize> {
        let mut young: Vec<(usize, Arc<Log>)> = Vec::new();
        let mut moved = 0;
        for id in waiting {
            let Some(log) = self.logs.read().by_id.get(id).cloned() else {
                continue;
            };
            let (bytes, oldest) = log.tail_bytes();
            if oldest.is_some_and(|oldest| now_ms - oldest >= self.config.write_behind_ms) {
                moved += self.write_log(&log)?;
            } else if bytes > 0 {
                young.push((bytes, log));
            }
        }
        young.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (_, log) in young {
            // Down to half, so that the next append does not begin the next round.
            if self.environment.tails.bytes() <= self.config.tail_bytes_max / 2 {
                break;
            }
            moved += self.write_log(&log)?;
        }
        Ok(moved)
    }

    fn write_log(&self, log: &Log) -> io::Result<usize> {
        let moved = log.write_behind(usize::MAX)?;
        self.bound_unsynced_files()?;
        Ok(moved)
    }

    /// Files that were written, or opened after a crash, keep their descriptors until they are synced: when there are too many, they are.
    fn bound_unsynced_files(&self) -> io::Result<()> {
        if !self.environment.dirty.is_over() {
            return Ok(());
        }
        let logs = self.logs();
        let mut unsynced = Vec::new();
        for log in &logs {
            unsynced.extend(log.take_unsynced()?);
        }
        self.sync(unsynced)
    }

    /// Files that are not synced.
    pub fn unsynced_files(&self) -> usize {
        self.environment.dirty.get()
    }

    /// Makes durable what logs have written. Over some number of files one sync of the file system is cheaper than
    /// thousands of single ones.
    fn sync(&self, unsynced: Vec<Unsynced<'_>>) -> io::Result<()> {
        let failed = |error| io::Error::other(SyncFailed(error));
        let directories = unsynced.iter().filter(|log| log.names_changed()).count();
        let all_at_once = self.environment.dirty.get() + directories > SINGLE_SYNCS_MAX
            && self.io.sync_file_system(&self.any_file).map_err(failed)?;
        if !all_at_once {
            for log in &unsynced {
                log.sync()?;
            }
            if unsynced.iter().any(Unsynced::names_changed) {
                self.io.sync_dir(&self.path).map_err(failed)?;
            }
        }
        unsynced.into_iter().for_each(Unsynced::done);
        Ok(())
    }

    /// Writes behind everything durable, syncs it, writes a checkpoint and releases journal files. Returns how many were released.
    ///
    /// Appends and reads go on meanwhile; what they add is left to the next one. A full disk ([`is_disk_full`]) may be tried
    /// again later. Any other error takes the directory offline: a sync that failed is never repeated.
    pub fn checkpoint(&self, clean_end: Option<JournalEnd>) -> io::Result<usize> {
        let _checkpointing = self.checkpointing.lock();
        self.check_online()?;
        let released = self.with_reserve(|| self.write_checkpoint(clean_end));
        if released.is_ok() {
            self.space.on_written();
        }
        self.settle("writing a checkpoint", released)
    }

    /// Does what may find the disk full, and does it once more if giving up the reserve makes room.
    fn with_reserve<T>(&self, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let outcome = attempt();
        match &outcome {
            Err(error) if is_disk_full(error) => {
                self.space.on_full(&self.path, error);
                if self.reserve.release() {
                    return attempt();
                }
                outcome
            }
            _ => outcome,
        }
    }

    fn write_checkpoint(&self, clean_end: Option<JournalEnd>) -> io::Result<usize> {
        let number = self.environment.checkpoints.begin();
        // A log that is not in this list is opened at `position` or later, so its entries are kept.
        let (logs, position, next_log_id) = {
            let logs = self.logs.read();
            let position = self.environment.journal.next_position();
            (
                logs.by_id.values().cloned().collect::<Vec<_>>(),
                position,
                logs.next_id,
            )
        };
        let mut needed_from = position;
        self.environment.page_cache.begin_checkpoint();
        let mut lines = Vec::with_capacity(logs.len());
        let mut unsynced = Vec::new();
        for log in &logs {
            log.write_behind(usize::MAX)?;
            if let Some((line, written)) = log.checkpoint(clean_end.is_some())? {
                needed_from = needed_from.min(line.position);
                lines.push(line);
                unsynced.push(written);
            }
            if self.environment.dirty.is_over() {
                self.sync(std::mem::take(&mut unsynced))?;
                // Those of logs that this checkpoint has not come to, or has passed, should they be what there is too much of.
                self.bound_unsynced_files()?;
            }
        }
        self.sync(unsynced)?;
        let checkpoint = Checkpoint {
            generation: self.journal_files.generation_of(needed_from),
            clean_end,
            journal_files: self.journal_files.made(),
            written_ms: Some(self.seen_ms.load(Ordering::Relaxed)),
            next_log_id,
            logs: lines,
        };
        meta::write_durably(
            self.io.as_ref(),
            &Checkpoint::path(&self.path),
            &checkpoint.encode(),
        )?;
        self.environment.checkpoints.end(number);
        let released = self.journal_files.release_before(needed_from);
        if released > 0 {
            self.environment.journal.wake();
        }
        Ok(released)
    }

    fn check_online(&self) -> io::Result<()> {
        self.fault()
            .map_or(Ok(()), |fault| Err(io::Error::other(fault)))
    }

    /// What an error of the partition files means for the directory.
    fn settle<T>(&self, what: &'static str, result: io::Result<T>) -> io::Result<T> {
        match &result {
            Ok(_) => {}
            Err(error) if is_disk_full(error) => self.space.on_full(&self.path, error),
            Err(_) => {
                return result.map_err(|error| {
                    let fault = JournalFault { what, error: Arc::new(error) };
                    tracing::error!(what, error = %fault.error, path = %self.path.display(), "data directory goes offline");
                    self.environment.journal.fail(&fault);
                    self.fail_page_cache(&fault);
                    io::Error::other(fault)
                });
            }
        }
        result
    }

    /// Makes one more journal file, or brings one to full size, where the disk has the space. True when there was something to do.
    pub fn grow_journal(&self) -> io::Result<bool> {
        let needed = self.journal_files.growth_bytes();
        if needed == 0 || !self.has_spare(needed) {
            return Ok(false);
        }
        let grown = self.journal_files.grow()?;
        if grown {
            self.environment.journal.wake();
        }
        Ok(grown)
    }

    /// Takes a piece of the reserve, where the disk has the space. True when there was something to do.
    pub fn grow_reserve(&self) -> io::Result<bool> {
        // What it lacks is not counted as spare.
        let is_due = self.reserve.is_due() && self.space_state() != SpaceState::Full;
        if !is_due || !self.has_spare(0) {
            return Ok(false);
        }
        self.reserve.grow()
    }

    fn has_spare(&self, bytes: u64) -> bool {
        self.measure_space();
        self.space.spare() >= i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    /// The writer, for who drives it: the journal's thread, or a simulation. Once.
    pub fn take_writer(&self) -> Option<JournalWriter> {
        self.writer.lock().take()
    }

    fn log_dir(&self, topic: &str, partition: TopicIdPartition) -> PathBuf {
        log_dir(&self.path, topic, partition)
    }
}

fn log_dir(path: &Path, topic: &str, partition: TopicIdPartition) -> PathBuf {
    path.join(format!("{topic}-{}", partition.partition))
}

/// What the directory of a deleted log is called until it is removed.
pub(crate) fn deleted_dir(dir: &Path, id: LogId) -> PathBuf {
    let name = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    dir.with_file_name(format!("{name}.{id}-delete"))
}

fn life_entry(kind: EntryKind, log: &Log) -> Entry {
    let open = OpenEntry {
        topic_id: log.partition().topic_id,
        partition: log.partition().partition,
        topic: log.topic().to_owned(),
    };
    Entry {
        kind,
        log_id: log.id(),
        leader_epoch: None,
        offset: match kind {
            EntryKind::Drop => Offset::ZERO,
            _ => log.offsets().start,
        },
        end: Offset::ZERO,
        payload: open.encode(),
    }
}

/// Waits for a drop entry to be durable, and then gives the directory away.
struct Deletion {
    away: PathBuf,
    checkpoint: u64,
    garbage: Arc<Mutex<Vec<Garbage>>>,
}

impl DurableListener for Deletion {
    fn on_durable(&self, _: JournalPosition) {
        self.garbage.lock().push(Garbage {
            path: self.away.clone(),
            checkpoint: self.checkpoint,
        });
    }

    fn on_fault(&self, _: &JournalFault) {}
}

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

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};

pub use checkpoint::Checkpoint;
pub use compaction::{CompactionProgress, CompactionSettings, CompactionStatus};
pub(crate) use logs::deleted_dir;
pub use meta::Meta;
pub(crate) use meta::read_small;
pub use opening::{Identity, LogChangeError, OpenError};
pub use pressure::{CHECKPOINT_AT, DELAY_FROM, PRODUCE_DELAY_MAX, produce_delay};
pub use recovery::RecoveryReport;
pub use retention::RetentionStatus;
pub use retention_clock::{ABSENCE_MAX_MS, JUMP_MIN_MS};
pub use size::JOURNAL_DISK_SHARE;
pub use space::SpaceState;
pub use workers::{JournalRun, Workers};

mod bypass;
mod checkpoint;
mod compaction;
mod logs;
mod meta;
mod opening;
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
mod writing;

use logs::{Garbage, Logs, log_dir};
use reserve::Reserve;
use space::Space;

use crate::io::{Io, IoFile};
pub use crate::journal::DiskProgress;
use crate::journal::{
    JournalFault, JournalFiles, JournalObserver, JournalUsage, JournalWriter, OfflineListener,
    WriterConfig,
};
use crate::log::{BypassConfig, HashKey, LogConfig, LogEnvironment, TailBudget, is_disk_full};

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
    /// When batches bypass the journal.
    pub bypass: BypassConfig,
    /// A batch is written behind when it is so old, in milliseconds.
    pub write_behind_ms: i64,
    /// Partition files that are kept open for the next use.
    pub open_files_max: usize,
    /// Beside them, those that were written and are not synced; with more, all are synced.
    pub unsynced_files_max: usize,
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

    /// How the disk serves the journal. If what bypasses that takes from one look to the next, the journal tries the disk.
    pub fn disk_progress(&self) -> DiskProgress {
        if self.environment.bypass.is_stuck() {
            self.environment.journal.probe();
        }
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
                this.fail_unjournaled(fault);
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
                    self.fail_unjournaled(&fault);
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

    /// The writer, for who drives it: a thread, a task, or a simulation. Once.
    pub fn take_writer(&self) -> Option<JournalWriter> {
        self.writer.lock().take()
    }
}

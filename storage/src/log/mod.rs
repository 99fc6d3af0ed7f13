//! A partition's log: append, read, write behind, recover.
//!
//! ```text
//!   log_start_offset          written_end                durable_end     log_end_offset
//!        │  segments (files)       │   tail (memory, journal)  │   tail, not durable │
//! ```
//! `log_start_offset ≤ written_end ≤ durable_end ≤ log_end_offset`, always. The files may hold more than is said of them, which is in the tail as well: what is on its way
//! past the journal ([`bypass`]).
//!
//! Two locks. `state` is held for moments, on the produce and fetch path. `disk` belongs to whoever writes
//! the partition's files, is held across I/O, and is taken before `state`, never after.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
use protocol::model::{LeaderEpoch, Offset, TopicIdPartition};

pub use append::{AppendError, Appended, Hold, ReplicaError};
pub use bypass::{Bypass, BypassConfig};
pub use checkpoint::Unsynced;
pub use compaction::{CompactError, Compacted, Compaction, Dirtiness, HashKey, Pace, Pass};
pub use disk::{ActiveSegment, DirtyCount, SyncFailed, is_disk_full};
pub use leader_epochs::LeaderEpochs;
pub use page_cache::PageCache;
pub use producers::{
    BATCHES_MAX, ProducerBatch, ProducerError, ProducerState, Producers, SequenceCheck,
};
pub use read::{ReadError, TailRead, TimestampedOffset};
pub use restore::{CheckpointedLog, ReplayError};
pub use retention::{Retained, RetentionTime};
pub use segment::Region;
pub use tail::{BatchBytes, TailBatch};
pub use truncate::TruncateError;

mod append;
mod bypass;
mod checkpoint;
mod compaction;
pub mod descriptors;
mod disk;
pub mod index;
mod leader_epochs;
mod open;
mod page_cache;
mod producers;
mod read;
mod read_buffers;
mod restore;
mod retention;
mod salvage;
pub mod segment;
mod tail;
#[cfg(test)]
pub(crate) mod tests;
mod truncate;
mod trust;
mod write_behind;

use descriptors::Descriptors;
use disk::Disk;
use segment::Segment;
use tail::Tail;

use crate::journal::{DurableListener, JournalFault, JournalPosition, JournalQueue, LogId};

/// When a record counts as stored: a property of a log from its first day to its last, since a recovery goes by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// On stable media, in the journal.
    #[default]
    Fsync,
    /// In the page cache, as Apache Kafka has it: it survives the process and not the power.
    Os,
}

/// No log gets there. What claims to be at a greater offset is damaged; below it, offsets can be computed with.
pub const OFFSET_END: i64 = 1 << 62;

/// What a topic's configuration says about its logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is closed before it grows beyond.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is closed when a batch is so much newer than its first.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to so much earlier, different for each segment.
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `segment.index.bytes`: a segment is closed before its offset index grows beyond.
    pub segment_index_bytes: u64,
    /// What is deleted for its age or size; `None` unless `cleanup.policy` has `delete`.
    pub retention: Option<Retention>,
    /// What compaction goes by; `None` unless `cleanup.policy` has `compact`.
    pub compaction: Option<Compaction>,
    /// `file.delete.delay.ms`: the files of a deleted segment stay so long, for readers that are at work on them.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: so many records of a log with [`Durability::Os`] are synced before they are acknowledged.
    pub flush_messages: Option<u64>,
    /// `flush.ms`: what such a log has written is synced at this age.
    pub flush_ms: Option<i64>,
}

/// How much of a log is kept. `None` is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// `retention.ms`: a segment is deleted when its newest record is older.
    pub ms: Option<i64>,
    /// `retention.bytes`: the oldest segments are deleted as long as those that stay have at least so many bytes.
    pub bytes: Option<u64>,
}

impl LogConfig {
    /// Kafka's `index.interval.bytes`.
    pub const DEFAULT_INDEX_INTERVAL: u64 = 4096;
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            segment_jitter_ms: 0,
            index_interval_bytes: LogConfig::DEFAULT_INDEX_INTERVAL,
            segment_index_bytes: 10 << 20,
            retention: None,
            compaction: None,
            file_delete_delay_ms: 60_000,
            flush_messages: None,
            flush_ms: None,
        }
    }
}

/// Hears of a log's progress. Called without any of the log's locks held, in order.
pub trait LogListener: Send + Sync {
    /// Everything before `durable_end` is stored, as the log's [`Durability`] says.
    fn on_durable(&self, durable_end: Offset);
    /// The data directory went offline: nothing more of this log will become durable.
    fn on_fault(&self, fault: &JournalFault);
}

/// Bytes that wait in tails, for all logs of a data directory.
#[derive(Debug)]
pub struct TailBudget {
    bytes: AtomicUsize,
    /// Over so many, whoever writes behind is woken.
    wake_at: usize,
    is_woken: Mutex<bool>,
    wake: Condvar,
}

impl TailBudget {
    /// Empty tails.
    pub fn new(wake_at: usize) -> TailBudget {
        TailBudget {
            bytes: AtomicUsize::new(0),
            wake_at,
            is_woken: Mutex::new(false),
            wake: Condvar::new(),
        }
    }

    /// Bytes in all tails.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether they are over the mark.
    pub fn is_over(&self) -> bool {
        self.bytes() > self.wake_at
    }

    /// Waits until tails grow over the mark, somebody calls [`TailBudget::wake`], or `limit` has passed.
    pub fn wait(&self, limit: Duration) {
        let mut is_woken = self.is_woken.lock();
        if !*is_woken {
            self.wake.wait_for(&mut is_woken, limit);
        }
        *is_woken = false;
    }

    /// Ends a wait.
    pub fn wake(&self) {
        *self.is_woken.lock() = true;
        self.wake.notify_one();
    }

    fn add(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before <= self.wake_at && before + bytes > self.wake_at {
            self.wake();
        }
    }

    fn remove(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The logs that have work waiting: who does it need not look at all of them.
#[derive(Debug, Default)]
pub struct WaitingLogs(Mutex<Vec<LogId>>);

impl WaitingLogs {
    pub(super) fn push(&self, log: LogId) {
        self.0.lock().push(log);
    }

    /// Takes the list. Whoever does puts back the logs that still wait.
    pub fn take(&self) -> Vec<LogId> {
        std::mem::take(&mut *self.0.lock())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts logs back.
    pub fn put_back(&self, mut logs: Vec<LogId>) {
        self.0.lock().append(&mut logs);
    }
}

/// What the logs of a data directory share.
#[derive(Clone)]
pub struct LogEnvironment {
    /// Open files.
    pub files: Arc<Descriptors>,
    /// The journal.
    pub journal: Arc<JournalQueue>,
    /// The count of bytes in tails.
    pub tails: Arc<TailBudget>,
    /// The logs whose tails are not empty.
    pub waiting: Arc<WaitingLogs>,
    /// The logs of which the kernel has something to write that it was not asked to.
    pub unwritten: Arc<WaitingLogs>,
    /// The count of files that are not synced.
    pub dirty: Arc<DirtyCount>,
    /// The logs that have files of deleted segments.
    pub condemned: Arc<WaitingLogs>,
    /// What is on its way to the page cache.
    pub page_cache: Arc<PageCache>,
    /// What is on its way past the journal.
    pub bypass: Arc<Bypass>,
    /// The count of checkpoints.
    pub checkpoints: Arc<CheckpointCount>,
}

/// Which checkpoints there have been since the start.
#[derive(Debug, Default)]
pub struct CheckpointCount {
    begun: AtomicU64,
    durable: AtomicU64,
}

impl CheckpointCount {
    /// A checkpoint begins: what changes from now on may or may not be in it. Returns its number.
    pub fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The checkpoint of that number is durable.
    pub fn end(&self, number: u64) {
        self.durable.fetch_max(number, Ordering::AcqRel);
    }

    /// The number of the last checkpoint that has begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// The first checkpoint that certainly has in it what is so now.
    pub(crate) fn next(&self) -> u64 {
        self.begun.load(Ordering::Acquire) + 1
    }

    pub(crate) fn is_durable(&self, number: u64) -> bool {
        self.durable.load(Ordering::Acquire) >= number
    }
}

/// Offsets whose records are known to be unreadable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// The first of them.
    pub from: Offset,
    /// The offset after the last of them.
    pub to: Offset,
    /// Where the damage is.
    pub bad: crate::journal::BadBytes,
}

/// Where a log's ends are, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOffsets {
    /// The first offset that can be read.
    pub start: Offset,
    /// The end of what the segments hold.
    pub written_end: Offset,
    /// The end of what is stored, as the log's [`Durability`] says.
    pub durable_end: Offset,
    /// The end of what was appended.
    pub end: Offset,
}

/// What will make a log durable to some end.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// The journal's entry.
    position: JournalPosition,
    end: Offset,
    /// It is one that says what the files hold.
    is_stored: bool,
}

struct State {
    offsets: LogOffsets,
    leader_epochs: LeaderEpochs,
    producers: Producers,
    tail: Tail,
    /// What makes each log end durable, oldest first.
    pending: VecDeque<Pending>,
    /// The end of what was written before it was stored, so that it may be in the files and in the tail.
    written_ahead: Offset,
    /// Where the batches begin that are not in the journal and of whose being stored it says nothing yet.
    unjournaled_from: Option<Offset>,
    /// Their bytes.
    unjournaled_bytes: usize,
    /// It is, or is about to be, in [`Bypass`].
    bypass_listed: bool,
    /// What was stored with one sync the last time that something had bypassed the journal.
    bypass_sync_bytes: usize,
    segments: Vec<Arc<Segment>>,
    damaged: Vec<DamagedRange>,
    oldest_tail_ms: Option<i64>,
    /// It is, or is about to be, in [`WaitingLogs`].
    listed: bool,
    /// The last journal position known durable.
    durable_through: Option<JournalPosition>,
    /// Goes up when segments are cut or deleted, so that a reader knows that they changed under it.
    cuts: u64,
    /// A compacted segment is about to get the name of the one it replaces: who reads that finds either.
    is_swapping: bool,
    /// The journal's entry that opened the log; `None` when a recovery has read it.
    open_position: Option<JournalPosition>,
    /// The journal's entry of the latest new start; `None` when a recovery has read it.
    start_position: Option<JournalPosition>,
    dropped: bool,
}

impl State {
    /// `at`, or the end of the damaged records that begin there.
    fn behind_damage(&self, at: Offset) -> Offset {
        let ranges = self.damaged.iter();
        ranges.fold(at, |at, range| {
            if range.from <= at {
                at.max(range.to)
            } else {
                at
            }
        })
    }

    /// Moves the start forward: what lies before it is gone for good.
    fn set_start(&mut self, start: Offset) {
        self.offsets.start = start;
        self.leader_epochs.start_at(start);
        self.damaged.retain(|range| range.to > start);
    }

    /// Bytes of the tail that are not stored yet.
    fn bytes_not_stored(&self) -> usize {
        self.tail.bytes_from(self.offsets.durable_end)
    }

    /// Bytes of the tail that are not in the files as well.
    fn bytes_beside_files(&self) -> u64 {
        self.tail.bytes_from(self.written_ahead) as u64
    }

    fn check(&self) {
        let LogOffsets {
            start,
            written_end,
            durable_end,
            end,
        } = self.offsets;
        assert!(
            start <= end && written_end <= durable_end && durable_end <= end,
            "offsets of a log are in order: {:?}",
            self.offsets
        );
    }
}

/// Which log it is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewLog<'a> {
    /// Its number in the data directory.
    pub id: LogId,
    /// Whose records.
    pub partition: TopicIdPartition,
    /// The topic's name.
    pub topic: &'a str,
    /// When a record counts as stored.
    pub durability: Durability,
    /// The offset of its first record.
    pub start: Offset,
}

/// A partition's log.
pub struct Log {
    id: LogId,
    partition: TopicIdPartition,
    topic: String,
    durability: Durability,
    dir: PathBuf,
    environment: LogEnvironment,
    config: Mutex<LogConfig>,
    state: Mutex<State>,
    disk: Mutex<Disk>,
    /// Whether the segments have been opened, so that readers need not take the disk's lock to find out.
    is_open: AtomicBool,
    /// Bytes of segments that have not been opened yet, as the checkpoint says.
    unopened_bytes: AtomicU64,
    high_watermark: AtomicI64,
    listener: RwLock<Option<Arc<dyn LogListener>>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Log({}-{}, id {})",
            self.topic, self.partition.partition, self.id
        )
    }
}

impl Log {
    /// A new, empty log. Its directory is made when something is first written behind; until a checkpoint covers it, the journal
    /// is where it exists.
    pub fn new(new: NewLog<'_>, dir: &Path, config: LogConfig, environment: LogEnvironment) -> Log {
        let NewLog {
            id,
            partition,
            topic,
            durability,
            start,
        } = new;
        Log {
            id,
            partition,
            topic: topic.to_owned(),
            durability,
            dir: dir.to_owned(),
            environment,
            config: Mutex::new(config),
            state: Mutex::new(State {
                offsets: LogOffsets {
                    start,
                    written_end: start,
                    durable_end: start,
                    end: start,
                },
                leader_epochs: LeaderEpochs::default(),
                producers: Producers::default(),
                tail: Tail::default(),
                pending: VecDeque::new(),
                written_ahead: start,
                unjournaled_from: None,
                unjournaled_bytes: 0,
                bypass_listed: false,
                bypass_sync_bytes: 0,
                segments: Vec::new(),
                damaged: Vec::new(),
                oldest_tail_ms: None,
                listed: false,
                durable_through: None,
                cuts: 0,
                is_swapping: false,
                open_position: None,
                start_position: None,
                dropped: false,
            }),
            disk: Mutex::new(Disk::new_log(start)),
            is_open: AtomicBool::new(false),
            unopened_bytes: AtomicU64::new(0),
            high_watermark: AtomicI64::new(start.get()),
            listener: RwLock::new(None),
        }
    }

    /// Its number in the data directory.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// Topic id and partition.
    pub fn partition(&self) -> TopicIdPartition {
        self.partition
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// When its records count as stored.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its ends.
    pub fn offsets(&self) -> LogOffsets {
        self.state.lock().offsets
    }

    /// Bytes of all segments and of the tail.
    pub fn size_bytes(&self) -> u64 {
        let files = self.unopened_bytes.load(Ordering::Relaxed);
        let state = self.state.lock();
        let open: u64 = state.segments.iter().map(|segment| segment.bytes()).sum();
        let files = if self.is_open.load(Ordering::Acquire) {
            open
        } else {
            files
        };
        files + state.bytes_beside_files()
    }

    /// What its compaction goes by, if it is to be compacted.
    pub fn compaction(&self) -> Option<Compaction> {
        self.config.lock().compaction
    }

    /// The largest segment it makes.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.config.lock().segment_bytes
    }

    /// The largest batch that it takes.
    pub fn batch_bytes_max(&self) -> usize {
        self.environment.journal.entry_bytes_max()
    }

    /// Segments on disk, as far as they have been opened.
    pub fn segment_count(&self) -> usize {
        self.state.lock().segments.len()
    }

    /// Bytes in the tail.
    pub fn tail_bytes(&self) -> usize {
        self.state.lock().tail.bytes()
    }

    /// The leader epoch of the last record.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.state.lock().leader_epochs.latest()
    }

    /// The largest known epoch not over `requested`, and where it ends.
    pub fn end_of_epoch(&self, requested: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let state = self.state.lock();
        state.leader_epochs.end_of(requested, state.offsets.end)
    }

    /// The leader epoch of the record at `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.state.lock().leader_epochs.epoch_at(offset)
    }

    /// Offsets whose records are unreadable: never served, and never given to other records.
    pub fn damaged(&self) -> Vec<DamagedRange> {
        self.state.lock().damaged.clone()
    }

    fn add_damage(&self, state: &mut State, range: DamagedRange) {
        if state
            .damaged
            .iter()
            .any(|known| known.from <= range.from && range.to <= known.to)
        {
            return;
        }
        tracing::error!(
            topic = self.topic,
            partition = %self.partition.partition,
            from = %range.from,
            to = %range.to,
            damage = %range.bad,
            "records are damaged and will not be served"
        );
        let at = state
            .damaged
            .partition_point(|known| known.from < range.from);
        state.damaged.insert(at, range);
    }

    /// Whether the records of `from..to` are known to be missing from the segments. What is missing before the log's start is
    /// no longer remembered, and of no account.
    fn is_known_gap(&self, from: Offset, to: Offset) -> bool {
        let state = self.state.lock();
        state.behind_damage(from.max(state.offsets.start)) >= to
    }

    /// What is before `end` is in the files, and stays there: the tail need not have it.
    fn leave_to_files(&self, state: &mut State, end: Offset) {
        let freed = state.tail.remove_before(end);
        self.environment.tails.remove(freed);
        let end = state.behind_damage(end);
        state.offsets.written_end = state.offsets.written_end.max(end);
        state.oldest_tail_ms = state.tail.front().map(|batch| batch.appended_ms);
    }

    /// Whether nothing is in the tail; then the log is no longer in [`WaitingLogs`].
    pub(crate) fn stops_waiting(&self) -> bool {
        let mut state = self.state.lock();
        let is_empty = state.tail.front().is_none();
        state.listed = !is_empty;
        is_empty
    }

    fn list(&self, state: &mut State) {
        if !state.listed {
            state.listed = true;
            match self.durability {
                Durability::Fsync => self.environment.waiting.push(self.id),
                Durability::Os => self.environment.page_cache.push(self.id),
            }
        }
    }

    /// The configuration.
    pub fn config(&self) -> LogConfig {
        self.config.lock().clone()
    }

    /// Changes the configuration; what is open is measured by it at the next write.
    pub fn set_config(&self, config: LogConfig) {
        *self.config.lock() = config;
    }

    /// The high watermark last noted, for the checkpoint: after a restart it is where the log was certainly committed to.
    pub fn high_watermark(&self) -> Offset {
        Offset::new(self.high_watermark.load(Ordering::Acquire))
    }

    /// Notes that more is committed. Never goes back.
    pub fn raise_high_watermark(&self, high_watermark: Offset) {
        self.high_watermark
            .fetch_max(high_watermark.get(), Ordering::AcqRel);
    }

    /// Notes the high watermark.
    pub fn set_high_watermark(&self, high_watermark: Offset) {
        self.high_watermark
            .store(high_watermark.get(), Ordering::Release);
    }

    /// Names who hears of durability from now on, in the place of who did before. What became durable until now it may not hear of.
    pub fn set_listener(&self, listener: Arc<dyn LogListener>) {
        *self.listener.write() = Some(listener);
    }

    fn listener(&self) -> Option<Arc<dyn LogListener>> {
        self.listener.read().clone()
    }

    /// What is known of idempotent producers, as of the log's end.
    pub fn producers(&self) -> Producers {
        self.state.lock().producers.clone()
    }

    /// Forgets producers that have been silent since `before_ms`.
    pub fn expire_producers(&self, before_ms: i64) {
        let mut disk = self.disk.lock();
        disk.producers.expire(before_ms);
        self.state.lock().producers.expire(before_ms);
    }

    /// Names the journal's entry that opened the log.
    pub(crate) fn set_open_position(&self, position: JournalPosition) {
        self.state.lock().open_position = Some(position);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl DurableListener for Log {
    fn on_durable(&self, position: JournalPosition) {
        if self.durability == Durability::Os {
            // Its records are not in the journal; what they wait for is: that it was opened, or a truncation.
            let mut state = self.state.lock();
            state.durable_through = state.durable_through.max(Some(position));
            drop(state);
            self.environment.page_cache.wake();
            return;
        }
        let durable_end = {
            let mut state = self.state.lock();
            state.durable_through = state.durable_through.max(Some(position));
            let mut durable_end = None;
            let mut stored_end = None;
            while let Some(pending) = state.pending.front().copied()
                && pending.position <= position
            {
                state.pending.pop_front();
                durable_end = Some(pending.end);
                stored_end = durable_end.filter(|_| pending.is_stored).or(stored_end);
            }
            if let Some(durable_end) = durable_end {
                state.offsets.durable_end = durable_end;
            }
            if let Some(stored_end) = stored_end {
                self.leave_to_files(&mut state, stored_end);
            }
            state.check();
            // It may have waited for this.
            self.list_bypassing(&mut state);
            durable_end
        };
        if let (Some(durable_end), Some(listener)) = (durable_end, self.listener()) {
            listener.on_durable(durable_end);
        }
    }

    fn on_fault(&self, fault: &JournalFault) {
        if let Some(listener) = self.listener() {
            listener.on_fault(fault);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.environment
            .tails
            .remove(self.state.get_mut().tail.memory());
    }
}

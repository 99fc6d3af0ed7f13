//! The side of a log that writes files: what is known of its directory, the active segment, and what is not synced.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use protocol::batch::BatchHeader;
use protocol::model::Offset;

use super::retention::Condemned;
use super::segment::{IndexBuilder, KnownGap, Segment, SegmentError};
use super::{CheckpointCount, LeaderEpochs, LogConfig, Producers, index};
use crate::io::{Io, IoFile, OpenOptions};
use crate::journal::{JournalPosition, LogId};

/// The active segment as a checkpoint found it, synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveSegment {
    /// Its base offset.
    pub base: Offset,
    /// Bytes of its `.log`.
    pub bytes: u64,
    /// Bytes of its `.index`.
    pub index_bytes: u64,
    /// Bytes of its `.timeindex`.
    pub time_index_bytes: u64,
}

/// What is known of the log's directory.
pub(super) enum Directory {
    /// Nothing there counts: the log was created after the last checkpoint. It is emptied before it is used.
    Unmade,
    /// As the checkpoint left it, not looked at yet.
    Unopened {
        /// The active segment.
        active: Option<ActiveSegment>,
        /// Bytes of the other segments with records from `start` on.
        closed_bytes: u64,
        /// The log's start then: segments that end by it may be there or not.
        start: Offset,
    },
    /// Open.
    Open,
}

/// A truncation that reaches into segments and waits to be durable before it is done to them.
pub(super) struct PendingCut {
    /// A recovery replays from there: the oldest entry that was not in the files when the oldest truncation took it back, or that
    /// truncation. Should it not become durable, the log is as it was before.
    pub(super) replay_from: JournalPosition,
    /// The position that must be durable first; `None` when a recovery has read it.
    pub(super) durable_at: Option<JournalPosition>,
    /// The new end of the files.
    pub(super) to: Offset,
    /// The producers there.
    pub(super) producers: Producers,
}

/// Files that were written and not synced. Leader epochs and producers are those of `end`, so that a checkpoint says
/// what the files hold.
pub(super) struct Disk {
    pub(super) directory: Directory,
    pub(super) active: Option<Appender>,
    /// The end of what the files hold: the log's `written_end`, unless a cut is pending, or there is more that is not stored yet.
    pub(super) end: Offset,
    pub(super) leader_epochs: LeaderEpochs,
    pub(super) producers: Producers,
    pub(super) cut: Option<PendingCut>,
    pub(super) dirty: Vec<Arc<DirtySegment>>,
    /// Of these, and of those a checkpoint is about to sync, the ones with records that nobody else has synced yet: for `flush.messages` and `flush.ms`, and for what
    /// bypasses the journal.
    pub(super) unflushed: Vec<Arc<DirtySegment>>,
    /// Deleted segments whose files are still there, oldest first.
    pub(super) condemned: VecDeque<Condemned>,
    /// Records written since the last sync that `flush.messages` or `flush.ms` asked for.
    pub(super) unsynced_records: u64,
    /// Names were made since then.
    pub(super) names_unflushed: bool,
    /// When that was first noticed, for `flush.ms`.
    pub(super) unsynced_since_ms: Option<i64>,
    /// It is, or is about to be, among those whose writing back is to begin.
    pub(super) writeback_listed: bool,
    pub(super) names_changed: bool,
    pub(super) epochs_changed: bool,
    pub(super) dropped: bool,
    /// The base of the active segment in checkpoints, by their numbers, oldest first.
    covered: VecDeque<(u64, Offset)>,
    /// Up to where the log is compacted, once somebody has looked.
    pub(super) compacted_to: Option<Offset>,
}

/// A segment with bytes that are not synced. It holds its descriptors: one that is opened later may not hear of
/// an earlier failure to write back.
pub(super) struct DirtySegment {
    pub(super) segment: Arc<Segment>,
    log: Arc<dyn IoFile>,
    index: Arc<dyn IoFile>,
    time_index: Arc<dyn IoFile>,
    /// Up to where the kernel was asked to write the `.log`.
    writeback_end: AtomicU64,
    /// Whether a sync has failed. Of two at once, the kernel would tell only one.
    has_failed: Mutex<bool>,
    count: Arc<DirtyCount>,
}

/// Files of dirty segments, for all logs of a data directory.
#[derive(Debug)]
pub struct DirtyCount {
    files: AtomicUsize,
    files_max: usize,
}

impl DirtyCount {
    /// None yet. Whoever finds more than `files_max` has some synced.
    pub fn new(files_max: usize) -> DirtyCount {
        DirtyCount {
            files: AtomicUsize::new(0),
            files_max,
        }
    }

    /// How many there are.
    pub fn get(&self) -> usize {
        self.files.load(Ordering::Relaxed)
    }

    /// There are too many: each is a descriptor.
    pub fn is_over(&self) -> bool {
        self.get() > self.files_max
    }
}

const FILES_PER_SEGMENT: usize = 3;

impl DirtySegment {
    fn new(segment: Arc<Segment>, count: Arc<DirtyCount>) -> io::Result<DirtySegment> {
        let log = segment.create("log")?;
        let index = segment.create("index")?;
        let time_index = segment.create("timeindex")?;
        count.files.fetch_add(FILES_PER_SEGMENT, Ordering::Relaxed);
        Ok(DirtySegment {
            writeback_end: AtomicU64::new(segment.bytes()),
            segment,
            log,
            index,
            time_index,
            has_failed: Mutex::new(false),
            count,
        })
    }

    pub(super) fn log(&self) -> &Arc<dyn IoFile> {
        &self.log
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_files(&[&self.log, &self.index, &self.time_index])
    }

    /// Makes the records durable, and not the indexes.
    pub(super) fn sync_log(&self) -> io::Result<()> {
        self.sync_files(&[&self.log])
    }

    /// Has the kernel begin to write the `.log`, if that makes it at least `bytes_min` more than it was asked for.
    pub(super) fn begin_writeback_of_log(&self, bytes_min: u64) -> io::Result<()> {
        let end = self.segment.bytes();
        let begun = self.writeback_end.load(Ordering::Relaxed);
        let bytes = end.saturating_sub(begun);
        if bytes < bytes_min {
            return Ok(());
        }
        self.writeback_end.store(end, Ordering::Relaxed);
        self.log.start_writeback(begun, bytes)
    }

    /// Has the kernel begin to write all that it was not asked for.
    pub(super) fn begin_writeback(&self) -> io::Result<()> {
        self.begin_writeback_of_log(0)?;
        for index in [&self.index, &self.time_index] {
            index.start_writeback(0, index.len()?)?;
        }
        Ok(())
    }

    fn sync_files(&self, files: &[&Arc<dyn IoFile>]) -> io::Result<()> {
        let mut has_failed = self.has_failed.lock();
        if *has_failed {
            let error = io::Error::other("another sync of it has failed");
            return Err(io::Error::other(SyncFailed(error)));
        }
        let synced = files.iter().try_for_each(|file| sync(file.as_ref()));
        *has_failed = synced.is_err();
        synced
    }
}

impl Drop for DirtySegment {
    fn drop(&mut self) {
        self.count
            .files
            .fetch_sub(FILES_PER_SEGMENT, Ordering::Relaxed);
    }
}

/// A sync that failed. Whatever its cause, nothing written before may be believed, and it is never tried again: not even
/// when the disk was merely full.
#[derive(Debug, thiserror::Error)]
#[error("sync failed, what was written before it is lost: {0}")]
pub struct SyncFailed(#[source] pub(crate) io::Error);

pub(super) fn sync(file: &dyn IoFile) -> io::Result<()> {
    file.sync()
        .map_err(|error| io::Error::other(SyncFailed(error)))
}

/// Whether an error is [`SyncFailed`].
pub(super) fn is_sync_failure(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<SyncFailed>())
}

/// Whether an error of writing says that the disk is full, and that the same may succeed when there is space.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl Disk {
    pub(super) fn new_log(start: Offset) -> Disk {
        Disk::restored(
            Directory::Unmade,
            start,
            LeaderEpochs::default(),
            Producers::default(),
        )
    }

    /// A log whose directory holds what `directory` says.
    pub(super) fn restored(
        directory: Directory,
        end: Offset,
        leader_epochs: LeaderEpochs,
        producers: Producers,
    ) -> Disk {
        Disk {
            directory,
            active: None,
            end,
            leader_epochs,
            producers,
            cut: None,
            dirty: Vec::new(),
            unflushed: Vec::new(),
            condemned: VecDeque::new(),
            unsynced_records: 0,
            names_unflushed: false,
            unsynced_since_ms: None,
            writeback_listed: false,
            names_changed: false,
            epochs_changed: false,
            dropped: false,
            covered: VecDeque::new(),
            compacted_to: None,
        }
    }

    /// The end of what the files hold, once a pending cut is done.
    pub(super) fn files_end(&self) -> Offset {
        self.cut.as_ref().map_or(self.end, |cut| cut.to)
    }

    /// A checkpoint counts the segments before `base` as closed.
    pub(super) fn note_covered(&mut self, checkpoint: u64, base: Offset, count: &CheckpointCount) {
        self.covered.push_back((checkpoint, base));
        // The last durable one says all that those before it did.
        while self
            .covered
            .get(1)
            .is_some_and(|(number, _)| count.is_durable(*number))
        {
            self.covered.pop_front();
        }
    }

    /// The segments before it are closed for every recovery to come.
    pub(super) fn covered_base(&self, count: &CheckpointCount) -> Offset {
        let durable = self.covered.iter().rev();
        let mut durable = durable.filter(|(number, _)| count.is_durable(*number));
        durable.next().map_or(Offset::ZERO, |(_, base)| *base)
    }

    /// The files of a segment that is about to be written; they stay open until they are synced.
    pub(super) fn writable(
        &mut self,
        segment: &Arc<Segment>,
        count: &Arc<DirtyCount>,
    ) -> io::Result<&Arc<DirtySegment>> {
        let known = self
            .dirty
            .iter()
            .position(|dirty| Arc::ptr_eq(&dirty.segment, segment));
        let at = match known {
            Some(at) => at,
            None => {
                self.dirty.push(Arc::new(DirtySegment::new(
                    Arc::clone(segment),
                    Arc::clone(count),
                )?));
                self.dirty.len() - 1
            }
        };
        Ok(&self.dirty[at])
    }

    /// Writes what the active segment's index builder holds back. What cannot be written stays there.
    pub(super) fn flush_indexes(&mut self, count: &Arc<DirtyCount>) -> io::Result<()> {
        let Some(mut active) = self.active.take() else {
            return Ok(());
        };
        let flushed = if active.index.offsets.is_empty() && active.index.times.is_empty() {
            Ok(())
        } else {
            self.writable(&active.segment, count)
                .and_then(|files| active.flush(files))
        };
        self.active = Some(active);
        flushed
    }

    pub(super) fn close_time_index(&mut self, count: &Arc<DirtyCount>) -> io::Result<()> {
        if let Some(active) = &mut self.active {
            active.index.close();
        }
        self.flush_indexes(count)
    }
}

/// The active segment and where its indexes are.
pub(super) struct Appender {
    pub(super) segment: Arc<Segment>,
    pub(super) index: IndexBuilder,
    pub(super) index_bytes: u64,
    pub(super) time_index_bytes: u64,
    pub(super) first_timestamp: Option<i64>,
}

impl Appender {
    /// For a segment without a byte.
    pub(super) fn new(segment: Arc<Segment>) -> Appender {
        let index = IndexBuilder::new(segment.base(), 0);
        Appender {
            segment,
            index,
            index_bytes: 0,
            time_index_bytes: 0,
            first_timestamp: None,
        }
    }

    /// Continues a segment that ends at `end`: its indexes are kept as far as they can be believed. `checkpointed` is what a
    /// checkpoint says of them, unless the segment has been cut since.
    pub(super) fn resume(
        segment: &Arc<Segment>,
        end: Offset,
        checkpointed: Option<ActiveSegment>,
        interval: u64,
        known_gap: KnownGap<'_>,
    ) -> Result<Appender, SegmentError> {
        let base = segment.base();
        let mut appender = Appender::new(Arc::clone(segment));
        segment.scan_headers(0, known_gap, &mut |_, header| {
            appender.first_timestamp = Some(header.max_timestamp);
            false
        })?;
        let offsets = segment.create("index")?;
        let times = segment.create("timeindex")?;
        if let Some(known) = checkpointed {
            cut_to(offsets.as_ref(), known.index_bytes)?;
            cut_to(times.as_ref(), known.time_index_bytes)?;
        }
        let kept_offsets = index::kept_offsets(&offsets, base, segment.bytes())?;
        let kept_times = index::kept_times(&times, base, end)?;
        let complete = checkpointed.is_none_or(|known| {
            (kept_offsets.bytes, kept_times.bytes) == (known.index_bytes, known.time_index_bytes)
        });
        let believable = complete
            && kept_offsets.sound
            && kept_times.sound
            && match kept_offsets.last {
                Some(entry) => segment.is_true(entry)?,
                None => true,
            }
            && match kept_times.last {
                Some(entry) => segment.is_time_true(entry, known_gap)?,
                None => kept_offsets.last.is_none(),
            };
        if believable {
            cut_to(offsets.as_ref(), kept_offsets.bytes)?;
            cut_to(times.as_ref(), kept_times.bytes)?;
            let from = kept_offsets.last.map_or(0, |entry| entry.position);
            appender.index.resume(kept_times.last);
            segment.scan_headers(from, known_gap, &mut |position, header| {
                appender.index.on_batch(position, header, u64::MAX);
                true
            })?;
        } else {
            appender.index = segment.rebuild_indexes(interval, known_gap)?;
        }
        // Behind a batch that claims offsets beyond the end, records that are appended would not be found.
        segment.check_end(appender.index.end(), end, known_gap)?;
        appender.index_bytes = offsets.len()?;
        appender.time_index_bytes = times.len()?;
        Ok(appender)
    }

    /// The segment as it will be, for who decides how much goes into it.
    pub(super) fn plan(&self) -> Plan {
        Plan {
            owner: self.segment.owner(),
            base: self.segment.base(),
            bytes: self.segment.bytes(),
            first_timestamp: self.first_timestamp,
            index_bytes: self.index_bytes + self.index.offsets.len() as u64,
            bytes_since_entry: self.index.bytes_since_entry(),
        }
    }

    fn flush(&mut self, files: &DirtySegment) -> io::Result<()> {
        let grown = [
            (&files.index, &mut self.index.offsets, &mut self.index_bytes),
            (
                &files.time_index,
                &mut self.index.times,
                &mut self.time_index_bytes,
            ),
        ];
        for (file, bytes, end) in grown {
            if bytes.is_empty() {
                continue;
            }
            file.write_all_at(&[bytes], *end)?;
            *end += bytes.len() as u64;
            bytes.clear();
        }
        Ok(())
    }
}

/// A segment with the batches that are about to be written to it.
pub(super) struct Plan {
    owner: LogId,
    base: Offset,
    bytes: u64,
    first_timestamp: Option<i64>,
    index_bytes: u64,
    bytes_since_entry: u64,
}

impl Plan {
    /// Kafka's `LogSegment.shouldRoll`.
    pub(super) fn must_roll(&self, header: &BatchHeader, config: &LogConfig) -> bool {
        if self.bytes == 0 {
            return false;
        }
        let bytes = self.bytes + header.size_in_bytes as u64;
        let age_max = config.segment_ms - self.jitter_ms(config);
        let aged = self
            .first_timestamp
            .is_some_and(|first| header.max_timestamp.saturating_sub(first) > age_max);
        let index_full = self.index_bytes + index::OFFSET_ENTRY as u64 > config.segment_index_bytes;
        let too_far = header.last_offset().since(self.base) > i64::from(i32::MAX);
        bytes > config.segment_bytes || bytes > i32::MAX as u64 || aged || index_full || too_far
    }

    /// Kafka's `LogConfig.randomSegmentJitter`, but always the same for a segment, so that writing it again rolls at the same place.
    fn jitter_ms(&self, config: &LogConfig) -> i64 {
        let bound = config.segment_jitter_ms.min(config.segment_ms);
        if bound <= 0 {
            return 0;
        }
        let mut name = [0; 16];
        name[..8].copy_from_slice(&self.owner.0.to_le_bytes());
        name[8..].copy_from_slice(&self.base.get().to_le_bytes());
        i64::from(crc32c::crc32c(&name)) % bound
    }

    pub(super) fn add(&mut self, header: &BatchHeader, config: &LogConfig) {
        if self.bytes_since_entry > config.index_interval_bytes {
            self.index_bytes += index::OFFSET_ENTRY as u64;
            self.bytes_since_entry = 0;
        }
        self.bytes += header.size_in_bytes as u64;
        self.bytes_since_entry += header.size_in_bytes as u64;
        self.first_timestamp.get_or_insert(header.max_timestamp);
    }
}

pub(super) fn cut_to(file: &dyn IoFile, len: u64) -> io::Result<()> {
    if file.len()? > len {
        file.set_len(len)
    } else {
        Ok(())
    }
}

/// Writes a small file whole: temporary name, sync, rename. Its directory is the caller's to sync.
pub(super) fn write_side_file(io: &dyn Io, path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file(io, path, bytes, true)
}

/// Writes a file that is read by Kafka's tools and not by a recovery: a power loss may leave it empty.
pub(super) fn write_note(io: &dyn Io, path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file(io, path, bytes, false)
}

fn replace_file(io: &dyn Io, path: &Path, bytes: &[u8], durably: bool) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let options = OpenOptions {
        create: true,
        truncate: true,
        ..OpenOptions::default()
    };
    let file = io.open(&temporary, options)?;
    file.write_all_at(&[bytes], 0)?;
    if durably {
        sync(file.as_ref())?;
    }
    io.rename(&temporary, path)
}

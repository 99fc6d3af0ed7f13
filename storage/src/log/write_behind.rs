//! Write-behind: durable batches move from the tail into segments, in large pieces, off the produce path.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use protocol::batch::{BatchHeader, verify_crc};
use protocol::model::Offset;

use super::restore::CheckpointedLog;
use super::segment::{IndexBuilder, Segment, SegmentError, base_of, file_name};
use super::tail::{BatchBytes, TailBatch};
use super::{DamagedRange, LeaderEpochs, Log, LogConfig, Producers, index};
use crate::io::OpenOptions;
use crate::journal::BadBytes;

/// Bytes taken from the tail at once.
const RUN_BYTES: usize = 4 << 20;
/// Batches written with one call, at most: as many pieces as a vectored write takes.
const RUN_BATCHES: usize = 1000;

/// What is known of the log's directory.
enum Directory {
    /// Nothing there counts: the log was created after the last checkpoint. It is emptied before it is used.
    Unmade,
    /// As the checkpoint left it, not looked at yet.
    Unopened {
        /// Base of the active segment, and the bytes of it that count.
        active: Option<(Offset, u64)>,
    },
    /// Open.
    Open,
}

/// The side of a log that writes files. Leader epochs and producers are those of `written_end`, so that a checkpoint
/// says what the files hold.
pub(super) struct Disk {
    directory: Directory,
    active: Option<Appender>,
    pub(super) leader_epochs: LeaderEpochs,
    pub(super) producers: Producers,
    dirty: Vec<Arc<Segment>>,
    names_changed: bool,
    epochs_changed: bool,
    dropped: bool,
}

/// The active segment and where its indexes are.
struct Appender {
    segment: Arc<Segment>,
    index: IndexBuilder,
    index_bytes: u64,
    time_index_bytes: u64,
    first_timestamp: Option<i64>,
}

impl Disk {
    pub(super) fn new_log() -> Disk {
        Disk::with(Directory::Unmade, LeaderEpochs::default(), Producers::default())
    }

    pub(super) fn restored(
        active: Option<(Offset, u64)>,
        leader_epochs: LeaderEpochs,
        producers: Producers,
    ) -> Disk {
        Disk::with(Directory::Unopened { active }, leader_epochs, producers)
    }

    fn with(directory: Directory, leader_epochs: LeaderEpochs, producers: Producers) -> Disk {
        Disk {
            directory,
            active: None,
            leader_epochs,
            producers,
            dirty: Vec::new(),
            names_changed: false,
            epochs_changed: false,
            dropped: false,
        }
    }
}

impl Log {
    /// Moves durable batches from the tail to segments, about `bytes_max` of them. Returns the bytes moved.
    ///
    /// Done means: in the page cache, and readable from the segment; the journal keeps them until a checkpoint.
    pub fn write_behind(&self, bytes_max: usize) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        let mut moved = 0;
        while moved < bytes_max && !disk.dropped {
            let run = self.take_run(bytes_max - moved);
            if run.is_empty() {
                break;
            }
            self.make_ready(&mut disk)?;
            self.write_run(&mut disk, &run)?;
            moved += run.iter().map(|batch| batch.header.size_in_bytes).sum::<usize>();
        }
        Ok(moved)
    }

    /// Syncs what was written behind and says what a recovery will find: one line of a checkpoint. `None` for a log that was
    /// dropped. Blocks for as long as the disk takes; appends and reads go on meanwhile.
    pub fn checkpoint(&self, closing: bool) -> io::Result<Option<CheckpointedLog>> {
        let mut disk = self.disk.lock();
        if disk.dropped {
            return Ok(None);
        }
        if closing {
            self.finish_time_index(&mut disk)?;
        }
        if disk.epochs_changed {
            let text = disk.leader_epochs.to_text();
            self.write_side_file(&mut disk, "leader-epoch-checkpoint", text.as_bytes())?;
            disk.epochs_changed = false;
        }
        for segment in &disk.dirty {
            for extension in ["log", "index", "timeindex"] {
                segment.file(extension)?.sync()?;
            }
        }
        disk.dirty.clear();
        if disk.names_changed {
            let io = self.environment.files.io();
            io.sync_dir(&self.dir)?;
            if let Some(parent) = self.dir.parent() {
                io.sync_dir(parent)?;
            }
            disk.names_changed = false;
        }
        Ok(Some(self.checkpoint_line(&disk)))
    }

    fn checkpoint_line(&self, disk: &Disk) -> CheckpointedLog {
        let active = match &disk.directory {
            Directory::Unopened { active } => *active,
            Directory::Unmade => None,
            Directory::Open => {
                disk.active.as_ref().map(|active| (active.segment.base(), active.segment.bytes()))
            }
        };
        let state = self.state();
        let position = match state.tail.front() {
            Some(oldest) => oldest.position,
            None => self.environment.journal.next_position(),
        };
        CheckpointedLog {
            id: self.id,
            partition: self.partition,
            topic: self.topic.clone(),
            position,
            start: state.offsets.start,
            written_end: state.offsets.written_end,
            high_watermark: self.high_watermark(),
            active,
            damaged: state.damaged.clone(),
            leader_epochs: disk.leader_epochs.clone(),
            producers: disk.producers.clone(),
        }
    }

    /// Marks the log as deleted: nothing will be written to its directory any more.
    pub(crate) fn set_dropped(&self) {
        let mut disk = self.disk.lock();
        disk.dropped = true;
        disk.active = None;
        disk.dirty.clear();
        let mut state = self.state();
        let freed = state.tail.remove_from(Offset::ZERO);
        self.environment.tails.remove(freed);
    }

    /// Opens the segments of a log restored from a checkpoint; at once if they are open.
    pub(super) fn ensure_segments_are_open(&self) -> io::Result<()> {
        if self.is_open.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut disk = self.disk.lock();
        if matches!(disk.directory, Directory::Unopened { .. }) {
            self.make_ready(&mut disk)?;
        }
        Ok(())
    }

    pub(super) fn rebuild_index_of(&self, segment: &Segment) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if !segment.index_is_bad() {
            return Ok(());
        }
        tracing::warn!(path = %segment.path("index").display(), "index does not match its segment; building it again");
        let interval = self.config.lock().index_interval_bytes;
        let builder = match segment.rebuild_indexes(interval) {
            Ok(builder) => builder,
            Err(SegmentError::Io(error)) => return Err(error),
            // The segment itself is damaged: whoever reads it will say so.
            Err(SegmentError::Bad(_)) => return Ok(()),
        };
        if let Some(active) = &mut disk.active
            && active.segment.base() == segment.base()
        {
            active.index_bytes = segment.file("index")?.len()?;
            active.time_index_bytes = segment.file("timeindex")?.len()?;
            active.index = builder;
        }
        Ok(())
    }

    fn take_run(&self, bytes_max: usize) -> Vec<TailBatch> {
        let state = self.state();
        let durable_end = state.offsets.durable_end;
        let mut run = Vec::new();
        let mut bytes = 0;
        for batch in state.tail.iter() {
            if batch.header.end_offset() > durable_end
                || bytes >= bytes_max.min(RUN_BYTES)
                || run.len() == RUN_BATCHES
            {
                break;
            }
            bytes += batch.header.size_in_bytes;
            run.push(batch.clone());
        }
        run
    }

    fn write_run(&self, disk: &mut Disk, run: &[TailBatch]) -> io::Result<()> {
        let config = self.config.lock().clone();
        let mut from = 0;
        for at in 0..run.len() {
            let pending: u64 =
                run[from..at].iter().map(|batch| batch.header.size_in_bytes as u64).sum();
            let header = &run[at].header;
            let rolls = match &disk.active {
                Some(active) => active.must_roll(header, pending, &config),
                None => true,
            };
            if rolls {
                self.append_run(disk, &run[from..at], &config)?;
                self.roll(disk, header.base_offset)?;
                from = at;
            }
        }
        self.append_run(disk, &run[from..], &config)
    }

    /// Writes batches to the active segment: one vectored write for the batches, one for each index that grew.
    fn append_run(&self, disk: &mut Disk, run: &[TailBatch], config: &LogConfig) -> io::Result<()> {
        let Some(last) = run.last() else { return Ok(()) };
        let Some(active) = &mut disk.active else {
            unreachable!("a segment is open before a batch is written");
        };
        let bytes: Vec<Bytes> = run.iter().map(load).collect::<io::Result<_>>()?;
        let pieces: Vec<&[u8]> = bytes.iter().map(AsRef::as_ref).collect();
        let start = active.segment.bytes();
        active.segment.file("log")?.write_all_at(&pieces, start)?;
        let mut position = start;
        for batch in run {
            active.index.on_batch(position, &batch.header, config.index_interval_bytes);
            active.first_timestamp.get_or_insert(batch.header.max_timestamp);
            position += batch.header.size_in_bytes as u64;
        }
        active.write_indexes()?;
        if !disk.dirty.iter().any(|segment| segment.base() == active.segment.base()) {
            disk.dirty.push(Arc::clone(&active.segment));
        }
        for batch in run {
            if let Some(epoch) = batch.header.partition_leader_epoch {
                disk.epochs_changed |= disk.leader_epochs.latest() != Some(epoch);
                disk.leader_epochs.on_append(epoch, batch.header.base_offset);
            }
            disk.producers.on_append(&batch.header, batch.appended_ms);
        }
        active.segment.file("log")?.start_writeback(start, position - start)?;
        let mut state = self.state();
        active.segment.set_bytes(position);
        state.offsets.written_end = last.header.end_offset();
        let freed = state.tail.remove_before(last.header.end_offset());
        state.oldest_tail_ms = state.tail.front().map(|batch| batch.appended_ms);
        state.check();
        drop(state);
        self.environment.tails.remove(freed);
        Ok(())
    }

    /// Closes the active segment and opens one at `base`, with a snapshot of the producers as they are there.
    fn roll(&self, disk: &mut Disk, base: Offset) -> io::Result<()> {
        self.finish_time_index(disk)?;
        if disk.active.is_some() {
            let snapshot = disk.producers.to_snapshot();
            self.write_side_file(disk, &file_name(base, "snapshot"), &snapshot)?;
        }
        let segment =
            Arc::new(Segment::new(&self.dir, base, 0, Arc::clone(&self.environment.files)));
        for extension in ["log", "index", "timeindex"] {
            segment.file(extension)?.set_len(0)?;
        }
        disk.names_changed = true;
        disk.active = Some(Appender::new(Arc::clone(&segment)));
        self.state().segments.push(segment);
        Ok(())
    }

    fn finish_time_index(&self, disk: &mut Disk) -> io::Result<()> {
        let Some(active) = &mut disk.active else { return Ok(()) };
        active.index.close();
        active.write_indexes()
    }

    /// Writes a small file whole: temporary name, sync, rename. The directory is synced with the checkpoint.
    fn write_side_file(&self, disk: &mut Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.dir.join(name);
        let temporary = path.with_extension("tmp");
        let io = self.environment.files.io();
        let options = OpenOptions { create: true, truncate: true, ..OpenOptions::default() };
        let file = io.open(&temporary, options)?;
        file.write_all_at(&[bytes], 0)?;
        file.sync()?;
        io.rename(&temporary, &path)?;
        disk.names_changed = true;
        Ok(())
    }

    /// Makes the directory, or opens what the checkpoint says is in it.
    fn make_ready(&self, disk: &mut Disk) -> io::Result<()> {
        match disk.directory {
            Directory::Open => return Ok(()),
            Directory::Unmade => self.make_directory(disk)?,
            Directory::Unopened { active } => self.open_segments(disk, active)?,
        }
        disk.directory = Directory::Open;
        self.is_open.store(true, Ordering::Release);
        Ok(())
    }

    fn make_directory(&self, disk: &mut Disk) -> io::Result<()> {
        let io = self.environment.files.io();
        if io.exists(&self.dir)? {
            // Left by an earlier life of this log that no checkpoint covers, or by a deleted log of that name.
            self.environment.files.forget(&self.dir);
            io.remove_dir_all(&self.dir)?;
        }
        io.create_dir_all(&self.dir)?;
        let text = format!("version: 0\ntopic_id: {}\n", self.partition.topic_id);
        self.write_side_file(disk, "partition.metadata", text.as_bytes())?;
        disk.names_changed = true;
        Ok(())
    }

    /// Cuts the directory back to what the checkpoint covers and opens its segments. Bytes beyond may read back well from
    /// the page cache; they were not synced, the journal has them, and they do not count.
    fn open_segments(&self, disk: &mut Disk, active: Option<(Offset, u64)>) -> io::Result<()> {
        let io = self.environment.files.io();
        let Some((active_base, active_bytes)) = active else {
            return self.make_directory(disk);
        };
        let mut segments = Vec::new();
        for entry in io.read_dir(&self.dir)? {
            let stem = entry.name.split('.').next().unwrap_or_default();
            let base = base_of(&format!("{stem}.log"));
            if base.is_some_and(|base| base > active_base) {
                io.remove_file(&self.dir.join(&entry.name))?;
            } else if let Some(base) = base_of(&entry.name)
                && base < active_base
            {
                let files = Arc::clone(&self.environment.files);
                segments.push(Arc::new(Segment::new(&self.dir, base, entry.len, files)));
            }
        }
        let files = Arc::clone(&self.environment.files);
        let last = Arc::new(Segment::new(&self.dir, active_base, active_bytes, files));
        segments.push(Arc::clone(&last));
        self.state().segments = segments;
        self.reopen_active(disk, &last)?;
        if disk.active.is_none() {
            // A damaged segment takes no more batches.
            let base = self.state().offsets.written_end;
            self.roll(disk, base)?;
        }
        Ok(())
    }

    fn reopen_active(&self, disk: &mut Disk, segment: &Arc<Segment>) -> io::Result<()> {
        let log = segment.file("log")?;
        let counted = segment.bytes();
        let present = log.len()?;
        if present > counted {
            log.set_len(counted)?;
        }
        if present < counted {
            segment.set_bytes(present);
            return self.lose_end_of(segment, counted);
        }
        let interval = self.config.lock().index_interval_bytes;
        let mut appender = Appender::new(Arc::clone(segment));
        match appender.resume(interval) {
            Ok(()) => disk.active = Some(appender),
            Err(SegmentError::Io(error)) => return Err(error),
            Err(SegmentError::Bad(bad)) => {
                tracing::error!(damage = %bad, "segment is damaged; new records go to another");
            }
        }
        Ok(())
    }

    /// The active segment is shorter than the checkpoint says: what lay beyond its last whole batch was acknowledged and is lost here.
    fn lose_end_of(&self, segment: &Segment, counted: u64) -> io::Result<()> {
        let mut valid = 0;
        let mut end = segment.base();
        let scanned = segment.scan_headers(0, &mut |position, header| {
            valid = position + header.size_in_bytes as u64;
            end = header.end_offset();
            true
        });
        if let Err(SegmentError::Io(error)) = scanned {
            return Err(error);
        }
        segment.set_bytes(valid);
        let bad = BadBytes {
            path: segment.path("log"),
            offset: valid,
            what: "segment is shorter than the checkpoint says",
        };
        tracing::error!(damage = %bad, expected = counted, "segment was cut");
        let mut state = self.state();
        let to = state.offsets.written_end;
        self.add_damage(&mut state, DamagedRange { from: end, to, bad });
        Ok(())
    }
}

impl Appender {
    fn new(segment: Arc<Segment>) -> Appender {
        let index = IndexBuilder::new(segment.base(), 0);
        Appender { segment, index, index_bytes: 0, time_index_bytes: 0, first_timestamp: None }
    }

    /// Continues a segment after a restart: its indexes are kept as far as they can be believed.
    fn resume(&mut self, interval: u64) -> Result<(), SegmentError> {
        let segment = Arc::clone(&self.segment);
        let base = segment.base();
        let offsets = segment.file("index")?;
        let times = segment.file("timeindex")?;
        let (valid, whole) = index::valid_offsets(&offsets, base, segment.bytes())?;
        let last = valid.last().copied();
        let believable = match last {
            Some(entry) => whole && segment.is_true(entry)?,
            None => whole,
        };
        let last_time = index::last_time(&times, base)?;
        let times_agree = times.len()? % index::TIME_ENTRY as u64 == 0
            && last_time.is_none_or(|time| {
                time.timestamp >= 0 && time.offset >= base
            });
        let mut first_timestamp = None;
        segment.scan_headers(0, &mut |_, header| {
            first_timestamp = Some(header.max_timestamp);
            false
        })?;
        self.first_timestamp = first_timestamp;
        if !believable || !times_agree {
            self.index = segment.rebuild_indexes(interval)?;
        } else {
            let from = last.map_or(0, |entry| entry.position);
            let mut builder = IndexBuilder::new(base, 0);
            let known = last_time.map(|time| time.timestamp);
            builder.resume(last_time, known);
            segment.scan_headers(from, &mut |position, header| {
                builder.on_batch(position, header, u64::MAX);
                true
            })?;
            self.index = builder;
        }
        self.index_bytes = offsets.len()?;
        self.time_index_bytes = times.len()?;
        Ok(())
    }

    /// Kafka's `LogSegment.shouldRoll`, with `pending` bytes about to be written before the batch.
    fn must_roll(&self, header: &BatchHeader, pending: u64, config: &LogConfig) -> bool {
        let bytes = self.segment.bytes() + pending;
        if bytes == 0 {
            return false;
        }
        let size = header.size_in_bytes as u64;
        let aged = self
            .first_timestamp
            .is_some_and(|first| header.max_timestamp.saturating_sub(first) > config.segment_ms);
        let index_full =
            self.index_bytes + index::OFFSET_ENTRY as u64 > config.segment_index_bytes;
        let too_far = header.last_offset().since(self.segment.base()) > i64::from(i32::MAX);
        bytes + size > config.segment_bytes
            || bytes + size > i32::MAX as u64
            || aged
            || index_full
            || too_far
    }

    fn write_indexes(&mut self) -> io::Result<()> {
        let grown = [
            ("index", &mut self.index.offsets, &mut self.index_bytes),
            ("timeindex", &mut self.index.times, &mut self.time_index_bytes),
        ];
        for (extension, bytes, end) in grown {
            if bytes.is_empty() {
                continue;
            }
            self.segment.file(extension)?.write_all_at(&[bytes], *end)?;
            *end += bytes.len() as u64;
            bytes.clear();
        }
        Ok(())
    }
}

/// The bytes of a tail batch, from memory or from the journal.
fn load(batch: &TailBatch) -> io::Result<Bytes> {
    match &batch.bytes {
        BatchBytes::Memory(bytes) => Ok(bytes.clone()),
        BatchBytes::Journal { file, at } => {
            let mut bytes = vec![0; batch.header.size_in_bytes];
            let read = file.read_at(&mut bytes, *at)?;
            if read < bytes.len() || !verify_crc(&bytes) {
                return Err(io::Error::other(format!(
                    "{} at byte {at}: batch changed since it was replayed",
                    file.path().display()
                )));
            }
            Ok(bytes.into())
        }
    }
}

//! Write-behind: durable batches move from the tail into segments, in large pieces, off the produce path.
//!
//! Every step may be repeated after it failed, as long as it was not a sync that failed: a disk that was full goes on when it
//! has space. What is in memory changes only after the bytes are written.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use protocol::batch::{BatchHeader, verify_crc};
use protocol::model::Offset;

use super::disk::{Appender, Disk, write_side_file};
use super::segment::{Newest, Segment, file_name};
use super::tail::{BatchBytes, TailBatch};
use super::{DamagedRange, Durability, Log, LogConfig};
use crate::journal::BadBytes;

/// Bytes taken from the tail at once.
const RUN_BYTES: usize = 4 << 20;

/// So much of a log is worth a write of its own. Less waits for its age, and for its turn with the kernel: of a thousand partitions with a little each, it would be a thousand writes
/// in the way of the journal's.
const WRITE_BYTES_MIN: usize = 128 << 10;
/// Batches written with one call, at most: as many pieces as a vectored write takes.
const RUN_BATCHES: usize = 1000;

/// Which batches may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// Those that are stored, as the log's [`Durability`] says, or are when they are written.
    Stored,
    /// All: the tail keeps them until they are stored.
    Appended,
}

/// A batch on its way to a segment, with its bytes.
type Loaded = (TailBatch, Bytes);

impl Log {
    /// Moves durable batches from the tail to segments, about `bytes_max` of them. Returns the bytes moved.
    ///
    /// Done means: in the page cache, and readable from the segment; the journal keeps them until a checkpoint.
    pub fn write_behind(&self, bytes_max: usize) -> io::Result<usize> {
        let mut disk = self.disk.lock();
        let mut moved = 0;
        if disk.dropped || self.is_too_early() || !self.cut_if_durable(&mut disk)? {
            return Ok(0);
        }
        self.leave_written(&disk);
        while moved < bytes_max {
            let run = self.take_run(&disk, bytes_max - moved, Ready::Stored);
            if run.is_empty() {
                break;
            }
            self.make_ready(&mut disk)?;
            moved += run
                .iter()
                .map(|batch| batch.header.size_in_bytes)
                .sum::<usize>();
            self.write_run(&mut disk, run, Ready::Stored)?;
        }
        if self.durability == Durability::Os {
            self.after_page_cache_write(disk, moved)?;
        }
        Ok(moved)
    }

    /// Whether its tail is to be written behind now: it is as old as `age_ms`, or worth it, and not about to be written by others.
    pub(crate) fn is_due(&self, now_ms: i64, age_ms: i64) -> bool {
        let state = self.state();
        let is_old = |oldest: i64| now_ms - oldest >= age_ms;
        let is_worth_it = state.tail.bytes() >= WRITE_BYTES_MIN && state.unjournaled_from.is_none();
        state.oldest_tail_ms.is_some_and(is_old) || is_worth_it
    }

    /// Marks the log as deleted: nothing will be written to its directory any more, and nobody reads what is there, since a
    /// log made again under the same name has its files under the same paths.
    pub(crate) fn set_dropped(&self) {
        let mut disk = self.disk.lock();
        disk.dropped = true;
        disk.active = None;
        disk.dirty.clear();
        disk.unflushed.clear();
        disk.condemned.clear();
        let mut state = self.state();
        state.dropped = true;
        let freed = state.tail.remove_from(Offset::ZERO);
        self.environment.tails.remove(freed);
        self.set_unjournaled(&mut state, None);
    }

    /// Of what was written before it was stored, leaves to the files what is stored by now, without an entry of the journal that says so.
    fn leave_written(&self, disk: &Disk) {
        let mut state = self.state();
        let end = disk.end.min(state.offsets.durable_end);
        if end > state.offsets.written_end {
            self.leave_to_files(&mut state, end);
            state.check();
        }
    }

    pub(super) fn take_run(&self, disk: &Disk, bytes_max: usize, ready: Ready) -> Vec<TailBatch> {
        let state = self.state();
        let ready_end = match (self.durability, ready) {
            (Durability::Fsync, Ready::Stored) => state.offsets.durable_end,
            _ => state.offsets.end,
        };
        let mut run = Vec::new();
        let mut bytes = 0;
        for batch in state.tail.from(disk.end) {
            if batch.header.end_offset() > ready_end
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

    pub(super) fn write_run(
        &self,
        disk: &mut Disk,
        run: Vec<TailBatch>,
        ready: Ready,
    ) -> io::Result<()> {
        let config = self.config.lock().clone();
        let mut batches: Vec<Loaded> = Vec::with_capacity(run.len());
        let mut plan = disk.active.as_ref().map(Appender::plan);
        for batch in run {
            let header = batch.header;
            let bytes = match load(&batch)? {
                Ok(bytes) => bytes,
                Err(bad) => {
                    self.append_run(disk, &batches, &config, ready)?;
                    batches.clear();
                    self.give_up(disk, &batch, bad, ready);
                    continue;
                }
            };
            if plan
                .as_ref()
                .is_none_or(|plan| plan.must_roll(&header, &config))
            {
                self.append_run(disk, &batches, &config, ready)?;
                batches.clear();
                self.roll(disk, header.base_offset)?;
                plan = disk.active.as_ref().map(Appender::plan);
            }
            if let Some(plan) = &mut plan {
                plan.add(&header, &config);
            }
            batches.push((batch, bytes));
        }
        self.append_run(disk, &batches, &config, ready)
    }

    /// Writes batches to the active segment: one vectored write for the batches, one for each index that grew.
    fn append_run(
        &self,
        disk: &mut Disk,
        run: &[Loaded],
        config: &LogConfig,
        ready: Ready,
    ) -> io::Result<()> {
        let Some((last, _)) = run.last() else {
            return Ok(());
        };
        let Some(mut active) = disk.active.take() else {
            unreachable!("a segment is open before a batch is written");
        };
        let pieces: Vec<&[u8]> = run.iter().map(|(_, bytes)| bytes.as_ref()).collect();
        let start = active.segment.bytes();
        let written = disk
            .writable(&active.segment, &self.environment.dirty)
            .cloned()
            .and_then(|files| {
                self.to_flush(disk, config, &files);
                files.log().write_all_at(&pieces, start).map(|()| files)
            });
        let files = match written {
            Ok(files) => files,
            Err(error) => {
                disk.active = Some(active);
                return Err(error);
            }
        };
        if let Some((first, _)) = run.first() {
            // Of a log that lost all its records, the next may be of an older leader.
            let base = first.header.base_offset;
            disk.leader_epochs.start_at(self.offsets().start.min(base));
            disk.leader_epochs.truncate_to(base);
        }
        let mut position = start;
        for (batch, _) in run {
            active
                .index
                .on_batch(position, &batch.header, config.index_interval_bytes);
            active
                .first_timestamp
                .get_or_insert(batch.header.max_timestamp);
            position += batch.header.size_in_bytes as u64;
            if let Some(epoch) = batch.header.partition_leader_epoch {
                disk.epochs_changed |= disk.leader_epochs.latest() != Some(epoch);
                disk.leader_epochs
                    .on_append(epoch, batch.header.base_offset);
            }
            disk.producers.on_append(&batch.header, batch.appended_ms);
            disk.unsynced_records += u64::try_from(batch.header.record_count).unwrap_or(0);
        }
        active.segment.set_bytes(position);
        active.segment.trust(start..position);
        disk.active = Some(active);
        self.written_to(disk, last.header.end_offset(), ready);
        disk.flush_indexes(&self.environment.dirty)?;
        if !disk.writeback_listed {
            disk.writeback_listed = true;
            self.environment.unwritten.push(self.id);
        }
        // What is synced right away need not be begun.
        match ready {
            Ready::Stored => files.begin_writeback_of_log(WRITE_BYTES_MIN as u64),
            Ready::Appended => Ok(()),
        }
    }

    /// Has the kernel begin to write what was written to it and is not synced.
    pub fn begin_writeback(&self) -> io::Result<()> {
        let segments = {
            let mut disk = self.disk.lock();
            disk.writeback_listed = false;
            disk.dirty.clone()
        };
        segments
            .iter()
            .try_for_each(|segment| segment.begin_writeback())
    }

    /// Notes that everything before `end` is in the files, or lost.
    fn written_to(&self, disk: &mut Disk, end: Offset, ready: Ready) {
        let mut state = self.state();
        disk.end = state.behind_damage(end);
        if ready == Ready::Appended {
            state.written_ahead = disk.end;
            return;
        }
        if self.durability == Durability::Os {
            state.offsets.durable_end = disk.end;
        }
        self.leave_to_files(&mut state, end);
        state.check();
    }

    /// A batch that a recovery read well is damaged in the journal now. It is lost; the others are not.
    fn give_up(&self, disk: &mut Disk, batch: &TailBatch, bad: BadBytes, ready: Ready) {
        let range = DamagedRange {
            from: batch.header.base_offset,
            to: batch.header.end_offset(),
            bad,
        };
        let to = range.to;
        self.add_damage(&mut self.state(), range);
        self.written_to(disk, to, ready);
    }

    /// Closes the active segment and opens one at `base`, with a snapshot of the producers as they are there.
    pub(super) fn roll(&self, disk: &mut Disk, base: Offset) -> io::Result<()> {
        disk.close_time_index(&self.environment.dirty)?;
        if let Some(active) = &disk.active {
            // So that retention need not look into what has just been written.
            active.segment.set_newest(Newest {
                bytes: active.segment.bytes(),
                timestamp: active.index.greatest().map(|entry| entry.timestamp),
            });
        }
        if disk.active.is_some() || disk.producers.iter().len() > 0 {
            let snapshot = disk.producers.to_snapshot();
            let path = self.dir.join(file_name(base, "snapshot"));
            disk.names_changed = true;
            write_side_file(self.environment.files.io().as_ref(), &path, &snapshot)?;
        }
        let files = Arc::clone(&self.environment.files);
        let segment = Arc::new(Segment::new(self.id, &self.dir, base, 0, files));
        disk.names_changed = true;
        disk.names_unflushed = true;
        for extension in ["log", "index", "timeindex"] {
            segment.create(extension)?.set_len(0)?;
        }
        disk.writable(&segment, &self.environment.dirty)?;
        disk.active = Some(Appender::new(Arc::clone(&segment)));
        let mut state = self.state();
        state.segments.retain(|known| known.base() != base);
        state.segments.push(segment);
        Ok(())
    }
}

/// The bytes of a tail batch, from memory or from the journal.
fn load(batch: &TailBatch) -> io::Result<Result<Bytes, BadBytes>> {
    match &batch.bytes {
        BatchBytes::Memory(bytes) => Ok(Ok(bytes.clone())),
        BatchBytes::Journal { file, at } => {
            let mut bytes = vec![0; batch.header.size_in_bytes];
            let read = file.read_at(&mut bytes, *at)?;
            let is_it = BatchHeader::parse(&bytes[..read]).is_ok_and(|found| found == batch.header);
            if !is_it || !verify_crc(&bytes) {
                return Ok(Err(BadBytes {
                    path: file.path().to_owned(),
                    offset: *at,
                    what: "batch in the journal changed since it was replayed",
                }));
            }
            Ok(Ok(bytes.into()))
        }
    }
}

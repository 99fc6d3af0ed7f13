//! Making a log's directory, or opening what a checkpoint says is in it, when the log is first written or read.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::model::Offset;

use super::checkpoint::closed_bytes_from;
use super::compaction::{CHECKPOINT_FILE as COMPACTION_FILE, CLEANED};
use super::disk::{
    ActiveSegment, Appender, Directory, Disk, is_sync_failure, write_note, write_side_file,
};
use super::segment::{Segment, SegmentError, base_of};
use super::{DamagedRange, Durability, Log};
use crate::journal::{BadBytes, JournalFault};

impl Log {
    /// Opens the segments of a log restored from a checkpoint; at once if they are open.
    pub(super) fn ensure_segments_are_open(&self) -> io::Result<()> {
        if self.is_open.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut disk = self.disk.lock();
        if disk.dropped {
            return Err(deleted());
        }
        if matches!(
            disk.directory,
            Directory::Unopened {
                active: Some(_),
                ..
            }
        ) {
            let opened = self
                .make_ready(&mut disk)
                .and_then(|()| self.bound_opened(&mut disk));
            drop(disk);
            if let Err(error) = opened {
                return Err(self.after_open_failed(error));
            }
        }
        Ok(())
    }

    /// Syncs what opening has written, when too many files wait for that. Readers can open more logs than there are descriptors, long
    /// before those who sync them look again.
    fn bound_opened(&self, disk: &mut Disk) -> io::Result<()> {
        if self.environment.dirty.is_over() {
            for segment in std::mem::take(&mut disk.dirty) {
                segment.sync()?;
            }
        }
        Ok(())
    }

    /// A sync that failed takes the directory offline, whoever asked for it; another failure is the reader's alone.
    fn after_open_failed(&self, error: io::Error) -> io::Error {
        if !is_sync_failure(&error) {
            return error;
        }
        let what = "syncing partition files";
        let fault = JournalFault {
            what,
            error: Arc::new(error),
        };
        tracing::error!(what, error = %fault.error, dir = %self.dir.display(), "data directory goes offline");
        self.environment.journal.fail(&fault);
        io::Error::other(fault)
    }

    /// Makes the directory, or opens what the checkpoint says is in it.
    pub(super) fn make_ready(&self, disk: &mut Disk) -> io::Result<()> {
        match disk.directory {
            Directory::Open => return Ok(()),
            Directory::Unmade | Directory::Unopened { active: None, .. } => {
                self.make_directory(disk)?;
                self.finish_cut(disk)?;
            }
            Directory::Unopened {
                active: Some(active),
                closed_bytes,
                start,
            } => {
                self.open_segments(disk, active, closed_bytes, start)?;
            }
        }
        disk.directory = Directory::Open;
        self.is_open.store(true, Ordering::Release);
        Ok(())
    }

    fn make_directory(&self, disk: &mut Disk) -> io::Result<()> {
        let io = self.environment.files.io();
        if io.exists(&self.dir)? {
            // Left by an earlier life of this log that no checkpoint covers, or by a deleted log of that name.
            self.environment.files.forget(self.id);
            io.remove_dir_all(&self.dir)?;
        }
        io.create_dir_all(&self.dir)?;
        disk.names_changed = true;
        disk.names_unflushed = true;
        let text = format!("version: 0\ntopic_id: {}\n", self.partition.topic_id);
        let path = self.dir.join("partition.metadata");
        match self.durability {
            Durability::Fsync => write_note(io.as_ref(), &path, text.as_bytes()),
            // A salvage learns from it whose the directory is.
            Durability::Os => write_side_file(io.as_ref(), &path, text.as_bytes()),
        }
    }

    /// Cuts the directory back to what the checkpoint covers and opens its segments. Bytes beyond may read back well from
    /// the page cache; they were not synced, the journal has them, and they do not count.
    ///
    /// A truncation that the journal holds may have been done to the files before the crash, or not, or in part: then it is
    /// done again, and only what lies before it is expected to be there.
    fn open_segments(
        &self,
        disk: &mut Disk,
        checkpointed: ActiveSegment,
        closed_bytes: u64,
        start: Offset,
    ) -> io::Result<()> {
        let cut = disk.cut.as_ref().map(|cut| cut.to);
        let newest = cut.map_or(checkpointed.base, |to| to.min(checkpointed.base));
        let io = self.environment.files.io();
        if !io.exists(&self.dir)? {
            return self.lose_directory(disk, cut.unwrap_or(disk.end));
        }
        let mut segments = Vec::new();
        let mut present = BTreeSet::new();
        let mut was_compacted = self.config.lock().compaction.is_some();
        for entry in io.read_dir(&self.dir)? {
            let stem = entry.name.split('.').next().unwrap_or_default();
            let stale = base_of(&format!("{stem}.log")).is_some_and(|base| base > newest);
            let is_left_over = entry.name.ends_with(".tmp") || entry.name.ends_with(CLEANED);
            was_compacted |= entry.name == COMPACTION_FILE;
            if stale || is_left_over {
                let path = self.dir.join(&entry.name);
                self.environment.files.forget_file(self.id, 0, &path);
                io.remove_file(&path)?;
                disk.names_changed = true;
            } else if let Some(base) = base_of(&entry.name) {
                present.insert(base);
                segments.push(Arc::new(self.segment(base, entry.len)));
            }
        }
        if cut.is_none() && !present.contains(&checkpointed.base) {
            segments.push(Arc::new(self.segment(checkpointed.base, 0)));
        }
        let is_as_checkpointed = closed_bytes == closed_bytes_from(start, &segments);
        if was_compacted || !is_as_checkpointed {
            segments = self.without_replaced(disk, segments, start, newest)?;
        }
        let last = segments.last().cloned();
        self.state().segments = segments.clone();
        // Side files may be ahead of what counts, or behind it; indexes may have to be made.
        disk.names_changed = true;
        disk.epochs_changed = true;
        let closed = match (last, cut) {
            (Some(last), Some(to)) => {
                self.cut_segment(disk, &last, to)?;
                None
            }
            (Some(last), None) => {
                self.reopen_active(disk, &last, checkpointed)?;
                Some(closed_bytes)
            }
            (None, _) => None,
        };
        if closed != Some(closed_bytes_from(start, &segments)) {
            self.check_closed(disk)?;
        }
        self.finish_cut(disk)?;
        Ok(())
    }

    /// Removes segments that begin within the one before them: it has taken their place in a compaction, and that they were removed was not
    /// durable. None from `active` on, since those are not compacted, and none behind one that lies before `start`: that one may be longer than it was
    /// when it was closed, since a checkpoint does not sync it any more.
    fn without_replaced(
        &self,
        disk: &mut Disk,
        segments: Vec<Arc<Segment>>,
        start: Offset,
        active: Offset,
    ) -> io::Result<Vec<Arc<Segment>>> {
        let mut kept: Vec<Arc<Segment>> = Vec::with_capacity(segments.len());
        for segment in segments {
            let may_be = start < segment.base() && segment.base() < active;
            let before = kept.last().filter(|_| may_be);
            if let Some(before) = before
                && self.reaches_into(before, &segment)?
            {
                segment.remove()?;
                disk.names_changed = true;
            } else {
                kept.push(segment);
            }
        }
        Ok(kept)
    }

    /// Whether a segment has a batch with offsets of the next one.
    fn reaches_into(&self, segment: &Segment, next: &Segment) -> io::Result<bool> {
        let gap = |from, to| self.is_known_gap(from, to);
        let found = match segment.find(next.base(), &gap) {
            Ok(Some((position, header))) => segment.verified_at(position, header.base_offset),
            Ok(None) => return Ok(false),
            Err(error) => Err(error),
        };
        match found {
            Ok(_) => Ok(true),
            Err(SegmentError::Io(error)) => Err(error),
            // Whoever reads it will say so.
            Err(SegmentError::Bad(_)) => Ok(false),
        }
    }

    /// The log's directory is gone, though a checkpoint has seen it: what it held, up to `end`, was acknowledged and is lost.
    fn lose_directory(&self, disk: &mut Disk, end: Offset) -> io::Result<()> {
        let start = self.offsets().start;
        if start < end {
            let bad = BadBytes {
                path: self.dir.clone(),
                offset: 0,
                what: "the log's directory is missing",
            };
            self.add_damage(
                &mut self.state(),
                DamagedRange {
                    from: start,
                    to: end,
                    bad,
                },
            );
        }
        self.make_directory(disk)?;
        disk.epochs_changed = true;
        self.finish_cut(disk)?;
        Ok(())
    }

    pub(super) fn segment(&self, base: Offset, bytes: u64) -> Segment {
        Segment::new(
            self.id,
            &self.dir,
            base,
            bytes,
            Arc::clone(&self.environment.files),
        )
    }

    fn reopen_active(
        &self,
        disk: &mut Disk,
        segment: &Arc<Segment>,
        checkpointed: ActiveSegment,
    ) -> io::Result<()> {
        let present = segment.bytes();
        let counted = checkpointed.bytes;
        segment.set_bytes(counted.min(present));
        if present < counted {
            return self.lose_end_of(segment, disk.end);
        }
        if present > counted {
            self.cut_log(disk, segment, counted)?;
        }
        self.resume(disk, segment, Some(checkpointed))
    }

    /// Makes a segment that ends where the files end the active one, unless it is damaged.
    pub(super) fn resume(
        &self,
        disk: &mut Disk,
        segment: &Arc<Segment>,
        checkpointed: Option<ActiveSegment>,
    ) -> io::Result<()> {
        let interval = self.config.lock().index_interval_bytes;
        let end = disk.cut.as_ref().map_or(disk.end, |cut| cut.to);
        let gap = |from, to| self.is_known_gap(from, to);
        // Resuming may cut the indexes or build them again; and a killed process may have done so without a sync.
        disk.writable(segment, &self.environment.dirty)?;
        match Appender::resume(segment, end, checkpointed, interval, &gap) {
            Ok(appender) => disk.active = Some(appender),
            Err(SegmentError::Io(error)) => return Err(error),
            Err(SegmentError::Bad(bad)) => {
                tracing::error!(damage = %bad, "segment is damaged; new records go to another");
            }
        }
        Ok(())
    }

    /// A segment is shorter than it must be: what lay beyond its last whole batch, up to `end`, was acknowledged and is lost here.
    pub(super) fn lose_end_of(&self, segment: &Segment, end: Offset) -> io::Result<()> {
        let mut valid = 0;
        let mut valid_end = segment.base();
        let gap = |from, to| self.is_known_gap(from, to);
        let scanned = segment.scan_headers(0, &gap, &mut |position, header| {
            let is_within = header.end_offset() <= end;
            if is_within {
                valid = position + header.size_in_bytes as u64;
                valid_end = header.end_offset();
            }
            is_within
        });
        if let Err(SegmentError::Io(error)) = scanned {
            return Err(error);
        }
        segment.set_bytes(valid);
        // What lies before the log's start may be gone.
        let valid_end = valid_end.max(self.offsets().start);
        if valid_end >= end {
            return Ok(());
        }
        let bad = BadBytes {
            path: segment.path("log"),
            offset: valid,
            what: "segment ends before its records do",
        };
        self.add_damage(
            &mut self.state(),
            DamagedRange {
                from: valid_end,
                to: end,
                bad,
            },
        );
        Ok(())
    }

    /// The segments before the last do not have the bytes that the checkpoint says, or may not have: each must reach the next.
    fn check_closed(&self, disk: &Disk) -> io::Result<()> {
        let (segments, start) = {
            let state = self.state();
            (state.segments.clone(), state.offsets.start)
        };
        let end = disk.cut.as_ref().map_or(disk.end, |cut| cut.to);
        let first = segments.first().map_or(end, |segment| segment.base());
        if first > start && !self.is_known_gap(start, first) {
            let bad = BadBytes {
                path: self.dir.clone(),
                offset: 0,
                what: "segments are missing at the start of the log",
            };
            self.add_damage(
                &mut self.state(),
                DamagedRange {
                    from: start,
                    to: first,
                    bad,
                },
            );
        }
        for pair in segments.windows(2) {
            if pair[1].base() > start {
                self.lose_end_of(&pair[0], pair[1].base())?;
            }
        }
        Ok(())
    }

    /// Builds the indexes of a segment again.
    pub(super) fn rebuild_index_of(&self, segment: &Arc<Segment>) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let gap = |from, to| self.is_known_gap(from, to);
        let is_whole = || Ok(!segment.index_is_bad() && segment.times_are_whole(&gap)?);
        match is_whole() {
            // Compaction has put another one in its place: the reader looks again.
            _ if disk.dropped || !self.has_segment(segment) => return Ok(()),
            // Another reader was faster. The time index of the active segment is never closed, so never whole.
            Ok(true) => return Ok(()),
            Err(SegmentError::Io(error)) => return Err(error),
            Ok(false) | Err(SegmentError::Bad(_)) => {}
        }
        tracing::warn!(path = %segment.path("index").display(), "index does not match its segment; building it again");
        let interval = self.config.lock().index_interval_bytes;
        disk.names_changed = true;
        disk.writable(segment, &self.environment.dirty)?;
        let builder = match segment.rebuild_indexes(interval, &gap) {
            Ok(builder) => builder,
            Err(SegmentError::Io(error)) => return Err(error),
            // The segment itself is damaged: whoever reads it will say so.
            Err(SegmentError::Bad(_)) => return Ok(()),
        };
        let is_active = disk
            .active
            .as_ref()
            .is_some_and(|active| active.segment.base() == segment.base());
        let mut rebuilt = Appender {
            segment: Arc::clone(segment),
            index: builder,
            index_bytes: 0,
            time_index_bytes: 0,
            first_timestamp: None,
        };
        if is_active {
            rebuilt.first_timestamp = disk
                .active
                .as_ref()
                .and_then(|active| active.first_timestamp);
            disk.active = Some(rebuilt);
            return disk.flush_indexes(&self.environment.dirty);
        }
        let active = disk.active.replace(rebuilt);
        let closed = disk.close_time_index(&self.environment.dirty);
        disk.active = active;
        closed
    }
}

pub(super) fn deleted() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the log has been deleted")
}

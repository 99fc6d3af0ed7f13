//! Truncation: everything from an offset on is taken back, as a follower must when its leader's log has gone another way.
//!
//! In memory it happens at once. Durability is a position in the journal, not an offset, so what was on its way to be
//! durable beyond the new end counts for nothing any more, even if the same offsets are written again. In the files it happens only
//! when the truncation itself is durable: until then a recovery must find the log as it was.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use protocol::model::Offset;

use super::disk::{Directory, DirtySegment, Disk, PendingCut, cut_to};
use super::open::deleted;
use super::producers::Producers;
use super::segment::{Segment, SegmentError, base_of, file_name};
use super::{Log, State};
use crate::data_dir::{deleted_dir, read_small};
use crate::journal::{Entry, EntryKind, JournalFault, JournalPosition};

/// Why a log was not truncated.
#[derive(Debug, thiserror::Error)]
pub enum TruncateError {
    /// The data directory is offline.
    #[error(transparent)]
    Offline(#[from] JournalFault),
    /// A call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Log {
    /// Cuts off everything from `to` on, and returns the new end: `to`, or the start of the batch that holds it, since a
    /// batch is never split. Blocks on the disk when `to` lies in a segment.
    ///
    /// Done means: readers and appenders see the new end, and the truncation is queued for the journal before whatever is
    /// appended next.
    pub fn truncate(self: &Arc<Self>, to: Offset) -> Result<Offset, TruncateError> {
        let mut disk = self.disk.lock();
        if disk.dropped {
            return Err(deleted().into());
        }
        let offsets = self.offsets();
        if to >= offsets.end {
            return Ok(offsets.end);
        }
        let to = self.batch_boundary(&mut disk, to.max(offsets.start))?;
        let file_producers = match to < disk.files_end() {
            true => Some(self.producers_at(&disk, to)?),
            false => None,
        };
        let mut state = self.state();
        let entry = Entry {
            kind: EntryKind::Truncate,
            log_id: self.id,
            leader_epoch: None,
            offset: to,
            end: Offset::ZERO,
            payload: Bytes::new(),
        };
        let position = self
            .environment
            .journal
            .push(entry, Arc::clone(self) as _)?;
        self.truncate_state(
            &mut disk,
            &mut state,
            position,
            Some(position),
            to,
            file_producers,
        );
        Ok(to)
    }

    /// Puts back a truncation that is durable.
    pub(crate) fn replay_truncate(&self, position: JournalPosition, to: Offset) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let offsets = self.offsets();
        if to >= offsets.end {
            return Ok(());
        }
        let file_producers = match to < disk.files_end() {
            true => Some(self.producers_at(&disk, to)?),
            false => None,
        };
        let mut state = self.state();
        self.truncate_state(&mut disk, &mut state, position, None, to, file_producers);
        Ok(())
    }

    fn truncate_state(
        &self,
        disk: &mut Disk,
        state: &mut State,
        position: JournalPosition,
        durable_at: Option<JournalPosition>,
        to: Offset,
        file_producers: Option<Producers>,
    ) {
        // What the files hold beside is not to be replayed.
        let not_in_files = state.tail.from(disk.end).next();
        let oldest_in_journal = not_in_files.map_or(position, |batch| batch.position);
        let freed = state.tail.remove_from(to);
        self.environment.tails.remove(freed);
        state.oldest_tail_ms = state.tail.front().map(|batch| batch.appended_ms);
        // An entry that says what is stored is about what stays, too.
        state
            .pending
            .retain(|pending| pending.is_stored || pending.end <= to);
        for pending in &mut state.pending {
            pending.end = pending.end.min(to);
        }
        state.written_ahead = state.written_ahead.min(to);
        let unjournaled = state.unjournaled_from.filter(|from| *from < to);
        self.set_unjournaled(state, unjournaled);
        state.offsets.end = to;
        // The batch that held the start is gone as a whole: Kafka's `UnifiedLog.truncateTo`.
        state.offsets.start = state.offsets.start.min(to);
        state.offsets.durable_end = state.offsets.durable_end.min(to);
        state.offsets.written_end = state.offsets.written_end.min(to);
        state.leader_epochs.truncate_to(to);
        state.damaged.retain(|range| range.from < to);
        for range in &mut state.damaged {
            range.to = range.to.min(to);
        }
        state.cuts += 1;
        state.check();
        self.set_high_watermark(self.high_watermark().min(to));
        let mut producers = match file_producers {
            Some(producers) => {
                let replay_from = disk
                    .cut
                    .as_ref()
                    .map_or(oldest_in_journal, |cut| cut.replay_from);
                disk.cut = Some(PendingCut {
                    replay_from,
                    durable_at,
                    to,
                    producers: producers.clone(),
                });
                producers
            }
            None => disk
                .cut
                .as_ref()
                .map_or_else(|| disk.producers.clone(), |cut| cut.producers.clone()),
        };
        for batch in state.tail.iter() {
            producers.on_append(&batch.header, batch.appended_ms);
        }
        state.producers = producers;
    }

    /// Does a pending cut to the files if it is durable. False when it has to wait: nothing may be written behind until then.
    pub(super) fn cut_if_durable(&self, disk: &mut Disk) -> io::Result<bool> {
        let Some(cut) = &disk.cut else {
            return Ok(true);
        };
        let (to, durable_at) = (cut.to, cut.durable_at);
        let durable_through = self.state().durable_through;
        if durable_at.is_some_and(|position| durable_through.is_none_or(|now| now < position)) {
            return Ok(false);
        }
        if !matches!(disk.directory, Directory::Open) {
            self.make_ready(disk)?;
            return Ok(true);
        }
        disk.close_time_index(&self.environment.dirty)?;
        let (kept, removed): (Vec<_>, Vec<_>) = self
            .state()
            .segments
            .clone()
            .into_iter()
            .partition(|segment| segment.base() <= to);
        let last = kept.last().cloned();
        self.state().segments = kept;
        disk.active = None;
        disk.names_changed = true;
        disk.names_unflushed = true;
        for segment in removed {
            let is_other = |dirty: &Arc<DirtySegment>| dirty.segment.base() != segment.base();
            disk.dirty.retain(is_other);
            disk.unflushed.retain(is_other);
            segment.remove()?;
        }
        if let Some(last) = last {
            self.cut_segment(disk, &last, to)?;
        }
        self.finish_cut(disk)?;
        Ok(true)
    }

    /// Cuts the last segment at `to` and makes it the active one.
    pub(super) fn cut_segment(
        &self,
        disk: &mut Disk,
        segment: &Arc<Segment>,
        to: Offset,
    ) -> io::Result<()> {
        let position = match self.position_of(segment, to) {
            Ok(Some(position)) => position,
            Ok(None) => return self.lose_end_of(segment, to),
            Err(SegmentError::Io(error)) => return Err(error),
            Err(SegmentError::Bad(bad)) => {
                tracing::error!(damage = %bad, "segment is damaged; new records go to another");
                return self.lose_end_of(segment, to);
            }
        };
        self.cut_log(disk, segment, position)?;
        segment.set_bytes(position);
        self.resume(disk, segment, None)
    }

    /// Cuts a segment's records off. Before anything is said of segments behind it, that has to be durable: it would be taken for one that holds theirs too.
    pub(super) fn cut_log(
        &self,
        disk: &mut Disk,
        segment: &Arc<Segment>,
        len: u64,
    ) -> io::Result<()> {
        let config = self.config.lock().clone();
        let files = Arc::clone(disk.writable(segment, &self.environment.dirty)?);
        self.to_flush(disk, &config, &files);
        cut_to(files.log().as_ref(), len)
    }

    /// Notes that the files end where the pending cut says.
    pub(super) fn finish_cut(&self, disk: &mut Disk) -> io::Result<()> {
        let Some(to) = disk.cut.as_ref().map(|cut| cut.to) else {
            return Ok(());
        };
        self.forget_compaction_from(disk, to)?;
        let Some(cut) = disk.cut.take() else {
            return Ok(());
        };
        disk.end = cut.to;
        disk.leader_epochs.truncate_to(cut.to);
        disk.epochs_changed = true;
        disk.producers = cut.producers;
        Ok(())
    }

    /// Where in a segment the records from `to` on begin; `None` when it ends before.
    pub(super) fn position_of(
        &self,
        segment: &Segment,
        to: Offset,
    ) -> Result<Option<u64>, SegmentError> {
        if to == segment.base() {
            return Ok(Some(0));
        }
        let gap = |from, to| self.is_known_gap(from, to);
        let found = segment.find(to.plus(-1), &gap)?;
        Ok(found.map(|(position, header)| {
            if header.end_offset() <= to {
                position + header.size_in_bytes as u64
            } else {
                position
            }
        }))
    }

    /// The start of the batch that holds `to`.
    fn batch_boundary(&self, disk: &mut Disk, to: Offset) -> io::Result<Offset> {
        let written_end = self.offsets().written_end;
        if to >= written_end {
            let state = self.state();
            let batch = state.tail.from(to).next();
            return Ok(batch.map_or(to, |batch| to.min(batch.header.base_offset)));
        }
        self.make_ready(disk)?;
        let segments = self.state().segments.clone();
        let at = segments.partition_point(|segment| segment.base() <= to);
        let Some(segment) = at.checked_sub(1).and_then(|at| segments.get(at)) else {
            return Ok(to);
        };
        let gap = |from, to| self.is_known_gap(from, to);
        match segment.find(to, &gap) {
            Ok(found) => Ok(found.map_or(to, |(_, header)| to.min(header.base_offset))),
            Err(SegmentError::Io(error)) => Err(error),
            Err(SegmentError::Bad(_)) => Ok(to),
        }
    }

    /// The producers as of `to`, which lies in the files: from the last snapshot before it and the batches since, and what
    /// memory knows of older ones. Changes nothing on the disk.
    fn producers_at(&self, disk: &Disk, to: Offset) -> io::Result<Producers> {
        let io = self.environment.files.io();
        // In a recovery: a deletion after the truncation may have renamed the directory, and may have to be undone.
        let renamed = deleted_dir(&self.dir, self.id);
        let dir = if io.exists(&renamed)? {
            renamed
        } else {
            self.dir.clone()
        };
        let is_there = !matches!(disk.directory, Directory::Unmade) && io.exists(&dir)?;
        let entries = if is_there {
            io.read_dir(&dir)?
        } else {
            Vec::new()
        };
        let files = &self.environment.files;
        let mut segments: Vec<Segment> = entries
            .iter()
            .filter_map(|entry| Some((base_of(&entry.name)?, entry.len)))
            .filter(|(base, _)| *base <= to)
            .map(|(base, len)| Segment::new(self.id, &dir, base, len, Arc::clone(files)))
            .collect();
        let mut producers = Producers::default();
        for at in (0..segments.len()).rev() {
            let path = dir.join(file_name(segments[at].base(), "snapshot"));
            if !io.exists(&path)? {
                continue;
            }
            if let Some(read) = Producers::from_snapshot(&read_small(io.as_ref(), &path)?) {
                producers = read;
                segments.drain(..at);
                break;
            }
        }
        for segment in &segments {
            let gap = |from, to| self.is_known_gap(from, to);
            let scanned = segment.scan_headers(0, &gap, &mut |_, header| {
                let is_before = header.end_offset() <= to;
                if is_before {
                    producers.on_append(header, header.max_timestamp);
                }
                is_before
            });
            match scanned {
                Ok(()) => {}
                Err(SegmentError::Io(error)) => return Err(error),
                Err(SegmentError::Bad(bad)) => {
                    tracing::error!(damage = %bad, "producers behind the damage are not known");
                }
            }
        }
        let known = self.state().producers.clone();
        Ok(known.truncated_to(to, producers))
    }
}

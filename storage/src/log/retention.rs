//! Retention: the oldest segments leave the log for their age, its size, or because it begins later (Kafka's
//! `UnifiedLog.deleteOldSegments`).
//!
//! A segment goes in three steps, so that no crash finds a log without records it should have:
//! 1. The log's start moves behind it, in the journal. It leaves the list of segments: who reads now finds `OutOfRange`.
//! 2. A checkpoint becomes durable that does not count it. On a full disk, where a checkpoint may not be possible, it is enough that the
//!    new start is durable in the journal; a recovery then looks at every segment that is left.
//! 3. `file.delete.delay.ms` later its files are removed.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use protocol::model::Offset;

use super::disk::Disk;
use super::read::ReadError;
use super::segment::{Newest, Segment};
use super::{Log, Retention, State, index};
use crate::journal::{DurableListener, Entry, EntryKind, JournalFault, JournalPosition};

/// The time, for retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionTime {
    /// What the age of records counts from, in milliseconds since the epoch; `None` while the clock is not to be trusted: then
    /// nothing is deleted for its age.
    pub wall_ms: Option<i64>,
    /// Milliseconds of a clock that only goes forward, for delays.
    pub monotonic_ms: i64,
}

/// What a pass of retention deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Segments.
    pub segments: u64,
    /// Bytes of their batches.
    pub bytes: u64,
}

/// A deleted segment whose files are still there.
pub(super) struct Condemned {
    segment: Arc<Segment>,
    /// By the monotonic clock.
    remove_at_ms: i64,
    /// The journal's entry of the start behind it; `None` when a recovery has read it.
    start_position: Option<JournalPosition>,
    /// The first checkpoint that does not count it.
    checkpoint: u64,
}

/// What is known of a segment, for who decides whether it stays.
pub(super) struct SegmentFacts {
    pub(super) segment: Arc<Segment>,
    /// The offset after its last record.
    pub(super) end: Offset,
    pub(super) bytes: u64,
    pub(super) is_last: bool,
}

/// What must not be deleted.
struct Bounds {
    start: Offset,
    high_watermark: Offset,
}

impl Log {
    /// Moves the log's start forward: records before `start` are gone for good (DeleteRecords). Done means: queued for the journal;
    /// durable when `listener` hears so. Nothing is queued, and nobody told, when the log begins there or later already.
    pub fn advance_start(
        self: &Arc<Self>,
        start: Offset,
        listener: Arc<dyn DurableListener>,
    ) -> Result<Option<JournalPosition>, JournalFault> {
        let mut state = self.state();
        if start <= state.offsets.start {
            return Ok(None);
        }
        let listener = StartListener {
            log: Arc::clone(self),
            other: listener,
        };
        self.advance_start_of(&mut state, start, Arc::new(listener))
            .map(Some)
    }

    fn advance_start_of(
        &self,
        state: &mut State,
        start: Offset,
        listener: Arc<dyn DurableListener>,
    ) -> Result<JournalPosition, JournalFault> {
        assert!(
            start <= state.offsets.durable_end,
            "a log starts within what is durable"
        );
        let entry = Entry {
            kind: EntryKind::NewLogStart,
            log_id: self.id(),
            leader_epoch: None,
            offset: start,
            end: Offset::ZERO,
            payload: Bytes::new(),
        };
        let position = self.environment.journal.push(entry, listener)?;
        state.set_start(start);
        state.start_position = Some(position);
        state.check();
        Ok(position)
    }

    /// Deletes the segments that are no longer wanted: the first two of the three steps. Blocks on the disk: the first pass opens the log.
    pub fn retain(self: &Arc<Self>, now: RetentionTime) -> Result<Retained, ReadError> {
        let config = self.config.lock().clone();
        let begins_late = {
            let disk = self.disk.lock();
            matches!(disk.directory, super::disk::Directory::Unopened { start, .. } if start < self.offsets().start)
        };
        if config.retention.is_none() && !begins_late && self.segment_count() < 2 {
            return Ok(Retained::default());
        }
        self.ensure_segments_are_open()?;
        let (segments, bounds, size_bytes, cuts) = {
            let state = self.state();
            let segments = segment_facts(&state);
            let bounds = Bounds {
                start: state.offsets.start,
                high_watermark: self.high_watermark().min(state.offsets.written_end),
            };
            let bytes: u64 = segments.iter().map(|facts| facts.bytes).sum();
            let size_bytes = bytes + state.bytes_beside_files();
            (segments, bounds, size_bytes, state.cuts)
        };
        let retention = config.retention.unwrap_or_default();
        let aged = match (retention.ms, now.wall_ms) {
            (Some(age_max), Some(now_ms)) => match self.aged(&segments, now_ms, age_max) {
                // Truncated or compacted meanwhile: they are looked at the next time.
                Err(_)
                    if !segments
                        .iter()
                        .all(|facts| self.has_segment(&facts.segment)) =>
                {
                    0
                }
                aged => aged?,
            },
            _ => 0,
        };
        let unwanted = unwanted(&segments, &bounds, size_bytes, retention, aged);
        if unwanted == 0 {
            return Ok(Retained::default());
        }
        let remove_at_ms = now.monotonic_ms.saturating_add(config.file_delete_delay_ms);
        self.condemn(&segments[..unwanted], cuts, remove_at_ms)
            .map_err(|fault| ReadError::Io(io::Error::other(fault)))
    }

    /// How many of the oldest segments hold only records older than that. A segment without a time, since its records have none or it is
    /// damaged, goes with the next one.
    fn aged(
        &self,
        segments: &[SegmentFacts],
        now_ms: i64,
        age_max: i64,
    ) -> Result<usize, ReadError> {
        let mut aged = 0;
        for (at, facts) in segments.iter().enumerate() {
            match self.newest_time(facts)? {
                Some(newest) if now_ms.saturating_sub(newest) > age_max => aged = at + 1,
                Some(_) => break,
                None => {}
            }
        }
        Ok(aged)
    }

    /// The greatest timestamp of a segment, in milliseconds.
    pub(super) fn newest_time(&self, facts: &SegmentFacts) -> Result<Option<i64>, ReadError> {
        let segment = &facts.segment;
        if facts.is_last {
            let disk = self.disk.lock();
            let active = disk.active.as_ref();
            let active = active.filter(|active| active.segment.base() == segment.base());
            // A last segment that is not active is damaged.
            return Ok(active.and_then(|active| Some(active.index.greatest()?.timestamp)));
        }
        if let Some(newest) = segment.newest() {
            return Ok(newest.timestamp);
        }
        let bytes = segment.bytes();
        match self.check_times_of(segment) {
            Ok(()) => {}
            Err(ReadError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
        let times = segment.file("timeindex")?;
        let timestamp = index::last_time(&times, segment.base())?.map(|entry| entry.timestamp);
        segment.set_newest(Newest { bytes, timestamp });
        Ok(timestamp)
    }

    /// Takes segments from the front of the log, unless it was cut since they were looked at.
    fn condemn(
        self: &Arc<Self>,
        segments: &[SegmentFacts],
        cuts: u64,
        remove_at_ms: i64,
    ) -> Result<Retained, JournalFault> {
        let mut disk = self.disk.lock();
        let mut state = self.state();
        let has_grown = |facts: &SegmentFacts| facts.segment.bytes() != facts.bytes;
        // The last one holds more than is said of it while something is on its way past the journal.
        let is_more = |facts: &SegmentFacts| facts.is_last && disk.end > facts.end;
        let as_seen = state.cuts == cuts
            && disk.cut.is_none()
            && !disk.dropped
            && !segments
                .last()
                .is_some_and(|last| has_grown(last) || is_more(last));
        let Some(last) = segments.last().filter(|_| as_seen) else {
            return Ok(Retained::default());
        };
        if last.end > state.offsets.start {
            self.advance_start_of(&mut state, last.end, Arc::clone(self) as _)?;
        }
        let mut retained = Retained::default();
        for facts in segments {
            let base = facts.segment.base();
            disk.dirty.retain(|dirty| dirty.segment.base() != base);
            disk.unflushed.retain(|dirty| dirty.segment.base() != base);
            disk.active.take_if(|active| active.segment.base() == base);
            disk.condemned.push_back(Condemned {
                segment: Arc::clone(&facts.segment),
                remove_at_ms,
                start_position: state.start_position,
                checkpoint: self.environment.checkpoints.next(),
            });
            retained.segments += 1;
            retained.bytes += facts.bytes;
        }
        state.segments.drain(..segments.len());
        state.cuts += 1;
        tracing::info!(
            topic = self.topic(),
            partition = %self.partition().partition,
            segments = retained.segments,
            bytes = retained.bytes,
            log_start_offset = %state.offsets.start,
            "deleted segments"
        );
        drop(state);
        self.environment.condemned.push(self.id());
        Ok(retained)
    }

    /// Removes the files of deleted segments whose time has come: the third step. In a hurry, on a full disk, the delay does not count. True
    /// when none is left.
    pub(crate) fn remove_condemned(&self, monotonic_ms: i64, hurry: bool) -> io::Result<bool> {
        let mut disk = self.disk.lock();
        let durable_through = self.state().durable_through;
        let may_go = |condemned: &Condemned| {
            let is_durable = condemned
                .start_position
                .is_none_or(|position| durable_through >= Some(position));
            let is_covered = self
                .environment
                .checkpoints
                .is_durable(condemned.checkpoint);
            (is_covered && monotonic_ms >= condemned.remove_at_ms)
                || (hurry && (is_covered || is_durable))
        };
        while disk.condemned.front().is_some_and(may_go) {
            remove_first(&mut disk)?;
        }
        Ok(disk.condemned.is_empty())
    }
}

fn remove_first(disk: &mut Disk) -> io::Result<()> {
    if let Some(condemned) = disk.condemned.front() {
        condemned.segment.remove()?;
        disk.names_changed = true;
        disk.condemned.pop_front();
    }
    Ok(())
}

pub(super) fn segment_facts(state: &State) -> Vec<SegmentFacts> {
    let segments = state.segments_in_use();
    let ends = segments.iter().skip(1).map(|next| next.base());
    let ends: Vec<Offset> = ends.chain([state.offsets.written_end]).collect();
    let count = segments.len();
    let facts = |(at, (segment, end)): (usize, (Arc<Segment>, Offset))| SegmentFacts {
        end,
        bytes: segment.bytes(),
        is_last: at + 1 == count,
        segment,
    };
    segments
        .into_iter()
        .zip(ends)
        .enumerate()
        .map(facts)
        .collect()
}

/// How many of the oldest segments are no longer wanted, of which `aged` are too old. The last one goes only for its age or for the
/// log's size, as in Kafka.
fn unwanted(
    segments: &[SegmentFacts],
    bounds: &Bounds,
    size_bytes: u64,
    retention: Retention,
    aged: usize,
) -> usize {
    let mut left = size_bytes;
    let mut unwanted = 0;
    for (at, facts) in segments.iter().enumerate() {
        let too_much = retention
            .bytes
            .is_some_and(|kept| left.saturating_sub(facts.bytes) >= kept);
        let begins_later = facts.end <= bounds.start && !facts.is_last;
        let is_committed = facts.end <= bounds.high_watermark;
        if !is_committed || facts.bytes == 0 && facts.is_last {
            break;
        }
        if at >= aged && !too_much && !begins_later {
            break;
        }
        left = left.saturating_sub(facts.bytes);
        unwanted = at + 1;
    }
    unwanted
}

/// Tells the log, and then who asked for the new start.
struct StartListener {
    log: Arc<Log>,
    other: Arc<dyn DurableListener>,
}

impl DurableListener for StartListener {
    fn on_durable(&self, position: JournalPosition) {
        self.log.on_durable(position);
        self.other.on_durable(position);
    }

    fn on_fault(&self, fault: &JournalFault) {
        self.other.on_fault(fault);
    }
}

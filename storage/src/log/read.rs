//! Reading: the tail from memory, everything else from files. Whatever comes from a file is verified before it is served.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use protocol::batch::{BatchHeader, batches, verify_crc};
use protocol::model::Offset;

use super::disk::is_disk_full;
use super::index::TimeEntry;
use super::open::deleted;
use super::segment::{Region, Segment, SegmentError};
use super::tail::{BatchBytes, TailBatch};
use super::{Log, State, index};
use crate::journal::BadBytes;

/// Why nothing can be read at an offset.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset is not in the log.
    #[error("offset is not between {start} and {end}")]
    OutOfRange {
        /// The log's first offset.
        start: Offset,
        /// The log's end.
        end: Offset,
    },
    /// The bytes there are wrong; they are not served.
    #[error("damaged: {0}")]
    Damaged(BadBytes),
    /// A call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the tail could say without touching a file.
#[derive(Debug)]
pub enum TailRead {
    /// Batches from memory, none when there is nothing before the bound.
    Batches(Vec<Bytes>),
    /// The offset lies in files: call [`Log::read_files`] from where blocking is allowed.
    Files,
}

/// The first record at or after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The batch that holds it starts here.
    pub batch_base: Offset,
    /// The greatest timestamp of that batch, in milliseconds.
    pub batch_timestamp: i64,
}

impl From<SegmentError> for ReadError {
    fn from(error: SegmentError) -> ReadError {
        match error {
            SegmentError::Io(error) => ReadError::Io(error),
            SegmentError::Bad(bad) => ReadError::Damaged(bad),
        }
    }
}

impl Log {
    /// Reads from memory, never blocking: whole batches from the one that holds `offset` on, at least one, none that reaches
    /// beyond `end`, no more than fit `max_bytes` after the first.
    pub fn read_tail(
        &self,
        offset: Offset,
        end: Offset,
        max_bytes: usize,
    ) -> Result<TailRead, ReadError> {
        let state = self.state();
        let offsets = state.offsets;
        let end = state.readable_end(offset, end)?;
        if offset >= end {
            return Ok(TailRead::Batches(Vec::new()));
        }
        if offset < offsets.written_end {
            return Ok(TailRead::Files);
        }
        let mut batches = Vec::new();
        let mut bytes = 0;
        for batch in state.tail.from(offset) {
            let fits = batches.is_empty() || bytes + batch.header.size_in_bytes <= max_bytes;
            if batch.header.end_offset() > end || !fits {
                break;
            }
            match &batch.bytes {
                BatchBytes::Memory(memory) => batches.push(memory.clone()),
                BatchBytes::Journal { .. } if batches.is_empty() => return Ok(TailRead::Files),
                BatchBytes::Journal { .. } => break,
            }
            bytes += batch.header.size_in_bytes;
        }
        Ok(TailRead::Batches(batches))
    }

    /// Like [`Log::read_tail`] for offsets that lie in files. Blocks on the disk. May return fewer bytes than there are.
    pub fn read_files(
        &self,
        offset: Offset,
        end: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Bytes>, ReadError> {
        self.ensure_segments_are_open()?;
        loop {
            let snapshot = self.snapshot(offset, end)?;
            let end = snapshot.end;
            if offset >= end {
                return Ok(Vec::new());
            }
            let mut verified = None;
            let read = match &snapshot.segment {
                Some(segment) => {
                    let read = self.read_segment(segment, offset, end, max_bytes);
                    read.map(|(position, bytes)| {
                        verified = Some(position..position + bytes.len() as u64);
                        Some(if bytes.is_empty() {
                            Vec::new()
                        } else {
                            vec![bytes]
                        })
                    })
                }
                None => self.read_journaled(snapshot.journaled.as_ref(), end),
            };
            let (dropped, cuts, is_swapping) = {
                let state = self.state();
                if let (Some(segment), Some(verified)) = (&snapshot.segment, verified)
                    && state.cuts == snapshot.cuts
                {
                    // A cut that comes after this takes its part back.
                    segment.trust(verified);
                }
                (state.dropped, state.cuts, state.is_swapping)
            };
            if dropped {
                // Whatever was read may be of a log made again under the same name.
                return Err(deleted().into());
            }
            match read {
                // Truncated, or written behind and its journal file reused, while it was read: look again.
                Ok(None) => {}
                Err(_) if cuts != snapshot.cuts => {}
                Ok(Some(batches)) => return Ok(batches),
                Err(_) if is_swapping => drop(self.disk.lock()),
                Err(error) => return Err(self.reported(error)),
            }
        }
    }

    /// Where in a file the records from `offset` on lie that are below `end` and need not be verified again: whole batches, `bytes` at least and at most.
    /// `None` when there is no such place, or it is not certain: then [`Log::read_files`] has the answer. Blocks on the disk.
    ///
    /// `end` must be such that nothing before it is truncated: what the region holds may be sent at any time later.
    pub fn find_trusted(
        &self,
        offset: Offset,
        end: Offset,
        bytes: Range<u64>,
    ) -> Result<Option<Region>, ReadError> {
        self.ensure_segments_are_open()?;
        let snapshot = self.snapshot(offset, end)?;
        let Some(segment) = snapshot.segment.filter(|_| offset < snapshot.end) else {
            return Ok(None);
        };
        let gap = |from, to| self.is_known_gap(from, to);
        let (end, is_before_end) = (snapshot.end, snapshot.is_before_end);
        let Ok(found) = segment.find_trusted(offset, end, is_before_end, bytes, &gap) else {
            // Whoever reads says what is wrong.
            return Ok(None);
        };
        let state = self.state();
        let is_same = state.cuts == snapshot.cuts && !state.dropped && !state.is_swapping;
        Ok(found.filter(|_| is_same))
    }

    fn snapshot(&self, offset: Offset, end: Offset) -> Result<Snapshot, ReadError> {
        let state = self.state();
        let mut end = state.readable_end(offset, end)?;
        let in_segments = offset < state.offsets.written_end;
        let mut segment = None;
        let mut is_before_end = false;
        if in_segments {
            // Beyond, a segment may hold what a truncation took back.
            end = end.min(state.offsets.written_end);
            let at = state
                .segments
                .partition_point(|segment| segment.base() <= offset);
            segment = at.checked_sub(1).map(|at| Arc::clone(&state.segments[at]));
            is_before_end = state
                .segments
                .get(at)
                .is_some_and(|next| next.base() <= end);
            if segment.is_none() {
                let bad = BadBytes {
                    path: self.dir().to_owned(),
                    offset: 0,
                    what: "no segment holds the offset",
                };
                return Err(ReadError::Damaged(bad));
            }
        }
        let journaled = state.tail.from(offset).next().cloned();
        Ok(Snapshot {
            segment,
            is_before_end,
            journaled,
            end,
            cuts: state.cuts,
        })
    }

    /// The first batch whose greatest timestamp is at least `timestamp`, before `end`. Blocks on the disk.
    pub fn find_timestamp(
        &self,
        timestamp: i64,
        end: Offset,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        self.find_by_time(&|log| log.find_timestamp_once(timestamp, end))
    }

    /// The first of the batches with the greatest timestamp before `end` (KIP-734). Blocks on the disk.
    pub fn find_max_timestamp(&self, end: Offset) -> Result<Option<TimestampedOffset>, ReadError> {
        self.find_by_time(&|log| log.find_max_timestamp_once(end))
    }

    fn find_by_time(
        &self,
        find: &dyn Fn(&Log) -> Result<Option<TimestampedOffset>, ReadError>,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        self.ensure_segments_are_open()?;
        loop {
            let before = self.state().cuts;
            let found = find(self);
            let (dropped, cuts, is_swapping) = {
                let state = self.state();
                (state.dropped, state.cuts, state.is_swapping)
            };
            if dropped {
                return Err(deleted().into());
            }
            if is_swapping {
                drop(self.disk.lock());
            } else if cuts == before {
                return found.map_err(|error| self.reported(error));
            }
        }
    }

    fn find_timestamp_once(
        &self,
        timestamp: i64,
        end: Offset,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let (segments, start, written_end, in_tail) = {
            let state = self.state();
            let start = state.offsets.start;
            // Together with the list of segments: a batch that is written behind meanwhile is found in one or the other.
            let in_tail =
                state.tail.iter().map(|batch| batch.header).find(|header| {
                    header.max_timestamp >= timestamp && header.end_offset() > start
                });
            (
                state.segments_in_use(),
                start,
                state.offsets.written_end,
                in_tail,
            )
        };
        for (at, segment) in segments.iter().enumerate() {
            let is_closed = at + 1 < segments.len();
            let Some(from) = self.earliest_with_time(segment, is_closed, timestamp)? else {
                continue;
            };
            let found = self.find_in_segment(segment, from, written_end, |header| {
                header.max_timestamp >= timestamp && header.end_offset() > start
            })?;
            if let Some(header) = found {
                return Ok(within(&header, end));
            }
        }
        Ok(in_tail.and_then(|header| within(&header, end)))
    }

    /// From where on a segment may hold a batch with at least that timestamp; `None` if it does not.
    fn earliest_with_time(
        &self,
        segment: &Arc<Segment>,
        is_closed: bool,
        timestamp: i64,
    ) -> Result<Option<Offset>, ReadError> {
        if is_closed {
            self.check_times_of(segment)?;
            let greatest = index::last_time(&segment.file("timeindex")?, segment.base())?;
            if greatest.is_none_or(|entry| entry.timestamp < timestamp) {
                return Ok(None);
            }
        }
        let times = segment.file("timeindex")?;
        let before = index::find_before_time(&times, segment.base(), timestamp)?;
        self.believe_time(segment, before).map(Some)
    }

    fn find_max_timestamp_once(&self, end: Offset) -> Result<Option<TimestampedOffset>, ReadError> {
        let (segments, start, written_end, tail) = {
            let state = self.state();
            let tail: Vec<BatchHeader> = state.tail.iter().map(|batch| batch.header).collect();
            (
                state.segments_in_use(),
                state.offsets.start,
                state.offsets.written_end,
                tail,
            )
        };
        let mut best: Option<TimestampedOffset> = None;
        let mut consider = |header: &BatchHeader| {
            let better = best.is_none_or(|best| header.max_timestamp > best.batch_timestamp);
            if better && header.end_offset() <= end && header.end_offset() > start {
                best = within(header, end);
            }
        };
        for (at, segment) in segments.iter().enumerate() {
            if at + 1 < segments.len() {
                self.check_times_of(segment)?;
            }
            let indexed = index::last_time(&segment.file("timeindex")?, segment.base())?;
            // The greatest indexed timestamp says nothing when its batch is not to be looked at.
            let bound = end.min(written_end);
            let indexed = indexed.filter(|entry| entry.offset < bound && entry.offset >= start);
            let from = self.believe_time(segment, indexed)?;
            self.find_in_segment(segment, from, written_end, |header| {
                consider(header);
                false
            })?;
        }
        tail.iter().for_each(consider);
        Ok(best)
    }

    /// Where to begin after a look-up in a time index: at the batch the entry speaks of, if it is there.
    fn believe_time(
        &self,
        segment: &Segment,
        entry: Option<TimeEntry>,
    ) -> Result<Offset, ReadError> {
        let Some(entry) = entry else {
            return Ok(segment.base());
        };
        let gap = |from, to| self.is_known_gap(from, to);
        match segment.is_time_true(entry, &gap) {
            Ok(true) => Ok(entry.offset),
            Ok(false) => Ok(segment.base()),
            Err(error) => Err(error.into()),
        }
    }

    /// A closed segment is passed over when its time index says so: that it is whole is made sure of once.
    pub(super) fn check_times_of(&self, segment: &Arc<Segment>) -> Result<(), ReadError> {
        let gap = |from, to| self.is_known_gap(from, to);
        match segment.times_are_whole(&gap) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.rebuild_index_of(segment)?;
                segment.trust_times();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The first batch from `from` on that is wanted; none that reaches beyond `end`.
    fn find_in_segment(
        &self,
        segment: &Segment,
        from: Offset,
        end: Offset,
        mut wanted: impl FnMut(&BatchHeader) -> bool,
    ) -> Result<Option<BatchHeader>, ReadError> {
        let mut found = None;
        let gap = |from, to| self.is_known_gap(from, to);
        let start = segment.find(from, &gap).map_err(ReadError::from)?;
        let Some((position, _)) = start else {
            return Ok(None);
        };
        segment
            .scan_headers(position, &gap, &mut |_, header| {
                if header.end_offset() > end {
                    return false;
                }
                if wanted(header) {
                    found = Some(*header);
                }
                found.is_none()
            })
            .map_err(ReadError::from)?;
        Ok(found)
    }

    fn read_segment(
        &self,
        segment: &Arc<Segment>,
        offset: Offset,
        end: Offset,
        max_bytes: usize,
    ) -> Result<(u64, Bytes), ReadError> {
        let gap = |from, to| self.is_known_gap(from, to);
        let read = segment.read(offset, end, max_bytes, &gap);
        let read = read.map_err(ReadError::from)?;
        if segment.index_is_bad() {
            match self.rebuild_index_of(segment) {
                // Records can be read without an index, slowly.
                Err(error) if is_disk_full(&error) => {}
                rebuilt => rebuilt?,
            }
        }
        let Some((position, mut bytes)) = read else {
            let bad = BadBytes {
                path: segment.path("log"),
                offset: segment.bytes(),
                what: "segment ends before its records do",
            };
            return Err(ReadError::Damaged(bad));
        };
        let sound = self.with_known_epochs(&bytes);
        if sound < bytes.len() {
            if sound == 0 {
                let bad = BadBytes {
                    path: segment.path("log"),
                    offset: 0,
                    what: "batch does not have the leader epoch its offset was written in",
                };
                return Err(ReadError::Damaged(bad));
            }
            bytes.truncate(sound);
        }
        Ok((position, bytes))
    }

    /// How many bytes at the front are batches of the leader epoch the log knows for their offsets: the epoch lies outside the batch's
    /// own checksum.
    fn with_known_epochs(&self, bytes: &[u8]) -> usize {
        let state = self.state();
        let mut sound = 0;
        for batch in batches(bytes) {
            let Ok((header, batch)) = batch else { break };
            let known = state.leader_epochs.epoch_at(header.base_offset);
            if known.is_some() && header.partition_leader_epoch != known {
                break;
            }
            sound += batch.len();
        }
        sound
    }

    /// For the log of the process, once it is certain that nobody has changed the files meanwhile.
    fn reported(&self, error: ReadError) -> ReadError {
        if let ReadError::Damaged(bad) = &error {
            tracing::error!(topic = self.topic(), partition = %self.partition().partition, damage = %bad, "damaged bytes are not served");
        }
        error
    }

    /// Reads one batch that a recovery left in the journal. `None` when it is not there any more.
    fn read_journaled(
        &self,
        batch: Option<&TailBatch>,
        end: Offset,
    ) -> Result<Option<Vec<Bytes>>, ReadError> {
        let Some(batch) = batch else {
            return Ok(Some(Vec::new()));
        };
        if batch.header.end_offset() > end {
            return Ok(Some(Vec::new()));
        }
        let (file, at) = match &batch.bytes {
            BatchBytes::Memory(bytes) => return Ok(Some(vec![bytes.clone()])),
            BatchBytes::Journal { file, at } => (file, *at),
        };
        let mut buf = vec![0; batch.header.size_in_bytes];
        file.read_at(&mut buf, at)?;
        let is_it = BatchHeader::parse(&buf).is_ok_and(|header| header == batch.header);
        if is_it && verify_crc(&buf) {
            return Ok(Some(vec![buf.into()]));
        }
        let moved = self.offsets().written_end > batch.header.base_offset;
        if moved {
            return Ok(None);
        }
        let bad = BadBytes {
            path: file.path().to_owned(),
            offset: at,
            what: "batch in the journal does not have its checksum",
        };
        Err(ReadError::Damaged(bad))
    }
}

/// What a read of files goes by: taken together, under one lock.
struct Snapshot {
    /// The segment that holds the offset; none when the tail does.
    segment: Option<Arc<Segment>>,
    /// Another segment follows it, before the end.
    is_before_end: bool,
    journaled: Option<TailBatch>,
    end: Offset,
    cuts: u64,
}

impl State {
    /// The segments that hold records; others wait for a truncation to be done to the files.
    pub(super) fn segments_in_use(&self) -> Vec<Arc<Segment>> {
        let in_use = |segment: &&Arc<Segment>| segment.base() < self.offsets.written_end;
        self.segments.iter().filter(in_use).cloned().collect()
    }

    /// How far a read from `offset` may go: up to `end`, but not over records that are damaged.
    fn readable_end(&self, offset: Offset, end: Offset) -> Result<Offset, ReadError> {
        if offset < self.offsets.start || offset > self.offsets.end {
            return Err(ReadError::OutOfRange {
                start: self.offsets.start,
                end: self.offsets.end,
            });
        }
        match self.damaged.iter().find(|range| range.to > offset) {
            Some(range) if range.from <= offset => Err(ReadError::Damaged(range.bad.clone())),
            Some(range) => Ok(end.min(range.from)),
            None => Ok(end),
        }
    }
}

fn within(header: &BatchHeader, end: Offset) -> Option<TimestampedOffset> {
    (header.end_offset() <= end).then_some(TimestampedOffset {
        batch_base: header.base_offset,
        batch_timestamp: header.max_timestamp,
    })
}

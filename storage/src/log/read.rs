//! Reading: the tail from memory, everything else from files. Whatever comes from a file is verified before it is served.

use std::io;

use bytes::Bytes;
use protocol::batch::{BatchHeader, verify_crc};
use protocol::model::Offset;

use super::segment::{Segment, SegmentError};
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

impl Log {
    /// Reads from memory, never blocking: whole batches from the one that holds `offset` on, at least one, none that reaches
    /// beyond `end`, no more than fit `max_bytes` after the first.
    pub fn read_tail(&self, offset: Offset, end: Offset, max_bytes: usize) -> Result<TailRead, ReadError> {
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
    pub fn read_files(&self, offset: Offset, mut end: Offset, max_bytes: usize) -> Result<Vec<Bytes>, ReadError> {
        self.ensure_segments_are_open()?;
        loop {
            let (segments, written_end, journaled) = {
                let state = self.state();
                let offsets = state.offsets;
                end = state.readable_end(offset, end)?;
                let at = state.segments.partition_point(|segment| segment.base() <= offset);
                let segments = state.segments[at.saturating_sub(1)..].to_vec();
                let journaled: Option<TailBatch> = state.tail.from(offset).next().cloned();
                (segments, offsets.written_end, journaled)
            };
            if offset >= written_end {
                match self.read_journaled(journaled.as_ref(), end)? {
                    Some(batches) => return Ok(batches),
                    // Written behind, and its journal file reused, while it was read: look again.
                    None => continue,
                }
            }
            // The segment that should hold the offset may end before it, where compaction left a gap.
            for segment in &segments {
                let bytes = self.read_segment(segment, offset, end, max_bytes)?;
                if !bytes.is_empty() {
                    return Ok(vec![bytes]);
                }
            }
            return Ok(Vec::new());
        }
    }

    /// The first batch whose greatest timestamp is at least `timestamp`, before `end`. Blocks on the disk.
    pub fn find_timestamp(&self, timestamp: i64, end: Offset) -> Result<Option<TimestampedOffset>, ReadError> {
        self.ensure_segments_are_open()?;
        let (segments, start) = {
            let state = self.state();
            (state.segments.clone(), state.offsets.start)
        };
        for (at, segment) in segments.iter().enumerate() {
            // Only the last segment's time index is not closed by its greatest timestamp.
            let is_last = at + 1 == segments.len();
            let greatest = index::last_time(&segment.file("timeindex")?, segment.base())?;
            if !is_last && greatest.is_none_or(|entry| entry.timestamp < timestamp) {
                continue;
            }
            let before = index::find_before_time(&segment.file("timeindex")?, segment.base(), timestamp)?;
            let from = before.map_or(segment.base(), |entry| entry.offset);
            let found = self.find_in_segment(segment, from, |header| {
                header.max_timestamp >= timestamp && header.end_offset() > start
            })?;
            if let Some(header) = found {
                return Ok(within(&header, end));
            }
        }
        let state = self.state();
        let found = state.tail.iter().find(|batch| {
            batch.header.max_timestamp >= timestamp && batch.header.end_offset() > start
        });
        Ok(found.and_then(|batch| within(&batch.header, end)))
    }

    /// The first of the batches with the greatest timestamp before `end` (KIP-734). Blocks on the disk.
    pub fn find_max_timestamp(&self, end: Offset) -> Result<Option<TimestampedOffset>, ReadError> {
        self.ensure_segments_are_open()?;
        let segments = self.state().segments.clone();
        let mut best: Option<TimestampedOffset> = None;
        let mut consider = |header: &BatchHeader| {
            let better = best.is_none_or(|best| header.max_timestamp > best.batch_timestamp);
            if better && header.end_offset() <= end {
                best = within(header, end);
            }
        };
        for segment in &segments {
            let indexed = index::last_time(&segment.file("timeindex")?, segment.base())?;
            let from = indexed.map_or(segment.base(), |entry| entry.offset);
            self.find_in_segment(segment, from, |header| {
                consider(header);
                false
            })?;
        }
        for batch in self.state().tail.iter() {
            consider(&batch.header);
        }
        Ok(best)
    }

    fn find_in_segment(
        &self,
        segment: &Segment,
        from: Offset,
        mut wanted: impl FnMut(&BatchHeader) -> bool,
    ) -> Result<Option<BatchHeader>, ReadError> {
        let mut found = None;
        let Some((position, _)) = segment.find(from).map_err(|error| self.read_error(error))? else {
            return Ok(None);
        };
        segment
            .scan_headers(position, &mut |_, header| {
                if wanted(header) {
                    found = Some(*header);
                }
                found.is_none()
            })
            .map_err(|error| self.read_error(error))?;
        Ok(found)
    }

    fn read_segment(
        &self,
        segment: &Segment,
        offset: Offset,
        end: Offset,
        max_bytes: usize,
    ) -> Result<Bytes, ReadError> {
        let bytes = segment.read(offset, end, max_bytes).map_err(|error| self.read_error(error))?;
        if segment.index_is_bad() {
            self.rebuild_index_of(segment)?;
        }
        Ok(bytes)
    }

    pub(super) fn read_error(&self, error: SegmentError) -> ReadError {
        match error {
            SegmentError::Io(error) => ReadError::Io(error),
            SegmentError::Bad(bad) => {
                tracing::error!(topic = self.topic(), partition = %self.partition().partition, damage = %bad, "damaged bytes are not served");
                ReadError::Damaged(bad)
            }
        }
    }

    /// Reads one batch that a recovery left in the journal. `None` when it is not there any more.
    fn read_journaled(&self, batch: Option<&TailBatch>, end: Offset) -> Result<Option<Vec<Bytes>>, ReadError> {
        let Some(batch) = batch else { return Ok(Some(Vec::new())) };
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
        Err(self.read_error(SegmentError::Bad(bad)))
    }
}

impl State {
    /// How far a read from `offset` may go: up to `end`, but not over records that are damaged.
    fn readable_end(&self, offset: Offset, end: Offset) -> Result<Offset, ReadError> {
        if offset < self.offsets.start || offset > self.offsets.end {
            return Err(ReadError::OutOfRange { start: self.offsets.start, end: self.offsets.end });
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

//! The segment that takes the place of others: written beside them, and synced.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::batch::{BatchHeader, HEADER_BYTES, empty_batch};
use protocol::model::{LeaderEpoch, Offset};

use super::super::disk::sync;
use super::super::index::OFFSET_ENTRY;
use super::super::segment::{IndexBuilder, file_name};
use super::super::{Log, LogConfig};
use super::CompactError;
use super::plan::Source;
use crate::io::{IoFile, OpenOptions};

/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// What is behind the names of files that are not in use yet.
pub(in crate::log) const CLEANED: &str = "cleaned";

/// Writes a segment. While the only source is left as it is nothing is written.
pub(super) struct SegmentWriter<'a> {
    log: &'a Log,
    /// The segment whose name it gets.
    first: &'a Source,
    config: LogConfig,
    file: Option<Arc<dyn IoFile>>,
    buf: Vec<u8>,
    /// Where the buffer will be written.
    at: u64,
    written: usize,
    /// Bytes at the front of the only source that are in the new segment as they are.
    same: u64,
    index: IndexBuilder,
    /// The offset after the last batch.
    next: Offset,
    /// Offsets that are no more, and the epoch of their leader.
    left_out: Option<LeftOut>,
}

#[derive(Clone, Copy)]
struct LeftOut {
    from: Offset,
    last: Offset,
    epoch: Option<LeaderEpoch>,
    /// They are one batch of the source, without a record.
    is_as_it_was: bool,
}

/// A segment whose files are synced, and not in use yet.
pub(super) struct CleanedSegment {
    pub(super) base: Offset,
    pub(super) bytes: u64,
}

impl<'a> SegmentWriter<'a> {
    /// For a segment in the place of one, or of more.
    pub(super) fn new(log: &'a Log, first: &'a Source) -> SegmentWriter<'a> {
        let base = first.segment.base();
        SegmentWriter {
            log,
            first,
            config: log.config.lock().clone(),
            file: None,
            buf: Vec::new(),
            at: 0,
            written: 0,
            same: 0,
            index: IndexBuilder::new(base, 0),
            next: base,
            left_out: None,
        }
    }

    /// A batch stays as it is.
    pub(super) fn keep(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<(), CompactError> {
        self.flush_left_out()?;
        self.put(header, batch, true)
    }

    /// A batch has become another one.
    pub(super) fn replace(&mut self, batch: &[u8]) -> Result<(), CompactError> {
        self.flush_left_out()?;
        self.put_new(batch)
    }

    /// Nothing is left of a batch.
    pub(super) fn leave_out(&mut self, header: &BatchHeader) -> Result<(), CompactError> {
        let (from, last) = (header.base_offset, header.last_offset());
        let epoch = header.partition_leader_epoch;
        let fits =
            |left: &LeftOut| left.epoch == epoch && last.since(left.from) <= i64::from(i32::MAX);
        if let Some(left) = self.left_out.as_mut().filter(|left| fits(left)) {
            left.last = last;
            left.is_as_it_was = false;
            return Ok(());
        }
        self.flush_left_out()?;
        self.left_out = Some(LeftOut {
            from,
            last,
            epoch,
            is_as_it_was: header.record_count == 0
                && header.producer.is_none()
                && header.size_in_bytes == HEADER_BYTES,
        });
        Ok(())
    }

    /// Whether one more source fits, should nothing of it go.
    pub(super) fn has_room_for(&self, next: &Source) -> bool {
        let bytes = self.bytes() + next.bytes;
        let index_bytes = bytes / self.config.index_interval_bytes.max(1) * OFFSET_ENTRY as u64;
        bytes <= self.config.segment_bytes
            && index_bytes <= self.config.segment_index_bytes
            && next.end.since(self.first.segment.base()) <= i64::from(i32::MAX)
    }

    fn bytes(&self) -> u64 {
        match self.file {
            Some(_) => self.at + self.buf.len() as u64,
            None => self.same,
        }
    }

    /// Another source follows: what comes is new, even if nothing has gone.
    pub(super) fn join(&mut self) -> Result<(), CompactError> {
        match self.file {
            Some(_) => Ok(()),
            None => self.begin(),
        }
    }

    /// A source ends. So that, of segments that are replaced by one, each still has its own end in it.
    pub(super) fn end_source(&mut self, end: Offset) -> Result<(), CompactError> {
        self.flush_left_out()?;
        match self.next == end {
            true => Ok(()),
            // It is not as long as it was.
            false => Err(CompactError::Changed),
        }
    }

    /// Bytes written since the last time this was asked.
    pub(super) fn take_written(&mut self) -> usize {
        std::mem::take(&mut self.written)
    }

    fn flush_left_out(&mut self) -> Result<(), CompactError> {
        let Some(left) = self.left_out.take() else {
            return Ok(());
        };
        let batch = empty_batch(left.from, left.last, left.epoch);
        match BatchHeader::parse(&batch) {
            Ok(header) if left.is_as_it_was => self.put(&header, &batch, true),
            _ => self.put_new(&batch),
        }
    }

    fn put_new(&mut self, batch: &[u8]) -> Result<(), CompactError> {
        let at = self.next;
        let header =
            BatchHeader::parse(batch).map_err(|error| CompactError::Batch { at, error })?;
        self.put(&header, batch, false)
    }

    fn put(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        is_the_same: bool,
    ) -> Result<(), CompactError> {
        assert_eq!(header.base_offset, self.next, "a compacted log has no gaps");
        if self.file.is_none() {
            if is_the_same {
                self.index
                    .on_batch(self.same, header, self.config.index_interval_bytes);
                self.same += batch.len() as u64;
                self.next = header.end_offset();
                return Ok(());
            }
            self.begin()?;
        }
        let position = self.bytes();
        self.index
            .on_batch(position, header, self.config.index_interval_bytes);
        self.buf.extend_from_slice(batch);
        self.next = header.end_offset();
        if self.buf.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes the file, with what is the same so far.
    fn begin(&mut self) -> Result<(), CompactError> {
        let source = self.first.segment.file("log")?;
        self.file = Some(self.create("log")?);
        let mut left = self.same;
        while left > 0 {
            let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(WRITE_BYTES);
            self.buf.resize(bytes, 0);
            let read = source.read_at(&mut self.buf, self.same - left)?;
            if read < bytes {
                return Err(CompactError::Changed);
            }
            self.flush()?;
            left -= bytes as u64;
        }
        Ok(())
    }

    fn create(&self, extension: &str) -> io::Result<Arc<dyn IoFile>> {
        let options = OpenOptions {
            create: true,
            truncate: true,
            ..OpenOptions::default()
        };
        let path = cleaned_path(self.log, self.first.segment.base(), extension);
        self.log.environment.files.io().open(&path, options)
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.write_all_at(&[&self.buf], self.at)?;
            file.start_writeback(self.at, self.buf.len() as u64)?;
        }
        self.at += self.buf.len() as u64;
        self.written += self.buf.len();
        self.buf.clear();
        Ok(())
    }

    /// Syncs what was written. `None` where the only source stays as it is.
    pub(super) fn finish(mut self) -> Result<Option<CleanedSegment>, CompactError> {
        let finished = self.try_finish();
        if finished.is_err() {
            self.abandon();
        }
        Ok(finished?)
    }

    fn try_finish(&mut self) -> io::Result<Option<CleanedSegment>> {
        self.flush()?;
        let Some(file) = self.file.take() else {
            return Ok(None);
        };
        // Before the indexes, so that they need not be written for nothing.
        sync(file.as_ref())?;
        self.index.close();
        for (extension, bytes) in [
            ("index", std::mem::take(&mut self.index.offsets)),
            ("timeindex", std::mem::take(&mut self.index.times)),
        ] {
            let file = self.create(extension)?;
            file.write_all_at(&[&bytes], 0)?;
            sync(file.as_ref())?;
        }
        Ok(Some(CleanedSegment {
            base: self.first.segment.base(),
            bytes: self.at,
        }))
    }

    /// Removes what was written.
    pub(super) fn abandon(&self) {
        remove_cleaned(self.log, self.first.segment.base());
    }
}

impl CleanedSegment {
    /// Removes its files.
    pub(super) fn abandon(&self, log: &Log) {
        remove_cleaned(log, self.base);
    }
}

pub(super) fn cleaned_path(log: &Log, base: Offset, extension: &str) -> PathBuf {
    log.dir
        .join(file_name(base, &format!("{extension}.{CLEANED}")))
}

/// What cannot be removed is, when the log is opened the next time, or written over by the next pass.
fn remove_cleaned(log: &Log, base: Offset) {
    for extension in ["log", "index", "timeindex"] {
        let path = cleaned_path(log, base, extension);
        let _ = log.environment.files.io().remove_file(&path);
    }
}

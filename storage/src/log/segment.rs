//! One segment: a `.log` of record batches with its two indexes, as Kafka's `LogSegment` lays them out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use protocol::batch::{BatchHeader, HEADER_BYTES, batches, verify_crc};
use protocol::model::Offset;

use super::descriptors::Descriptors;
use super::index::{self, OffsetEntry, TimeEntry};
use crate::io::IoFile;
use crate::journal::BadBytes;

/// Bytes read at once while looking for a batch or scanning a segment.
const SCAN_BYTES: usize = 64 << 10;

/// A segment that can be read. Its bytes only grow.
#[derive(Debug)]
pub struct Segment {
    base: Offset,
    dir: PathBuf,
    files: Arc<Descriptors>,
    bytes: AtomicU64,
    index_is_bad: AtomicBool,
}

/// Why a segment could not be read.
#[derive(Debug)]
pub enum SegmentError {
    /// A call failed.
    Io(io::Error),
    /// The bytes are wrong.
    Bad(BadBytes),
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> SegmentError {
        SegmentError::Io(error)
    }
}

/// The name of a segment's file: the base offset in twenty digits, and what it holds.
pub fn file_name(base: Offset, extension: &str) -> String {
    format!("{:020}.{extension}", base.get())
}

/// The base offset in the name of a `.log` file.
pub fn base_of(name: &str) -> Option<Offset> {
    let stem = name.strip_suffix(".log")?;
    (stem.len() == 20).then(|| stem.parse().ok()).flatten().and_then(Offset::from_wire)
}

impl Segment {
    /// A segment of which the first `bytes` count.
    pub fn new(dir: &Path, base: Offset, bytes: u64, files: Arc<Descriptors>) -> Segment {
        Segment { base, dir: dir.to_owned(), files, bytes: AtomicU64::new(bytes), index_is_bad: AtomicBool::new(false) }
    }

    /// The offset its name says; no record in it is earlier.
    pub fn base(&self) -> Offset {
        self.base
    }

    /// Bytes of batches.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }

    /// The path of one of its files.
    pub fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(file_name(self.base, extension))
    }

    /// One of its files, open.
    pub fn file(&self, extension: &str) -> io::Result<Arc<dyn IoFile>> {
        self.files.open(&self.path(extension))
    }

    /// Reads whole batches from the one that holds `offset` (or the first after it) on: at least one, more while they fit `max_bytes`, none
    /// that reaches beyond `end`. Every batch is verified; empty when the segment holds nothing in that range.
    pub fn read(&self, offset: Offset, end: Offset, max_bytes: usize) -> Result<Bytes, SegmentError> {
        let Some((position, first)) = self.find(offset)? else { return Ok(Bytes::new()) };
        if first.end_offset() > end {
            return Ok(Bytes::new());
        }
        let rest = self.bytes() - position;
        let wanted = max_bytes.max(first.size_in_bytes);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(wanted);
        let mut buf = vec![0; wanted];
        let read = self.file("log")?.read_at(&mut buf, position)?;
        buf.truncate(read);
        let kept = self.verified_prefix(&buf, position, end)?;
        buf.truncate(kept);
        Ok(buf.into())
    }

    /// How many bytes at the front are whole, verified batches that end by `end`. Damage is an error only at the very front: what
    /// stands before it is good, and the next read will meet it.
    fn verified_prefix(&self, buf: &[u8], position: u64, end: Offset) -> Result<usize, SegmentError> {
        match self.whole_prefix(buf, position, end) {
            (0, Some(bad)) => Err(SegmentError::Bad(bad)),
            (kept, _) => Ok(kept),
        }
    }

    fn whole_prefix(&self, buf: &[u8], position: u64, end: Offset) -> (usize, Option<BadBytes>) {
        let mut kept = 0;
        let mut next = self.base;
        while kept + HEADER_BYTES <= buf.len() {
            let rest = &buf[kept..];
            let bad = |what| (kept, Some(self.bad(position + kept as u64, what)));
            let Ok(header) = BatchHeader::parse(rest) else {
                return bad("no batch header where one must be");
            };
            if header.size_in_bytes > rest.len() {
                let whole = position + (kept + header.size_in_bytes) as u64 <= self.bytes();
                return if whole { (kept, None) } else { bad("batch reaches beyond its segment") };
            }
            if header.base_offset < next {
                return bad("offsets of a segment do not grow");
            }
            if header.end_offset() > end {
                break;
            }
            if !verify_crc(&rest[..header.size_in_bytes]) {
                return bad("batch does not have its checksum");
            }
            next = header.end_offset();
            kept += header.size_in_bytes;
        }
        (kept, None)
    }

    /// The first batch that ends after `offset`: its position and header.
    pub fn find(&self, offset: Offset) -> Result<Option<(u64, BatchHeader)>, SegmentError> {
        let hint = index::find_offset(&self.file("index")?, self.base, offset)?;
        let start = match hint {
            Some(entry) if self.is_true(entry)? => entry.position,
            Some(_) => {
                self.index_is_bad.store(true, Ordering::Relaxed);
                0
            }
            None => 0,
        };
        let mut found = None;
        self.scan_headers(start, &mut |position, header| {
            if header.end_offset() > offset {
                found = Some((position, *header));
            }
            found.is_none()
        })?;
        Ok(found)
    }

    /// Whether the batch an index entry points to is the one it speaks of.
    pub(super) fn is_true(&self, entry: OffsetEntry) -> io::Result<bool> {
        if entry.position >= self.bytes() {
            return Ok(false);
        }
        let mut header = [0; HEADER_BYTES];
        let read = self.file("log")?.read_at(&mut header, entry.position)?;
        let parsed = BatchHeader::parse(&header[..read]);
        Ok(parsed.is_ok_and(|header| header.last_offset() == entry.offset))
    }

    /// Walks the batch headers from `position` on, until `visit` says false or the segment ends. Record bytes are
    /// skipped, checksums not looked at.
    pub fn scan_headers(
        &self,
        position: u64,
        visit: &mut dyn FnMut(u64, &BatchHeader) -> bool,
    ) -> Result<(), SegmentError> {
        let file = self.file("log")?;
        let end = self.bytes();
        let mut at = position;
        let mut buf = vec![0; SCAN_BYTES];
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(SCAN_BYTES);
            let read = file.read_at(&mut buf[..wanted], at)?;
            let mut used = 0;
            while read - used >= HEADER_BYTES {
                let place = at + used as u64;
                let Ok(header) = BatchHeader::parse(&buf[used..read]) else {
                    let bad = self.bad(place, "no batch header where one must be");
                    return Err(SegmentError::Bad(bad));
                };
                if place + header.size_in_bytes as u64 > end {
                    let bad = self.bad(place, "batch reaches beyond the end of its segment");
                    return Err(SegmentError::Bad(bad));
                }
                if !visit(place, &header) {
                    return Ok(());
                }
                used += header.size_in_bytes;
                if used > read {
                    break;
                }
            }
            if used == 0 {
                return Err(SegmentError::Bad(self.bad(at, "segment ends inside a batch")));
            }
            at += used as u64;
        }
        Ok(())
    }

    /// Whether a look-up found the index to lie; it was not believed.
    pub fn index_is_bad(&self) -> bool {
        self.index_is_bad.load(Ordering::Relaxed)
    }

    /// Builds both indexes from the batches, as appending them would have. Only for who may write the segment.
    pub fn rebuild_indexes(&self, interval: u64) -> Result<IndexBuilder, SegmentError> {
        let mut builder = IndexBuilder::new(self.base, 0);
        self.scan_headers(0, &mut |position, header| {
            builder.on_batch(position, header, interval);
            true
        })?;
        for (extension, bytes) in
            [("index", &mut builder.offsets), ("timeindex", &mut builder.times)]
        {
            let file = self.file(extension)?;
            file.set_len(0)?;
            file.write_all_at(&[bytes], 0)?;
            bytes.clear();
        }
        self.index_is_bad.store(false, Ordering::Relaxed);
        Ok(builder)
    }

    /// Verifies every batch of the segment: the scrub, and recovery without a checkpoint.
    pub fn verify(&self) -> Result<(), SegmentError> {
        let file = self.file("log")?;
        let (mut at, end) = (0, self.bytes());
        let mut buf = Vec::new();
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX);
            let mut take = wanted.min(1 << 20);
            buf.resize(take, 0);
            let read = file.read_at(&mut buf, at)?;
            let first = batches(&buf[..read]).next();
            if let Some(Err(protocol::batch::BatchError::Incomplete { needed, .. })) = first {
                take = needed.min(wanted);
                buf.resize(take, 0);
                file.read_at(&mut buf, at)?;
            }
            let kept = self.verified_prefix(&buf[..take], at, Offset::new(i64::MAX))?;
            if kept == 0 {
                return Err(SegmentError::Bad(self.bad(at, "segment ends inside a batch")));
            }
            at += kept as u64;
        }
        Ok(())
    }

    fn bad(&self, offset: u64, what: &'static str) -> BadBytes {
        BadBytes { path: self.path("log"), offset, what }
    }
}

/// Decides which batches get index entries, by Kafka's rule: one whenever more than `index.interval.bytes` have gone by.
#[derive(Debug)]
pub struct IndexBuilder {
    base: Offset,
    bytes_since_entry: u64,
    greatest: Option<TimeEntry>,
    last_time: Option<i64>,
    /// Entries of the offset index not yet written.
    pub offsets: Vec<u8>,
    /// Entries of the time index not yet written.
    pub times: Vec<u8>,
}

impl IndexBuilder {
    /// For a segment in which `bytes_since_entry` bytes follow the last entry.
    pub fn new(base: Offset, bytes_since_entry: u64) -> IndexBuilder {
        IndexBuilder {
            base,
            bytes_since_entry,
            greatest: None,
            last_time: None,
            offsets: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Continues after a restart.
    pub fn resume(&mut self, greatest: Option<TimeEntry>, last_time: Option<i64>) {
        self.greatest = greatest;
        self.last_time = last_time;
    }

    /// The greatest timestamp so far.
    pub fn greatest(&self) -> Option<TimeEntry> {
        self.greatest
    }

    /// Notes a batch at `position`.
    pub fn on_batch(&mut self, position: u64, header: &BatchHeader, interval: u64) {
        if header.max_timestamp >= 0
            && self.greatest.is_none_or(|entry| header.max_timestamp > entry.timestamp)
        {
            self.greatest =
                Some(TimeEntry { timestamp: header.max_timestamp, offset: header.last_offset() });
        }
        if self.bytes_since_entry > interval {
            let entry = OffsetEntry { offset: header.last_offset(), position };
            if let Some(bytes) = entry.encode(self.base) {
                self.offsets.extend_from_slice(&bytes);
                self.time_entry();
                self.bytes_since_entry = 0;
            }
        }
        self.bytes_since_entry += header.size_in_bytes as u64;
    }

    /// The last entry of the time index, so that it names the segment's greatest timestamp.
    pub fn close(&mut self) {
        self.time_entry();
    }

    fn time_entry(&mut self) {
        let Some(greatest) = self.greatest else { return };
        if self.last_time.is_some_and(|last| greatest.timestamp <= last) {
            return;
        }
        if let Some(bytes) = greatest.encode(self.base) {
            self.times.extend_from_slice(&bytes);
            self.last_time = Some(greatest.timestamp);
        }
    }
}

//! One segment: a `.log` of record batches with its two indexes, as Kafka's `LogSegment` lays them out.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use protocol::batch::{BatchHeader, HEADER_BYTES, batches, verify_crc};
use protocol::model::Offset;

use super::descriptors::Descriptors;
use super::index::{self, OffsetEntry, TimeEntry};
use super::trust::Trust;
use crate::io::IoFile;
use crate::journal::{BadBytes, LogId};

/// Bytes read at once while scanning a segment.
const SCAN_BYTES: usize = 64 << 10;
/// The same while looking for a batch that an index has placed nearly.
const FIND_BYTES: usize = 8 << 10;

/// A segment that can be read.
#[derive(Debug)]
pub struct Segment {
    owner: LogId,
    base: Offset,
    /// Goes up when compaction puts another segment in its place, so that who still holds the old one does not open files for the new one.
    generation: u32,
    dir: PathBuf,
    files: Arc<Descriptors>,
    bytes: AtomicU64,
    index_is_bad: AtomicBool,
    /// The time index has been found whole since the start of the process.
    times_are_checked: AtomicBool,
    /// The greatest timestamp, of a closed segment, once somebody looked it up.
    newest: Mutex<Option<Newest>>,
    trust: Mutex<Trust>,
}

/// The greatest timestamp of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest {
    /// Its length then.
    pub(super) bytes: u64,
    /// In milliseconds; `None` when its records have no time.
    pub(super) timestamp: Option<i64>,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub struct Region {
    /// The file, open.
    pub file: Arc<dyn IoFile>,
    /// Its first byte.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
}

/// Whether a log knows why `from..to` is missing between two batches: those records are known to be damaged.
pub type KnownGap<'a> = &'a dyn Fn(Offset, Offset) -> bool;

/// For a segment in which no gap is known.
pub fn no_gap(_: Offset, _: Offset) -> bool {
    false
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
    (stem.len() == 20)
        .then(|| stem.parse().ok())
        .flatten()
        .and_then(Offset::from_wire)
}

impl Segment {
    /// A segment of the log `owner`, of which the first `bytes` count.
    pub fn new(
        owner: LogId,
        dir: &Path,
        base: Offset,
        bytes: u64,
        files: Arc<Descriptors>,
    ) -> Segment {
        Segment {
            owner,
            base,
            generation: 0,
            dir: dir.to_owned(),
            files,
            bytes: AtomicU64::new(bytes),
            index_is_bad: AtomicBool::new(false),
            times_are_checked: AtomicBool::new(false),
            newest: Mutex::new(None),
            trust: Mutex::default(),
        }
    }

    /// The one that takes its place, under its name.
    pub(super) fn replaced(&self, bytes: u64) -> Segment {
        let files = Arc::clone(&self.files);
        let mut segment = Segment::new(self.owner, &self.dir, self.base, bytes, files);
        segment.generation = self.generation + 1;
        segment
    }

    /// Closes its files.
    pub(super) fn forget_files(&self) {
        for extension in ["log", "index", "timeindex"] {
            let path = self.path(extension);
            self.files.forget_file(self.owner, self.generation, &path);
        }
    }

    /// Whose it is.
    pub fn owner(&self) -> LogId {
        self.owner
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
        self.trust.lock().cut_to(bytes);
        self.bytes.store(bytes, Ordering::Release);
    }

    /// What [`Segment::set_newest`] was told, if the segment is as long as then.
    pub(super) fn newest(&self) -> Option<Newest> {
        let newest = *self.newest.lock();
        newest.filter(|newest| newest.bytes == self.bytes())
    }

    pub(super) fn set_newest(&self, newest: Newest) {
        *self.newest.lock() = Some(newest);
    }

    /// The path of one of its files.
    pub fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(file_name(self.base, extension))
    }

    /// One of its files, open; [`io::ErrorKind::NotFound`] when it is missing.
    pub fn file(&self, extension: &str) -> io::Result<Arc<dyn IoFile>> {
        self.files
            .open(self.owner, self.generation, &self.path(extension))
    }

    /// One of its files, open, created when it is missing. Only for who may write the segment.
    pub(super) fn create(&self, extension: &str) -> io::Result<Arc<dyn IoFile>> {
        self.files
            .create(self.owner, self.generation, &self.path(extension))
    }

    /// Removes the segment's files. Only for who may write it.
    pub(super) fn remove(&self) -> io::Result<()> {
        for extension in ["log", "index", "timeindex", "txnindex", "snapshot"] {
            let path = self.path(extension);
            self.files.forget_file(self.owner, self.generation, &path);
            if self.files.io().exists(&path)? {
                self.files.io().remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// The `.log`, whose absence is damage.
    fn log(&self) -> Result<Arc<dyn IoFile>, SegmentError> {
        self.file("log").map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SegmentError::Bad(self.bad(0, "segment is missing")),
            _ => SegmentError::Io(error),
        })
    }

    /// Notes that this process has written those bytes, or verified them.
    pub(super) fn trust(&self, range: Range<u64>) {
        self.trust.lock().add(range);
    }

    /// Where whole batches lie from the one that holds `offset` on that need not be verified again: `bytes` at least and at most, none that reaches
    /// beyond `end`. `None` is no answer: [`Segment::read`] has one. With `is_before_end` the whole segment is.
    pub(super) fn find_trusted(
        &self,
        offset: Offset,
        end: Offset,
        is_before_end: bool,
        bytes: Range<u64>,
        known_gap: KnownGap<'_>,
    ) -> Result<Option<Region>, SegmentError> {
        let Ok(index) = self.file("index") else {
            return Ok(None);
        };
        let near = index::find_offset(&index, self.base, offset)?;
        let start = near.map_or(0, |entry| entry.position);
        let Some(trusted_end) = self.trust.lock().end_from(start) else {
            return Ok(None);
        };
        let log = self.log()?;
        let looked_at = bytes.end.saturating_add(FIND_BYTES as u64);
        let looked_to = trusted_end.min(start.saturating_add(looked_at));
        // Before anything is read, which would bring it back.
        if !log.is_cached(start, looked_to - start) {
            self.trust.lock().forget_before(looked_to);
            return Ok(None);
        }
        if near.is_some_and(|entry| !self.is_true(entry).unwrap_or(false)) {
            return Ok(None);
        }
        let Some((position, first)) = self.find_from(near, offset, known_gap)? else {
            return Ok(None);
        };
        let stop = looked_to.min(position.saturating_add(bytes.end));
        let stop = if is_before_end && stop == self.bytes() {
            stop
        } else {
            match index::find_before(&index, self.base, stop, end)? {
                Some(entry) if self.is_true(entry)? => entry.position,
                _ => return Ok(None),
            }
        };
        let len = stop.saturating_sub(position);
        let is_enough = len >= bytes.start && len >= first.size_in_bytes as u64;
        Ok(is_enough.then_some(Region {
            file: log,
            offset: position,
            len,
        }))
    }

    /// Reads whole batches from the one that holds `offset` (or the first after it) on: at least one, more while they fit `max_bytes`, none
    /// that reaches beyond `end`. Every batch is verified, and must follow the one before it unless the gap is known. They come with where they
    /// lie. `None` when the segment ends before `offset`.
    pub fn read(
        &self,
        offset: Offset,
        end: Offset,
        max_bytes: usize,
        known_gap: KnownGap<'_>,
    ) -> Result<Option<(u64, Bytes)>, SegmentError> {
        let Some((position, first)) = self.find(offset, known_gap)? else {
            return Ok(None);
        };
        let is_bounded = first.end_offset() > end;
        let rest = self.bytes().saturating_sub(position);
        let max_bytes = if is_bounded { 0 } else { max_bytes };
        let wanted = max_bytes.max(first.size_in_bytes);
        let wanted = usize::try_from(rest).unwrap_or(usize::MAX).min(wanted);
        let mut buf = self.files.buffers().take(wanted);
        let read = self.log()?.read_at(buf.as_mut_slice(), position)?;
        buf.truncate(read);
        // A batch that reaches too far is verified as well: its header may be what is damaged.
        let end = end.max(first.end_offset());
        let kept =
            self.verified_prefix(buf.as_ref(), position, first.base_offset, end, known_gap)?;
        buf.truncate(if is_bounded { 0 } else { kept });
        Ok(Some((position, buf.freeze())))
    }

    /// How many bytes at the front are whole, verified batches that end by `end`. Damage is an error only at the very front: what
    /// stands before it is good, and the next read will meet it.
    fn verified_prefix(
        &self,
        buf: &[u8],
        position: u64,
        first: Offset,
        end: Offset,
        known_gap: KnownGap<'_>,
    ) -> Result<usize, SegmentError> {
        match self.whole_prefix(buf, position, first, end, known_gap) {
            (0, Some(bad)) => Err(SegmentError::Bad(bad)),
            (kept, _) => Ok(kept),
        }
    }

    fn whole_prefix(
        &self,
        buf: &[u8],
        position: u64,
        first: Offset,
        end: Offset,
        known_gap: KnownGap<'_>,
    ) -> (usize, Option<BadBytes>) {
        let mut kept = 0;
        let mut next = first;
        while kept + HEADER_BYTES <= buf.len() {
            let rest = &buf[kept..];
            let bad = |what| (kept, Some(self.bad(position + kept as u64, what)));
            let Ok(header) = BatchHeader::parse(rest) else {
                return bad("no batch header where one must be");
            };
            if header.size_in_bytes > rest.len() {
                let whole = position + (kept + header.size_in_bytes) as u64 <= self.bytes();
                return if whole {
                    (kept, None)
                } else {
                    bad("batch reaches beyond its segment")
                };
            }
            // Base offset and length lie outside the batch's own checksum.
            if !follows(next, header.base_offset, known_gap) {
                return bad("batch does not follow the one before it");
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
        if kept == 0 {
            return (0, Some(self.bad(position, "segment ends inside a batch")));
        }
        (kept, None)
    }

    /// The first batch that ends after `offset`: its position and header.
    pub fn find(
        &self,
        offset: Offset,
        known_gap: KnownGap<'_>,
    ) -> Result<Option<(u64, BatchHeader)>, SegmentError> {
        let near = self.hint(offset)?;
        self.find_from(near, offset, known_gap)
    }

    /// The same from a true entry of the index on.
    fn find_from(
        &self,
        near: Option<OffsetEntry>,
        offset: Offset,
        known_gap: KnownGap<'_>,
    ) -> Result<Option<(u64, BatchHeader)>, SegmentError> {
        let (start, first) = match near {
            Some(entry) => (entry.position, None),
            None => (0, Some(self.base)),
        };
        let mut found = None;
        self.scan_from(
            FIND_BYTES,
            start,
            first,
            known_gap,
            &mut |position, header| {
                if header.end_offset() > offset {
                    found = Some((position, *header));
                }
                found.is_none()
            },
        )?;
        Ok(found)
    }

    /// The index entry to begin at, verified.
    fn hint(&self, offset: Offset) -> Result<Option<OffsetEntry>, SegmentError> {
        let index = match self.file("index") {
            Ok(index) => index,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.index_is_bad.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let entry = index::find_offset(&index, self.base, offset)?;
        match entry {
            Some(entry) if self.is_true(entry)? => Ok(Some(entry)),
            Some(_) => {
                self.index_is_bad.store(true, Ordering::Relaxed);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Whether the batch an index entry points to is the one it speaks of.
    pub(super) fn is_true(&self, entry: OffsetEntry) -> Result<bool, SegmentError> {
        if entry.position >= self.bytes() {
            return Ok(false);
        }
        let mut header = [0; HEADER_BYTES];
        let read = self.log()?.read_at(&mut header, entry.position)?;
        let parsed = BatchHeader::parse(&header[..read]);
        Ok(parsed.is_ok_and(|header| header.last_offset() == entry.offset))
    }

    /// Whether a time index entry speaks of a batch that is there.
    pub(super) fn is_time_true(
        &self,
        entry: TimeEntry,
        known_gap: KnownGap<'_>,
    ) -> Result<bool, SegmentError> {
        let batch = self.find(entry.offset, known_gap)?;
        Ok(batch.is_some_and(|(_, header)| {
            header.last_offset() == entry.offset && header.max_timestamp == entry.timestamp
        }))
    }

    /// Walks the batch headers from `position` on, until `visit` says false or the segment ends. Record bytes are
    /// skipped, checksums not looked at; but each batch must follow the one before it.
    pub fn scan_headers(
        &self,
        position: u64,
        known_gap: KnownGap<'_>,
        visit: &mut dyn FnMut(u64, &BatchHeader) -> bool,
    ) -> Result<(), SegmentError> {
        let first = (position == 0).then_some(self.base);
        self.scan_from(SCAN_BYTES, position, first, known_gap, visit)
    }

    fn scan_from(
        &self,
        bytes_at_once: usize,
        position: u64,
        mut next: Option<Offset>,
        known_gap: KnownGap<'_>,
        visit: &mut dyn FnMut(u64, &BatchHeader) -> bool,
    ) -> Result<(), SegmentError> {
        let file = self.log()?;
        let end = self.bytes();
        let mut at = position;
        let mut buf = vec![0; bytes_at_once];
        while at < end {
            let wanted = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(bytes_at_once);
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
                if next.is_some_and(|next| !follows(next, header.base_offset, known_gap)) {
                    let bad = self.bad(place, "batch does not follow the one before it");
                    return Err(SegmentError::Bad(bad));
                }
                next = Some(header.end_offset());
                if !visit(place, &header) {
                    return Ok(());
                }
                used += header.size_in_bytes;
                if used > read {
                    break;
                }
            }
            if used == 0 {
                return Err(SegmentError::Bad(
                    self.bad(at, "segment ends inside a batch"),
                ));
            }
            at += used as u64;
        }
        Ok(())
    }

    /// Whether a look-up found the index to lie; it was not believed.
    pub fn index_is_bad(&self) -> bool {
        self.index_is_bad.load(Ordering::Relaxed)
    }

    /// Checks the time index as a whole, once: its entries grow, the last is true, and no batch after it has a greater
    /// timestamp. True when it may be used.
    pub fn times_are_whole(&self, known_gap: KnownGap<'_>) -> Result<bool, SegmentError> {
        if self.times_are_checked.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let file = match self.file("timeindex") {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let kept = index::kept_times(&file, self.base, Offset::new(i64::MAX))?;
        let mut is_true = kept.last.is_none();
        let from = kept.last.map_or(self.base, |last| last.offset);
        let Some((position, _)) = self.find(from, known_gap)? else {
            return Ok(is_true);
        };
        let mut is_greatest = true;
        self.scan_headers(position, known_gap, &mut |_, header| {
            match kept.last {
                Some(last) => {
                    is_true |= header.last_offset() == last.offset
                        && header.max_timestamp == last.timestamp;
                    is_greatest &= header.max_timestamp <= last.timestamp;
                }
                None => is_greatest &= header.max_timestamp < 0,
            }
            is_true && is_greatest
        })?;
        let whole = kept.sound && is_true && is_greatest;
        self.times_are_checked.store(whole, Ordering::Relaxed);
        Ok(whole)
    }

    /// The time index has just been built.
    pub(super) fn trust_times(&self) {
        self.times_are_checked.store(true, Ordering::Relaxed);
    }

    /// Builds both indexes from the batches, as appending them would have, and empties their files: what is to be written is in the
    /// builder. Only for who may write the segment.
    pub(super) fn rebuild_indexes(
        &self,
        interval: u64,
        known_gap: KnownGap<'_>,
    ) -> Result<IndexBuilder, SegmentError> {
        let mut builder = IndexBuilder::new(self.base, 0);
        self.scan_headers(0, known_gap, &mut |position, header| {
            builder.on_batch(position, header, interval);
            true
        })?;
        for extension in ["index", "timeindex"] {
            self.create(extension)?.set_len(0)?;
        }
        self.index_is_bad.store(false, Ordering::Relaxed);
        Ok(builder)
    }

    /// Verifies every batch of the segment: the scrub.
    pub fn verify(&self, known_gap: KnownGap<'_>) -> Result<(), SegmentError> {
        let mut at = 0;
        let mut next = self.base;
        while at < self.bytes() {
            let chunk = self.verified_chunk(at, next, known_gap)?;
            if let Some(Ok((last, _))) = batches(&chunk).last() {
                next = last.end_offset();
            }
            at += chunk.len() as u64;
        }
        Ok(())
    }

    /// Whole, verified batches from `position` on, where the offset `next` must follow; at least one.
    pub(super) fn verified_at(&self, position: u64, next: Offset) -> Result<Vec<u8>, SegmentError> {
        self.verified_chunk(position, next, &no_gap)
    }

    fn verified_chunk(
        &self,
        position: u64,
        next: Offset,
        known_gap: KnownGap<'_>,
    ) -> Result<Vec<u8>, SegmentError> {
        let file = self.log()?;
        let rest = self.bytes().saturating_sub(position);
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        let mut buf = vec![0; rest.min(1 << 20)];
        let read = file.read_at(&mut buf, position)?;
        buf.truncate(read);
        let first = batches(&buf).next();
        if let Some(Err(protocol::batch::BatchError::Incomplete { needed, .. })) = first {
            buf.resize(needed.min(rest), 0);
            let read = file.read_at(&mut buf, position)?;
            buf.truncate(read);
        }
        let all = Offset::new(i64::MAX);
        let kept = self.verified_prefix(&buf, position, next, all, known_gap)?;
        buf.truncate(kept);
        Ok(buf)
    }

    /// Whether the last batch, which ends at `found`, ends where the records do.
    pub(super) fn check_end(
        &self,
        found: Offset,
        end: Offset,
        known_gap: KnownGap<'_>,
    ) -> Result<(), SegmentError> {
        if follows(found, end, known_gap) {
            return Ok(());
        }
        let bad = self.bad(self.bytes(), "segment does not end where its records do");
        Err(SegmentError::Bad(bad))
    }

    fn bad(&self, offset: u64, what: &'static str) -> BadBytes {
        BadBytes {
            path: self.path("log"),
            offset,
            what,
        }
    }
}

/// Whether a batch may begin at `base` where the one before it ended at `next`.
fn follows(next: Offset, base: Offset, known_gap: KnownGap<'_>) -> bool {
    base == next || (base > next && known_gap(next, base))
}

/// Decides which batches get index entries, by Kafka's rule: one whenever more than `index.interval.bytes` have gone by.
#[derive(Debug)]
pub struct IndexBuilder {
    base: Offset,
    end: Offset,
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
            end: base,
            bytes_since_entry,
            greatest: None,
            last_time: None,
            offsets: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Continues behind the last entry of a time index.
    pub fn resume(&mut self, last: Option<TimeEntry>) {
        self.greatest = last;
        self.last_time = last.map(|entry| entry.timestamp);
    }

    /// The greatest timestamp so far.
    pub fn greatest(&self) -> Option<TimeEntry> {
        self.greatest
    }

    /// The offset after the last batch that was noted.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Bytes since the last entry of the offset index.
    pub fn bytes_since_entry(&self) -> u64 {
        self.bytes_since_entry
    }

    /// Notes a batch at `position`.
    pub fn on_batch(&mut self, position: u64, header: &BatchHeader, interval: u64) {
        if header.max_timestamp >= 0
            && self
                .greatest
                .is_none_or(|entry| header.max_timestamp > entry.timestamp)
        {
            self.greatest = Some(TimeEntry {
                timestamp: header.max_timestamp,
                offset: header.last_offset(),
            });
        }
        if self.bytes_since_entry > interval {
            let entry = OffsetEntry {
                offset: header.last_offset(),
                position,
            };
            if let Some(bytes) = entry.encode(self.base) {
                self.offsets.extend_from_slice(&bytes);
                self.time_entry();
                self.bytes_since_entry = 0;
            }
        }
        self.bytes_since_entry += header.size_in_bytes as u64;
        self.end = header.end_offset();
    }

    /// The last entry of the time index, so that it names the segment's greatest timestamp.
    pub fn close(&mut self) {
        self.time_entry();
    }

    fn time_entry(&mut self) {
        let Some(greatest) = self.greatest else {
            return;
        };
        if self
            .last_time
            .is_some_and(|last| greatest.timestamp <= last)
        {
            return;
        }
        if let Some(bytes) = greatest.encode(self.base) {
            self.times.extend_from_slice(&bytes);
            self.last_time = Some(greatest.timestamp);
        }
    }
}

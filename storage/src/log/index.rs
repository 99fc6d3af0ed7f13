//! The sparse indexes of a segment, byte-compatible with Kafka's `OffsetIndex` and `TimeIndex`.
//!
//! `.index`, 8 bytes an entry, big-endian: an offset relative to the segment's base (4) and the position (4) of the batch whose *last* offset it is.
//! `.timeindex`, 12 bytes an entry: a timestamp (8) and the relative offset (4) of the last record of the batch that has it; the greatest
//! timestamp up to there. Both grow strictly.
//!
//! An index is a hint. What a look-up finds is verified against the batch it points to, and an index that lied is built again.
//! The time index of a segment is checked as a whole before its first use, since an entry that is missing there would hide records.

use std::io;
use std::sync::Arc;

use protocol::model::Offset;

use crate::io::IoFile;

/// Bytes of an offset index entry.
pub const OFFSET_ENTRY: usize = 8;
/// Bytes of a time index entry.
pub const TIME_ENTRY: usize = 12;

/// A search ends with a read of so many: one call for what would be eight.
const ENTRIES_AT_ONCE: usize = 256;

/// A line of the offset index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The last offset of a batch.
    pub offset: Offset,
    /// The byte of the segment at which that batch starts.
    pub position: u64,
}

/// A line of the time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The last offset of the batch with that timestamp.
    pub offset: Offset,
}

impl OffsetEntry {
    /// The entry's bytes. `None` when offset or position do not fit 31 bits: the caller rolls before that.
    pub fn encode(&self, base: Offset) -> Option<[u8; OFFSET_ENTRY]> {
        let relative = i32::try_from(self.offset.since(base)).ok()?;
        let position = i32::try_from(self.position).ok()?;
        let mut bytes = [0; OFFSET_ENTRY];
        bytes[..4].copy_from_slice(&relative.to_be_bytes());
        bytes[4..].copy_from_slice(&position.to_be_bytes());
        Some(bytes)
    }

    fn decode(base: Offset, bytes: &[u8]) -> OffsetEntry {
        let relative = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let position = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        OffsetEntry {
            offset: base.plus(i64::from(relative)),
            position: u64::from(position),
        }
    }
}

impl TimeEntry {
    /// The entry's bytes.
    pub fn encode(&self, base: Offset) -> Option<[u8; TIME_ENTRY]> {
        let relative = i32::try_from(self.offset.since(base)).ok()?;
        let mut bytes = [0; TIME_ENTRY];
        bytes[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&relative.to_be_bytes());
        Some(bytes)
    }

    fn decode(base: Offset, bytes: &[u8]) -> TimeEntry {
        let mut timestamp = [0; 8];
        timestamp.copy_from_slice(&bytes[..8]);
        let relative = i32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        TimeEntry {
            timestamp: i64::from_be_bytes(timestamp),
            offset: base.plus(i64::from(relative)),
        }
    }
}

/// The last entry whose offset is at most `target`.
pub fn find_offset(
    file: &Arc<dyn IoFile>,
    base: Offset,
    target: Offset,
) -> io::Result<Option<OffsetEntry>> {
    search(
        file,
        OFFSET_ENTRY,
        |bytes| OffsetEntry::decode(base, bytes),
        |entry| entry.offset <= target,
    )
}

/// The last entry of a batch that starts at `position` at most, and whose offset is at most `target`.
pub fn find_before(
    file: &Arc<dyn IoFile>,
    base: Offset,
    position: u64,
    target: Offset,
) -> io::Result<Option<OffsetEntry>> {
    search(
        file,
        OFFSET_ENTRY,
        |bytes| OffsetEntry::decode(base, bytes),
        |entry| entry.position <= position && entry.offset <= target,
    )
}

/// The last entry whose timestamp is less than `target`.
pub fn find_before_time(
    file: &Arc<dyn IoFile>,
    base: Offset,
    target: i64,
) -> io::Result<Option<TimeEntry>> {
    search(
        file,
        TIME_ENTRY,
        |bytes| TimeEntry::decode(base, bytes),
        |entry| entry.timestamp < target,
    )
}

/// The last entry of a time index: the greatest timestamp of its segment, once that is closed.
pub fn last_time(file: &Arc<dyn IoFile>, base: Offset) -> io::Result<Option<TimeEntry>> {
    search(
        file,
        TIME_ENTRY,
        |bytes| TimeEntry::decode(base, bytes),
        |_| true,
    )
}

/// What of an index may be kept when its segment holds so many bytes, up to some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept<E> {
    /// The last entry kept.
    pub last: Option<E>,
    /// Bytes of the entries kept.
    pub bytes: u64,
    /// Whether everything that was not kept spoke of batches beyond the segment's end. Otherwise the index is damaged.
    pub sound: bool,
}

/// The entries at the front of an offset index that lie within `log_bytes`.
pub fn kept_offsets(
    file: &Arc<dyn IoFile>,
    base: Offset,
    log_bytes: u64,
) -> io::Result<Kept<OffsetEntry>> {
    let decode = |bytes: &[u8]| OffsetEntry::decode(base, bytes);
    let is_beyond = |entry: &OffsetEntry| entry.position >= log_bytes;
    kept(file, OFFSET_ENTRY, decode, is_beyond, |last, entry| {
        entry.offset >= base
            && entry.position > 0
            && last.is_none_or(|last| entry.offset > last.offset && entry.position > last.position)
    })
}

/// The entries at the front of a time index that lie before `end`.
pub fn kept_times(
    file: &Arc<dyn IoFile>,
    base: Offset,
    end: Offset,
) -> io::Result<Kept<TimeEntry>> {
    let decode = |bytes: &[u8]| TimeEntry::decode(base, bytes);
    kept(
        file,
        TIME_ENTRY,
        decode,
        |entry| entry.offset >= end,
        |last, entry| {
            entry.offset >= base
                && entry.timestamp >= 0
                && last.is_none_or(|last| {
                    entry.offset > last.offset && entry.timestamp > last.timestamp
                })
        },
    )
}

fn kept<E: Copy>(
    file: &Arc<dyn IoFile>,
    entry_len: usize,
    decode: impl Fn(&[u8]) -> E,
    is_beyond: impl Fn(&E) -> bool,
    follows: impl Fn(Option<&E>, &E) -> bool,
) -> io::Result<Kept<E>> {
    let bytes = read_all(file)?;
    let mut kept = Kept {
        last: None,
        bytes: 0,
        sound: bytes.len().is_multiple_of(entry_len),
    };
    let (mut last, mut at) = (None, 0);
    for chunk in bytes.chunks_exact(entry_len) {
        let entry = decode(chunk);
        if !follows(last.as_ref(), &entry) {
            kept.sound = false;
            break;
        }
        last = Some(entry);
        // What follows is looked at as well: a damaged entry in the middle may point beyond the end, too.
        if !is_beyond(&entry) && kept.bytes == at {
            kept.last = last;
            kept.bytes += entry_len as u64;
        }
        at += entry_len as u64;
    }
    Ok(kept)
}

fn read_all(file: &Arc<dyn IoFile>) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The last entry for which `holds`, which must be true for a front part of the file and false for the rest.
fn search<E>(
    file: &Arc<dyn IoFile>,
    entry_len: usize,
    decode: impl Fn(&[u8]) -> E,
    holds: impl Fn(&E) -> bool,
) -> io::Result<Option<E>> {
    let entries = file.len()? / entry_len as u64;
    let mut buf = [0; TIME_ENTRY];
    // All before `low` hold, and none from `high` on.
    let (mut low, mut high) = (0, entries);
    while high - low > ENTRIES_AT_ONCE as u64 {
        let middle = low + (high - low) / 2;
        let buf = &mut buf[..entry_len];
        let is_there = file.read_at(buf, middle * entry_len as u64)? == entry_len;
        if is_there && holds(&decode(buf)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    // What is left at once, with the one before it, which may be the last that holds.
    let first = low.saturating_sub(1);
    let mut buf = [0; (ENTRIES_AT_ONCE + 1) * TIME_ENTRY];
    let len = usize::try_from(high - first).unwrap_or(0) * entry_len;
    let read = file.read_at(&mut buf[..len], first * entry_len as u64)?;
    let entries = buf[..read].chunks_exact(entry_len).map(decode);
    Ok(entries.take_while(holds).last())
}

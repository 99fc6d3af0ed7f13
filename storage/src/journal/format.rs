//! The bytes of a journal file, version 1. All integers are little-endian, all checksums CRC-32C.
//!
//! A file is two copies of a file header, a block each, followed by commits that start and end at multiples of
//! [`BLOCK`]. Files are zero-filled when they are made and reused in turn; what a former use left behind is
//! told apart by the salt.
//!
//! **File header** (block 0, and again block 1, each written durably before the first commit):
//!
//! | at | bytes | what |
//! |---:|---:|---|
//! | 0 | 8 | magic `HFJOURN1` (the last digit is the version) |
//! | 8 | 16 | directory id |
//! | 24 | 8 | generation: the number of this use of a file, greater than that of every use before |
//! | 32 | 8 | run: the number of the process start that uses it |
//! | 40 | 16 | salt: random and secret, so that record bytes cannot forge a commit of this use |
//! | 56 | 8 | first sequence: that of its first commit; every smaller one is durable elsewhere, or dead |
//! | 64 | 8 | position of the first entry of that commit |
//! | 72 | 4 | checksum field of the commit header before that commit, 0 if there never was one |
//! | 76 | 4 | checksum of bytes 0-76 |
//!
//! The header of the first file of a run is what makes the commits dead that the run's recovery did not replay: an older file's commits from
//! its successor's first sequence on are dead. A file is opened only when every commit before it is durable, so a commit
//! missing below its successor's first sequence is damage, never a torn write.
//!
//! **Commit**: header, table, payloads, zero padding, table again, header again (the trailer, flush with the end of the last
//! block). The table stands at both ends so that one damaged block cannot hide which logs a commit concerned.
//!
//! | at | bytes | what |
//! |---:|---:|---|
//! | 0 | 4 | magic `HFCM`; `HFCT` in the trailer |
//! | 4 | 4 | checksum of bytes 8-96 |
//! | 8 | 16 | salt of the file |
//! | 24 | 8 | sequence: one more than that of the commit before, across files and runs |
//! | 32 | 8 | durable through: the greatest sequence known durable, with all before it, when this was written |
//! | 40 | 8 | position of the first entry |
//! | 48 | 4 | checksum field of the commit header before this one, across files and runs (0 for the very first) |
//! | 52 | 4 | entries |
//! | 56 | 4 | checksum of the table |
//! | 60 | 4 | bytes of all payloads |
//! | 64 | 4 | bytes of the whole commit, padding and trailer included |
//! | 68 | 4 | flags: 1 seal |
//! | 72 | 24 | zero |
//!
//! **Table entry** (one per entry of the commit, payloads follow in the same order):
//!
//! | at | bytes | what |
//! |---:|---:|---|
//! | 0 | 1 | kind: 1 open, 2 append, 3 truncate, 4 new log start, 5 drop |
//! | 1 | 3 | zero |
//! | 4 | 4 | leader epoch of an append, else -1 |
//! | 8 | 8 | log id |
//! | 16 | 8 | offset: base offset of an append, new end of a truncate, the new log start |
//! | 24 | 4 | bytes of the payload |
//! | 28 | 4 | checksum of the payload |
//! | 32 | 8 | end offset of an append, so that a damaged payload still tells which offsets were lost; else zero |
//!
//! Generations, runs, sequences, positions and log ids stay below 2^63, so that there is always a next one. A structure with a
//! greater number is read as damaged.
//!
//! Evolution: a reader refuses a magic it does not know; a new layout gets a new magic, and is written only to files opened
//! after the upgrade, so that one journal may hold both.

use uuid::Uuid;

use crate::io::BLOCK;
use crate::log::OFFSET_END;

/// Bytes of a commit header, and of the trailer's copy.
pub const COMMIT_HEADER: usize = 96;
/// Bytes of a table entry.
pub const TABLE_ENTRY: usize = 40;
/// Where the first commit of a file starts.
pub const FIRST_COMMIT: u64 = 2 * BLOCK as u64;

/// Whatever is counted stays below, so that there is always a next number.
pub const NUMBER_END: u64 = 1 << 63;

const FILE_MAGIC: &[u8; 8] = b"HFJOURN1";
const FILE_HEADER_CHECKED: usize = 76;
const COMMIT_MAGIC: &[u8; 4] = b"HFCM";
const TRAILER_MAGIC: &[u8; 4] = b"HFCT";

/// Random bytes that mark the commits of one use of a file.
pub type Salt = [u8; 16];

/// What the first blocks of a file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// The data directory's id.
    pub directory_id: Uuid,
    /// The number of this use of a file.
    pub generation: u64,
    /// The process start that uses it.
    pub run: u64,
    /// The mark of its commits.
    pub salt: Salt,
    /// The sequence of its first commit.
    pub first_sequence: u64,
    /// The position of the first entry of that commit.
    pub first_position: u64,
    /// The checksum field of the commit header before that commit.
    pub previous_header_crc: u32,
}

impl FileHeader {
    /// Writes the header at the start of a block; the rest of the block is left alone.
    pub fn encode(&self, block: &mut [u8]) {
        block[0..8].copy_from_slice(FILE_MAGIC);
        block[8..24].copy_from_slice(self.directory_id.as_bytes());
        put_u64(block, 24, self.generation);
        put_u64(block, 32, self.run);
        block[40..56].copy_from_slice(&self.salt);
        put_u64(block, 56, self.first_sequence);
        put_u64(block, 64, self.first_position);
        put_u32(block, 72, self.previous_header_crc);
        let crc = crc32c::crc32c(&block[..FILE_HEADER_CHECKED]);
        put_u32(block, FILE_HEADER_CHECKED, crc);
    }

    /// Reads a header. `None` when the magic, the checksum or a number is wrong, as in a file never used.
    pub fn decode(block: &[u8]) -> Option<FileHeader> {
        if block.len() < FILE_HEADER_CHECKED + 4 || &block[0..8] != FILE_MAGIC {
            return None;
        }
        if crc32c::crc32c(&block[..FILE_HEADER_CHECKED]) != u32_at(block, FILE_HEADER_CHECKED) {
            return None;
        }
        Some(FileHeader {
            directory_id: Uuid::from_slice(&block[8..24]).ok()?,
            generation: number_at(block, 24)?,
            run: number_at(block, 32)?,
            salt: block[40..56].try_into().ok()?,
            first_sequence: number_at(block, 56)?,
            first_position: number_at(block, 64)?,
            previous_header_crc: u32_at(block, 72),
        })
    }
}

/// What the header of a commit says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitHeader {
    /// The file's salt.
    pub salt: Salt,
    /// The commit's number.
    pub sequence: u64,
    /// The greatest sequence known durable when this was written.
    pub durable_through: u64,
    /// The position of its first entry.
    pub first_position: u64,
    /// The checksum field of the header before it.
    pub previous_header_crc: u32,
    /// Entries.
    pub entries: u32,
    /// Checksum of the table.
    pub table_crc: u32,
    /// Bytes of all payloads.
    pub payload_len: u32,
    /// Bytes of the whole commit.
    pub total_len: u32,
    /// An empty commit that only carries `durable_through`.
    pub seal: bool,
}

impl CommitHeader {
    /// Bytes a commit of so many entries and payload bytes takes, in whole blocks.
    pub fn total_len_for(entries: usize, payload_len: usize) -> usize {
        let table = entries * TABLE_ENTRY;
        (2 * (COMMIT_HEADER + table) + payload_len).next_multiple_of(BLOCK)
    }

    /// Bytes of the table.
    pub fn table_len(&self) -> usize {
        self.entries as usize * TABLE_ENTRY
    }

    /// Writes the header and returns its checksum field.
    pub fn encode(&self, into: &mut [u8]) -> u32 {
        self.encode_as(COMMIT_MAGIC, into)
    }

    /// Writes the trailer's copy.
    pub fn encode_trailer(&self, into: &mut [u8]) {
        self.encode_as(TRAILER_MAGIC, into);
    }

    fn encode_as(&self, magic: &[u8; 4], into: &mut [u8]) -> u32 {
        into[..COMMIT_HEADER].fill(0);
        into[0..4].copy_from_slice(magic);
        into[8..24].copy_from_slice(&self.salt);
        put_u64(into, 24, self.sequence);
        put_u64(into, 32, self.durable_through);
        put_u64(into, 40, self.first_position);
        put_u32(into, 48, self.previous_header_crc);
        put_u32(into, 52, self.entries);
        put_u32(into, 56, self.table_crc);
        put_u32(into, 60, self.payload_len);
        put_u32(into, 64, self.total_len);
        put_u32(into, 68, u32::from(self.seal));
        let crc = crc32c::crc32c(&into[8..COMMIT_HEADER]);
        put_u32(into, 4, crc);
        crc
    }

    /// Reads a commit header of a file with that salt, with its checksum field. `None` when it is none, or is damaged.
    pub fn decode(bytes: &[u8], salt: &Salt) -> Option<(CommitHeader, u32)> {
        CommitHeader::decode_as(COMMIT_MAGIC, bytes, salt)
    }

    /// Reads a trailer's copy.
    pub fn decode_trailer(bytes: &[u8], salt: &Salt) -> Option<CommitHeader> {
        CommitHeader::decode_as(TRAILER_MAGIC, bytes, salt).map(|(header, _)| header)
    }

    fn decode_as(magic: &[u8; 4], bytes: &[u8], salt: &Salt) -> Option<(CommitHeader, u32)> {
        if bytes.len() < COMMIT_HEADER || &bytes[0..4] != magic || &bytes[8..24] != salt {
            return None;
        }
        let crc = u32_at(bytes, 4);
        if crc32c::crc32c(&bytes[8..COMMIT_HEADER]) != crc {
            return None;
        }
        let header = CommitHeader {
            salt: *salt,
            sequence: number_at(bytes, 24)?,
            durable_through: number_at(bytes, 32)?,
            first_position: number_at(bytes, 40)?,
            previous_header_crc: u32_at(bytes, 48),
            entries: u32_at(bytes, 52),
            table_crc: u32_at(bytes, 56),
            payload_len: u32_at(bytes, 60),
            total_len: u32_at(bytes, 64),
            seal: u32_at(bytes, 68) & 1 != 0,
        };
        // The checksum vouches for the writer; the lengths are checked all the same, since memory is sized by them.
        let expected =
            CommitHeader::total_len_for(header.entries as usize, header.payload_len as usize);
        (header.total_len as usize == expected).then_some((header, crc))
    }
}

/// A line of a commit's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    /// See the table in the module's documentation.
    pub kind: u8,
    /// Leader epoch of an append, else -1.
    pub leader_epoch: i32,
    /// The log it concerns.
    pub log_id: u64,
    /// Base offset, new end or new start.
    pub offset: i64,
    /// Bytes of the payload.
    pub payload_len: u32,
    /// Checksum of the payload.
    pub payload_crc: u32,
    /// The offset after an appended batch.
    pub end_offset: i64,
}

impl TableEntry {
    /// Writes the entry.
    pub fn encode(&self, into: &mut [u8]) {
        into[..TABLE_ENTRY].fill(0);
        into[0] = self.kind;
        put_u32(into, 4, self.leader_epoch.cast_unsigned());
        put_u64(into, 8, self.log_id);
        put_u64(into, 16, self.offset.cast_unsigned());
        put_u32(into, 24, self.payload_len);
        put_u32(into, 28, self.payload_crc);
        put_u64(into, 32, self.end_offset.cast_unsigned());
    }

    /// Reads an entry; the table's checksum has been verified before.
    pub fn decode(bytes: &[u8]) -> TableEntry {
        TableEntry {
            kind: bytes[0],
            leader_epoch: u32_at(bytes, 4).cast_signed(),
            log_id: u64_at(bytes, 8),
            offset: u64_at(bytes, 16).cast_signed(),
            payload_len: u32_at(bytes, 24),
            payload_crc: u32_at(bytes, 28),
            end_offset: u64_at(bytes, 32).cast_signed(),
        }
    }
}

/// Reads a table and checks that it agrees with its header.
pub fn decode_table(header: &CommitHeader, bytes: &[u8]) -> Option<Vec<TableEntry>> {
    if bytes.len() != header.table_len() || crc32c::crc32c(bytes) != header.table_crc {
        return None;
    }
    let table: Vec<TableEntry> = bytes
        .chunks_exact(TABLE_ENTRY)
        .map(TableEntry::decode)
        .collect();
    let payload: u64 = table.iter().map(|entry| u64::from(entry.payload_len)).sum();
    let makes_sense = payload == u64::from(header.payload_len)
        && table.iter().all(|entry| {
            entry.log_id < NUMBER_END
                && [entry.offset, entry.end_offset]
                    .iter()
                    .all(|offset| (0..OFFSET_END).contains(offset))
        });
    makes_sense.then_some(table)
}

fn put_u32(into: &mut [u8], at: usize, value: u32) {
    into[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put_u64(into: &mut [u8], at: usize, value: u64) {
    into[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64_at(bytes, at)).filter(|number| *number < NUMBER_END)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    (u64::from(u32_at(bytes, at + 4)) << 32) | u64::from(u32_at(bytes, at))
}

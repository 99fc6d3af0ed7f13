//! What the journal carries: appends of record batches, and the few events of a log's life.

use bytes::Bytes;
use protocol::batch::{BatchHeader, HEADER_BYTES};
use protocol::model::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use uuid::Uuid;

use super::LogId;
use super::format::NUMBER_END;

/// What an entry says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A log was created. The payload is an [`OpenEntry`].
    Open,
    /// A record batch was appended. The payload is the batch, base offset and leader epoch already in it.
    Append,
    /// Everything from the offset on was cut off.
    Truncate,
    /// Everything before the offset is gone.
    NewLogStart,
    /// The log was deleted. The payload is its [`OpenEntry`].
    Drop,
    /// A log was created whose records are never in the journal. The payload is an [`OpenEntry`].
    OpenUnjournaled,
    /// A log's files hold everything before the end offset, durably: batches from the offset on that are not in the journal, too. The payload is a [`StoredEntry`].
    Stored,
}

impl EntryKind {
    /// The kind's byte in the table.
    pub fn to_wire(self) -> u8 {
        match self {
            EntryKind::Open => 1,
            EntryKind::Append => 2,
            EntryKind::Truncate => 3,
            EntryKind::NewLogStart => 4,
            EntryKind::Drop => 5,
            EntryKind::OpenUnjournaled => 6,
            EntryKind::Stored => 7,
        }
    }

    /// The kind of a byte in the table.
    pub fn from_wire(byte: u8) -> Option<EntryKind> {
        match byte {
            1 => Some(EntryKind::Open),
            2 => Some(EntryKind::Append),
            3 => Some(EntryKind::Truncate),
            4 => Some(EntryKind::NewLogStart),
            5 => Some(EntryKind::Drop),
            6 => Some(EntryKind::OpenUnjournaled),
            7 => Some(EntryKind::Stored),
            _ => None,
        }
    }
}

/// An entry on its way into the journal.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What happened.
    pub kind: EntryKind,
    /// To which log.
    pub log_id: LogId,
    /// The leader epoch of an append.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Base offset, of the first batch for `stored`; new end, or start; zero for `drop`.
    pub offset: Offset,
    /// The offset after an appended batch, or after those that are stored; zero for the other kinds.
    pub end: Offset,
    /// The batch, or what the kind carries.
    pub payload: Bytes,
}

/// The payload of the entries that open and drop a log: topic id (16 bytes), partition (4, little-endian), topic name (the rest, UTF-8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEntry {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
    /// The topic's name, for the directory.
    pub topic: String,
}

impl OpenEntry {
    /// The payload's bytes.
    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(20 + self.topic.len());
        bytes.extend_from_slice(self.topic_id.get().as_bytes());
        bytes.extend_from_slice(&self.partition.get().to_le_bytes());
        bytes.extend_from_slice(self.topic.as_bytes());
        bytes.into()
    }

    /// Reads a payload.
    pub fn decode(bytes: &[u8]) -> Option<OpenEntry> {
        let (id, rest) = bytes.split_at_checked(16)?;
        let (partition, topic) = rest.split_at_checked(4)?;
        Some(OpenEntry {
            topic_id: TopicId::new(Uuid::from_slice(id).ok()?)?,
            partition: PartitionIndex::new(i32::from_le_bytes(partition.try_into().ok()?)),
            topic: std::str::from_utf8(topic).ok()?.to_owned(),
        })
    }
}

/// What a log's files hold, as a checkpoint would say it: start, bytes of the closed segments that have records from there on, and of the active segment base and bytes of
/// log, index and time index (8 bytes each, little-endian); then the headers of the batches that are not in the journal (61 bytes each, as they are in the segment).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The log's first offset.
    pub start: Offset,
    /// Bytes of the other segments with records from `start` on.
    pub closed_bytes: u64,
    /// The base offset of the active segment.
    pub base: Offset,
    /// Bytes of its `.log`, which are synced.
    pub bytes: u64,
    /// Bytes of its `.index`, which need not be there.
    pub index_bytes: u64,
    /// Bytes of its `.timeindex`, which need not be there.
    pub time_index_bytes: u64,
    /// The headers, one after the other.
    pub headers: Bytes,
}

impl StoredEntry {
    /// The payload's bytes.
    pub fn encode(&self) -> Bytes {
        let numbers = [
            self.start.get().cast_unsigned(),
            self.closed_bytes,
            self.base.get().cast_unsigned(),
            self.bytes,
            self.index_bytes,
            self.time_index_bytes,
        ];
        let mut bytes = Vec::with_capacity(size_of_val(&numbers) + self.headers.len());
        for number in numbers {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.headers);
        bytes.into()
    }

    /// Reads a payload.
    pub fn decode(bytes: &[u8]) -> Option<StoredEntry> {
        let mut rest = bytes;
        let mut number = || {
            let (number, behind) = rest.split_first_chunk()?;
            rest = behind;
            Some(u64::from_le_bytes(*number)).filter(|number| *number < NUMBER_END)
        };
        let (start, closed_bytes, base) = (number()?, number()?, number()?);
        let (bytes, index_bytes, time_index_bytes) = (number()?, number()?, number()?);
        let offset = |number: u64| Offset::from_wire(number.cast_signed());
        Some(StoredEntry {
            start: offset(start)?,
            closed_bytes,
            base: offset(base)?,
            bytes,
            index_bytes,
            time_index_bytes,
            headers: Bytes::copy_from_slice(rest),
        })
    }

    /// The headers, if each can be read and begins where the one before ends.
    pub fn headers(&self) -> Option<Vec<BatchHeader>> {
        let headers = self.headers.chunks(HEADER_BYTES).map(BatchHeader::parse);
        let headers: Vec<BatchHeader> = headers.collect::<Result<_, _>>().ok()?;
        let follow = |pair: &[BatchHeader]| pair[0].end_offset() == pair[1].base_offset;
        headers.windows(2).all(follow).then_some(headers)
    }
}

//! What the journal carries: appends of record batches, and the few events of a log's life.

use bytes::Bytes;
use protocol::model::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use uuid::Uuid;

use super::LogId;

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
    /// Base offset, new end, or start; zero for `drop`.
    pub offset: Offset,
    /// The offset after an appended batch; zero for the other kinds.
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

//! What Raft is about here: the types of `openraft`.

use std::fmt;
use std::io::Cursor;

use broker_controller::{DirectoryId, MetadataRecord, RecordError};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use protocol::model::{BrokerId, Uuid};
use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    /// Raft over the cluster's metadata.
    pub RaftTypes:
        D = MetadataEntry,
        R = EntryOutcome,
        NodeId = VoterId,
        Node = Voter,
        SnapshotData = Cursor<Vec<u8>>,
);

pub type LogId = openraft::LogId<VoterId>;
pub type Vote = openraft::Vote<VoterId>;
pub type Entry = openraft::Entry<RaftTypes>;
pub type Payload = openraft::EntryPayload<RaftTypes>;
pub type Membership = openraft::Membership<VoterId, Voter>;
pub type StoredMembership = openraft::StoredMembership<VoterId, Voter>;
pub type StorageError = openraft::StorageError<VoterId>;
pub type SnapshotMeta = openraft::SnapshotMeta<VoterId, Voter>;
pub type Snapshot = openraft::Snapshot<RaftTypes>;

/// A voter is a data directory, not a broker: one that comes back empty has forgotten what it promised, and is another.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VoterId(u128);

impl VoterId {
    /// That of a directory.
    pub fn of(directory: DirectoryId) -> VoterId {
        VoterId(directory.get().as_u128())
    }

    /// The directory.
    pub fn directory(self) -> DirectoryId {
        DirectoryId::new(Uuid::from_u128(self.0))
    }

    pub(super) fn get(self) -> u128 {
        self.0
    }

    pub(super) fn new(id: u128) -> VoterId {
        VoterId(id)
    }
}

impl From<u64> for VoterId {
    fn from(id: u64) -> VoterId {
        VoterId(id.into())
    }
}

impl fmt::Display for VoterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.directory().fmt(f)
    }
}

impl fmt::Debug for VoterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a voter is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voter {
    /// The broker it is part of.
    pub broker_id: BrokerId,
    /// Where that broker's internal listener is.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Default for Voter {
    fn default() -> Voter {
        Voter {
            broker_id: BrokerId::new(0),
            host: String::new(),
            port: 0,
        }
    }
}

impl fmt::Display for Voter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.broker_id, self.host, self.port)
    }
}

/// Who votes, as the voter that leads knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumStatus {
    /// The broker that leads: the controller.
    pub leader: BrokerId,
    /// The number of its leadership.
    pub term: u64,
    /// What is behind the last entry that is committed and applied.
    pub high_watermark: i64,
    /// All voters.
    pub voters: Vec<VoterStatus>,
    /// The brokers that heartbeats came from, voters or not.
    pub heard: Vec<HeardBroker>,
}

/// What the controller has heard of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardBroker {
    /// Which.
    pub broker_id: BrokerId,
    /// What is behind the last entry of the metadata that it goes by.
    pub log_end: i64,
    /// How long ago that was.
    pub silent_ms: i64,
    /// How long ago it had all that was committed; `None`: not yet.
    pub behind_ms: Option<i64>,
}

/// A voter, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterStatus {
    /// The voter.
    pub id: VoterId,
    /// Where it is.
    pub at: Voter,
    /// What is behind the last entry that is known to be in its log.
    pub log_end: i64,
}

/// The records of one decision, and what it was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataEntry {
    /// The index of the entry that led to the image that the decision saw; 0 for none. On another image it counts for nothing: two who both took
    /// themselves for the controller cannot both be right.
    pub base: u64,
    /// The records, each behind its length of 4 bytes.
    pub records: Bytes,
}

impl MetadataEntry {
    /// An entry of these records.
    pub fn new(base: u64, records: &[MetadataRecord]) -> Result<MetadataEntry, RecordError> {
        let mut encoded = BytesMut::new();
        let mut bytes = Vec::new();
        for record in records {
            bytes.clear();
            record.encode(&mut bytes)?;
            let length =
                u32::try_from(bytes.len()).map_err(|_| RecordError::TooLarge(bytes.len()))?;
            encoded.put_u32(length);
            encoded.put_slice(&bytes);
        }
        Ok(MetadataEntry {
            base,
            records: encoded.freeze(),
        })
    }

    /// Its records.
    pub fn decode(&self) -> Result<Vec<MetadataRecord>, RecordError> {
        let mut rest = self.records.clone();
        let mut records = Vec::new();
        while rest.has_remaining() {
            let length = rest.try_get_u32().ok();
            let length = length.and_then(|length| usize::try_from(length).ok());
            let bytes = match length {
                Some(length) if length <= rest.len() => rest.split_to(length),
                _ => return Err(RecordError::Malformed("a record is cut off")),
            };
            records.push(MetadataRecord::decode(&bytes)?);
        }
        Ok(records)
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryOutcome {
    /// It is part of the image.
    Applied,
    /// It was decided on another image than the newest, and is as if it had never been.
    Stale,
    /// It is about Raft itself.
    NotMetadata,
}

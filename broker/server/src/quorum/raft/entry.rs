//! An entry of the Raft log as the one record of a batch of `__cluster_metadata-0`, whose leader epoch is the term.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | kind: 0 blank, 1 metadata, 2 membership |
//! | 8 | index |
//! | 8 | term |
//! | 16 | the leader of the term that wrote it |
//! | 8 | metadata only: the index of the entry that it was decided on |
//! | rest | metadata: records, each behind 4 bytes of length; membership: [`MembershipRecord`] as postcard writes it |
//!
//! Numbers are big-endian. A reader that meets another version or kind stops.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::CommittedLeaderId;
use serde::{Deserialize, Serialize};

use super::types::{Entry, LogId, Membership, MetadataEntry, Payload, Voter, VoterId};

const VERSION: u8 = 1;
const BLANK: u8 = 0;
const METADATA: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Who votes, and who else is told. While voters change there are two sets, and both have to agree.
#[derive(Serialize, Deserialize)]
pub(super) struct MembershipRecord {
    sets: Vec<BTreeSet<VoterId>>,
    nodes: BTreeMap<VoterId, Voter>,
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> MembershipRecord {
        let nodes = membership.nodes();
        MembershipRecord {
            sets: membership.get_joint_config().clone(),
            nodes: nodes.map(|(id, node)| (*id, node.clone())).collect(),
        }
    }
}

impl From<MembershipRecord> for Membership {
    fn from(record: MembershipRecord) -> Membership {
        Membership::new(record.sets, record.nodes)
    }
}

/// Why bytes are no entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    #[error(
        "an entry of version {0}, this broker knows {VERSION}: start a broker as new as the one that wrote it"
    )]
    Version(u8),
    #[error("an entry of unknown kind {0}: start a broker as new as the one that wrote it")]
    Kind(u8),
    #[error("an entry that is cut off")]
    CutOff,
    #[error("a membership that does not parse")]
    Membership,
}

pub(super) fn encode(entry: &Entry) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(VERSION);
    bytes.put_u8(match &entry.payload {
        Payload::Blank => BLANK,
        Payload::Normal(_) => METADATA,
        Payload::Membership(_) => MEMBERSHIP,
    });
    let LogId { leader_id, index } = entry.log_id;
    bytes.put_u64(index);
    bytes.put_u64(leader_id.term);
    bytes.put_u128(leader_id.node_id.get());
    match &entry.payload {
        Payload::Blank => {}
        Payload::Normal(entry) => {
            bytes.put_u64(entry.base);
            bytes.put_slice(&entry.records);
        }
        Payload::Membership(membership) => {
            let record = MembershipRecord::from(membership);
            // Writing to memory fails for types of unknown length only.
            let record = postcard::to_stdvec(&record).expect("a membership has only sized fields");
            bytes.put_slice(&record);
        }
    }
    bytes.freeze()
}

pub(super) fn decode(mut bytes: Bytes) -> Result<Entry, EntryError> {
    let cut_off = |_| EntryError::CutOff;
    match bytes.try_get_u8().map_err(cut_off)? {
        VERSION => {}
        other => return Err(EntryError::Version(other)),
    }
    let kind = bytes.try_get_u8().map_err(cut_off)?;
    let index = bytes.try_get_u64().map_err(cut_off)?;
    let term = bytes.try_get_u64().map_err(cut_off)?;
    let leader = VoterId::new(bytes.try_get_u128().map_err(cut_off)?);
    let payload = match kind {
        BLANK => Payload::Blank,
        METADATA => Payload::Normal(MetadataEntry {
            base: bytes.try_get_u64().map_err(cut_off)?,
            records: bytes,
        }),
        MEMBERSHIP => {
            let record = postcard::from_bytes::<MembershipRecord>(&bytes);
            Payload::Membership(record.map_err(|_| EntryError::Membership)?.into())
        }
        other => return Err(EntryError::Kind(other)),
    };
    Ok(Entry {
        log_id: LogId::new(CommittedLeaderId::new(term, leader), index),
        payload,
    })
}

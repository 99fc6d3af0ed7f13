//! The records of `__consumer_offsets`, in Kafka's bytes (`group-coordinator/src/main/resources/common/message`): other tools read that
//! topic.
//!
//! A key begins with the number of its kind, a value with its version, both as a 16-bit integer. A record without a value takes back what
//! its key says.
//!
//! | key | what | versions of the value read | written |
//! |---:|---|---|---|
//! | 0, 1 | a committed offset | 0-4 | 3, or 1 where it has a time to expire at |
//! | 2 | a group of the classic protocol | 0-4 | 3 |
//!
//! Keys of other kinds are passed over, as Kafka does with those of versions to come.

mod group_metadata;
mod offset_commit;

use bytes::{BufMut, Bytes, BytesMut};

pub use group_metadata::{GroupMemberValue, GroupMetadataValue};
pub use offset_commit::{OffsetCommitKey, OffsetCommitValue};

use crate::wire::WireError;
use crate::wire::primitive::{Cursor, put_length, put_string};

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    /// A group's offset in a partition.
    OffsetCommit {
        /// Whose, and where.
        key: OffsetCommitKey,
        /// `None`: it is forgotten.
        value: Option<OffsetCommitValue>,
    },
    /// A group of the classic protocol.
    GroupMetadata {
        /// Its id.
        group: String,
        /// `None`: it is gone.
        value: Option<GroupMetadataValue>,
    },
}

const LEGACY_OFFSET_COMMIT_KEY: i16 = 0;
const OFFSET_COMMIT_KEY: i16 = 1;
const GROUP_METADATA_KEY: i16 = 2;

impl GroupRecord {
    /// The key and the value.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), WireError> {
        let mut key = BytesMut::new();
        let value = match self {
            GroupRecord::OffsetCommit { key: id, value } => {
                key.put_i16(OFFSET_COMMIT_KEY);
                id.encode(&mut key)?;
                value.as_ref().map(OffsetCommitValue::encode)
            }
            GroupRecord::GroupMetadata { group, value } => {
                key.put_i16(GROUP_METADATA_KEY);
                put_string(&mut key, false, group)?;
                value.as_ref().map(GroupMetadataValue::encode)
            }
        };
        Ok((key.freeze(), value.transpose()?.map(BytesMut::freeze)))
    }

    /// Reads a record. `None` if it is of a kind that is not known.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, WireError> {
        let mut cursor = Cursor::new(key);
        let record = match cursor.i16()? {
            LEGACY_OFFSET_COMMIT_KEY | OFFSET_COMMIT_KEY => GroupRecord::OffsetCommit {
                key: OffsetCommitKey::decode(&mut cursor)?,
                value: value.map(OffsetCommitValue::decode).transpose()?,
            },
            GROUP_METADATA_KEY => GroupRecord::GroupMetadata {
                group: cursor.string(false)?.to_owned(),
                value: value.map(GroupMetadataValue::decode).transpose()?,
            },
            _ => return Ok(None),
        };
        Ok(Some(record))
    }
}

/// The version of a value, which has at most `max`.
fn version(cursor: &mut Cursor<'_>, max: i16) -> Result<i16, WireError> {
    match cursor.i16()? {
        version if (0..=max).contains(&version) => Ok(version),
        _ => Err(WireError::Malformed("a record of a version to come")),
    }
}

fn put_bytes(buf: &mut BytesMut, compact: bool, bytes: &[u8]) -> Result<(), WireError> {
    put_length(buf, compact, bytes.len())?;
    buf.put_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests;

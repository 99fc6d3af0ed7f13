//! A committed offset (`OffsetCommitKey`, `OffsetCommitValue`).

use bytes::{BufMut, BytesMut};

use super::version;
use crate::wire::WireError;
use crate::wire::primitive::{Cursor, put_string};

/// Whose offset it is, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetCommitKey {
    /// The group.
    pub group: String,
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the record before it; -1: not known. Since version 3.
    pub leader_epoch: i32,
    /// What the client wants to find again.
    pub metadata: String,
    /// When it was committed, in milliseconds since the epoch.
    pub commit_timestamp_ms: i64,
    /// When it expires; -1: by the retention of the broker. In version 1 alone.
    pub expire_timestamp_ms: i64,
}

const EXPIRING_VERSION: i16 = 1;
const WRITTEN_VERSION: i16 = 3;
const LEADER_EPOCH_MIN: i16 = 3;
const FLEXIBLE_MIN: i16 = 4;
const VERSION_MAX: i16 = 4;

impl OffsetCommitKey {
    pub(super) fn encode(&self, buf: &mut BytesMut) -> Result<(), WireError> {
        put_string(buf, false, &self.group)?;
        put_string(buf, false, &self.topic)?;
        buf.put_i32(self.partition);
        Ok(())
    }

    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<OffsetCommitKey, WireError> {
        Ok(OffsetCommitKey {
            group: cursor.string(false)?.to_owned(),
            topic: cursor.string(false)?.to_owned(),
            partition: cursor.i32()?,
        })
    }
}

impl OffsetCommitValue {
    pub(super) fn encode(&self) -> Result<BytesMut, WireError> {
        let mut buf = BytesMut::with_capacity(32 + self.metadata.len());
        let expires = self.expire_timestamp_ms != -1;
        let version = if expires {
            EXPIRING_VERSION
        } else {
            WRITTEN_VERSION
        };
        buf.put_i16(version);
        buf.put_i64(self.offset);
        if version >= LEADER_EPOCH_MIN {
            buf.put_i32(self.leader_epoch);
        }
        put_string(&mut buf, false, &self.metadata)?;
        buf.put_i64(self.commit_timestamp_ms);
        if expires {
            buf.put_i64(self.expire_timestamp_ms);
        }
        Ok(buf)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<OffsetCommitValue, WireError> {
        let mut cursor = Cursor::new(bytes);
        let version = version(&mut cursor, VERSION_MAX)?;
        let flexible = version >= FLEXIBLE_MIN;
        let offset = cursor.i64()?;
        let leader_epoch = if version >= LEADER_EPOCH_MIN {
            cursor.i32()?
        } else {
            -1
        };
        let metadata = cursor.string(flexible)?.to_owned();
        let commit_timestamp_ms = cursor.i64()?;
        let expire_timestamp_ms = if version == EXPIRING_VERSION {
            cursor.i64()?
        } else {
            -1
        };
        if flexible {
            cursor.skip_tagged_fields()?;
        }
        Ok(OffsetCommitValue {
            offset,
            leader_epoch,
            metadata,
            commit_timestamp_ms,
            expire_timestamp_ms,
        })
    }
}

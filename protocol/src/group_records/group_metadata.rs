//! A group of the classic protocol (`GroupMetadataValue`).

use bytes::{BufMut, Bytes, BytesMut};

use super::version;
use crate::wire::WireError;
use crate::wire::primitive::{Cursor, put_bytes, put_length, put_nullable_string, put_string};

/// A generation of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMetadataValue {
    /// What kind of group it is, `consumer` for consumers; empty for one that only commits offsets.
    pub protocol_type: String,
    /// The number of the generation.
    pub generation: i32,
    /// The protocol (the assignor) that was chosen, if there are members.
    pub protocol: Option<String>,
    /// The member that assigns.
    pub leader: Option<String>,
    /// When the state was entered, in milliseconds since the epoch; -1: not known. Since version 2.
    pub current_state_timestamp_ms: i64,
    /// The members.
    pub members: Vec<GroupMemberValue>,
}

/// A member of a generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMemberValue {
    /// Its id.
    pub member_id: String,
    /// `group.instance.id` of a static member (KIP-345). Since version 3.
    pub group_instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it connected from.
    pub client_host: String,
    /// How long a rebalance waits for it. Since version 1; before, the session timeout counts.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// What it said of itself for the chosen protocol.
    pub subscription: Bytes,
    /// What the leader assigned to it.
    pub assignment: Bytes,
}

const WRITTEN_VERSION: i16 = 3;
const REBALANCE_TIMEOUT_MIN: i16 = 1;
const STATE_TIMESTAMP_MIN: i16 = 2;
const INSTANCE_ID_MIN: i16 = 3;
const FLEXIBLE_MIN: i16 = 4;
const VERSION_MAX: i16 = 4;
/// The least a member takes: four strings or byte fields and two numbers, all empty, in the flexible version.
const MEMBER_BYTES_MIN: usize = 5 + 4;

impl GroupMetadataValue {
    pub(super) fn encode(&self) -> Result<BytesMut, WireError> {
        let mut buf = BytesMut::new();
        buf.put_i16(WRITTEN_VERSION);
        put_string(&mut buf, false, &self.protocol_type)?;
        buf.put_i32(self.generation);
        put_nullable_string(&mut buf, false, self.protocol.as_deref())?;
        put_nullable_string(&mut buf, false, self.leader.as_deref())?;
        buf.put_i64(self.current_state_timestamp_ms);
        put_length(&mut buf, false, self.members.len())?;
        for member in &self.members {
            put_string(&mut buf, false, &member.member_id)?;
            put_nullable_string(&mut buf, false, member.group_instance_id.as_deref())?;
            put_string(&mut buf, false, &member.client_id)?;
            put_string(&mut buf, false, &member.client_host)?;
            buf.put_i32(member.rebalance_timeout_ms);
            buf.put_i32(member.session_timeout_ms);
            put_bytes(&mut buf, false, &member.subscription)?;
            put_bytes(&mut buf, false, &member.assignment)?;
        }
        Ok(buf)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<GroupMetadataValue, WireError> {
        let mut cursor = Cursor::new(bytes);
        let version = version(&mut cursor, VERSION_MAX)?;
        let flexible = version >= FLEXIBLE_MIN;
        let protocol_type = cursor.string(flexible)?.to_owned();
        let generation = cursor.i32()?;
        let protocol = cursor.nullable_str(flexible)?.map(str::to_owned);
        let leader = cursor.nullable_str(flexible)?.map(str::to_owned);
        let current_state_timestamp_ms = if version >= STATE_TIMESTAMP_MIN {
            cursor.i64()?
        } else {
            -1
        };
        let count = cursor.array_length(flexible, MEMBER_BYTES_MIN)?;
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            members.push(GroupMemberValue::decode(&mut cursor, version, flexible)?);
        }
        if flexible {
            cursor.skip_tagged_fields()?;
        }
        Ok(GroupMetadataValue {
            protocol_type,
            generation,
            protocol,
            leader,
            current_state_timestamp_ms,
            members,
        })
    }
}

impl GroupMemberValue {
    fn decode(
        cursor: &mut Cursor<'_>,
        version: i16,
        flexible: bool,
    ) -> Result<GroupMemberValue, WireError> {
        let member_id = cursor.string(flexible)?.to_owned();
        let group_instance_id = match version >= INSTANCE_ID_MIN {
            true => cursor.nullable_str(flexible)?.map(str::to_owned),
            false => None,
        };
        let client_id = cursor.string(flexible)?.to_owned();
        let client_host = cursor.string(flexible)?.to_owned();
        let rebalance_timeout_ms = match version >= REBALANCE_TIMEOUT_MIN {
            true => Some(cursor.i32()?),
            false => None,
        };
        let session_timeout_ms = cursor.i32()?;
        let subscription = cursor.bytes(flexible)?;
        let assignment = cursor.bytes(flexible)?;
        if flexible {
            cursor.skip_tagged_fields()?;
        }
        Ok(GroupMemberValue {
            member_id,
            group_instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription,
            assignment,
        })
    }
}

//! AddRaftVoter request, versions 0-1 (KIP-853). The codec ends at 0; 1 says when it is to be answered (KIP-1186).

use bytes::{BufMut, BytesMut};

use crate::codec::StrBytes;
use crate::messages::ApiKey;
use crate::model::Uuid;
use crate::wire::WireError;
use crate::wire::body::{BodyReader, MessageBody};
use crate::wire::primitive::{
    Cursor, put_length, put_no_tagged_fields, put_nullable_string, put_string, take_nullable_text,
    take_text,
};
use crate::wire::versions::supported;

pub use kafka_protocol::messages::add_raft_voter_request::Listener;

/// A node that is to vote.
#[derive(Clone, Debug, PartialEq)]
pub struct AddRaftVoterRequest {
    /// The cluster that is meant; `None`: whichever it is.
    pub cluster_id: Option<StrBytes>,
    /// How long it may take.
    pub timeout_ms: i32,
    /// The node.
    pub voter_id: i32,
    /// Its directory with the metadata.
    pub voter_directory_id: Uuid,
    /// Where it is reached.
    pub listeners: Vec<Listener>,
    /// Whether the answer waits until that it votes is committed, rather than written. Since version 1.
    pub ack_when_committed: bool,
}

impl Default for AddRaftVoterRequest {
    fn default() -> Self {
        AddRaftVoterRequest {
            cluster_id: Some(StrBytes::new()),
            timeout_ms: 0,
            voter_id: 0,
            voter_directory_id: Uuid::nil(),
            listeners: Vec::new(),
            ack_when_committed: true,
        }
    }
}

const ACK_MIN: i16 = 1;
/// A listener with empty texts.
const LISTENER_BYTES_MIN: usize = 1 + 1 + 2 + 1;

fn check_version(version: i16) -> Result<(), WireError> {
    let api = ApiKey::AddRaftVoter;
    match supported(api).contains(version) {
        true => Ok(()),
        false => Err(WireError::UnknownVersion { api, version }),
    }
}

impl MessageBody for AddRaftVoterRequest {
    const API_KEY: ApiKey = ApiKey::AddRaftVoter;

    fn decode_from(reader: &mut BodyReader, version: i16) -> Result<Self, WireError> {
        check_version(version)?;
        let bytes = reader.rest();
        let mut cursor = Cursor::new(&bytes);
        let cluster_id = take_nullable_text(&mut cursor, &bytes, true)?;
        let timeout_ms = cursor.i32()?;
        let voter_id = cursor.i32()?;
        let voter_directory_id = cursor.uuid()?;
        let count = cursor.array_length(true, LISTENER_BYTES_MIN)?;
        let mut listeners = Vec::with_capacity(count);
        for _ in 0..count {
            listeners.push(
                Listener::default()
                    .with_name(take_text(&mut cursor, &bytes, true)?)
                    .with_host(take_text(&mut cursor, &bytes, true)?)
                    .with_port(cursor.i16()?.cast_unsigned()),
            );
            cursor.skip_tagged_fields()?;
        }
        let ack_when_committed = version < ACK_MIN || cursor.bool()?;
        cursor.skip_tagged_fields()?;
        reader.advance_by(cursor.position());
        Ok(AddRaftVoterRequest {
            cluster_id,
            timeout_ms,
            voter_id,
            voter_directory_id,
            listeners,
            ack_when_committed,
        })
    }

    fn encode_body(&self, buf: &mut BytesMut, version: i16) -> Result<(), WireError> {
        check_version(version)?;
        put_nullable_string(buf, true, self.cluster_id.as_deref())?;
        buf.put_i32(self.timeout_ms);
        buf.put_i32(self.voter_id);
        buf.put_slice(self.voter_directory_id.as_bytes());
        put_length(buf, true, self.listeners.len())?;
        for listener in &self.listeners {
            put_string(buf, true, &listener.name)?;
            put_string(buf, true, &listener.host)?;
            buf.put_u16(listener.port);
            put_no_tagged_fields(buf)?;
        }
        if version >= ACK_MIN {
            buf.put_u8(u8::from(self.ack_when_committed));
        }
        put_no_tagged_fields(buf)
    }

    fn body_size(&self, version: i16) -> Result<usize, WireError> {
        let mut buf = BytesMut::new();
        self.encode_body(&mut buf, version)?;
        Ok(buf.len())
    }
}

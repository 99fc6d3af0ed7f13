//! SyncGroup (key 14), versions 0-5, of the classic group protocol.
//!
//! A member asks for its assignment; the leader brings those of all. The answer comes when the leader's are there and recorded. From version 5
//! on the member says which protocol it believes was chosen (KIP-559).

use bytes::{Bytes, BytesMut};
use protocol::messages::{ApiKey, SyncGroupRequest, SyncGroupResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::ask::{SyncGroup, SyncReply};

use super::groups::{on_wire, shared};
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::SyncGroup,
    name: "SyncGroup",
    versions: VersionRange::new(0, 5),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: SyncGroupRequest = decode(body, call.head.version)?;
    let head = call.head;
    let assignments = request.assignments.iter().map(|it| {
        let assignment = Bytes::copy_from_slice(&it.assignment);
        (shared(&it.member_id), assignment)
    });
    let ask = SyncGroup {
        group: shared(&request.group_id.0),
        generation: request.generation_id,
        member: shared(&request.member_id),
        instance: request.group_instance_id.as_ref().map(shared),
        protocol_type: request.protocol_type.as_ref().map(shared),
        protocol: request.protocol_name.as_ref().map(shared),
        assignments: assignments.collect(),
    };
    let asked = call.broker.groups.ask(&call.broker.metadata.image(), ask);
    Ok(Answer::later(async move {
        let reply = asked.await.unwrap_or_else(SyncReply::refused);
        let (protocol_type, protocol) = reply.protocol.unzip();
        let body = SyncGroupResponse::default()
            .with_error_code(reply.error.code())
            .with_protocol_type(protocol_type.as_deref().map(on_wire))
            .with_protocol_name(protocol.as_deref().map(on_wire))
            .with_assignment(reply.assignment);
        head.respond(&body, reply.error)
    }))
}

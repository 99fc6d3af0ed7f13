//! JoinGroup (key 11), versions 0-9, of the classic group protocol.
//!
//! A member joins, or joins again; the answer comes when the rebalance is complete, to the leader with what all members say of themselves. What
//! that is stays opaque, whatever the protocol type. From version 4 on a new member is told its id first (KIP-394); static members from 5
//! (KIP-345); a leader that need not assign from 9 (KIP-814).

use bytes::BytesMut;
use protocol::messages::join_group_response::JoinGroupResponseMember;
use protocol::messages::{ApiKey, JoinGroupRequest, JoinGroupResponse};
use protocol::model::Uuid;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::ask::{JoinGroup, JoinReply, Protocol};

use super::groups::{host_of, named, on_wire, shared};
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::JoinGroup,
    name: "JoinGroup",
    versions: VersionRange::new(0, 9),
    handle,
};

/// The first version that has a rebalance timeout of its own.
const REBALANCE_TIMEOUT_MIN: i16 = 1;
/// The first version in which a new member has to come again with its id.
const MEMBER_ID_REQUIRED_MIN: i16 = 4;
/// The first version in which the protocol's name may be null.
const NULL_PROTOCOL_MIN: i16 = 7;
/// The first version of leaders that need not assign.
const SKIP_ASSIGNMENT_MIN: i16 = 9;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: JoinGroupRequest = decode(body, call.head.version)?;
    let head = call.head;
    let version = head.version;
    let protocols = request.protocols.iter().map(|offered| Protocol {
        name: shared(&offered.name),
        // Members are kept for long; their frames are not.
        metadata: bytes::Bytes::copy_from_slice(&offered.metadata),
    });
    let ask = JoinGroup {
        group: shared(&request.group_id.0),
        member: named(&request.member_id),
        instance: request.group_instance_id.as_ref().map(shared),
        client_id: head.client_id.as_ref().map(shared).unwrap_or_default(),
        client_host: host_of(call.connection.peer()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match version >= REBALANCE_TIMEOUT_MIN {
            true => request.rebalance_timeout_ms,
            false => request.session_timeout_ms,
        },
        protocol_type: shared(&request.protocol_type),
        protocols: protocols.collect(),
        is_to_know_its_id: version >= MEMBER_ID_REQUIRED_MIN,
        can_skip_assignment: version >= SKIP_ASSIGNMENT_MIN,
        new_member: Uuid::new_v4(),
    };
    let member = ask.member.clone();
    let asked = call.broker.groups.ask(&call.broker.metadata.image(), ask);
    Ok(Answer::later(async move {
        let reply = asked.await;
        let reply = reply.unwrap_or_else(|error| JoinReply::refused(error, member));
        let error = reply.error;
        head.respond(&response(reply, version), error)
    }))
}

fn response(reply: JoinReply, version: i16) -> JoinGroupResponse {
    let body = JoinGroupResponse::default()
        .with_error_code(reply.error.code())
        .with_member_id(on_wire(reply.member.as_deref().unwrap_or_default()));
    let Some(joined) = reply.joined else {
        let none = (version < NULL_PROTOCOL_MIN).then(|| on_wire(""));
        return body
            .with_generation_id(-1)
            .with_protocol_type(None)
            .with_protocol_name(none);
    };
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(on_wire(&member.member))
            .with_group_instance_id(member.instance.as_deref().map(on_wire))
            .with_metadata(member.metadata)
    });
    body.with_generation_id(joined.generation)
        .with_protocol_type(Some(on_wire(&joined.protocol_type)))
        .with_protocol_name(Some(on_wire(&joined.protocol)))
        .with_leader(on_wire(&joined.leader))
        .with_skip_assignment(joined.skip_assignment && version >= SKIP_ASSIGNMENT_MIN)
        .with_members(members.collect())
}

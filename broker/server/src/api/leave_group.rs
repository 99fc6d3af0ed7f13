//! LeaveGroup (key 13), versions 0-5, of the classic group protocol.
//!
//! Members leave, many at once from version 3 on; static ones by their instance id (KIP-345).

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::leave_group_response::MemberResponse;
use protocol::messages::{ApiKey, LeaveGroupRequest, LeaveGroupResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::ask::{LeaveGroup, LeavingMember};

use super::controller::first_error;
use super::groups::{named, on_wire, shared};
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::LeaveGroup,
    name: "LeaveGroup",
    versions: VersionRange::new(0, 5),
    handle,
};

/// The first version that names many.
const MANY_MIN: i16 = 3;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: LeaveGroupRequest = decode(body, call.head.version)?;
    let head = call.head;
    let leaving = |member: &StrBytes, instance: Option<&StrBytes>| LeavingMember {
        member: named(member),
        instance: instance.map(shared),
    };
    let members = match head.version >= MANY_MIN {
        true => request
            .members
            .iter()
            .map(|it| leaving(&it.member_id, it.group_instance_id.as_ref()))
            .collect(),
        false => vec![leaving(&request.member_id, None)],
    };
    let ask = LeaveGroup {
        group: shared(&request.group_id.0),
        members,
    };
    let asked = call.broker.groups.ask(&call.broker.metadata.image(), ask);
    Ok(Answer::later(async move {
        let outcomes = match asked.await.and_then(|reply| reply) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let body = LeaveGroupResponse::default().with_error_code(error.code());
                return head.respond(&body, error);
            }
        };
        let error = first_error(outcomes.iter().map(|(_, error)| error.code()));
        if head.version < MANY_MIN {
            let body = LeaveGroupResponse::default().with_error_code(error.code());
            return head.respond(&body, error);
        }
        let members = outcomes.into_iter().map(response).collect();
        head.respond(&LeaveGroupResponse::default().with_members(members), error)
    }))
}

fn response((member, error): (LeavingMember, ErrorCode)) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(on_wire(member.member.as_deref().unwrap_or_default()))
        .with_group_instance_id(member.instance.as_deref().map(on_wire))
        .with_error_code(error.code())
}

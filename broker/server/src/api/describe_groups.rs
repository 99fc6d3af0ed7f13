//! DescribeGroups (key 15), versions 0-6.
//!
//! State, assignor, members and their assignments of groups of the classic protocol; what members say of themselves while the group is stable. A
//! group that is not there is `Dead`, and GROUP_ID_NOT_FOUND from version 6 on (KIP-1043).

use std::sync::Arc;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::describe_groups_response::{
    DescribedGroup as Described, DescribedGroupMember,
};
use protocol::messages::{ApiKey, DescribeGroupsRequest, DescribeGroupsResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::Refusal;
use broker_coordinators::group::ask::{DescribeGroup, DescribedGroup, DescribedMember};

use super::controller::first_error;
use super::groups::{GROUP_OPERATIONS, message, on_wire, shared};
use super::metadata::OPERATIONS_OMITTED;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DescribeGroups,
    name: "DescribeGroups",
    versions: VersionRange::new(0, 6),
    handle,
};

/// The first version in which a group that is not there is an error.
const NOT_FOUND_MIN: i16 = 6;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DescribeGroupsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let operations = match request.include_authorized_operations {
        true => GROUP_OPERATIONS,
        false => OPERATIONS_OMITTED,
    };
    let image = call.broker.metadata.image();
    let asked: Vec<_> = request
        .groups
        .iter()
        .map(|group| {
            let group = shared(&group.0);
            let ask = DescribeGroup {
                group: Arc::clone(&group),
            };
            (group, call.broker.groups.ask(&image, ask))
        })
        .collect();
    Ok(Answer::later(async move {
        let mut groups = Vec::with_capacity(asked.len());
        for (group, asked) in asked {
            let described = match asked.await {
                Ok(Ok(described)) => found(described).with_authorized_operations(operations),
                Ok(Err(refusal)) => missing(&refusal, head.version),
                Err(error) => failed(error),
            };
            groups.push(described.with_group_id(on_wire(&group).into()));
        }
        let error = first_error(groups.iter().map(|group| group.error_code));
        head.respond(
            &DescribeGroupsResponse::default().with_groups(groups),
            error,
        )
    }))
}

fn found(group: DescribedGroup) -> Described {
    Described::default()
        .with_error_message(None)
        .with_group_state(on_wire(group.state))
        .with_protocol_type(on_wire(&group.protocol_type))
        .with_protocol_data(on_wire(&group.protocol))
        .with_members(group.members.into_iter().map(member).collect())
}

fn member(member: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(on_wire(&member.member))
        .with_group_instance_id(member.instance.as_deref().map(on_wire))
        .with_client_id(on_wire(&member.client_id))
        .with_client_host(on_wire(&member.client_host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment)
}

/// A group of the classic protocol that is not there.
fn missing(refusal: &Refusal, version: i16) -> Described {
    let dead = match version >= NOT_FOUND_MIN {
        true => failed(refusal.error).with_error_message(message(refusal)),
        false => failed(ErrorCode::None),
    };
    dead.with_group_state(on_wire("Dead"))
}

fn failed(error: ErrorCode) -> Described {
    Described::default()
        .with_error_code(error.code())
        .with_error_message(None)
        .with_authorized_operations(OPERATIONS_OMITTED)
}

//! ListGroups (key 16), versions 0-5: by state from version 4 on (KIP-518), by type from 5 (KIP-848).
//!
//! The groups that this broker coordinates.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::list_groups_response::ListedGroup as Listed;
use protocol::messages::{ApiKey, ListGroupsRequest, ListGroupsResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::ask::{ListGroups, ListedGroup};

use super::groups::on_wire;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::ListGroups,
    name: "ListGroups",
    versions: VersionRange::new(0, 5),
    handle,
};

/// The first version that tells the state.
const STATE_MIN: i16 = 4;
/// The first version that tells the type.
const TYPE_MIN: i16 = 5;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: ListGroupsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let asked = call
        .broker
        .groups
        .ask_all(&call.broker.metadata.image(), &ListGroups);
    Ok(Answer::later(async move {
        let (groups, error) = match asked.await {
            Ok(groups) => (groups, ErrorCode::None),
            Err(error) => (Vec::new(), error),
        };
        let is_wanted = |group: &ListedGroup| {
            is_among(&request.states_filter, group.state)
                && is_among(&request.types_filter, group.group_type)
        };
        let groups = groups.into_iter().flatten().filter(is_wanted);
        let groups = groups.map(|group| listed(&group, head.version)).collect();
        let body = ListGroupsResponse::default()
            .with_error_code(error.code())
            .with_groups(groups);
        head.respond(&body, error)
    }))
}

/// Kafka does not look at the case.
fn is_among(filter: &[StrBytes], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|it| it.eq_ignore_ascii_case(name))
}

fn listed(group: &ListedGroup, version: i16) -> Listed {
    let mut listed = Listed::default()
        .with_group_id(on_wire(&group.group).into())
        .with_protocol_type(on_wire(&group.protocol_type));
    if version >= STATE_MIN {
        listed.group_state = on_wire(group.state);
    }
    if version >= TYPE_MIN {
        listed.group_type = on_wire(group.group_type);
    }
    listed
}

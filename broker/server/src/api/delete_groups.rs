//! DeleteGroups (key 42), versions 0-2 (KIP-229).
//!
//! Forgets groups that nobody is in, with their offsets. Each by itself.

use bytes::BytesMut;
use protocol::messages::delete_groups_response::DeletableGroupResult;
use protocol::messages::{ApiKey, DeleteGroupsRequest, DeleteGroupsResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::ask::DeleteGroup;

use super::controller::first_error;
use super::groups::shared;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DeleteGroups,
    name: "DeleteGroups",
    versions: VersionRange::new(0, 2),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DeleteGroupsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let image = call.broker.metadata.image();
    let asked: Vec<_> = request
        .groups_names
        .into_iter()
        .map(|name| {
            let group = shared(&name.0);
            let asked = call.broker.groups.ask(&image, DeleteGroup { group });
            (name, asked)
        })
        .collect();
    Ok(Answer::later(async move {
        let mut results = Vec::with_capacity(asked.len());
        for (name, asked) in asked {
            let error = asked.await.unwrap_or_else(|error| error);
            let result = DeletableGroupResult::default()
                .with_group_id(name)
                .with_error_code(error.code());
            results.push(result);
        }
        let error = first_error(results.iter().map(|result| result.error_code));
        head.respond(
            &DeleteGroupsResponse::default().with_results(results),
            error,
        )
    }))
}

//! Heartbeat (key 12), versions 0-4, of the classic group protocol.
//!
//! A member is alive, and learns whether it has to join again. While the coordinator is loading, the answer is that all is well: nobody expires
//! then.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::{ApiKey, HeartbeatRequest, HeartbeatResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::ask::Heartbeat;

use super::groups::shared;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::Heartbeat,
    name: "Heartbeat",
    versions: VersionRange::new(0, 4),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: HeartbeatRequest = decode(body, call.head.version)?;
    let head = call.head;
    let ask = Heartbeat {
        group: shared(&request.group_id.0),
        generation: request.generation_id,
        member: shared(&request.member_id),
        instance: request.group_instance_id.as_ref().map(shared),
    };
    let asked = call.broker.groups.ask(&call.broker.metadata.image(), ask);
    Ok(Answer::later(async move {
        let error = match asked.await {
            Ok(error) => error,
            Err(ErrorCode::CoordinatorLoadInProgress) => ErrorCode::None,
            Err(error) => error,
        };
        let body = HeartbeatResponse::default().with_error_code(error.code());
        head.respond(&body, error)
    }))
}

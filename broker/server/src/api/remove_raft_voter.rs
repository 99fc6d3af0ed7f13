//! RemoveRaftVoter (key 81), version 0 (KIP-853): a node votes on the metadata no more.
//!
//! Done means: that is committed. The voter that leads does it, wherever the request arrives, and one change at a time. The node goes on as a broker that does not vote.
//! Unlike with Kafka a voter is refused that the controller's `peers` name, since it would be taken in again, and the one that leads. The last one always is.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::{ApiKey, RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_controller::ApiError;

use super::add_raft_voter::{check_cluster, submit, voter_of};
use super::topics::text;
use super::{Answer, Api, Call, decode};
use crate::broker::Broker;
use crate::quorum::{ChangeVoters, VoterChange};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::RemoveRaftVoter,
    name: "RemoveRaftVoter",
    versions: VersionRange::new(0, 0),
    handle,
};

/// The request has no time of its own.
const TIMEOUT_MS: u64 = 30_000;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: RemoveRaftVoterRequest = decode(body, call.head.version)?;
    let head = call.head;
    let change = change(call.broker, &request);
    let changed = change.map(|change| submit(call.broker, change));
    Ok(Answer::later(async move {
        let result = match changed {
            Ok(changed) => changed.await,
            Err(error) => Err(error),
        };
        let body = RemoveRaftVoterResponse::default();
        let error = match result {
            Ok(()) => return head.respond(&body, ErrorCode::None),
            Err(error) => error,
        };
        let body = body
            .with_error_code(error.code.code())
            .with_error_message(error.message.map(text));
        head.respond(&body, error.code)
    }))
}

fn change(broker: &Broker, request: &RemoveRaftVoterRequest) -> Result<ChangeVoters, ApiError> {
    check_cluster(broker, request.cluster_id.as_ref())?;
    let voter = (request.voter_id, request.voter_directory_id);
    let (broker_id, id) = voter_of(voter).ok_or_else(|| {
        let message = "Remove voter request didn't include a valid voter";
        ApiError::new(ErrorCode::InvalidRequest, message)
    })?;
    Ok(ChangeVoters {
        change: VoterChange::Remove { id, broker_id },
        timeout_ms: TIMEOUT_MS,
    })
}

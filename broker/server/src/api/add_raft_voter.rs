//! AddRaftVoter (key 80), versions 0-1 (KIP-853, KIP-1186): a node votes on the metadata from now on.
//!
//! Done means: that is committed. The voter that leads does it, wherever the request arrives, and one change at a time. The node is asked who it is at the listener
//! named INTERNAL, else at the first; it is one that was started with `peers` that name itself and the others. It is told all there is before it votes. If that takes
//! longer than the request may, it is let go again: REQUEST_TIMED_OUT. An answer never comes before it is committed, even where version 1 does not ask for that.

use std::sync::Arc;

use broker_controller::{ApiError, DirectoryId};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::{AddRaftVoterRequest, AddRaftVoterResponse, ApiKey};
use protocol::model::{BrokerId, Uuid};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::topics::text;
use super::{Answer, Api, Call, decode};
use crate::broker::Broker;
use crate::quorum::{ChangeVoters, HOST_BYTES_MAX, Voter, VoterChange, VoterId};
use crate::replication::INTERNAL;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::AddRaftVoter,
    name: "AddRaftVoter",
    versions: VersionRange::new(0, 1),
    handle,
};

/// Listeners of one node at most.
const LISTENERS_MAX: usize = 100;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: AddRaftVoterRequest = decode(body, call.head.version)?;
    let head = call.head;
    let change = change(call.broker, &request);
    let changed = change.map(|change| submit(call.broker, change));
    Ok(Answer::later(async move {
        let result = match changed {
            Ok(changed) => changed.await,
            Err(error) => Err(error),
        };
        let body = AddRaftVoterResponse::default();
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

fn change(broker: &Broker, request: &AddRaftVoterRequest) -> Result<ChangeVoters, ApiError> {
    check_cluster(broker, request.cluster_id.as_ref())?;
    let voter = (request.voter_id, request.voter_directory_id);
    let (broker_id, id) = voter_of(voter).ok_or_else(|| {
        let message = "Add voter request didn't include a valid voter";
        ApiError::new(ErrorCode::InvalidRequest, message)
    })?;
    let refused = |message| Err(ApiError::new(ErrorCode::InvalidRequest, message));
    let listeners = &request.listeners;
    let named = listeners.iter().find(|it| it.name.as_str() == INTERNAL);
    let Some(listener) = named.or_else(|| listeners.first()) else {
        return refused("Add voter request didn't include a listener".to_owned());
    };
    if listeners.len() > LISTENERS_MAX {
        return refused(format!("A voter may have {LISTENERS_MAX} listeners."));
    }
    let host = listener.host.as_str();
    if host.is_empty() || host.len() > HOST_BYTES_MAX || listener.port == 0 {
        return refused(format!(
            "The voter's listener has no host of 1 to {HOST_BYTES_MAX} bytes, or the port 0."
        ));
    }
    // More than a minute of it does not count.
    let timeout_ms = u64::try_from(request.timeout_ms).unwrap_or(0);
    if timeout_ms == 0 {
        return Err(ApiError::bare(ErrorCode::RequestTimedOut));
    }
    let at = Voter {
        broker_id,
        host: host.to_owned(),
        port: listener.port,
    };
    Ok(ChangeVoters {
        change: VoterChange::Add { id, at },
        timeout_ms,
    })
}

/// Refuses what is meant for another cluster.
pub(super) fn check_cluster(broker: &Broker, asked: Option<&StrBytes>) -> Result<(), ApiError> {
    match asked {
        Some(asked) if asked.as_str() != broker.cluster_id => {
            // Whatever came is not repeated at any length.
            let asked: String = asked.chars().take(100).collect();
            Err(ApiError::new(
                ErrorCode::InconsistentClusterId,
                format!(
                    "The given id \"{asked}\" doesn't match the cluster id \"{}\"",
                    broker.cluster_id
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// A voter, if there can be such a one.
pub(super) fn voter_of((broker_id, directory): (i32, Uuid)) -> Option<(BrokerId, VoterId)> {
    let directory = DirectoryId::new(directory);
    (broker_id >= 0 && !directory.is_reserved())
        .then(|| (BrokerId::new(broker_id), VoterId::of(directory)))
}

/// Begins a change of the voters at once. It goes on when the client has gone.
pub(super) fn submit(
    broker: &Arc<Broker>,
    change: ChangeVoters,
) -> impl Future<Output = Result<(), ApiError>> + Send + 'static {
    let node = Arc::clone(&broker.node);
    let changed = tokio::spawn(async move { node.change_voters(change).await });
    async move {
        // If it panicked, that has been reported.
        let failed = |_| Err(ApiError::bare(ErrorCode::UnknownServerError));
        changed.await.unwrap_or_else(failed)
    }
}

//! The way to other voters.

use std::io;
use std::time::Duration;

use openraft::error::{
    InstallSnapshotError, PayloadTooLarge, RPCError, RaftError, RemoteError, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};

use super::types::{RaftTypes, Voter, VoterId};
use crate::config::host_port;
use crate::internal::wire::{Reply, Request};
use crate::internal::{Caller, Peer, PeerError};

/// After a voter could not be reached it is left alone for so long.
const BACKOFF: Duration = Duration::from_millis(50);

type Outcome<T, E = RaftError<VoterId>> = Result<T, RPCError<VoterId, Voter, E>>;

/// Reaches other voters over their internal listeners.
pub(super) struct Peers {
    /// Who calls.
    pub(super) caller: Caller,
}

/// One of them.
pub(super) struct VoterPeer {
    target: VoterId,
    peer: Peer,
}

impl RaftNetworkFactory<RaftTypes> for Peers {
    type Network = VoterPeer;

    async fn new_client(&mut self, target: VoterId, voter: &Voter) -> VoterPeer {
        let address = host_port(&voter.host, voter.port);
        VoterPeer {
            target,
            peer: Peer::new(voter.broker_id, address, self.caller.clone()),
        }
    }
}

fn unreachable(error: &PeerError) -> Unreachable {
    Unreachable::new(error)
}

fn odd(reply: &Reply) -> Unreachable {
    let reason = match reply {
        Reply::NotReady => "it is starting",
        Reply::OtherVoter => "another voter is there: its disk was replaced",
        _ => "an answer to another question",
    };
    Unreachable::new(&io::Error::other(reason))
}

impl VoterPeer {
    #[expect(clippy::result_large_err, reason = "the error is openraft's")]
    fn answered<T, E: std::error::Error>(&self, outcome: Result<T, E>) -> Outcome<T, E> {
        outcome.map_err(|error| RemoteError::new(self.target, error).into())
    }
}

impl RaftNetwork<RaftTypes> for VoterPeer {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<RaftTypes>,
        option: RPCOption,
    ) -> Outcome<AppendEntriesResponse<VoterId>> {
        let count = u64::try_from(request.entries.len()).unwrap_or(u64::MAX);
        let request = Request::Append(self.target, request);
        match self.peer.ask(&request, option.hard_ttl()).await {
            Ok(Reply::Append(outcome)) => self.answered(outcome),
            Ok(reply) => Err(odd(&reply).into()),
            Err(PeerError::TooLarge { .. }) if count > 1 => {
                Err(PayloadTooLarge::new_entries_hint(count / 2).into())
            }
            Err(error) => Err(unreachable(&error).into()),
        }
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<RaftTypes>,
        option: RPCOption,
    ) -> Outcome<InstallSnapshotResponse<VoterId>, RaftError<VoterId, InstallSnapshotError>> {
        let request = Request::Snapshot(self.target, request);
        match self.peer.ask(&request, option.hard_ttl()).await {
            Ok(Reply::Snapshot(outcome)) => self.answered(outcome),
            Ok(reply) => Err(odd(&reply).into()),
            Err(error) => Err(unreachable(&error).into()),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<VoterId>,
        option: RPCOption,
    ) -> Outcome<VoteResponse<VoterId>> {
        let request = Request::Vote(self.target, request);
        match self.peer.ask(&request, option.hard_ttl()).await {
            Ok(Reply::Vote(outcome)) => self.answered(outcome),
            Ok(reply) => Err(odd(&reply).into()),
            Err(error) => Err(unreachable(&error).into()),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(BACKOFF))
    }
}

//! Voters are added and removed by request (KIP-853), by the voter that leads, one change at a time.
//!
//! | step | if it ends there |
//! |---|---|
//! | the node says that it is the one that is meant | nothing has changed |
//! | it is told everything, as a learner | it is let go: here, or by whoever tends the voters next ([`RaftQuorum::tend`]) |
//! | it votes | |
//!
//! One that is removed becomes a learner first, and is let go when it has heard so: what its own log says last is that it does not vote, and it never asks others for
//! their votes. One that was not there asks in vain when it is back: who hears from a leader does not listen, and whose log goes further does not either. It learns from others that it
//! was removed ([`Observer`](crate::quorum::Observer)), and asks no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use broker_controller::ApiError;
use openraft::ChangeMembers;
use openraft::error::ClientWriteError;
use protocol::ErrorCode;
use protocol::model::BrokerId;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};

use super::quorum::RaftQuorum;
use super::types::{Voter, VoterId};
use crate::config::host_port;
use crate::internal::wire::{NodeStatus, Reply, Request};
use crate::internal::{Peer, PeerError};
use crate::quorum::SubmitError;

/// The longest time a change may take.
const CHANGE_MAX: Duration = Duration::from_secs(60);
/// The longest name of a host, as DNS has it.
pub const HOST_BYTES_MAX: usize = 255;

/// How long a node may take to say who it is.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait until one that votes no more has heard so. One that is there has within a moment.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a learner that does not become a voter may take to be let go, beyond the time of the request.
const UNDO: Duration = Duration::from_secs(1);

/// A request that somebody votes, or does not any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeVoters {
    /// What is to change.
    pub change: VoterChange,
    /// How long it may take.
    pub timeout_ms: u64,
}

impl ChangeVoters {
    /// How long it may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms).min(CHANGE_MAX)
    }

    /// How long until it is answered, whatever happens.
    pub fn patience(&self) -> Duration {
        self.timeout() + UNDO + UNDO
    }
}

/// A change of the voters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VoterChange {
    /// A node votes.
    Add {
        /// Its directory.
        id: VoterId,
        /// Where it is.
        at: Voter,
    },
    /// A node votes no more.
    Remove {
        /// Its directory.
        id: VoterId,
        /// The broker it is part of.
        broker_id: BrokerId,
    },
}

fn timed_out(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::RequestTimedOut, message)
}

fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

fn failed(error: &dyn std::fmt::Display) -> ApiError {
    timed_out(format!("The voters cannot be changed now: {error}"))
}

impl RaftQuorum {
    /// Changes who votes, as the voter that leads. `named` are the nodes that this one was told to form a quorum with.
    ///
    /// `NotController` if another leads by now, and nobody votes who did not. Done means: the change is committed. After REQUEST_TIMED_OUT it may still come to be, if it was to be committed already.
    pub async fn change_voters(
        self: &Arc<Self>,
        request: ChangeVoters,
        named: Vec<BrokerId>,
    ) -> Result<(), SubmitError> {
        let deadline = Instant::now() + request.timeout();
        let answer_by = deadline + UNDO;
        let quorum = Arc::clone(self);
        // It goes on when whoever asked has gone: half of a change is no state to leave the voters in.
        let changing = tokio::spawn(async move {
            let Ok(_changing) = timeout_at(deadline, quorum.changing.lock()).await else {
                return Err(timed_out("Another change of the voters is under way.").into());
            };
            match request.change {
                VoterChange::Add { id, at } => quorum.add_voter((id, at), deadline).await,
                VoterChange::Remove { id, broker_id } => {
                    let removed = quorum.remove_voter((id, broker_id), &named).await;
                    removed.map_err(SubmitError::Failed)
                }
            }
        });
        match timeout_at(answer_by, changing).await {
            Ok(Ok(outcome)) => outcome,
            // It panicked, which has been reported.
            Ok(Err(_)) => Err(ApiError::bare(ErrorCode::UnknownServerError).into()),
            Err(_) => Err(timed_out(
                "The change is not committed yet, for want of a majority of the voters. It goes on.",
            )
            .into()),
        }
    }

    async fn add_voter(
        &self,
        (id, at): (VoterId, Voter),
        deadline: Instant,
    ) -> Result<(), SubmitError> {
        let raft = self.raft().map_err(|error| failed(&error))?;
        if at.host.len() > HOST_BYTES_MAX {
            // Whoever asked: it would stay in the log of every voter.
            return Err(refused("The name of its host is too long.").into());
        }
        let (voters, learners) = self.members();
        let is_same =
            |(known, voter): (&VoterId, &Voter)| *known == id || voter.broker_id == at.broker_id;
        if voters.iter().any(is_same) {
            return Err(ApiError::new(
                ErrorCode::DuplicateVoter,
                format!(
                    "The voter id for {} is already part of the set of voters {}.",
                    named(id, at.broker_id),
                    listed(&voters)
                ),
            )
            .into());
        }
        timeout_at(deadline, self.check_candidate(id, &at))
            .await
            .unwrap_or_else(|_| Err(timed_out(format!("{at} does not answer."))))?;
        if learners.contains(&id) {
            // From an attempt before, perhaps at another address.
            self.let_go(id).await?;
        }
        tracing::info!(voter = %id, %at, "a new voter is told all there is");
        let told = async {
            let learner = raft.add_learner(id, at.clone(), false).await;
            let learner = learner.map_err(|error| match error.api_error() {
                Some(ClientWriteError::ForwardToLeader(_)) => SubmitError::NotController,
                _ => failed(&error).into(),
            });
            self.wait_replicated(id, learner?.log_id.index).await
        };
        let told = timeout_at(deadline, told).await.unwrap_or_else(|_| {
            Err(timed_out(format!(
                "Aborted add voter operation for {} since it is lagging behind",
                named(id, at.broker_id)
            ))
            .into())
        });
        if let Err(error) = told {
            if let Err(error) = self.let_go(id).await {
                tracing::warn!(voter = %id, %error, "a learner that does not become a voter is not let go yet");
            }
            return Err(error);
        }
        let ids = BTreeSet::from([id]);
        let change = self.change(ChangeMembers::AddVoterIds(ids), false).await;
        change.map_err(|error| failed(&error))?;
        tracing::info!(voter = %id, %at, "a new voter joins the metadata quorum, by request");
        Ok(())
    }

    /// Whether that node is where it is said to be, and ready.
    async fn check_candidate(&self, id: VoterId, at: &Voter) -> Result<(), ApiError> {
        let caller = self.caller().ok_or_else(|| failed(&"it is starting"))?;
        let peer = Peer::new(at.broker_id, host_port(&at.host, at.port), caller);
        let status = match peer.ask(&Request::Status, STATUS_PATIENCE).await {
            Ok(Reply::Status(status)) => status,
            Ok(_) => return Err(refused(format!("{at} answers something else."))),
            Err(error @ PeerError::Objection { .. }) => {
                return Err(refused(format!("{error}.")));
            }
            Err(error) => {
                return Err(timed_out(format!(
                    "New voter {} is not ready to receive requests: {error}. Its internal listener is to be named.",
                    named(id, at.broker_id)
                )));
            }
        };
        objection(id, &status).map_or(Ok(()), |reason| Err(refused(reason)))
    }

    async fn remove_voter(
        &self,
        (id, broker_id): (VoterId, BrokerId),
        told_of: &[BrokerId],
    ) -> Result<(), ApiError> {
        let (voters, _) = self.members();
        if voters.get(&id).is_none_or(|it| it.broker_id != broker_id) {
            return Err(ApiError::new(
                ErrorCode::VoterNotFound,
                format!(
                    "Cannot remove voter {} from the set of voters {}",
                    named(id, broker_id),
                    listed(&voters)
                ),
            ));
        }
        if voters.len() == 1 {
            return Err(refused("It is the only voter."));
        }
        if id == self.id() {
            return Err(refused(format!(
                "Broker {broker_id} leads the quorum. Restart it, so that another leads, and then \
                 remove it."
            )));
        }
        if told_of.contains(&broker_id) {
            return Err(refused(format!(
                "The peers of the controller, broker {}, name broker {broker_id}, and it would be \
                 taken in again. Restart the voters with other peers first.",
                self.own_broker(&voters)
            )));
        }
        let ids = BTreeSet::from([id]);
        let change = self.change(ChangeMembers::RemoveVoters(ids), true).await;
        change.map_err(|error| failed(&error))?;
        tracing::info!(voter = %id, broker = %broker_id, "a voter leaves the metadata quorum, by request");
        let (index, _) = self.members_here();
        let _ = timeout(FAREWELL, self.wait_replicated(id, index)).await;
        if let Err(error) = self.let_go(id).await {
            tracing::warn!(voter = %id, %error, "a voter that was removed is not let go yet");
        }
        Ok(())
    }

    /// Waits until a member has the entry at `index`. `NotController` if this one does not lead any more. That also happens when the member has voted in later terms, for
    /// itself and in vain: the voters go on from there, with another leader.
    async fn wait_replicated(&self, id: VoterId, index: u64) -> Result<(), SubmitError> {
        let raft = self.raft().map_err(|error| failed(&error))?;
        let mut metrics = raft.metrics();
        let is_over = metrics.wait_for(|it| match &it.replication {
            Some(replication) => {
                let matched = replication.get(&id).copied().flatten();
                matched.is_some_and(|matched| matched.index >= index)
            }
            None => true,
        });
        let is_over = is_over.await.map_err(|error| failed(&error))?;
        match is_over.replication {
            Some(_) => Ok(()),
            None => Err(SubmitError::NotController),
        }
    }

    /// Tells a learner nothing any more.
    async fn let_go(&self, id: VoterId) -> Result<(), ApiError> {
        let change = ChangeMembers::RemoveNodes(BTreeSet::from([id]));
        match timeout(UNDO, self.change(change, false)).await {
            Ok(outcome) => outcome.map_err(|error| failed(&error)),
            Err(_) => Err(timed_out("A learner is not let go yet.")),
        }
    }

    /// The voters, and who else takes part.
    fn members(&self) -> (BTreeMap<VoterId, Voter>, BTreeSet<VoterId>) {
        let ids = self.voters();
        let mut voters = BTreeMap::new();
        let mut learners = BTreeSet::new();
        for (id, voter) in self.nodes() {
            match ids.contains(&id) {
                true => drop(voters.insert(id, voter)),
                false => drop(learners.insert(id)),
            }
        }
        (voters, learners)
    }

    fn own_broker(&self, voters: &BTreeMap<VoterId, Voter>) -> String {
        let own = voters.get(&self.id());
        own.map_or_else(|| "?".to_owned(), |own| own.broker_id.to_string())
    }
}

/// Why a node is not the one that is to vote.
fn objection(id: VoterId, status: &NodeStatus) -> Option<String> {
    let broker_id = status.identity.broker_id;
    match status.voter {
        Some(voter) if voter == id => {}
        Some(voter) => {
            return Some(format!(
                "Broker {broker_id} has its metadata in the directory {voter}, and not in {id}."
            ));
        }
        None => return Some(format!("Broker {broker_id} has no directory yet.")),
    }
    (!status.peers.contains(&broker_id)).then(|| {
        format!(
            "Broker {broker_id} was started as one that does not vote. Restart it with peers that \
             name itself and the others."
        )
    })
}

fn named(id: VoterId, broker_id: BrokerId) -> String {
    format!("{broker_id} with directory {id}")
}

fn listed(voters: &BTreeMap<VoterId, Voter>) -> String {
    let voters = voters.iter().map(|(id, it)| named(*id, it.broker_id));
    format!("[{}]", voters.collect::<Vec<_>>().join(", "))
}

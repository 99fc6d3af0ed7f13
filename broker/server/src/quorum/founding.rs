//! How nodes that were told of each other become a cluster: which, and who begins.
//!
//! | this node | the others | what it does |
//! |---|---|---|
//! | knows its cluster | | is part of that one |
//! | new | one knows its cluster | is part of that one |
//! | new, of the lowest id | all answer, and none knows a cluster | draws the cluster's id |
//! | new | else | asks again |
//! | has an empty metadata log, and the lowest id | all answer that they have too | founds the quorum, of all |
//! | has an empty metadata log | else | waits to be taken into the quorum: by whose `peers` name it, or by request (KIP-853) |
//!
//! So a node that has lost its disk never founds a second quorum beside the one that it was part of, whatever its id: the others are not empty.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::model::BrokerId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::raft::{RaftQuorum, Voter, VoterId};
use super::{Controller, MetadataQuorum, QuorumError};
use crate::internal::Peer;
use crate::internal::wire::{NodeStatus, Reply, Request};

/// How long a node may take to say who it is.
const STATUS_PATIENCE: Duration = Duration::from_secs(1);
/// Between two rounds of questions.
const ROUND: Duration = Duration::from_millis(100);
/// Between two looks at whether the voters are what the nodes are.
const TENDING: Duration = Duration::from_millis(500);
/// How long a new voter may take to be told all there is, before that is begun anew.
const TENDING_PATIENCE: Duration = Duration::from_secs(60);
/// Between two lines in the log about what is waited for.
const COMPLAINT: Duration = Duration::from_secs(5);

/// The nodes that were told of each other.
pub struct Founding {
    id: BrokerId,
    /// All voters: this node too, unless it only observes.
    voters: BTreeMap<BrokerId, Voter>,
    others: Vec<(BrokerId, Arc<Peer>)>,
    /// Why this node does not take part yet, as the log says it.
    waits: watch::Sender<Option<String>>,
}

/// What the others say, or why they do not.
type Answers = Vec<(BrokerId, Result<NodeStatus, String>)>;

impl Founding {
    /// `peers` are the ways to all voters but this one.
    pub fn new(
        id: BrokerId,
        voters: BTreeMap<BrokerId, Voter>,
        others: Vec<(BrokerId, Arc<Peer>)>,
    ) -> Founding {
        Founding {
            id,
            voters,
            others,
            waits: watch::Sender::new(None),
        }
    }

    /// Whether this node is one of the voters.
    pub fn is_voter(&self) -> bool {
        self.voters.contains_key(&self.id)
    }

    /// Hears why this node does not take part yet; `None` at first.
    pub fn waits(&self) -> watch::Receiver<Option<String>> {
        self.waits.subscribe()
    }

    /// It does not for another reason.
    pub fn waits_for(&self, reason: &str) {
        self.waits.send_if_modified(|now| {
            let is_new = now.as_deref() != Some(reason);
            if is_new {
                *now = Some(reason.to_owned());
            }
            is_new
        });
    }

    fn complain(&self, complaint: &mut Complaint, reason: &str) {
        complaint.say(reason);
        self.waits_for(&format!("waiting for the cluster to form: {reason}"));
    }

    /// The ways to the others.
    pub fn others(&self) -> Vec<Arc<Peer>> {
        self.others
            .iter()
            .map(|(_, peer)| Arc::clone(peer))
            .collect()
    }

    /// Has a voter notice that it was removed, and follow the metadata then.
    pub fn watch_membership(&self, quorum: &Arc<RaftQuorum>) {
        let others = self.others();
        if !others.is_empty() {
            quorum.start_observing(others);
        }
    }

    fn is_first(&self) -> bool {
        self.voters.keys().min() == Some(&self.id)
    }

    /// Calls each of the others until it has answered once, so that they know where this node is now, whatever name servers still say.
    pub async fn greet(&self) {
        let mut greeted = JoinSet::new();
        for (_, peer) in &self.others {
            let peer = Arc::clone(peer);
            greeted.spawn(async move {
                while peer.ask(&Request::Status, STATUS_PATIENCE).await.is_err() {
                    tokio::time::sleep(ROUND).await;
                }
            });
        }
        greeted.join_all().await;
    }

    /// The cluster that this node, which is new, is part of. `draw` makes an id.
    pub async fn agree_on_cluster(&self, draw: impl Fn() -> String) -> String {
        let mut complaint = Complaint::default();
        loop {
            let answers = self.ask_all().await;
            let known = answers
                .iter()
                .filter_map(|(_, status)| status.as_ref().ok()?.identity.cluster_id.clone())
                .next();
            if let Some(known) = known {
                return known;
            }
            match self.reason_to_wait(&answers) {
                None if self.is_first() => return draw(),
                None => self.complain(&mut complaint, "the node of the lowest id begins"),
                Some(reason) => self.complain(&mut complaint, &reason),
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Has this node be part of the quorum: founds it, or waits until others say what it is.
    pub async fn join(&self, quorum: &RaftQuorum) -> Result<(), QuorumError> {
        let mut complaint = Complaint::default();
        while !quorum.is_founded().await? {
            let answers = self.ask_all().await;
            let voters = self.empty_voters(quorum.id(), &answers);
            match (self.reason_to_wait(&answers), voters) {
                (None, Some(voters)) if self.is_first() => return quorum.found(voters).await,
                (None, Some(_)) => {
                    self.complain(&mut complaint, "the node of the lowest id begins")
                }
                // Some are not empty: they have founded it.
                (None, None) => {
                    self.complain(
                        &mut complaint,
                        "the others take this node into their quorum",
                    );
                }
                (Some(reason), _) => self.complain(&mut complaint, &reason),
            }
            tokio::time::sleep(ROUND).await;
        }
        Ok(())
    }

    /// Keeps the voters what the nodes are, for as long as it is polled: whoever leads takes in nodes that are not voters yet, and those whose disk was
    /// replaced.
    pub async fn tend(&self, quorum: &RaftQuorum) {
        loop {
            tokio::time::sleep(TENDING).await;
            if quorum.controller() != Controller::Here {
                continue;
            }
            let own = self.voters.get(&self.id).cloned();
            let mut wanted: BTreeMap<_, _> =
                own.map(|own| (quorum.id(), own)).into_iter().collect();
            for (id, status) in self.ask_all().await {
                if let Some(voter) = status.ok().and_then(|status| status.voter) {
                    wanted.insert(voter, self.voters[&id].clone());
                }
            }
            let tended = tokio::time::timeout(TENDING_PATIENCE, quorum.tend(&wanted)).await;
            if let Ok(Err(error)) = tended {
                tracing::debug!(%error, "the voters are not what they are to be yet");
            }
        }
    }

    /// All voters, if all are empty.
    fn empty_voters(&self, own: VoterId, answers: &Answers) -> Option<BTreeMap<VoterId, Voter>> {
        let mut voters = BTreeMap::from([(own, self.voters[&self.id].clone())]);
        for (id, status) in answers {
            let status = status.as_ref().ok().filter(|status| status.is_empty)?;
            voters.insert(status.voter?, self.voters[id].clone());
        }
        Some(voters)
    }

    /// Why nobody may begin.
    fn reason_to_wait(&self, answers: &Answers) -> Option<String> {
        let peers: Vec<_> = self.voters.keys().copied().collect();
        answers.iter().find_map(|(id, status)| match status {
            Err(reason) => Some(format!("node {id}: {reason}")),
            Ok(status) if status.peers != peers => Some(format!(
                "node {id} was told of the nodes {:?}, this one of {peers:?}",
                status.peers
            )),
            Ok(_) => None,
        })
    }

    async fn ask_all(&self) -> Answers {
        let mut asked = JoinSet::new();
        for (id, peer) in &self.others {
            let (id, peer) = (*id, Arc::clone(peer));
            asked.spawn(async move {
                let answer = match peer.ask(&Request::Status, STATUS_PATIENCE).await {
                    Ok(Reply::Status(status)) => Ok(status),
                    Ok(_) => Err("it answers something else".to_owned()),
                    Err(error) => Err(error.to_string()),
                };
                (id, answer)
            });
        }
        asked.join_all().await
    }
}

/// Says in the log what is waited for, not too often.
#[derive(Default)]
struct Complaint {
    last: Option<Instant>,
}

impl Complaint {
    fn say(&mut self, reason: &str) {
        let now = Instant::now();
        if self.last.is_none_or(|last| now - last >= COMPLAINT) {
            tracing::info!(reason, "waiting for the cluster to form");
            self.last = Some(now);
        }
    }
}

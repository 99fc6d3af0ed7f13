//! This broker as others see it on the internal listener, from before its data is open.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use broker_controller::ApiError;
use broker_replication::FollowerReport;
use protocol::ErrorCode;
use protocol::model::{BrokerId, TopicIdPartition};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::broker::Partitions;
use crate::clock::monotonic_ms;
use crate::internal::wire::{BrokerIdentity, NodeStatus, Progress, Reply, Request};
use crate::internal::{Caller, Handler, WATCH, Whereabouts};
use crate::liveness::{Contact, SESSION, Sessions};
use crate::net::{Guest, PeerBroker};
use crate::quorum::{
    ChangeVoters, Controller, ControllerRequest, FORWARD_PATIENCE, Metadata, MetadataQuorum,
    QuorumStatus, RaftQuorum, SubmitError,
};

/// How long the controller may take to say how the quorum is.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks for a controller that takes a request.
const CONTROLLER_RETRY: Duration = Duration::from_millis(100);

/// Answers other brokers. What it does not have yet it is told as the start goes on.
pub struct Node {
    broker_id: BrokerId,
    /// All voters it was told of, by id.
    peers: Vec<BrokerId>,
    cluster_id: OnceLock<String>,
    metadata: OnceLock<Arc<Metadata<RaftQuorum>>>,
    partitions: OnceLock<Arc<Partitions>>,
    /// Where connections go on which followers fetch.
    guests: OnceLock<mpsc::Sender<Guest>>,
    sessions: Arc<Sessions>,
    contact: Contact,
    /// From where others have called.
    whereabouts: Arc<Whereabouts>,
}

impl Node {
    /// One that knows of others, and nothing else.
    pub fn new(broker_id: BrokerId, mut peers: Vec<BrokerId>) -> Node {
        peers.sort_unstable();
        Node {
            broker_id,
            peers,
            cluster_id: OnceLock::new(),
            metadata: OnceLock::new(),
            partitions: OnceLock::new(),
            guests: OnceLock::new(),
            sessions: Arc::default(),
            contact: Contact::default(),
            whereabouts: Arc::default(),
        }
    }

    /// This node, where it calls others itself.
    pub fn caller(self: &Arc<Self>) -> Caller {
        let node = Arc::clone(self);
        Caller::new(move || node.identity(), Arc::clone(&self.whereabouts))
    }

    /// It is part of this cluster. Once.
    pub fn set_cluster(&self, id: String) {
        assert!(self.cluster_id.set(id).is_ok(), "a node has one cluster");
    }

    /// Its metadata is loaded. Once.
    pub fn set_metadata(&self, metadata: Arc<Metadata<RaftQuorum>>) {
        assert!(self.metadata.set(metadata).is_ok(), "it is loaded once");
    }

    /// It leads partitions, and serves those who fetch over `guests`. Once.
    pub fn set_partitions(&self, partitions: Arc<Partitions>, guests: mpsc::Sender<Guest>) {
        let is_new = self.partitions.set(partitions).is_ok() && self.guests.set(guests).is_ok();
        assert!(is_new, "they are taken up once");
    }

    /// A follower's disks have got on. What is of another leadership, or of another life than the metadata knows, does not count.
    /// Returns what may count later.
    fn on_progress(&self, from: BrokerId, progress: &Progress) -> Vec<TopicIdPartition> {
        let mut again = Vec::new();
        let Some(partitions) = self.partitions.get() else {
            return progress.durable_ends.iter().map(|(id, ..)| *id).collect();
        };
        for (id, leader_epoch, durable_end) in &progress.durable_ends {
            let Some(partition) = partitions.get(*id) else {
                again.push(*id);
                continue;
            };
            let report = FollowerReport {
                broker_id: from,
                broker_epoch: progress.broker_epoch,
                durable_end: *durable_end,
            };
            if let Err(error) = partition.on_report(*leader_epoch, report) {
                tracing::debug!(?partition, broker = %from, ?error, "a report of a follower does not count");
                again.push(*id);
            }
        }
        again
    }

    /// Who was heard of.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// When this broker was told last that it is alive.
    pub fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Who votes, who was heard, and how far each is: as the controller knows, wherever that is. `None` if there is none that answers.
    pub async fn quorum_status(&self) -> Option<QuorumStatus> {
        let quorum = self.metadata.get()?.quorum();
        match quorum.controller() {
            Controller::Here => quorum.status(self.sessions.heard(Instant::now())),
            Controller::There => {
                let told = quorum.tell_controller(&Request::Quorum, STATUS_PATIENCE);
                match told.await {
                    Some(Reply::Quorum(status)) => Some(status),
                    _ => None,
                }
            }
            Controller::Nowhere => None,
        }
    }

    /// Has the controller change who votes, wherever that is.
    pub async fn change_voters(&self, request: ChangeVoters) -> Result<(), ApiError> {
        let deadline = Instant::now() + request.timeout();
        let timed_out = |message: &str| Err(ApiError::new(ErrorCode::RequestTimedOut, message));
        loop {
            let quorum = self.metadata.get().map(|metadata| metadata.quorum());
            let changed = quorum.map(|quorum| quorum.controller_changed());
            let controller = quorum.map(|quorum| (quorum, quorum.controller()));
            let outcome = match controller {
                Some((quorum, Controller::Here)) => {
                    self.change_voters_here(quorum, request.clone()).await
                }
                Some((quorum, Controller::There)) => {
                    let patience = request.patience();
                    let asked = Request::ChangeVoters(request.clone());
                    match quorum.tell_controller(&asked, patience).await {
                        Some(Reply::VotersChanged(outcome)) => outcome,
                        Some(Reply::NotReady) => Err(SubmitError::NotController),
                        _ => return timed_out("The controller does not answer."),
                    }
                }
                _ => Err(SubmitError::NotController),
            };
            match outcome {
                Ok(()) => return Ok(()),
                Err(SubmitError::Failed(error)) => return Err(error),
                Err(SubmitError::NotController) => {}
            }
            if Instant::now() >= deadline {
                return timed_out("No controller is known, or none that takes the request.");
            }
            let changed = async move {
                match changed {
                    Some(changed) => changed.await,
                    None => std::future::pending().await,
                }
            };
            // It may be the same one, which was starting.
            let _ = tokio::time::timeout(CONTROLLER_RETRY, changed).await;
        }
    }

    async fn change_voters_here(
        &self,
        quorum: &Arc<RaftQuorum>,
        request: ChangeVoters,
    ) -> Result<(), SubmitError> {
        if self.peers.is_empty() {
            return Err(ApiError::new(
                ErrorCode::UnsupportedVersion,
                "This node is alone, and no other reaches it. Restart it with peers first.",
            )
            .into());
        }
        quorum.change_voters(request, self.peers.clone()).await
    }

    async fn status(&self) -> NodeStatus {
        let quorum = self.metadata.get().map(|metadata| metadata.quorum());
        let is_founded = match quorum {
            // One that cannot tell is not empty.
            Some(quorum) => quorum.is_founded().await.unwrap_or(true),
            None => false,
        };
        NodeStatus {
            identity: self.identity(),
            voter: quorum.map(|quorum| quorum.id()),
            is_empty: !is_founded,
            peers: self.peers.clone(),
        }
    }
}

impl Handler for Node {
    fn identity(&self) -> BrokerIdentity {
        BrokerIdentity {
            broker_id: self.broker_id,
            cluster_id: self.cluster_id.get().cloned(),
        }
    }

    fn on_call(&self, from: BrokerId, ip: IpAddr) {
        self.whereabouts.on_call(from, ip);
    }

    fn adopt(&self, from: &BrokerIdentity, stream: TcpStream) {
        let guest = Guest {
            stream,
            peer: PeerBroker(Some(from.broker_id)),
            listener_name: "INTERNAL".into(),
        };
        // Where there are too many, or nobody serves yet, the connection ends.
        if let Some(guests) = self.guests.get() {
            let _ = guests.try_send(guest);
        }
    }

    async fn handle(&self, from: &BrokerIdentity, request: Request) -> Reply {
        let request = match request {
            Request::Status => return Reply::Status(self.status().await),
            Request::Progress(progress) => {
                return Reply::Progress(self.on_progress(from.broker_id, &progress));
            }
            Request::Watch => {
                tokio::time::sleep(WATCH).await;
                return Reply::Heard;
            }
            other => other,
        };
        let Some(metadata) = self.metadata.get() else {
            return Reply::NotReady;
        };
        match request {
            Request::Heartbeat { .. } if metadata.quorum().controller() != Controller::Here => {
                Reply::NotReady
            }
            // Others may have another controller by now.
            Request::Heartbeat { .. } if self.contact.is_lost(monotonic_ms()) => Reply::NotReady,
            Request::Heartbeat { epoch, applied } => {
                let id = from.broker_id;
                let indexes = (applied, metadata.applied());
                self.sessions
                    .on_heartbeat((id, epoch), indexes, Instant::now());
                let image = metadata.image();
                // One that is not registered any more hears so when it asks to be let in again.
                let fenced = image
                    .broker(id)
                    .is_none_or(|broker| broker.broker_epoch == epoch && broker.fenced);
                Reply::Heartbeat { fenced }
            }
            Request::Quorum => {
                let status = metadata
                    .quorum()
                    .status(self.sessions.heard(Instant::now()));
                status.map_or(Reply::NotReady, Reply::Quorum)
            }
            Request::ChangeVoters(request) => {
                let quorum = metadata.quorum();
                match quorum.controller() {
                    Controller::Here => {
                        Reply::VotersChanged(self.change_voters_here(quorum, request).await)
                    }
                    _ => Reply::NotReady,
                }
            }
            Request::Submit(command) => Reply::Submitted(match metadata.quorum().controller() {
                Controller::Here => {
                    // Nobody waits for it any more, and things may be otherwise. What is decided goes on by itself.
                    let patience = match command {
                        ControllerRequest::FenceBroker(_) => SESSION,
                        _ => FORWARD_PATIENCE,
                    };
                    let submitted = command.submit(metadata);
                    let submitted = tokio::time::timeout(patience, submitted).await;
                    submitted.unwrap_or(Err(SubmitError::NotController))
                }
                _ => Err(SubmitError::NotController),
            }),
            other => metadata.quorum().answer(other).await,
        }
    }
}

#[cfg(test)]
mod tests;

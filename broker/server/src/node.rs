//! This broker as others see it on the internal listener, from before its data is open.

use std::sync::{Arc, OnceLock};

use protocol::model::BrokerId;

use crate::internal::Handler;
use crate::internal::wire::{BrokerIdentity, NodeStatus, Reply, Request};
use crate::quorum::{Controller, Metadata, MetadataQuorum, RaftQuorum, SubmitError};

/// Answers other brokers. What it does not have yet it is told as the start goes on.
pub struct Node {
    broker_id: BrokerId,
    /// All voters it was told of, by id.
    peers: Vec<BrokerId>,
    cluster_id: OnceLock<String>,
    metadata: OnceLock<Arc<Metadata<RaftQuorum>>>,
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
        }
    }

    /// It is part of this cluster. Once.
    pub fn set_cluster(&self, id: String) {
        assert!(self.cluster_id.set(id).is_ok(), "a node has one cluster");
    }

    /// Its metadata is loaded. Once.
    pub fn set_metadata(&self, metadata: Arc<Metadata<RaftQuorum>>) {
        assert!(self.metadata.set(metadata).is_ok(), "it is loaded once");
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

    async fn handle(&self, _: &BrokerIdentity, request: Request) -> Reply {
        let request = match request {
            Request::Status => return Reply::Status(self.status().await),
            other => other,
        };
        let Some(metadata) = self.metadata.get() else {
            return Reply::NotReady;
        };
        match request {
            Request::Submit(command) => Reply::Submitted(match metadata.quorum().controller() {
                Controller::Here => command.submit(metadata).await,
                _ => Err(SubmitError::NotController),
            }),
            other => metadata.quorum().answer(other).await,
        }
    }
}

#[cfg(test)]
mod tests;

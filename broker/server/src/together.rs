//! The side of a node that other nodes see, from the begin of a start on: the internal listener, whom the node was told of, and which cluster it is part of.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use broker_controller::ClusterId;
use broker_controller::record::Listener;
use parking_lot::Mutex;
use protocol::model::{BrokerId, Uuid};
use storage::data_dir::Meta;
use storage::io::Io;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{ClusterConfig, host_port};
use crate::internal::{Handler, Internal, Peer};
use crate::node::Node;
use crate::quorum::{Founding, Voter};
use crate::replication::INTERNAL;
use crate::run::RunError;

/// That side of a node.
pub struct Together {
    /// Who answers others.
    pub node: Arc<Node>,
    /// The other voters, if there are any.
    pub founding: Option<Arc<Founding>>,
    /// Where others reach it, if anybody does.
    pub listener: Option<Listener>,
    stop: watch::Sender<bool>,
    /// Ends with this life of the broker, before it hands over what it leads.
    heartbeats: Mutex<Option<JoinHandle<()>>>,
}

impl Together {
    /// Listens, and answers what can be answered before the data is open. `metadata_dir` says which cluster the node is part of already.
    pub async fn start(
        id: BrokerId,
        config: &ClusterConfig,
        configured_id: Option<&str>,
        io: &dyn Io,
        metadata_dir: &Path,
    ) -> Result<Together, RunError> {
        let peers = config.peers.keys().copied().map(BrokerId::new).collect();
        let node = Arc::new(Node::new(id, peers));
        let known = Meta::read(io, metadata_dir)?.map(|meta| meta.cluster_id);
        if let Some(cluster) = known.as_deref().or(configured_id) {
            node.set_cluster(cluster.to_owned());
        }
        let (stop, stopping) = watch::channel(false);
        let mut listener = None;
        if let Some((host, port)) = &config.internal_listen {
            let address = host_port(host, *port);
            let failed = |source| RunError::Internal {
                address: address.clone(),
                source,
            };
            let internal = Internal::bind(&address).await.map_err(failed)?;
            let bound = internal.address().map_err(failed)?;
            let advertised = config.internal_advertise.as_ref();
            listener = Some(Listener {
                name: INTERNAL.to_owned(),
                host: advertised.map_or_else(|| host.clone(), |(host, _)| host.clone()),
                port: advertised.map_or(bound.port(), |(_, port)| *port),
            });
            tokio::spawn(internal.serve(Arc::clone(&node), stopping));
        }
        let founding = (!config.peers.is_empty()).then(|| {
            let voters: BTreeMap<_, _> = config.peers.iter().map(voter).collect();
            let others = voters.iter().filter(|(other, _)| **other != id);
            let others = others.map(|(other, voter)| {
                let address = host_port(&voter.host, voter.port);
                (*other, Arc::new(Peer::new(*other, address, node.caller())))
            });
            Arc::new(Founding::new(id, voters.clone(), others.collect()))
        });
        if let Some(founding) = founding.clone() {
            let mut stopping = stop.subscribe();
            tokio::spawn(async move {
                tokio::select! {
                    () = founding.greet() => {}
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
            });
        }
        Ok(Together {
            node,
            founding,
            listener,
            stop,
            heartbeats: Mutex::new(None),
        })
    }

    /// The cluster that a new directory is to be part of; `None` for a cluster of its own.
    pub async fn cluster(&self) -> Option<String> {
        if let Some(known) = self.node.identity().cluster_id {
            return Some(known);
        }
        let founding = self.founding.as_ref()?;
        let draw = || ClusterId::new(Uuid::new_v4()).to_string();
        let agreed = founding.agree_on_cluster(draw).await;
        self.node.set_cluster(agreed.clone());
        Some(agreed)
    }

    /// This node as a voter.
    pub fn voter(&self, id: BrokerId) -> Voter {
        let listener = self.listener.as_ref();
        Voter {
            broker_id: id,
            host: listener.map_or_else(String::new, |it| it.host.clone()),
            port: listener.map_or(0, |it| it.port),
        }
    }

    /// Heartbeats are sent from now on, by this task.
    pub fn set_heartbeats(&self, task: JoinHandle<()>) {
        *self.heartbeats.lock() = Some(task);
    }

    /// Sends no more heartbeats. False if there were none: nobody is there to take over.
    pub async fn end_heartbeats(&self) -> bool {
        let task = self.heartbeats.lock().take();
        let Some(task) = task else {
            return false;
        };
        task.abort();
        let _ = task.await;
        true
    }

    /// Answers nobody any more.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

fn voter((id, (host, port)): (&i32, &(String, u16))) -> (BrokerId, Voter) {
    let id = BrokerId::new(*id);
    let voter = Voter {
        broker_id: id,
        host: host.clone(),
        port: *port,
    };
    (id, voter)
}

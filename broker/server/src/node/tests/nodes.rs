//! Nodes that were told of each other, each with a directory and its internal listener.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker_controller::decide::{
    AlterConfigs, BootstrapCluster, FEATURES, FenceBroker, RegisterBroker, ReplacedConfigs,
};
use broker_controller::record::Listener;
use broker_controller::{
    ClusterId, ConfigResource, ConfigValidator, ControllerConfig, DirectoryId, IncarnationId,
    ResourceType,
};
use protocol::ErrorCode;
use protocol::model::{BrokerId, Uuid};
use storage::data_dir::{DataDir, Workers};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::{Node, STATUS_PATIENCE};
use crate::api::configs::ConfigTables;
use crate::config::{LiveSettings, Settings};
use crate::internal::wire::{BrokerIdentity, Reply, Request};
use crate::internal::{Caller, Internal, Peer};
use crate::quorum::{
    ChangeVoters, Controller, Founding, Metadata, MetadataQuorum, RaftQuorum, RaftTiming, Voter,
    VoterChange, VoterId,
};
use crate::testing::small_data_dir;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const FOURTH: BrokerId = BrokerId::new(4);

pub(super) struct Running {
    pub(super) node: Arc<Node>,
    pub(super) metadata: Arc<Metadata<RaftQuorum>>,
    pub(super) data_dir: Arc<DataDir>,
    pub(super) workers: Workers,
    pub(super) stop: watch::Sender<bool>,
    pub(super) serving: JoinHandle<()>,
    pub(super) tending: JoinHandle<()>,
    /// Of its internal listener.
    pub(super) port: u16,
}

/// The nodes, and those that run.
pub(super) struct Nodes {
    pub(super) voters: BTreeMap<BrokerId, Voter>,
    pub(super) directories: BTreeMap<BrokerId, TempDir>,
    pub(super) listeners: BTreeMap<BrokerId, Internal>,
    pub(super) running: BTreeMap<BrokerId, Running>,
}

pub(super) fn address(voter: &Voter) -> String {
    format!("{}:{}", voter.host, voter.port)
}

impl Nodes {
    pub(super) async fn new() -> Nodes {
        let mut nodes = Nodes {
            voters: BTreeMap::new(),
            directories: BTreeMap::new(),
            listeners: BTreeMap::new(),
            running: BTreeMap::new(),
        };
        for id in (1..=3).map(BrokerId::new) {
            let internal = Internal::bind("127.0.0.1:0").await.expect("a free port");
            let voter = Voter {
                broker_id: id,
                host: "127.0.0.1".to_owned(),
                port: internal.address().expect("it is bound").port(),
            };
            nodes.voters.insert(id, voter);
            nodes.listeners.insert(id, internal);
            nodes.wipe(id);
        }
        nodes
    }

    /// It has a new disk.
    pub(super) fn wipe(&mut self, id: BrokerId) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        self.directories.insert(id, directory);
    }

    /// Starts a node, as far as its metadata. Done means: it is part of the quorum.
    pub(super) fn start(
        &mut self,
        id: BrokerId,
    ) -> impl Future<Output = (BrokerId, Running)> + use<> {
        let listener = self.listeners.remove(&id);
        let voters = self.voters.clone();
        let path = self.directories[&id].path().to_owned();
        async move { (id, start(id, voters, listener, &path).await) }
    }

    pub(super) async fn start_all(&mut self) {
        let ids: Vec<_> = self.voters.keys().copied().collect();
        let started: Vec<_> = ids
            .into_iter()
            .map(|id| tokio::spawn(self.start(id)))
            .collect();
        for started in started {
            let (id, running) = tokio::time::timeout(PATIENCE, started)
                .await
                .expect("it becomes part of the quorum")
                .expect("no panic");
            self.running.insert(id, running);
        }
    }

    /// Starts a node that does not vote.
    pub(super) async fn start_observer(&mut self, id: BrokerId) {
        if !self.directories.contains_key(&id) {
            self.wipe(id);
        }
        let internal = Internal::bind("127.0.0.1:0").await.expect("a free port");
        self.listeners.insert(id, internal);
        let started = tokio::time::timeout(PATIENCE, self.start(id)).await;
        let (_, running) = started.expect("it is told the metadata");
        self.running.insert(id, running);
    }

    /// Begins another node, whose peers are all there are and itself: it waits until it is taken in.
    pub(super) async fn begin(&mut self, id: BrokerId) -> (Voter, JoinHandle<(BrokerId, Running)>) {
        let internal = Internal::bind("127.0.0.1:0").await.expect("a free port");
        let at = Voter {
            broker_id: id,
            host: "127.0.0.1".to_owned(),
            port: internal.address().expect("it is bound").port(),
        };
        self.wipe(id);
        self.listeners.insert(id, internal);
        let started = self.start_beside(&at);
        (at, tokio::spawn(started))
    }

    /// Starts a node that the others were not told of.
    pub(super) fn start_beside(
        &mut self,
        at: &Voter,
    ) -> impl Future<Output = (BrokerId, Running)> + use<> {
        let id = at.broker_id;
        let listener = self.listeners.remove(&id);
        let mut voters = self.voters.clone();
        voters.insert(id, at.clone());
        let path = self.directories[&id].path().to_owned();
        async move { (id, start(id, voters, listener, &path).await) }
    }

    /// It runs again, in the directory that it had.
    pub(super) async fn restart_beside(&mut self, at: &Voter) {
        let started = tokio::time::timeout(PATIENCE, self.start_beside(at)).await;
        let (id, running) = started.expect("it is told the metadata");
        self.running.insert(id, running);
    }

    pub(super) async fn change(
        &self,
        by: BrokerId,
        change: VoterChange,
        timeout: Duration,
    ) -> Result<(), ErrorCode> {
        let timeout_ms = u64::try_from(timeout.as_millis()).expect("a short time");
        let request = ChangeVoters { change, timeout_ms };
        let changed = self.running[&by].node.change_voters(request).await;
        changed.map_err(|error| {
            println!("{error}");
            error.code
        })
    }

    /// Has a fourth node vote. Returns where it is, and its vote.
    pub(super) async fn add_fourth(&mut self) -> (Voter, VoterId) {
        let (at, starting) = self.begin(FOURTH).await;
        let id = vote_of(&at).await;
        let controller = self.controller().expect("one of them");
        let other = self.voters.keys().find(|id| **id != controller);
        let add = VoterChange::Add { id, at: at.clone() };
        let added = self.change(*other.expect("three"), add, PATIENCE).await;
        assert_eq!(added, Ok(()));
        let started = tokio::time::timeout(PATIENCE, starting).await;
        let (_, running) = started.expect("it is taken in").expect("no panic");
        self.running.insert(FOURTH, running);
        assert!(self.voters_at(BrokerId::new(1), 4).await.contains(&id));
        (at, id)
    }

    /// The voters as a node knows them, once they are so many.
    pub(super) async fn voters_at(&self, id: BrokerId, count: usize) -> BTreeSet<VoterId> {
        let voters = async {
            loop {
                let voters = self.metadata(id).quorum().voters();
                if voters.len() == count {
                    return voters;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let voters = tokio::time::timeout(PATIENCE, voters).await;
        voters.unwrap_or_else(|_| panic!("{:?}", self.metadata(id).quorum().voters()))
    }

    /// Restarts it for as long as it is the controller.
    pub(super) async fn depose(&mut self, at: &Voter) {
        loop {
            match self.controller() {
                Some(id) if id == at.broker_id => {
                    self.stop(id).await;
                    self.restart_beside(at).await;
                }
                Some(_) => return,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(super) async fn stop(&mut self, id: BrokerId) {
        let running = self.running.remove(&id).expect("it runs");
        running.tending.abort();
        let _ = running.tending.await;
        running.stop.send_replace(true);
        running.serving.await.expect("it does not panic");
        running.metadata.quorum().stop().await;
        drop((running.metadata, running.node));
        let open = Arc::downgrade(&running.data_dir);
        drop(running.data_dir);
        let stopped = tokio::task::spawn_blocking(|| running.workers.stop()).await;
        stopped.expect("no panic").expect("a last checkpoint");
        // Who led has tasks that read its log for others, and end a moment later.
        let closed = async {
            while open.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let closed = tokio::time::timeout(PATIENCE, closed).await;
        closed.expect("nobody has the directory open");
    }

    pub(super) async fn stop_all(mut self) {
        let ids: Vec<_> = self.running.keys().copied().collect();
        for id in ids {
            self.stop(id).await;
        }
    }

    pub(super) fn metadata(&self, id: BrokerId) -> &Metadata<RaftQuorum> {
        &self.running[&id].metadata
    }

    pub(super) fn controller(&self) -> Option<BrokerId> {
        let mut running = self.running.iter();
        let is_here =
            |metadata: &Metadata<RaftQuorum>| metadata.quorum().controller() == Controller::Here;
        running
            .find(|(_, it)| is_here(&it.metadata))
            .map(|(id, _)| *id)
    }

    /// Sets a topic's retention through a node, and sees it there at once.
    pub(super) async fn set(&self, id: BrokerId, value: &str) {
        let command = AlterConfigs {
            resources: vec![ReplacedConfigs {
                resource: ConfigResource {
                    resource_type: ResourceType::Group,
                    name: "g".to_owned(),
                },
                configs: vec![(
                    "consumer.session.timeout.ms".to_owned(),
                    Some(value.to_owned()),
                )],
            }],
            validate_only: false,
        };
        let results = loop {
            match self.metadata(id).submit(&command).await {
                Ok(results) => break results,
                // The controller has gone in the middle of it.
                Err(error) if error.code == ErrorCode::RequestTimedOut => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(results[0].result, Ok(()));
        assert_eq!(self.read(id).as_deref(), Some(value));
    }

    pub(super) fn read(&self, id: BrokerId) -> Option<String> {
        let resource = ConfigResource {
            resource_type: ResourceType::Group,
            name: "g".to_owned(),
        };
        let image = self.metadata(id).image();
        image.configs(&resource)?.values().next().cloned()
    }
}

/// The vote of a node that is starting.
pub(super) async fn vote_of(at: &Voter) -> VoterId {
    let says = BrokerIdentity {
        broker_id: BrokerId::new(99),
        cluster_id: None,
    };
    let caller = Caller::new(move || says.clone(), Arc::default());
    let peer = Peer::new(at.broker_id, address(at), caller);
    let asked = async {
        loop {
            if let Ok(Reply::Status(status)) = peer.ask(&Request::Status, STATUS_PATIENCE).await
                && let Some(voter) = status.voter
            {
                return voter;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("it starts")
}

pub(super) async fn start(
    id: BrokerId,
    voters: BTreeMap<BrokerId, Voter>,
    listener: Option<Internal>,
    path: &Path,
) -> Running {
    let internal = match listener {
        Some(internal) => internal,
        None => Internal::bind(&address(&voters[&id]))
            .await
            .expect("its port is free"),
    };
    let port = internal.address().expect("it is bound").port();
    let node = Arc::new(Node::new(id, voters.keys().copied().collect()));
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(internal.serve(Arc::clone(&node), stopping));
    let others = voters.iter().filter(|(other, _)| **other != id);
    let others = others.map(|(other, voter)| {
        let peer = Peer::new(*other, address(voter), node.caller());
        (*other, Arc::new(peer))
    });
    let founding = Founding::new(id, voters.clone(), others.collect());
    let cluster = founding
        .agree_on_cluster(|| ClusterId::new(Uuid::new_v4()).to_string())
        .await;
    node.set_cluster(cluster.clone());
    let (data_dir, workers) = small_data_dir(path);
    let quorum = RaftQuorum::open(&data_dir, true, || 0).expect("a metadata log");
    let images = Arc::clone(quorum.images());
    let settings = Arc::new(LiveSettings::new(Settings::defaults()));
    let validator: Arc<dyn ConfigValidator + Send + Sync> = Arc::new(ConfigTables::new(settings));
    let config = ControllerConfig::default();
    let metadata = Arc::new(Metadata::new(Arc::new(quorum), images, config, validator));
    let timing = RaftTiming::patient(8);
    let started = metadata.quorum().start(&timing, node.caller()).await;
    started.expect("it starts");
    node.set_metadata(Arc::clone(&metadata));
    if founding.is_voter() {
        let joined = founding.join(metadata.quorum()).await;
        joined.expect("it is part of it");
        founding.watch_membership(metadata.quorum());
        let told = metadata.quorum().wait_told(PATIENCE).await;
        assert!(told, "it has a leader, or is told that it was removed");
    } else {
        metadata.quorum().start_observing(founding.others());
        assert!(metadata.quorum().wait_told(PATIENCE).await, "it is told");
    }
    let cluster_id = ClusterId::parse(&cluster).expect("an id");
    let bootstrap = BootstrapCluster { cluster_id };
    let known = metadata.submit(&bootstrap).await.expect("a controller");
    known.expect("the same cluster");
    let registration = RegisterBroker {
        cluster_id,
        broker_id: id,
        incarnation_id: IncarnationId::new(Uuid::new_v4()),
        directories: vec![DirectoryId::new(data_dir.meta().directory_id)],
        listeners: vec![Listener {
            name: "PLAINTEXT".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 9092,
        }],
        rack: None,
        features: FEATURES.iter().copied().map(Into::into).collect(),
        fenced: false,
    };
    // As its session's end would.
    if let Some(before) = metadata.image().broker(id) {
        let fence = FenceBroker {
            broker_id: id,
            broker_epoch: before.broker_epoch,
        };
        let fenced = metadata.submit(&fence).await.expect("a controller");
        fenced.expect("the life that is registered");
    }
    let registered = metadata.submit(&registration).await.expect("a controller");
    registered.expect("a broker epoch");
    let quorum = Arc::clone(metadata.quorum());
    let tending = tokio::spawn(async move { founding.tend(&quorum).await });
    Running {
        node,
        metadata,
        data_dir,
        workers,
        stop,
        serving,
        tending,
        port,
    }
}

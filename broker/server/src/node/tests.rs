//! Three nodes that were told of each other.

use std::collections::BTreeMap;
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

use super::Node;
use super::STATUS_PATIENCE;
use crate::api::configs::ConfigTables;
use crate::config::{LiveSettings, Settings};
use crate::internal::wire::{Reply, Request};
use crate::internal::{Handler, Internal, Peer};
use crate::liveness::Sessions;
use crate::quorum::{
    Controller, Founding, Metadata, MetadataQuorum, RaftQuorum, RaftTiming, Voter,
};
use crate::testing::small_data_dir;

const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    metadata: Arc<Metadata<RaftQuorum>>,
    data_dir: Arc<DataDir>,
    workers: Workers,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    tending: JoinHandle<()>,
}

/// The nodes, and those that run.
struct Nodes {
    voters: BTreeMap<BrokerId, Voter>,
    directories: BTreeMap<BrokerId, TempDir>,
    listeners: BTreeMap<BrokerId, Internal>,
    running: BTreeMap<BrokerId, Running>,
}

fn address(voter: &Voter) -> String {
    format!("{}:{}", voter.host, voter.port)
}

impl Nodes {
    async fn new() -> Nodes {
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
    fn wipe(&mut self, id: BrokerId) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        self.directories.insert(id, directory);
    }

    /// Starts a node, as far as its metadata. Done means: it is part of the quorum.
    fn start(&mut self, id: BrokerId) -> impl Future<Output = (BrokerId, Running)> + use<> {
        let listener = self.listeners.remove(&id);
        let voters = self.voters.clone();
        let path = self.directories[&id].path().to_owned();
        async move { (id, start(id, voters, listener, &path).await) }
    }

    async fn start_all(&mut self) {
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
    async fn start_observer(&mut self, id: BrokerId) {
        if !self.directories.contains_key(&id) {
            self.wipe(id);
        }
        let internal = Internal::bind("127.0.0.1:0").await.expect("a free port");
        self.listeners.insert(id, internal);
        let started = tokio::time::timeout(PATIENCE, self.start(id)).await;
        let (_, running) = started.expect("it is told the metadata");
        self.running.insert(id, running);
    }

    async fn stop(&mut self, id: BrokerId) {
        let running = self.running.remove(&id).expect("it runs");
        running.tending.abort();
        let _ = running.tending.await;
        running.stop.send_replace(true);
        running.serving.await.expect("it does not panic");
        running.metadata.quorum().stop().await;
        drop(running.metadata);
        drop(running.data_dir);
        let stopped = tokio::task::spawn_blocking(|| running.workers.stop()).await;
        stopped.expect("no panic").expect("a last checkpoint");
    }

    async fn stop_all(mut self) {
        let ids: Vec<_> = self.running.keys().copied().collect();
        for id in ids {
            self.stop(id).await;
        }
    }

    fn metadata(&self, id: BrokerId) -> &Metadata<RaftQuorum> {
        &self.running[&id].metadata
    }

    fn controller(&self) -> Option<BrokerId> {
        let mut running = self.running.iter();
        let is_here =
            |metadata: &Metadata<RaftQuorum>| metadata.quorum().controller() == Controller::Here;
        running
            .find(|(_, it)| is_here(&it.metadata))
            .map(|(id, _)| *id)
    }

    /// Sets a topic's retention through a node, and sees it there at once.
    async fn set(&self, id: BrokerId, value: &str) {
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

    fn read(&self, id: BrokerId) -> Option<String> {
        let resource = ConfigResource {
            resource_type: ResourceType::Group,
            name: "g".to_owned(),
        };
        let image = self.metadata(id).image();
        image.configs(&resource)?.values().next().cloned()
    }
}

async fn start(
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
    let node = Arc::new(Node::new(id, voters.keys().copied().collect()));
    let says = {
        let node = Arc::clone(&node);
        Arc::new(move || node.identity())
    };
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(internal.serve(Arc::clone(&node), stopping));
    let others = voters.iter().filter(|(other, _)| **other != id);
    let others = others.map(|(other, voter)| {
        let peer = Peer::new(address(voter), Arc::clone(&says) as _);
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
    let timing = RaftTiming {
        snapshot_entries: 8,
        ..RaftTiming::default()
    };
    let started = metadata.quorum().start(&timing, says).await;
    started.expect("it starts");
    node.set_metadata(Arc::clone(&metadata));
    if founding.is_voter() {
        let joined = founding.join(metadata.quorum()).await;
        joined.expect("it is part of it");
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
        metadata,
        data_dir,
        workers,
        stop,
        serving,
        tending,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_become_a_cluster_and_any_of_them_changes_its_metadata() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    let ids: Vec<_> = nodes.voters.keys().copied().collect();
    let clusters = ids
        .iter()
        .map(|id| nodes.metadata(*id).image().cluster_id());
    let clusters: std::collections::BTreeSet<_> = clusters.collect();
    assert_eq!(clusters.len(), 1, "{clusters:?}");
    for (at, id) in ids.iter().enumerate() {
        nodes.set(*id, &format!("5000{at}")).await;
        assert_eq!(nodes.metadata(*id).image().broker_count(), 3);
    }
    // Without its controller it goes on.
    let controller = nodes.controller().expect("one of them");
    nodes.stop(controller).await;
    for id in ids.iter().filter(|id| **id != controller) {
        nodes.set(*id, &format!("5000{id}")).await;
    }
    nodes.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_its_disk_founds_nothing_beside_the_others() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    let first = BrokerId::new(1);
    nodes.set(first, "50001").await;
    let cluster = nodes.metadata(first).image().cluster_id();
    let voter = nodes.metadata(first).quorum().id();
    // The one that would begin, were all of them new.
    nodes.stop(first).await;
    nodes.wipe(first);
    let starting = tokio::spawn(nodes.start(first));
    let (_, running) = tokio::time::timeout(PATIENCE, starting)
        .await
        .expect("it is taken in")
        .expect("no panic");
    nodes.running.insert(first, running);
    assert_ne!(nodes.metadata(first).quorum().id(), voter);
    assert_eq!(nodes.metadata(first).image().cluster_id(), cluster);
    assert_eq!(nodes.read(first).as_deref(), Some("50001"));
    // The voter that it was is not waited for: two of three are enough.
    let voters = |nodes: &Nodes| nodes.metadata(first).quorum().voters();
    let replaced = async {
        while voters(&nodes).contains(&voter) || voters(&nodes).len() != 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let replaced = tokio::time::timeout(PATIENCE, replaced).await;
    replaced.unwrap_or_else(|_| panic!("{:?}", voters(&nodes)));
    nodes.stop(BrokerId::new(2)).await;
    nodes.set(first, "50009").await;
    nodes.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_controller_fences() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    let controller = nodes.controller().expect("one of them");
    let mut others = nodes.voters.keys().filter(|id| **id != controller);
    let (deposed, healthy) = (others.next().expect("three"), others.next().expect("three"));
    let seen = |by: BrokerId| nodes.metadata(by).image().broker(*healthy).cloned();
    let epoch = seen(controller).expect("it is registered").broker_epoch;
    for (by, is_fenced) in [(*deposed, false), (controller, true)] {
        let (metadata, nobody) = (nodes.metadata(by), Sessions::default());
        crate::liveness::fence(metadata, &nobody, (*healthy, epoch), "a test").await;
        assert_eq!(seen(controller).map(|it| it.fenced), Some(is_fenced));
    }
    nodes.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_vote_follows_and_changes_the_metadata() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    let observer = BrokerId::new(4);
    nodes.set(BrokerId::new(1), "50001").await;
    nodes.start_observer(observer).await;
    assert_eq!(nodes.read(observer).as_deref(), Some("50001"));
    let quorum = nodes.metadata(observer).quorum();
    assert!(!quorum.is_member() && quorum.voters().is_empty());
    assert_eq!(nodes.metadata(observer).image().broker_count(), 4);
    // What it changes it sees at once, and so it is with what others change when they are asked through it.
    nodes.set(observer, "50002").await;
    let controller = nodes.controller().expect("one of them");
    nodes.stop(controller).await;
    nodes.set(observer, "50003").await;
    // It keeps nothing: whatever happened without it, it is told.
    nodes.stop(observer).await;
    let other = nodes.controller().expect("another one");
    for change in 0..10 {
        nodes.set(other, &format!("{}", 51_000 + change)).await;
    }
    nodes.start_observer(observer).await;
    nodes.set(observer, "50004").await;
    let quorum = nodes.metadata(observer).quorum();
    let told = quorum.tell_controller(&Request::Quorum, STATUS_PATIENCE);
    let Some(Reply::Quorum(status)) = told.await else {
        panic!("the voter that leads answers");
    };
    assert_eq!((status.leader, status.voters.len()), (other, 3));
    nodes.stop_all().await;
}

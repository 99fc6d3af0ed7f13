//! Three nodes that were told of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker_controller::decide::{
    AlterConfigs, BootstrapCluster, FEATURES, FenceBroker, RegisterBroker, ReplacedConfigs,
    ReportSpace, UnfenceBroker, UnregisterBroker,
};
use broker_controller::record::Listener;
use broker_controller::{
    ClusterId, ConfigResource, ConfigValidator, ControllerConfig, DirectoryId, IncarnationId,
    ResourceType,
};
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::model::{BrokerEpoch, BrokerId, Uuid};
use storage::data_dir::{DataDir, Workers};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Node;
use super::STATUS_PATIENCE;
use crate::api::configs::ConfigTables;
use crate::config::{LiveSettings, Settings};
use crate::internal::wire::{BrokerIdentity, NodeStatus, Reply, Request};
use crate::internal::{Handler, Internal, Peer};
use crate::liveness::Sessions;
use crate::quorum::{
    ChangeVoters, Controller, Founding, Metadata, MetadataQuorum, Observe, RaftQuorum, RaftTiming,
    Voter, VoterChange, VoterId,
};
use crate::space::report_space;
use crate::testing::small_data_dir;

const PATIENCE: Duration = Duration::from_secs(20);
const FOURTH: BrokerId = BrokerId::new(4);

struct Running {
    node: Arc<Node>,
    metadata: Arc<Metadata<RaftQuorum>>,
    data_dir: Arc<DataDir>,
    workers: Workers,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    tending: JoinHandle<()>,
    /// Of its internal listener.
    port: u16,
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

    /// Begins another node, whose peers are all there are and itself: it waits until it is taken in.
    async fn begin(&mut self, id: BrokerId) -> (Voter, JoinHandle<(BrokerId, Running)>) {
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
    fn start_beside(&mut self, at: &Voter) -> impl Future<Output = (BrokerId, Running)> + use<> {
        let id = at.broker_id;
        let listener = self.listeners.remove(&id);
        let mut voters = self.voters.clone();
        voters.insert(id, at.clone());
        let path = self.directories[&id].path().to_owned();
        async move { (id, start(id, voters, listener, &path).await) }
    }

    /// It runs again, in the directory that it had.
    async fn restart_beside(&mut self, at: &Voter) {
        let started = tokio::time::timeout(PATIENCE, self.start_beside(at)).await;
        let (id, running) = started.expect("it is told the metadata");
        self.running.insert(id, running);
    }

    async fn change(
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
    async fn add_fourth(&mut self) -> (Voter, VoterId) {
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
    async fn voters_at(&self, id: BrokerId, count: usize) -> BTreeSet<VoterId> {
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
    async fn depose(&mut self, at: &Voter) {
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

    async fn stop(&mut self, id: BrokerId) {
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

/// The vote of a node that is starting.
async fn vote_of(at: &Voter) -> VoterId {
    let says = BrokerIdentity {
        broker_id: BrokerId::new(99),
        cluster_id: None,
    };
    let peer = Peer::new(address(at), Arc::new(move || says.clone()));
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
    let port = internal.address().expect("it is bound").port();
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
    let timing = RaftTiming::patient(8);
    let started = metadata.quorum().start(&timing, says).await;
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
async fn what_is_short_of_space_is_told_in_this_life_until_it_is_known() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    let controller = nodes.controller().expect("one of them");
    let mut others = nodes.voters.keys().copied();
    let id = others.find(|id| *id != controller).expect("three");
    let directory = DirectoryId::new(nodes.running[&id].data_dir.meta().directory_id);
    let seen = |nodes: &Nodes| {
        let image = nodes.metadata(controller).image();
        Arc::clone(image.broker(id).expect("it is registered"))
    };
    let epoch = seen(&nodes).broker_epoch;
    let short = Arc::new(Mutex::new(BTreeSet::from([directory])));
    let report = |nodes: &Nodes, epoch| {
        let (metadata, short) = (&nodes.running[&id].metadata, Arc::clone(&short));
        let short_of_space = move || short.lock().clone();
        tokio::spawn(report_space(
            (id, epoch),
            Arc::clone(metadata),
            short_of_space,
        ))
    };
    // What another life says counts for nothing: it knows so itself, and the controller does.
    let other_life = BrokerEpoch::new(epoch.get() - 1);
    let former = report(&nodes, other_life);
    let late = ReportSpace {
        broker_id: id,
        broker_epoch: other_life,
        short_of_space: vec![directory],
    };
    let refused = nodes.running[&id].metadata.submit(&late).await;
    let refused = refused.expect("a controller").expect_err("of another life");
    assert_eq!(refused.code, ErrorCode::StaleBrokerEpoch);
    assert_eq!(seen(&nodes).short_of_space, []);
    let telling = report(&nodes, epoch);
    let known = |nodes: &Nodes, directories: &[DirectoryId]| {
        let broker = seen(nodes);
        assert!(!broker.fenced, "it goes on following");
        broker.short_of_space == directories
    };
    for expected in [&[directory][..], &[], &[directory]] {
        *short.lock() = expected.iter().copied().collect();
        let waited = async {
            while !known(&nodes, expected) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waited).await;
        waited.expect("the controller is told");
    }
    for task in [former, telling] {
        task.abort();
        let _ = task.await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_fourth_voter_joins_by_request_and_leaves_again() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    let first = BrokerId::new(1);
    nodes.set(first, "50001").await;
    let (at, id) = nodes.add_fourth().await;
    assert_eq!(nodes.read(FOURTH).as_deref(), Some("50001"));
    for (value, by) in [("50002", first), ("50003", FOURTH)] {
        nodes.set(by, value).await;
    }
    // It has a broker of that number now, whatever its directory.
    let another = VoterId::of(DirectoryId::new(Uuid::new_v4()));
    for id in [id, another] {
        let add = VoterChange::Add { id, at: at.clone() };
        let added = nodes.change(first, add, PATIENCE).await;
        assert_eq!(added, Err(ErrorCode::DuplicateVoter));
    }
    nodes.depose(&at).await;
    let remove = |id, broker_id| VoterChange::Remove { id, broker_id };
    let own = nodes.metadata(first).quorum().id();
    for (id, broker_id, expected) in [
        (another, FOURTH, ErrorCode::VoterNotFound),
        (id, first, ErrorCode::VoterNotFound),
        // It would be taken in again.
        (own, first, ErrorCode::InvalidRequest),
    ] {
        let removed = nodes.change(FOURTH, remove(id, broker_id), PATIENCE).await;
        assert_eq!(removed, Err(expected));
    }
    let removed = nodes.change(first, remove(id, FOURTH), PATIENCE).await;
    assert_eq!(removed, Ok(()));
    nodes.voters_at(first, 3).await;
    // Its own log says so: it asks nobody for a vote.
    assert!(!nodes.voters_at(FOURTH, 3).await.contains(&id));
    for (value, by) in [("50004", first), ("50005", FOURTH)] {
        nodes.set(by, value).await;
    }
    // It comes back, and goes on without a vote.
    nodes.stop(FOURTH).await;
    nodes.set(first, "50006").await;
    nodes.restart_beside(&at).await;
    nodes.set(FOURTH, "50007").await;
    assert!(!nodes.voters_at(first, 3).await.contains(&id));
    // Until it is to vote again. Then three of the four are enough, and it is one of them.
    let add = VoterChange::Add { id, at: at.clone() };
    assert_eq!(nodes.change(first, add, PATIENCE).await, Ok(()));
    nodes.voters_at(FOURTH, 4).await;
    nodes.stop(BrokerId::new(2)).await;
    nodes.set(FOURTH, "50008").await;
    nodes.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_that_was_removed_while_it_was_away_learns_of_it() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    let first = BrokerId::new(1);
    let (at, id) = nodes.add_fourth().await;
    nodes.set(first, "50001").await;
    nodes.stop(FOURTH).await;
    let remove = VoterChange::Remove {
        id,
        broker_id: FOURTH,
    };
    // Without it they may have to elect another controller first.
    nodes.set(first, "50002").await;
    assert_eq!(nodes.change(first, remove, PATIENCE).await, Ok(()));
    nodes.restart_beside(&at).await;
    // Its own log makes it a voter still.
    let quorum = nodes.metadata(FOURTH).quorum();
    assert!(quorum.voters().contains(&id) && !quorum.is_member());
    nodes.set(FOURTH, "50003").await;
    for by in 1..=3 {
        nodes.set(BrokerId::new(by), &format!("5001{by}")).await;
        assert!(!nodes.voters_at(BrokerId::new(by), 3).await.contains(&id));
    }
    // It may have promised itself its vote meanwhile, in a term that the others have not come to. They go on from there.
    let add = VoterChange::Add { id, at };
    assert_eq!(nodes.change(first, add, PATIENCE).await, Ok(()));
    assert!(nodes.voters_at(FOURTH, 4).await.contains(&id));
    nodes.set(FOURTH, "50020").await;
    nodes.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_unregistered_hears_so_and_comes_back_as_a_new_one() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    nodes.start_observer(FOURTH).await;
    let first = BrokerId::new(1);
    let registered = |nodes: &Nodes| {
        let image = nodes.metadata(first).image();
        image.broker(FOURTH).map(|it| it.broker_epoch)
    };
    let epoch = registered(&nodes).expect("it is registered");
    let fence = FenceBroker {
        broker_id: FOURTH,
        broker_epoch: epoch,
    };
    let fenced = nodes.metadata(first).submit(&fence).await;
    fenced.expect("a controller").expect("it is registered");
    let unregister = UnregisterBroker {
        broker_id: FOURTH.get(),
        voters: nodes.voters.keys().copied().collect(),
    };
    let done = nodes.metadata(first).submit(&unregister).await;
    done.expect("a controller").expect("nothing needs it");
    assert_eq!(registered(&nodes), None);
    // Its process has gone on without having been heard.
    let heartbeat = Request::Heartbeat { epoch, applied: 0 };
    let told = nodes.metadata(FOURTH).quorum();
    let told = told.tell_controller(&heartbeat, STATUS_PATIENCE).await;
    assert!(
        matches!(told, Some(Reply::Heartbeat { fenced: true })),
        "{told:?}"
    );
    let unfence = UnfenceBroker {
        broker_id: FOURTH,
        broker_epoch: epoch,
    };
    let refused = nodes.metadata(FOURTH).submit(&unfence).await;
    let refused = refused.expect("a controller").expect_err("it is unknown");
    assert_eq!(refused.code, ErrorCode::BrokerIdNotRegistered);
    nodes.stop(FOURTH).await;
    nodes.start_observer(FOURTH).await;
    assert!(registered(&nodes).expect("it is registered") > epoch);
    nodes.stop_all().await;
}

/// Says that it is this voter, and hears nothing else.
struct Deaf {
    status: NodeStatus,
}

impl Handler for Deaf {
    fn identity(&self) -> BrokerIdentity {
        self.status.identity.clone()
    }

    fn adopt(&self, _: &BrokerIdentity, _: tokio::net::TcpStream) {}

    async fn handle(&self, _: &BrokerIdentity, request: Request) -> Reply {
        match request {
            Request::Status => Reply::Status(self.status.clone()),
            _ => Reply::NotReady,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_node_that_is_meant_becomes_a_voter() {
    let mut nodes = Nodes::new().await;
    nodes.start_all().await;
    let first = BrokerId::new(1);
    nodes.start_observer(FOURTH).await;
    let observer = nodes.metadata(FOURTH).quorum().id();
    let second = nodes.voters[&BrokerId::new(2)].port;
    let another = VoterId::of(DirectoryId::new(Uuid::new_v4()));
    let mistaken = VoterId::of(DirectoryId::new(Uuid::new_v4()));
    let free = Internal::bind("127.0.0.1:0").await.expect("a free port");
    let nowhere = free.address().expect("it is bound").port();
    drop(free);
    let fifth = BrokerId::new(5);
    let deaf = Internal::bind("127.0.0.1:0").await.expect("a free port");
    let at_deaf = deaf.address().expect("it is bound").port();
    let handler = Deaf {
        status: NodeStatus {
            identity: BrokerIdentity {
                broker_id: fifth,
                cluster_id: None,
            },
            voter: Some(another),
            is_empty: true,
            peers: vec![first, fifth],
        },
    };
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(deaf.serve(Arc::new(handler), stopping));
    let at = |port| Voter {
        broker_id: fifth,
        host: "127.0.0.1".to_owned(),
        port,
    };
    let short = Duration::from_secs(2);
    for (id, at, expected) in [
        // Nobody listens there.
        (another, at(nowhere), ErrorCode::RequestTimedOut),
        // Somebody else does.
        (another, at(second), ErrorCode::InvalidRequest),
        // With another directory.
        (mistaken, at(at_deaf), ErrorCode::InvalidRequest),
        // It is never told everything.
        (another, at(at_deaf), ErrorCode::RequestTimedOut),
    ] {
        let added = nodes
            .change(first, VoterChange::Add { id, at }, short)
            .await;
        assert_eq!(added, Err(expected));
    }
    // Without a vote by its configuration.
    let image = nodes.metadata(first).image();
    assert!(image.broker(FOURTH).is_some());
    let listening = nodes.running[&FOURTH].port;
    let at = Voter {
        broker_id: FOURTH,
        ..at(listening)
    };
    let add = VoterChange::Add { id: observer, at };
    let added = nodes.change(first, add, short).await;
    assert_eq!(added, Err(ErrorCode::InvalidRequest));
    // Who was to vote, and does not, is no member.
    let gone = async {
        loop {
            let controller = nodes.controller().unwrap_or(first);
            let observe = Observe {
                applied: 0,
                part: None,
            };
            let quorum = nodes.metadata(controller).quorum();
            if let Reply::Observed(observed) = quorum.observe(observe).await
                && observed.members.1.len() == 3
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = tokio::time::timeout(PATIENCE, gone).await;
    gone.expect("the learner is let go");
    nodes.set(first, "50001").await;
    stop.send_replace(true);
    serving.await.expect("it does not panic");
    nodes.stop_all().await;
}

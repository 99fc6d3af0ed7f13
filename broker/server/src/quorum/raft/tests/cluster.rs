//! Three voters in one process, over real connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_controller::record::ConfigRecord;
use broker_controller::{ConfigResource, MetadataRecord, ResourceType};
use openraft::ChangeMembers;
use protocol::model::BrokerId;
use storage::data_dir::{DataDir, Workers};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::quorum::{RaftQuorum, RaftTiming};
use super::super::types::{Voter, VoterId};
use crate::internal::wire::{BrokerIdentity, Reply, Request};
use crate::internal::{Caller, Handler, Internal};
use crate::quorum::{Committed, Controller, MetadataQuorum};
use crate::testing::small_data_dir;

const PATIENCE: Duration = Duration::from_secs(20);

struct Answering(Arc<RaftQuorum>, BrokerIdentity);

impl Handler for Answering {
    fn identity(&self) -> BrokerIdentity {
        self.1.clone()
    }

    fn on_call(&self, _: BrokerId, _: std::net::IpAddr) {}

    fn adopt(&self, _: &BrokerIdentity, _: tokio::net::TcpStream) {}

    async fn handle(&self, _: &BrokerIdentity, request: Request) -> Reply {
        match request {
            // Until who asks goes away.
            Request::Watch => std::future::pending().await,
            request => self.0.answer(request).await,
        }
    }
}

/// A voter that runs.
struct Running {
    quorum: Arc<RaftQuorum>,
    data_dir: Arc<DataDir>,
    workers: Workers,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

struct Node {
    broker_id: BrokerId,
    directory: TempDir,
    address: String,
    timing: RaftTiming,
    running: Option<Running>,
}

impl Node {
    async fn new(broker_id: i32, timing: RaftTiming) -> Node {
        let internal = Internal::bind("127.0.0.1:0").await.expect("a free port");
        let address = internal.address().expect("it is bound").to_string();
        let mut node = Node {
            broker_id: BrokerId::new(broker_id),
            directory: tempfile::tempdir().expect("a temporary directory"),
            address,
            timing,
            running: None,
        };
        node.run(internal).await;
        node
    }

    async fn run(&mut self, internal: Internal) {
        let (data_dir, workers) = small_data_dir(self.directory.path());
        let quorum = RaftQuorum::open(&data_dir, true, || 0).expect("a metadata log");
        let quorum = Arc::new(quorum);
        let identity = BrokerIdentity {
            broker_id: self.broker_id,
            cluster_id: Some("c".to_owned()),
        };
        let says = identity.clone();
        let caller = Caller::new(move || says.clone(), Arc::default());
        let started = quorum.start(&self.timing, caller);
        started.await.expect("it starts");
        quorum.start_succeeding();
        let handler = Arc::new(Answering(Arc::clone(&quorum), identity));
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(internal.serve(handler, stopping));
        self.running = Some(Running {
            quorum,
            data_dir,
            workers,
            stop,
            serving,
        });
    }

    async fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        running.stop.send_replace(true);
        running.serving.await.expect("it does not panic");
        running.quorum.stop().await;
        drop(running.quorum);
        drop(running.data_dir);
        let stopped = tokio::task::spawn_blocking(|| running.workers.stop()).await;
        stopped.expect("no panic").expect("a last checkpoint");
    }

    async fn restart(&mut self) {
        let internal = Internal::bind(&self.address)
            .await
            .expect("its port is free");
        self.run(internal).await;
    }

    fn quorum(&self) -> &Arc<RaftQuorum> {
        &self.running.as_ref().expect("it runs").quorum
    }

    fn voter(&self) -> (VoterId, Voter) {
        let (host, port) = self.address.rsplit_once(':').expect("a port");
        let voter = Voter {
            broker_id: self.broker_id,
            host: host.to_owned(),
            port: port.parse().expect("a number"),
        };
        (self.quorum().id(), voter)
    }
}

fn setting(value: usize) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: ResourceType::Topic,
        resource_name: "t".to_owned(),
        key: "retention.ms".to_owned(),
        value: Some(value.to_string()),
    })
}

fn read(quorum: &RaftQuorum) -> Option<String> {
    let newest = quorum.images().newest();
    let configs = newest.image.configs(&ConfigResource::topic("t"))?;
    configs.get("retention.ms").cloned()
}

struct Cluster(Vec<Node>);

impl Cluster {
    async fn of(count: i32) -> Cluster {
        Cluster::with_timing(count, &RaftTiming::patient(20)).await
    }

    async fn with_timing(count: i32, timing: &RaftTiming) -> Cluster {
        let mut nodes = Vec::new();
        for id in 1..=count {
            nodes.push(Node::new(id, timing.clone()).await);
        }
        let voters: BTreeMap<_, _> = nodes.iter().map(Node::voter).collect();
        nodes[0]
            .quorum()
            .found(voters)
            .await
            .expect("all are empty");
        Cluster(nodes)
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len()).filter(|at| self.0[*at].running.is_some())
    }

    /// Who leads, once everybody that runs says the same, and it is one of them.
    async fn leader(&self) -> usize {
        let agreed = async {
            loop {
                let says = |at: usize| self.0[at].quorum().leader().map(|(id, _)| id);
                let leaders: Vec<_> = self.running().map(says).collect();
                let found = self.running().find(|at| {
                    leaders
                        .iter()
                        .all(|it| *it == Some(self.0[*at].quorum().id()))
                });
                if let Some(at) = found {
                    return at;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let agreed = tokio::time::timeout(PATIENCE, agreed).await;
        agreed.expect("a leader is elected")
    }

    /// Sets it through the leader, on the newest image.
    async fn set(&self, value: usize) {
        let leader = self.0[self.leader().await].quorum();
        loop {
            let base = leader.images().newest().index;
            match leader.commit(base, &[setting(value)]).await {
                Ok(Committed::Applied) => return,
                Ok(Committed::Stale) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Everybody that runs comes to see it.
    async fn all_see(&self, value: usize) {
        let wanted = Some(value.to_string());
        for at in self.running() {
            let quorum = self.0[at].quorum();
            let seen = async {
                while read(quorum) != wanted {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let seen = tokio::time::timeout(PATIENCE, seen).await;
            seen.unwrap_or_else(|_| panic!("node {at} sees {:?}", read(quorum)));
        }
    }

    async fn stop(mut self) {
        for node in &mut self.0 {
            if node.running.is_some() {
                node.stop().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_everywhere_and_outlives_its_leader() {
    let mut cluster = Cluster::of(3).await;
    cluster.set(1).await;
    cluster.all_see(1).await;
    let first = cluster.leader().await;
    cluster.0[first].stop().await;
    cluster.set(2).await;
    cluster.all_see(2).await;
    cluster.0[first].restart().await;
    cluster.all_see(2).await;
    cluster.set(3).await;
    cluster.all_see(3).await;
    cluster.stop().await;
}

/// By their own timeouts voters would wait for longer than this test does.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_process_is_gone_has_a_successor_before_its_lease_is_over() {
    let timing = RaftTiming {
        election: PATIENCE,
        ..RaftTiming::patient(20)
    };
    let mut cluster = Cluster::with_timing(3, &timing).await;
    for value in 0..3 {
        cluster.set(value).await;
        cluster.all_see(value).await;
        let leader = cluster.leader().await;
        cluster.0[leader].stop().await;
        cluster.set(10 + value).await;
        cluster.0[leader].restart().await;
        cluster.all_see(10 + value).await;
    }
    cluster.stop().await;
}

/// Otherwise who fences the dead would go on, as fast as it can, while the process ends.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_stopped_leads_nothing_and_sees_no_change() {
    let mut cluster = Cluster::of(3).await;
    cluster.set(1).await;
    let leader = cluster.leader().await;
    let quorum = Arc::clone(cluster.0[leader].quorum());
    assert_eq!(quorum.controller(), Controller::Here);
    cluster.0[leader].stop().await;
    assert_eq!(quorum.controller(), Controller::Nowhere);
    let changed = quorum.controller_changed();
    let waited = tokio::time::timeout(Duration::from_millis(50), changed).await;
    assert!(waited.is_err(), "nothing changes any more");
    drop(quorum);
    cluster.0[leader].restart().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_them_can_be_restarted() {
    let mut cluster = Cluster::of(3).await;
    for value in 0..50 {
        cluster.set(value).await;
    }
    for node in &mut cluster.0 {
        node.stop().await;
    }
    for node in &mut cluster.0 {
        node.restart().await;
    }
    cluster.all_see(49).await;
    cluster.set(50).await;
    cluster.all_see(50).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_away_for_long_takes_a_snapshot_over() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader().await;
    let away = (leader + 1) % 3;
    cluster.set(0).await;
    cluster.0[away].stop().await;
    for value in 1..100 {
        cluster.set(value).await;
    }
    cluster.0[away].restart().await;
    cluster.all_see(99).await;
    // It counts again: with another one away, nothing could be committed without it.
    let other = (0..3)
        .find(|at| *at != away && *at != leader)
        .expect("three");
    cluster.0[other].stop().await;
    cluster.set(100).await;
    cluster.0[away].stop().await;
    cluster.0[other].restart().await;
    cluster.0[away].restart().await;
    cluster.all_see(100).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_on_an_older_image_is_as_if_it_had_never_been() {
    let cluster = Cluster::of(1).await;
    cluster.set(1).await;
    let quorum = cluster.0[cluster.leader().await].quorum();
    let base = quorum.images().newest().index;
    cluster.set(2).await;
    let late = quorum.commit(base, &[setting(3)]).await;
    assert_eq!(late.expect("it is committed"), Committed::Stale);
    assert_eq!(read(quorum), Some("2".to_owned()));
    cluster.stop().await;
}

/// Whoever began to take it in is gone, and it is in nobody's `peers`.
#[tokio::test(flavor = "multi_thread")]
async fn a_learner_that_nobody_takes_in_is_let_go() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.0[cluster.leader().await].quorum();
    let voters: BTreeMap<_, _> = cluster.0.iter().map(Node::voter).collect();
    let id = VoterId::new(7);
    let at = Voter {
        broker_id: BrokerId::new(7),
        host: "127.0.0.1".to_owned(),
        port: 9,
    };
    let learner = ChangeMembers::AddNodes(BTreeMap::from([(id, at.clone())]));
    let added = leader.change(learner, false).await;
    added.expect("a majority is there");
    assert!(leader.nodes().contains(&(id, at)));
    leader.tend(&voters).await.expect("a majority is there");
    let nodes: BTreeMap<_, _> = leader.nodes().into_iter().collect();
    assert_eq!(nodes, voters);
    assert_eq!(leader.voters().len(), 3);
    cluster.stop().await;
}

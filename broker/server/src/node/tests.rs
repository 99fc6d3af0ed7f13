//! Three nodes that were told of each other.
//!
//! - [`nodes`]: what all tests share.
//! - [`voters`]: members of the quorum that come and go.

mod nodes;
mod voters;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_controller::DirectoryId;
use broker_controller::decide::ReportSpace;
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::model::{BrokerEpoch, BrokerId};

use crate::liveness::Sessions;
use crate::space::report_space;
use nodes::*;

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

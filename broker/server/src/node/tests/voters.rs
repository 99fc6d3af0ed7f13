//! Who does not vote, who comes to vote, and who no longer does.

use std::sync::Arc;
use std::time::Duration;

use broker_controller::DirectoryId;
use broker_controller::decide::{FenceBroker, UnfenceBroker, UnregisterBroker};
use protocol::ErrorCode;
use protocol::model::{BrokerId, Uuid};
use tokio::sync::watch;

use super::super::STATUS_PATIENCE;
use super::nodes::*;
use crate::internal::wire::{BrokerIdentity, NodeStatus, Reply, Request};
use crate::internal::{Handler, Internal};
use crate::quorum::{Observe, Voter, VoterChange, VoterId};

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

    fn on_call(&self, _: BrokerId, _: std::net::IpAddr) {}

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

//! Groups, from requests to replies and records.

mod classic;
mod consumer;
mod consumer_assignments;
mod consumer_offsets;
mod consumer_random;
mod consumer_regexes;
mod migration;
mod mixed_random;
mod offsets;
mod random;
mod static_members;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::group_records::GroupRecord;
use protocol::model::Uuid;

use super::ask::*;
use super::{
    Cluster, GroupAsk, GroupCall, GroupConfig, GroupCoordinator, GroupReply, TopicPartition,
    TopicView,
};
use crate::{Coordinator, Effects, Now, Ticket};

/// Topics, and settings of groups.
#[derive(Clone, Debug, Default)]
struct Topics {
    version: usize,
    topics: BTreeMap<Arc<str>, TopicView>,
    settings: BTreeMap<String, i32>,
}

impl Cluster for Topics {
    fn version(&self) -> usize {
        self.version
    }

    fn topic(&self, name: &str) -> Option<TopicView> {
        self.topics.get(name).copied()
    }

    fn name(&self, topic: Uuid) -> Option<Arc<str>> {
        let mut topics = self.topics.iter();
        let found = topics.find(|(_, view)| view.id == topic)?;
        Some(Arc::clone(found.0))
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.topics.keys().cloned().collect()
    }

    fn racks(&self, (_, partition): TopicPartition) -> Vec<Arc<str>> {
        vec![format!("r{}", partition % 2).into()]
    }

    fn group_setting(&self, _: &str, name: &str) -> Option<i32> {
        self.settings.get(name).copied()
    }
}

/// A coordinator, its log, and its clients.
struct Rig {
    cluster: Topics,
    coordinator: GroupCoordinator,
    config: GroupConfig,
    now: Now,
    tickets: u64,
    replies: BTreeMap<Ticket, GroupReply>,
    log: Vec<GroupRecord>,
}

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;

fn rig() -> Rig {
    rig_with(GroupConfig::default())
}

fn rig_with(config: GroupConfig) -> Rig {
    let mut rig = Rig {
        cluster: Topics::default(),
        coordinator: GroupCoordinator::new(config.clone(), Arc::default()),
        config,
        now: Now {
            monotonic_ms: 0,
            wall_ms: 1_000_000,
            wall_is_trusted: true,
        },
        tickets: 0,
        replies: BTreeMap::new(),
        log: Vec::new(),
    };
    rig.reload();
    rig
}

/// Without the delay of a new group.
fn quick() -> Rig {
    rig_with(GroupConfig {
        initial_rebalance_delay_ms: 0,
        ..GroupConfig::default()
    })
}

impl Rig {
    /// Ends the coordinator, and loads another from the log's bytes.
    fn reload(&mut self) {
        let mut coordinator = GroupCoordinator::new(self.config.clone(), Arc::default());
        for record in &self.log {
            let (key, value) = record.encode().expect("a record that fits");
            let read = GroupRecord::decode(&key, value.as_deref());
            coordinator.load(read.expect("well-formed").expect("of a known kind"));
        }
        let mut effects = Effects::default();
        coordinator.on_loaded(self.now, &mut effects);
        self.coordinator = coordinator;
        self.take(effects);
    }

    fn take(&mut self, effects: Effects<GroupRecord, GroupReply>) {
        self.log.extend(effects.records);
        for (ticket, reply) in effects.replies {
            let before = self.replies.insert(ticket, reply);
            assert_eq!(before, None, "answered twice");
        }
    }

    /// Asks, and does not wait.
    fn send<Q: GroupAsk>(&mut self, ask: Q) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let mut effects = Effects::default();
        let call = GroupCall {
            cluster: Arc::new(self.cluster.clone()),
            request: ask.into_request(),
        };
        self.coordinator
            .on_request(self.now, ticket, call, &mut effects);
        self.take(effects);
        ticket
    }

    /// Makes a topic, or gives it so many partitions.
    fn topic(&mut self, name: &str, partitions: i32) -> Uuid {
        self.cluster.version += 1;
        let id = Uuid::from_u128(0x1000 + u128::try_from(self.cluster.version).expect("small"));
        let topics = &mut self.cluster.topics;
        let view = topics
            .entry(name.into())
            .or_insert(TopicView { id, partitions });
        view.partitions = partitions;
        view.id
    }

    /// Gives all groups a setting of their own.
    fn set(&mut self, name: &str, value: i32) {
        self.cluster.version += 1;
        self.cluster.settings.insert(name.into(), value);
    }

    fn delete_topic(&mut self, name: &str) {
        self.cluster.version += 1;
        self.cluster.topics.remove(name);
    }

    fn reply<Q: GroupAsk>(&mut self, ticket: Ticket) -> Option<Q::Reply> {
        let reply = self.replies.remove(&ticket)?;
        Some(Q::reply_of(reply).expect("a reply of its kind"))
    }

    /// Asks, and is answered at once.
    fn ask<Q: GroupAsk>(&mut self, ask: Q) -> Q::Reply {
        let ticket = self.send(ask);
        self.reply::<Q>(ticket).expect("answered at once")
    }

    /// Lets time pass, with all that is due in it.
    fn pass(&mut self, millis: i32) {
        let end_ms = self.now.monotonic_ms + i64::from(millis);
        while let Some(due_ms) = self
            .coordinator
            .next_deadline_ms()
            .filter(|ms| *ms <= end_ms)
        {
            self.set_time(due_ms.max(self.now.monotonic_ms));
            let mut effects = Effects::default();
            self.coordinator.on_timer(self.now, &mut effects);
            self.take(effects);
        }
        self.set_time(end_ms);
    }

    fn set_time(&mut self, monotonic_ms: i64) {
        self.now.wall_ms += monotonic_ms - self.now.monotonic_ms;
        self.now.monotonic_ms = monotonic_ms;
    }

    /// A new member of group `g`, with the request that waits.
    fn join(&mut self, client: &str) -> (Arc<str>, Ticket) {
        let first = self.ask(JoinGroup {
            is_to_know_its_id: true,
            ..new_member(client)
        });
        assert_eq!(first.error, ErrorCode::MemberIdRequired);
        let member = first.member.expect("an id");
        let ticket = self.send(JoinGroup {
            member: Some(Arc::clone(&member)),
            ..new_member(client)
        });
        (member, ticket)
    }

    fn joined(&mut self, ticket: Ticket) -> Joined {
        let reply = self
            .reply::<JoinGroup>(ticket)
            .expect("the rebalance is complete");
        assert_eq!(reply.error, ErrorCode::None);
        reply.joined.expect("a generation")
    }

    fn sync(
        &mut self,
        member: &Arc<str>,
        generation: i32,
        assignments: &[(&Arc<str>, &str)],
    ) -> Ticket {
        let assignments = assignments.iter();
        let ask = SyncGroup {
            group: "g".into(),
            generation,
            member: Arc::clone(member),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: assignments
                .map(|(member, assignment)| (Arc::clone(member), bytes(assignment)))
                .collect(),
        };
        self.send(ask)
    }

    fn synced(&mut self, ticket: Ticket) -> (ErrorCode, Bytes) {
        let reply = self.reply::<SyncGroup>(ticket).expect("an assignment");
        (reply.error, reply.assignment)
    }

    fn heartbeat(&mut self, member: &Arc<str>, generation: i32) -> ErrorCode {
        self.ask(Heartbeat {
            group: "g".into(),
            generation,
            member: Arc::clone(member),
            instance: None,
        })
    }

    fn leave(&mut self, member: &Arc<str>) -> LeaveReply {
        let leaving = LeavingMember {
            member: Some(Arc::clone(member)),
            instance: None,
        };
        self.ask(LeaveGroup {
            group: "g".into(),
            members: vec![leaving],
        })
    }

    fn state(&self) -> Option<&'static str> {
        let mut groups = self.coordinator.groups();
        groups
            .find(|group| &**group.group == "g")
            .map(|group| group.state)
    }

    /// A group of one member, stable in generation 1.
    fn alone(&mut self) -> Arc<str> {
        let (member, ticket) = self.join("c");
        self.pass(self.config.initial_rebalance_delay_ms);
        assert_eq!(self.joined(ticket).generation, 1);
        let ticket = self.sync(&member, 1, &[(&member, "all")]);
        assert_eq!(self.synced(ticket), (ErrorCode::None, bytes("all")));
        member
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn protocols(names: &[&str]) -> Vec<Protocol> {
    let names = names.iter();
    names
        .map(|name| Protocol {
            name: (*name).into(),
            // Version 1, subscribed to `t`.
            metadata: Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0"),
        })
        .collect()
}

/// A consumer that joins group `g` for the first time.
fn new_member(client: &str) -> JoinGroup {
    // Ids are unlike because clients are.
    let seed = client
        .bytes()
        .fold(1u128, |id, byte| id * 257 + u128::from(byte));
    JoinGroup {
        group: "g".into(),
        member: None,
        instance: None,
        client_id: client.into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"]),
        is_to_know_its_id: false,
        can_skip_assignment: true,
        new_member: Uuid::from_u128(seed),
    }
}

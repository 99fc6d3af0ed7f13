//! A group of the classic protocol (Kafka's `ClassicGroup`): the members elect an assignor, and one of them assigns.
//!
//! ```text
//!   Empty ── join ──> PreparingRebalance ── all have joined, or the time is over ──> CompletingRebalance
//!     ^                 ^          │                                                    │
//!     └── nobody left ──┼──────────┘             a member joins, leaves or is silent     │ the leader brings the assignments
//!                       ├───────────────────────────────────────────────────────────────┤
//!                       └──────────────────────── Stable <──────────────────────────────┘
//! ```
//!
//! Recorded is each generation when its assignments are there, and that a group is empty. All else is volatile: after a load a group is
//! stable or empty, and its members are heard of within their session timeouts or expire.

mod convert;
mod join;
mod leave;
mod member;
mod rebalance;
mod recorded;
mod session;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::ErrorCode;

use super::ask::{DescribedGroup, Joined, JoinedMember};
use member::ClassicMember;

pub(super) use convert::ConvertedMember;
pub(super) use member::{CONSUMER_PROTOCOL_TYPE, protocol_bytes};

/// Where a group stands. (Kafka's `Dead` is no state here: a dead group is not there.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClassicState {
    /// Nobody is in it.
    Empty,
    /// Members are to join again.
    PreparingRebalance,
    /// They have joined; the leader is to assign.
    CompletingRebalance,
    /// Everybody can know its assignment.
    Stable,
}

impl ClassicState {
    pub(super) fn name(self) -> &'static str {
        match self {
            ClassicState::Empty => "Empty",
            ClassicState::PreparingRebalance => "PreparingRebalance",
            ClassicState::CompletingRebalance => "CompletingRebalance",
            ClassicState::Stable => "Stable",
        }
    }
}

/// The first rebalance of a group that was empty, which waits for more members.
#[derive(Clone, Copy, Debug)]
struct InitialRebalance {
    /// Somebody has come since the wait began.
    member_came: bool,
    /// How much longer it may wait after this time.
    remaining_ms: i32,
}

/// A group of the classic protocol, or one that only commits offsets.
#[derive(Debug)]
pub(super) struct ClassicGroup {
    id: Arc<str>,
    state: ClassicState,
    /// When the state was entered, by the wall clock; not known of one that only commits offsets.
    state_since_ms: Option<i64>,
    generation: i32,
    /// None of a group that only commits offsets.
    protocol_type: Option<Arc<str>>,
    /// The assignor of the generation.
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, ClassicMember>,
    /// Member ids by instance id.
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// How many members offer each assignor.
    offered: BTreeMap<Arc<str>, usize>,
    /// Members that were told their id and have not come with it yet.
    pending_joins: BTreeSet<Arc<str>>,
    /// Members of this generation that have not asked for their assignment yet.
    pending_syncs: BTreeSet<Arc<str>>,
    /// How many members wait for the rebalance to be complete.
    awaiting_joins: usize,
    initial: Option<InitialRebalance>,
    /// What consumers of this generation are subscribed to, where it can be read.
    subscribed: Option<BTreeSet<String>>,
    /// How many have ever joined.
    joins: u64,
    /// The log has a record of it.
    is_recorded: bool,
    /// What its members take.
    bytes: usize,
}

impl ClassicGroup {
    /// One that nobody is in, and nothing is recorded of.
    pub(super) fn new(id: Arc<str>) -> ClassicGroup {
        ClassicGroup {
            id,
            state: ClassicState::Empty,
            state_since_ms: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            offered: BTreeMap::new(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            awaiting_joins: 0,
            initial: None,
            subscribed: None,
            joins: 0,
            is_recorded: false,
            bytes: 0,
        }
    }

    pub(super) fn state(&self) -> ClassicState {
        self.state
    }

    pub(super) fn state_since_ms(&self) -> Option<i64> {
        self.state_since_ms
    }

    pub(super) fn generation(&self) -> i32 {
        self.generation
    }

    pub(super) fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    /// The assignor of the generation, or of the one before while members join.
    pub(super) fn protocol(&self) -> Option<&Arc<str>> {
        self.protocol.as_ref()
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    /// What its members take, in memory and at most in a record.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether somebody of that id has joined.
    pub(super) fn has_member(&self, member: &str) -> bool {
        self.members.contains_key(member)
    }

    /// Nobody is in it, and nobody is about to be.
    pub(super) fn is_empty(&self) -> bool {
        self.state == ClassicState::Empty && self.pending_joins.is_empty()
    }

    /// Whether the log has a record of it, which has to be taken back when it is gone.
    pub(super) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// Whether its assignments are those of consumers, so that subscriptions can be read.
    pub(super) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// What the members are subscribed to, if that is known.
    pub(super) fn subscribed(&self) -> Option<&BTreeSet<String>> {
        self.subscribed.as_ref()
    }

    /// Whether a member may still speak for itself (Kafka's `validateMember`).
    pub(super) fn check_member(
        &self,
        member: &str,
        instance: Option<&Arc<str>>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if **current != *member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(member) {
            true => Ok(()),
            false => Err(ErrorCode::UnknownMemberId),
        }
    }

    pub(super) fn describe(&self) -> DescribedGroup {
        let is_stable = self.state == ClassicState::Stable;
        let protocol = self.protocol.clone().filter(|_| is_stable);
        let members = self.members.values();
        DescribedGroup {
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: members
                .map(|member| member.describe(protocol.as_deref()))
                .collect(),
            protocol: protocol.unwrap_or_default(),
        }
    }

    fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    fn has_all_joined(&self) -> bool {
        self.awaiting_joins == self.members.len() && self.pending_joins.is_empty()
    }

    /// The longest that a member asks for.
    fn rebalance_timeout_ms(&self) -> i32 {
        let timeouts = self
            .members
            .values()
            .map(|member| member.rebalance_timeout_ms);
        timeouts.max().unwrap_or(0)
    }

    /// Counts what the members take, after all of them have changed.
    fn count_bytes(&mut self) {
        self.bytes = self.members.values().map(ClassicMember::bytes).sum();
    }

    fn enter(&mut self, state: ClassicState, wall_ms: i64) {
        self.state = state;
        self.state_since_ms = Some(wall_ms);
    }

    /// The generation as a member learns of it. All members for the one that is to assign.
    fn joined(&self, leader: Arc<str>, with_members: bool, skip_assignment: bool) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = match with_members {
            true => self.joined_members(&protocol),
            false => Vec::new(),
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol,
            leader,
            skip_assignment,
            members,
        }
    }

    fn joined_members(&self, protocol: &str) -> Vec<JoinedMember> {
        let joined = |member: &ClassicMember| JoinedMember {
            member: Arc::clone(&member.id),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.values().map(joined).collect()
    }

    /// The assignor that most members prefer of those that all offer (Kafka's `selectProtocol`). Of two with as many votes it is the one
    /// that the earliest member prefers.
    fn select_protocol(&self) -> Option<Arc<str>> {
        let common = |name: &Arc<str>| self.offered.get(name) == Some(&self.members.len());
        let mut votes: BTreeMap<&Arc<str>, (usize, u64)> = BTreeMap::new();
        for member in self.members.values() {
            let mut names = member.protocols.iter().map(|protocol| &protocol.name);
            if let Some(name) = names.find(|name| common(name)) {
                let (count, earliest) = votes.entry(name).or_insert((0, u64::MAX));
                *count += 1;
                *earliest = (*earliest).min(member.number);
            }
        }
        let best = votes
            .into_iter()
            .max_by_key(|(_, (count, earliest))| (*count, std::cmp::Reverse(*earliest)));
        best.map(|(name, _)| Arc::clone(name))
    }

    /// Checked after each event.
    pub(super) fn check(&self) {
        let is_empty = self.members.is_empty();
        assert!(!is_empty || self.bytes == 0, "nobody takes something");
        let named = self.leader.as_ref();
        assert!(
            named.is_none_or(|leader| self.members.contains_key(leader)),
            "the leader is a member"
        );
        match self.state {
            ClassicState::Empty => assert!(is_empty, "an empty group has members"),
            ClassicState::PreparingRebalance => {}
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                assert!(!is_empty && named.is_some() && self.protocol.is_some());
                assert_eq!(self.awaiting_joins, 0, "nobody waits for a rebalance");
            }
        }
    }
}

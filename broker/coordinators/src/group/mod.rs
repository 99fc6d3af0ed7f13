//! The coordinator of consumer groups: one for each partition of `__consumer_offsets`.

pub mod ask;
mod classic;
mod cluster;
mod config;
mod consumer;
mod context;
mod members;
mod metrics;
mod offsets;
mod requests;

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::group_records::GroupRecord;

use crate::{Coordinator, Now, Ticket, Timers};
use context::{Context, GroupEffects, TimerKey};
use members::{Group, Members};

pub use ask::{GroupAsk, GroupReply, GroupRequest};
pub use cluster::{Cluster, NoCluster, TopicPartition, TopicView};
pub use config::{GroupConfig, MigrationPolicy};
pub use consumer::{ASSIGNORS, Assignor, Refusal};
pub use metrics::{Counter, GroupCounters};
pub use offsets::CommittedOffset;

/// The name of the topic with what is recorded of groups.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Timers that go off in one call, so that requests get their turn.
const TIMERS_AT_A_TIME_MAX: usize = 1_000;
/// Records that expiration writes in one call, so that a batch stays of reasonable size. A group is not divided.
const EXPIRED_AT_A_TIME_MAX: usize = 1_000;

/// The partition of [`OFFSETS_TOPIC`] that a group belongs to: Java's `hashCode`, without its sign.
pub fn partition_of(group: &str, partitions: i32) -> i32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    (hash & i32::MAX) % partitions.max(1)
}

/// A request, and the cluster as it is known where it is asked.
#[derive(Clone, Debug)]
pub struct GroupCall {
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// The request.
    pub request: GroupRequest,
}

/// The groups of a partition.
#[derive(Debug)]
pub struct GroupCoordinator {
    config: GroupConfig,
    groups: BTreeMap<Arc<str>, Group>,
    timers: Timers<TimerKey>,
    counters: Arc<GroupCounters>,
    /// What the members of all groups take.
    member_bytes: usize,
    /// The last group that an expiration under way has looked at.
    expired_to: Option<Arc<str>>,
    /// As the last request has seen it.
    cluster: Arc<dyn Cluster>,
    /// Counts the versions of it that were seen.
    cluster_version: u64,
}

/// A group, for who looks at it.
#[derive(Clone, Copy, Debug)]
pub struct GroupView<'a> {
    /// Its id.
    pub group: &'a Arc<str>,
    /// The kind of group; empty for one that only commits offsets.
    pub protocol_type: &'a str,
    /// Its type (KIP-848).
    pub group_type: &'static str,
    /// Its state.
    pub state: &'static str,
    /// How many members it has.
    pub members: usize,
    group_: &'a Group,
}

impl<'a> GroupView<'a> {
    /// Topic, partition and offset of all that is committed.
    pub fn offsets(&self) -> impl Iterator<Item = (&'a Arc<str>, i32, i64)> + use<'a> {
        let offsets = self.group_.offsets.iter();
        offsets.map(|(topic, partition, committed)| (topic, partition, committed.offset))
    }
}

impl GroupCoordinator {
    /// One without groups.
    pub fn new(config: GroupConfig, counters: Arc<GroupCounters>) -> GroupCoordinator {
        assert!(
            !config.consumer_assignors.is_empty(),
            "there is an assignor"
        );
        GroupCoordinator {
            config,
            groups: BTreeMap::new(),
            timers: Timers::default(),
            counters,
            member_bytes: 0,
            expired_to: None,
            cluster: Arc::new(NoCluster),
            cluster_version: 0,
        }
    }

    /// Goes by other settings from now on.
    pub fn set_config(&mut self, config: GroupConfig) {
        self.config = config;
    }

    /// What is counted.
    pub fn counters(&self) -> &Arc<GroupCounters> {
        &self.counters
    }

    /// The groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = GroupView<'_>> {
        self.groups.iter().map(|(id, group)| GroupView {
            group: id,
            protocol_type: group.protocol_type(),
            group_type: group.group_type(),
            state: group.state(),
            members: group.member_count(),
            group_: group,
        })
    }

    fn see(&mut self, cluster: Arc<dyn Cluster>) {
        if self.cluster_version == 0 || cluster.version() != self.cluster.version() {
            self.cluster = cluster;
            self.cluster_version += 1;
        }
    }

    /// Works on a group, if it is there; `make` makes one that is not.
    fn with<T>(
        &mut self,
        now: Now,
        effects: &mut GroupEffects,
        id: &Arc<str>,
        make: bool,
        work: impl FnOnce(&mut Group, &mut Context<'_>) -> T,
    ) -> Option<T> {
        if make && !self.groups.contains_key(id) {
            let group = Group::new(Arc::clone(id));
            self.groups.insert(Arc::clone(id), group);
        }
        let group = self.groups.get_mut(id)?;
        let mut context = Context {
            now,
            config: &self.config,
            timers: &mut self.timers,
            effects,
            counters: &self.counters,
            cluster: &self.cluster,
            cluster_version: self.cluster_version,
        };
        let before = group.bytes();
        let was_in_use = !group.is_abandoned();
        let outcome = work(group, &mut context);
        group.record_if_left(&mut context, was_in_use);
        group.note_rest(&context);
        group.check();
        self.member_bytes = self.member_bytes - before + group.bytes();
        if group.is_vacant() {
            self.groups.remove(id);
        }
        Some(outcome)
    }

    /// Looks for what has expired; where there is much, goes on at once in the next call.
    fn expire(&mut self, now: Now, effects: &mut GroupEffects) {
        let from = match self.expired_to.take() {
            Some(id) => std::ops::Bound::Excluded(id),
            None => std::ops::Bound::Unbounded,
        };
        let rest = self.groups.range((from, std::ops::Bound::Unbounded));
        let ids: Vec<_> = rest.map(|(id, _)| Arc::clone(id)).collect();
        let mut records = 0;
        let mut delay_ms = self.config.offsets_retention_check_ms;
        for id in ids {
            if records >= EXPIRED_AT_A_TIME_MAX {
                delay_ms = 0;
                break;
            }
            let written = self.with(now, effects, &id, false, |group, context| {
                group.expire(context)
            });
            records += written.unwrap_or(0);
            self.expired_to = Some(id);
        }
        if delay_ms > 0 {
            self.expired_to = None;
        }
        self.timers
            .set(TimerKey::Expiration, now.monotonic_ms + delay_ms);
    }

    fn on_timer_of(&mut self, now: Now, key: TimerKey, effects: &mut GroupEffects) {
        match key {
            TimerKey::Expiration => self.expire(now, effects),
            TimerKey::Join(id) => {
                self.with(now, effects, &id, false, |group, context| {
                    if let Members::Classic(classic) = &mut group.members {
                        classic.on_join_timer(context);
                    }
                });
            }
            TimerKey::Sync(id) => {
                self.with(now, effects, &id, false, |group, context| {
                    if let Members::Classic(classic) = &mut group.members {
                        classic.on_sync_timer(context);
                    }
                });
            }
            TimerKey::Session(id, member) => {
                self.with(now, effects, &id, false, |group, context| {
                    group.on_session_timer(context, &member);
                    group.downgrade_if_due(context);
                });
            }
            TimerKey::Rebalance(id, member) => {
                self.with(now, effects, &id, false, |group, context| {
                    if let Members::Consumer(consumer) = &mut group.members {
                        consumer.on_rebalance_timer(context, &member);
                    }
                    group.downgrade_if_due(context);
                });
            }
            TimerKey::Assign(id) => {
                self.with(now, effects, &id, false, |group, context| {
                    if let Members::Consumer(consumer) = &mut group.members {
                        consumer.on_assign_timer(context);
                    }
                });
            }
        }
    }
}

impl Coordinator for GroupCoordinator {
    type Request = GroupCall;
    type Reply = GroupReply;
    type Record = GroupRecord;

    fn load(&mut self, record: GroupRecord) {
        let id: Arc<str> = record.group().into();
        let group = self
            .groups
            .entry(Arc::clone(&id))
            .or_insert_with(|| Group::new(Arc::clone(&id)));
        match record {
            GroupRecord::OffsetCommit { key, value } => {
                let committed = value.map(CommittedOffset::from);
                group.offsets.apply(&key.topic, key.partition, committed);
            }
            record => group.load(&record),
        }
        if group.is_vacant() {
            self.groups.remove(&id);
        }
    }

    fn on_loaded(&mut self, now: Now, effects: &mut GroupEffects) {
        self.member_bytes = self.groups.values().map(Group::bytes).sum();
        let ids: Vec<_> = self.groups.keys().cloned().collect();
        for id in ids {
            self.with(now, effects, &id, false, |group, context| {
                group.on_loaded(context);
            });
        }
        let check_ms = self.config.offsets_retention_check_ms;
        self.timers
            .set(TimerKey::Expiration, now.monotonic_ms + check_ms);
    }

    fn is_to_record(call: &GroupCall) -> bool {
        call.request.is_to_record()
    }

    fn on_request(
        &mut self,
        now: Now,
        ticket: Ticket,
        call: GroupCall,
        effects: &mut GroupEffects,
    ) {
        self.see(call.cluster);
        if let Some(reply) = self.request(now, ticket, call.request, effects) {
            effects.reply(ticket, reply);
        }
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        self.timers.next_deadline_ms()
    }

    fn on_timer(&mut self, now: Now, effects: &mut GroupEffects) {
        for _ in 0..TIMERS_AT_A_TIME_MAX {
            let Some(key) = self.timers.pop_due(now.monotonic_ms) else {
                return;
            };
            // The last of a call, since it may write much.
            let is_last = key == TimerKey::Expiration;
            self.on_timer_of(now, key, effects);
            if is_last {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;

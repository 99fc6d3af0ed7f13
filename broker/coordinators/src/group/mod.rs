//! The coordinator of consumer groups: one for each partition of `__consumer_offsets`.

pub mod ask;
mod classic;
mod config;
mod context;
mod metrics;
mod offsets;

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::group_records::GroupRecord;

use crate::{Coordinator, Now, Ticket, Timers};
use ask::{JoinReply, ListedGroup, SyncReply};
use classic::ClassicGroup;
use context::{Context, GroupEffects, TimerKey};

pub use ask::{GroupAsk, GroupReply, GroupRequest};
pub use config::GroupConfig;
pub use metrics::GroupCounters;
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

/// A group: members, offsets, or both.
#[derive(Debug)]
struct Group {
    classic: ClassicGroup,
    offsets: offsets::GroupOffsets,
}

impl Group {
    fn new(id: Arc<str>) -> Group {
        Group {
            classic: ClassicGroup::new(id),
            offsets: offsets::GroupOffsets::default(),
        }
    }

    /// Nothing would be lost with it.
    fn is_vacant(&self) -> bool {
        self.classic.is_empty() && self.offsets.is_empty() && !self.classic.is_recorded()
    }
}

/// The groups of a partition.
#[derive(Debug, Default)]
pub struct GroupCoordinator {
    config: GroupConfig,
    groups: BTreeMap<Arc<str>, Group>,
    timers: Timers<TimerKey>,
    counters: GroupCounters,
    /// What the members of all groups take.
    member_bytes: usize,
    /// The last group that an expiration under way has looked at.
    expired_to: Option<Arc<str>>,
}

/// A group, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct GroupView<'a> {
    /// Its id.
    pub group: &'a Arc<str>,
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
    pub fn new(config: GroupConfig) -> GroupCoordinator {
        GroupCoordinator {
            config,
            ..GroupCoordinator::default()
        }
    }

    /// What was counted since it was loaded.
    pub fn counters(&self) -> GroupCounters {
        self.counters
    }

    /// The groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = GroupView<'_>> {
        self.groups.iter().map(|(id, group)| GroupView {
            group: id,
            state: group.classic.state().name(),
            members: group.classic.members(),
            group_: group,
        })
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
            counters: &mut self.counters,
        };
        let before = group.classic.bytes();
        let outcome = work(group, &mut context);
        group.classic.check();
        self.member_bytes = self.member_bytes - before + group.classic.bytes();
        if group.is_vacant() {
            self.groups.remove(id);
        }
        Some(outcome)
    }

    fn join(
        &mut self,
        now: Now,
        ticket: Ticket,
        mut ask: ask::JoinGroup,
        effects: &mut GroupEffects,
    ) {
        let refuse = |effects: &mut GroupEffects, error| {
            let refusal = JoinReply::refused(error, ask.member.clone());
            effects.reply(ticket, GroupReply::JoinGroup(refusal));
        };
        let sessions = self.config.session_timeout_ms_min..=self.config.session_timeout_ms_max;
        if ask.group.is_empty() {
            return refuse(effects, ErrorCode::InvalidGroupId);
        }
        if !sessions.contains(&ask.session_timeout_ms) {
            return refuse(effects, ErrorCode::InvalidSessionTimeout);
        }
        // A name counts once, where it comes first.
        let mut names = std::collections::BTreeSet::new();
        ask.protocols
            .retain(|it| names.insert(Arc::clone(&it.name)));
        if let Err(error) = self.check_size(&ask) {
            let refusal = JoinReply::refused(error, ask.member.clone());
            return effects.reply(ticket, GroupReply::JoinGroup(refusal));
        }
        let is_new = ask.member.is_none();
        let group = Arc::clone(&ask.group);
        let found = self.with(now, effects, &group, is_new, |group, context| {
            group.classic.join(context, ticket, &ask);
            group.classic.record_if_new(context);
        });
        if found.is_none() {
            let refusal = JoinReply::refused(ErrorCode::UnknownMemberId, ask.member.clone());
            effects.reply(ticket, GroupReply::JoinGroup(refusal));
        }
    }

    /// Members are held in memory as long as they are heard of, and a group is recorded as a whole.
    fn check_size(&self, ask: &ask::JoinGroup) -> Result<(), ErrorCode> {
        let bytes = classic::protocol_bytes(&ask.protocols);
        if bytes > self.config.record_bytes_max / 4 {
            return Err(ErrorCode::InvalidRequest);
        }
        let is_known = ask.member.as_ref().is_some_and(|member| {
            let group = self.groups.get(&ask.group);
            group.is_some_and(|group| group.classic.has_member(member))
        });
        match is_known || self.member_bytes + bytes <= self.config.member_bytes_max {
            true => Ok(()),
            false => Err(ErrorCode::GroupMaxSizeReached),
        }
    }

    fn sync(&mut self, now: Now, ticket: Ticket, ask: ask::SyncGroup, effects: &mut GroupEffects) {
        let id = Arc::clone(&ask.group);
        let found = self.with(now, effects, &id, false, |group, context| {
            group.classic.sync(context, ticket, ask);
        });
        if found.is_none() {
            let refusal = SyncReply::refused(missing(&id));
            effects.reply(ticket, GroupReply::SyncGroup(refusal));
        }
    }

    fn commit(
        &mut self,
        now: Now,
        ask: &ask::CommitOffsets,
        effects: &mut GroupEffects,
    ) -> ask::CommitReply {
        if !self.groups.contains_key(&ask.group)
            && let Some(error) = Group::missing_for_commit(ask)
        {
            return Err(error);
        }
        self.with(now, effects, &ask.group, true, |group, context| {
            group.commit(context, ask)
        })
        .unwrap_or(Err(ErrorCode::UnknownServerError))
    }

    fn list(&self) -> Vec<ListedGroup> {
        let listed = |(id, group): (&Arc<str>, &Group)| ListedGroup {
            group: Arc::clone(id),
            protocol_type: group.classic.protocol_type().cloned().unwrap_or_default(),
            state: group.classic.state().name(),
            group_type: "classic",
        };
        self.groups.iter().map(listed).collect()
    }

    fn forget_topics(&mut self, now: Now, topics: &[Arc<str>], effects: &mut GroupEffects) {
        let ids: Vec<_> = self.groups.keys().cloned().collect();
        for id in ids {
            self.with(now, effects, &id, false, |group, context| {
                group.forget_topics(context, &id, topics);
            });
        }
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
                group.expire(context, &id)
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
}

/// The code for a group that is not there, where only members may ask.
fn missing(group: &str) -> ErrorCode {
    match group.is_empty() {
        true => ErrorCode::InvalidGroupId,
        false => ErrorCode::UnknownMemberId,
    }
}

/// The answer to those who leave a group that is not there.
fn none_left(ask: &ask::LeaveGroup) -> ask::LeaveReply {
    match missing(&ask.group) {
        ErrorCode::InvalidGroupId => Err(ErrorCode::InvalidGroupId),
        error => Ok(ask.members.iter().map(|it| (it.clone(), error)).collect()),
    }
}

impl Coordinator for GroupCoordinator {
    type Request = GroupRequest;
    type Reply = GroupReply;
    type Record = GroupRecord;

    fn load(&mut self, record: GroupRecord) {
        let id: Arc<str> = match &record {
            GroupRecord::OffsetCommit { key, .. } => key.group.as_str().into(),
            GroupRecord::GroupMetadata { group, .. } => group.as_str().into(),
        };
        let group = self
            .groups
            .entry(Arc::clone(&id))
            .or_insert_with(|| Group::new(Arc::clone(&id)));
        match record {
            GroupRecord::OffsetCommit { key, value } => {
                let committed = value.map(CommittedOffset::from);
                group.offsets.apply(&key.topic, key.partition, committed);
            }
            GroupRecord::GroupMetadata { value, .. } => {
                group.classic = match value {
                    Some(value) => ClassicGroup::load(Arc::clone(&id), &value),
                    None => ClassicGroup::new(Arc::clone(&id)),
                };
            }
        }
        if group.is_vacant() {
            self.groups.remove(&id);
        }
    }

    fn on_loaded(&mut self, now: Now, effects: &mut GroupEffects) {
        let bytes = self.groups.values().map(|group| group.classic.bytes());
        self.member_bytes = bytes.sum();
        let ids: Vec<_> = self.groups.keys().cloned().collect();
        for id in ids {
            self.with(now, effects, &id, false, |group, context| {
                group.classic.on_loaded(context);
            });
        }
        let check_ms = self.config.offsets_retention_check_ms;
        self.timers
            .set(TimerKey::Expiration, now.monotonic_ms + check_ms);
    }

    fn on_request(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: GroupRequest,
        effects: &mut GroupEffects,
    ) {
        let reply = match request {
            GroupRequest::JoinGroup(ask) => return self.join(now, ticket, ask, effects),
            GroupRequest::SyncGroup(ask) => return self.sync(now, ticket, ask, effects),
            GroupRequest::Heartbeat(ask) => {
                let outcome = self.with(now, effects, &ask.group, false, |group, context| {
                    group.classic.heartbeat(context, &ask)
                });
                GroupReply::Heartbeat(outcome.unwrap_or_else(|| missing(&ask.group)))
            }
            GroupRequest::LeaveGroup(ask) => {
                let outcome = self.with(now, effects, &ask.group, false, |group, context| {
                    group.classic.leave(context, &ask)
                });
                GroupReply::LeaveGroup(outcome.unwrap_or_else(|| none_left(&ask)))
            }
            GroupRequest::CommitOffsets(ask) => {
                GroupReply::CommitOffsets(self.commit(now, &ask, effects))
            }
            GroupRequest::FetchOffsets(ask) => {
                let group = self.groups.get(&ask.group);
                GroupReply::FetchOffsets(Ok(Group::fetch(group, &ask)))
            }
            GroupRequest::DeleteOffsets(ask) => {
                let outcome = self.with(now, effects, &ask.group, false, |group, context| {
                    group.delete_offsets(context, &ask)
                });
                let missing = match ask.group.is_empty() {
                    true => ErrorCode::InvalidGroupId,
                    false => ErrorCode::GroupIdNotFound,
                };
                GroupReply::DeleteOffsets(outcome.unwrap_or(Err(missing)))
            }
            GroupRequest::ListGroups(_) => GroupReply::ListGroups(self.list()),
            GroupRequest::DescribeGroup(ask) => {
                let group = self.groups.get(&ask.group);
                GroupReply::DescribeGroup(group.map(|group| group.classic.describe()))
            }
            GroupRequest::DeleteGroup(ask) => {
                let outcome = self.with(now, effects, &ask.group, false, |group, context| {
                    group.delete(context, &ask.group)
                });
                GroupReply::DeleteGroup(outcome.unwrap_or(ErrorCode::GroupIdNotFound))
            }
            GroupRequest::ForgetTopics(ask) => {
                self.forget_topics(now, &ask.topics, effects);
                GroupReply::ForgetTopics(())
            }
        };
        effects.reply(ticket, reply);
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        self.timers.next_deadline_ms()
    }

    fn on_timer(&mut self, now: Now, effects: &mut GroupEffects) {
        for _ in 0..TIMERS_AT_A_TIME_MAX {
            let Some(key) = self.timers.pop_due(now.monotonic_ms) else {
                return;
            };
            match key {
                // The last of a call, since it may write much.
                TimerKey::Expiration => return self.expire(now, effects),
                TimerKey::Join(id) => {
                    self.with(now, effects, &id, false, |group, context| {
                        group.classic.on_join_timer(context);
                    });
                }
                TimerKey::Sync(id) => {
                    self.with(now, effects, &id, false, |group, context| {
                        group.classic.on_sync_timer(context);
                    });
                }
                TimerKey::Session(id, member) => {
                    self.with(now, effects, &id, false, |group, context| {
                        group.classic.on_session_timer(context, &member);
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! A group of the consumer protocol (KIP-848): the coordinator assigns, and members come to what they are assigned one by one.
//!
//! ```text
//!   epoch         counts what changes: members, subscriptions, topics
//!     └ target    what each member is to have; computed for an epoch of the group, the target epoch
//!         └ current   what each member has, in a member epoch: first it gives up what is not in its target, then it takes the
//!                     target's epoch, and gets what nobody else has any more
//! ```
//!
//! A heartbeat does all of it for the member that sends it. No partition is ever assigned to two: it is free only when the one that had it
//! has said that it gave it up, or is a member no more.
//!
//! Members that speak the classic protocol may be among the others (`classic`), and a group changes from one protocol to the other
//! while it is in use (`migrate`).
//!
//! All but timers is recorded: what is decided becomes records, and [`ConsumerGroup::apply`] changes the state, at once and when
//! it is loaded.

mod assign;
mod assignor;
mod classic;
mod describe;
mod heartbeat;
mod leave;
mod member;
mod migrate;
mod offsets;
mod pattern;
mod reconcile;
mod subscription;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::group_records::{ConsumerGroupValue, GroupRecord};

use super::cluster::TopicPartition;
use super::context::{Context, TimerKey};
use member::{ConsumerMember, Current, MemberState, Profile, target_from_record};
use subscription::ResolvedRegex;

pub use assignor::{ASSIGNORS, Assignor};
pub(super) use heartbeat::check_request;

/// The epoch of a group that is new. It is not 0, so that a member can get an epoch before anything was assigned.
const FIRST_EPOCH: i32 = 1;

/// A group of the consumer protocol.
#[derive(Debug)]
pub(super) struct ConsumerGroup {
    id: Arc<str>,
    epoch: i32,
    /// Of the topics that members are subscribed to, as of the epoch.
    metadata_hash: i64,
    target_epoch: i32,
    members: BTreeMap<Arc<str>, ConsumerMember>,
    /// Member ids by instance id.
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// Who has a partition, be it to give it up.
    owners: BTreeMap<TopicPartition, Arc<str>>,
    regexes: BTreeMap<Arc<str>, ResolvedRegex>,
    /// What its members take.
    bytes: usize,
    /// The log has a record of it.
    is_recorded: bool,
    /// When the target was computed, by the monotonic clock; volatile.
    assigned_at_ms: Option<i64>,
    /// The version of the cluster that the epoch is for; volatile.
    checked_version: Option<u64>,
    /// Ids that were handed out to members of the classic protocol that have not joined with them yet, the newest last; volatile.
    handed_out: VecDeque<Arc<str>>,
}

/// Why a member is refused, in words for its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub error: ErrorCode,
    /// What it is about; empty where the code says it all.
    pub message: String,
}

impl Refusal {
    /// With words.
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal {
            error,
            message: message.into(),
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Refusal {
        Refusal::new(error, "")
    }
}

impl ConsumerGroup {
    /// One that nobody is in.
    pub(super) fn new(id: Arc<str>) -> ConsumerGroup {
        ConsumerGroup {
            id,
            epoch: FIRST_EPOCH,
            metadata_hash: 0,
            target_epoch: FIRST_EPOCH,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            owners: BTreeMap::new(),
            regexes: BTreeMap::new(),
            bytes: 0,
            is_recorded: false,
            assigned_at_ms: None,
            checked_version: None,
            handed_out: VecDeque::new(),
        }
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// How many members there are.
    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn has_member(&self, member: &str) -> bool {
        self.members.contains_key(member)
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its state, as Kafka's tools print it.
    pub(super) fn state(&self) -> &'static str {
        let is_reconciled = |member: &ConsumerMember| member.is_reconciled_to(self.target_epoch);
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self.members.values().all(is_reconciled) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// Changes the state as a record of the group says. The only change there is, apart from timers and what is computed from the state.
    pub(super) fn apply(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::ConsumerGroup { value, .. } => {
                self.is_recorded = value.is_some();
                let value = value.unwrap_or(ConsumerGroupValue {
                    epoch: FIRST_EPOCH,
                    metadata_hash: 0,
                });
                self.epoch = value.epoch;
                self.metadata_hash = value.metadata_hash;
            }
            GroupRecord::ConsumerMember { member, value, .. } => match value {
                Some(value) => self.set_profile(member, Profile::from_record(value)),
                None => self.remove_member(member),
            },
            GroupRecord::TargetEpoch { value, .. } => {
                self.target_epoch = value.map_or(FIRST_EPOCH, |value| value.epoch);
            }
            GroupRecord::TargetAssignment { member, value, .. } => {
                let target = value.as_deref().map(target_from_record).unwrap_or_default();
                if value.is_some() || self.members.contains_key(member.as_str()) {
                    self.member(member).target = Arc::new(target);
                }
            }
            GroupRecord::CurrentAssignment { member, value, .. } => {
                let current = value.as_ref().map(Current::from_record).unwrap_or_default();
                if value.is_some() || self.members.contains_key(member.as_str()) {
                    self.set_current(member, current);
                }
            }
            GroupRecord::RegularExpression { regex, value, .. } => match value {
                Some(value) => {
                    let topics = value.topics.iter().map(|topic| topic.as_str().into());
                    let resolved = ResolvedRegex::of(topics.collect());
                    self.regexes.insert(regex.as_str().into(), resolved);
                }
                None => _ = self.regexes.remove(regex.as_str()),
            },
            GroupRecord::OffsetCommit { .. } | GroupRecord::GroupMetadata { .. } => {}
        }
    }

    /// A member, known or not.
    fn member(&mut self, member: &str) -> &mut ConsumerMember {
        self.members.entry(member.into()).or_default()
    }

    fn set_profile(&mut self, member: &str, profile: Profile) {
        let id: Arc<str> = member.into();
        if let Some(instance) = &profile.instance {
            self.static_members
                .insert(Arc::clone(instance), Arc::clone(&id));
        }
        let known = self.members.entry(id).or_default();
        if known.is_recorded {
            self.bytes -= known.profile.bytes();
        }
        self.bytes += profile.bytes();
        known.is_recorded = true;
        known.profile = profile;
    }

    fn set_current(&mut self, member: &str, current: Current) {
        let id: Arc<str> = member.into();
        let before = std::mem::take(&mut self.member(member).current);
        self.release(member, &before);
        for partition in current.assigned.keys().chain(current.revoking.keys()) {
            self.owners.insert(*partition, Arc::clone(&id));
        }
        let known = self.member(member);
        let is_changed = !before.assigned.keys().eq(current.assigned.keys());
        known.is_unconfirmed |= is_changed;
        known.is_of_its_epoch =
            before.epoch != current.epoch || known.is_of_its_epoch && !is_changed;
        let added = current.assigned.keys();
        known
            .fresh
            .extend(added.filter(|partition| !before.assigned.contains_key(partition)));
        known
            .fresh
            .retain(|partition| current.assigned.contains_key(partition));
        known.current = current;
    }

    fn release(&mut self, member: &str, current: &Current) {
        for partition in current.assigned.keys().chain(current.revoking.keys()) {
            if self
                .owners
                .get(partition)
                .is_some_and(|owner| **owner == *member)
            {
                self.owners.remove(partition);
            }
        }
    }

    fn remove_member(&mut self, member: &str) {
        let Some(removed) = self.members.remove(member) else {
            return;
        };
        self.release(member, &removed.current);
        if removed.is_recorded {
            self.bytes -= removed.profile.bytes();
        }
        if let Some(instance) = &removed.profile.instance
            && self
                .static_members
                .get(instance)
                .is_some_and(|it| **it == *member)
        {
            self.static_members.remove(instance);
        }
    }

    /// Records, and applies.
    fn put(&mut self, context: &mut Context<'_>, record: GroupRecord) {
        self.apply(&record);
        context.record(record);
    }

    /// A record of a member.
    fn current_record(&self, member: &str, current: Option<&Current>) -> GroupRecord {
        GroupRecord::CurrentAssignment {
            group: self.id.to_string(),
            member: member.to_owned(),
            value: current.map(Current::to_record),
        }
    }

    /// A member was heard of.
    fn touch(&self, context: &mut Context<'_>, member: &Arc<str>) {
        let Some(known) = self.members.get(member) else {
            return;
        };
        let millis = match &known.profile.classic {
            Some(classic) => classic.session_timeout_ms,
            None => context.session_timeout_ms(&self.id),
        };
        context.after(self.session(member), millis);
    }

    fn session(&self, member: &Arc<str>) -> TimerKey {
        TimerKey::Session(Arc::clone(&self.id), Arc::clone(member))
    }

    fn rebalance_timer(&self, member: &Arc<str>) -> TimerKey {
        TimerKey::Rebalance(Arc::clone(&self.id), Arc::clone(member))
    }

    fn cancel_timers(&self, context: &mut Context<'_>, member: &Arc<str>) {
        context.timers.cancel(&self.session(member));
        context.timers.cancel(&self.rebalance_timer(member));
    }

    /// After a load: members have a whole session to be heard of, and all the time there is to give partitions up.
    pub(super) fn on_loaded(&mut self, context: &mut Context<'_>) {
        self.members.retain(|_, member| member.is_recorded);
        for member in self.members.values_mut() {
            member.is_unconfirmed = false;
            member.fresh.clear();
        }
        self.owners.clear();
        for (id, member) in &self.members {
            let current = &member.current;
            for partition in current.assigned.keys().chain(current.revoking.keys()) {
                self.owners.insert(*partition, Arc::clone(id));
            }
        }
        let members: Vec<_> = self.members.keys().cloned().collect();
        for member in &members {
            self.touch(context, member);
            let known = &self.members[member];
            if known.current.state == MemberState::Unrevoked {
                let millis = known.profile.rebalance_timeout_ms;
                context.after(self.rebalance_timer(member), millis);
            }
        }
    }

    /// The group is deleted or changes its protocol: takes back all that is recorded of it. Its members are gone.
    pub(super) fn bury(&mut self, context: &mut Context<'_>) {
        let members: Vec<_> = self.members.keys().cloned().collect();
        for member in &members {
            self.cancel_timers(context, member);
            self.put_removal(context, member);
        }
        let regexes: Vec<_> = self.regexes.keys().cloned().collect();
        for regex in regexes {
            self.put_regex(context, &regex, None);
        }
        let group = self.id.to_string();
        context
            .timers
            .cancel(&TimerKey::Assign(Arc::clone(&self.id)));
        self.put(
            context,
            GroupRecord::TargetEpoch {
                group: group.clone(),
                value: None,
            },
        );
        self.put(context, GroupRecord::ConsumerGroup { group, value: None });
    }

    /// Takes back all that is recorded of a member.
    fn put_removal(&mut self, context: &mut Context<'_>, member: &Arc<str>) {
        let (group, id) = (self.id.to_string(), member.to_string());
        let current = self.current_record(member, None);
        self.put(context, current);
        self.put(
            context,
            GroupRecord::TargetAssignment {
                group: group.clone(),
                member: id.clone(),
                value: None,
            },
        );
        self.put(
            context,
            GroupRecord::ConsumerMember {
                group,
                member: id,
                value: None,
            },
        );
    }

    /// Checked after each event.
    pub(super) fn check(&self) {
        assert!(
            self.target_epoch <= self.epoch,
            "a target of an epoch to come"
        );
        debug_assert_eq!(
            self.members
                .values()
                .map(|it| it.current.assigned.len() + it.current.revoking.len())
                .sum::<usize>(),
            self.owners.len(),
            "a partition has two owners"
        );
        debug_assert!(
            self.members
                .values()
                .all(|it| it.is_recorded && it.current.epoch <= self.target_epoch),
            "a member is ahead of the target"
        );
    }

    /// The topics that a member is subscribed to.
    fn topics_of<'a>(&'a self, profile: &'a Profile) -> BTreeSet<&'a Arc<str>> {
        let resolved = profile.regex.as_ref().and_then(|it| self.regexes.get(it));
        let matched = resolved.into_iter().flat_map(|it| &it.topics);
        profile.names.iter().chain(matched).collect()
    }

    /// The topics that somebody is subscribed to.
    pub(super) fn subscribed(&self) -> BTreeSet<&Arc<str>> {
        let names = self.members.values().flat_map(|it| &it.profile.names);
        let matched = self.regexes.values().flat_map(|it| &it.topics);
        names.chain(matched).collect()
    }
}

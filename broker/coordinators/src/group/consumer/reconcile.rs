//! A member's way to its target, one step with each heartbeat (Kafka's `CurrentAssignmentBuilder`).
//!
//! | state | what is known | next |
//! |---|---|---|
//! | stable | the target has no newer epoch | as it is, without topics it is subscribed to no more |
//! | stable, unreleased | there is a newer target, or partitions to wait for | towards the target |
//! | unrevoked | the member may still have what it is to give up | as it is |
//! | unrevoked | it says what it has, and it has given up the rest | towards the target |
//!
//! Towards the target: with partitions to give up, the member keeps its epoch and the rest (unrevoked). Without, it takes the
//! epoch of the target, and all that nobody else has (stable; unreleased while others have some of it).

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::model::Uuid;

use super::super::cluster::TopicPartition;
use super::super::context::Context;
use super::ConsumerGroup;
use super::member::{ConsumerMember, Current, MemberState, Owned};

/// What a member says it has; `None`: it does not say.
pub(super) type Said<'a> = Option<&'a BTreeSet<TopicPartition>>;

impl ConsumerGroup {
    /// Takes the next step.
    pub(super) fn reconcile(&mut self, context: &mut Context<'_>, id: &Arc<str>, said: Said<'_>) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        let current = &member.current;
        let next = match current.state {
            MemberState::Stable if current.epoch == self.target_epoch => {
                self.without_unsubscribed(context, id, said)
            }
            MemberState::Unrevoked if has_any(&current.revoking, said) => {
                self.without_unsubscribed(context, id, said)
            }
            _ => self.step(id, &current.assigned, said),
        };
        let is_other = next != *current;
        let rebalance_timeout_ms = member.profile.rebalance_timeout_ms;
        if is_other {
            self.put_current(context, id, &next);
        }
        let timer = self.rebalance_timer(id);
        match next.state {
            // It has this long to give up what it is to.
            MemberState::Unrevoked if is_other => context.after(timer, rebalance_timeout_ms),
            MemberState::Unrevoked => {}
            MemberState::Stable | MemberState::Unreleased => context.timers.cancel(&timer),
        }
    }

    /// Whether a member has to say first that it has got what it was assigned last, since all of that is to be given up: from what it says then
    /// it could not be seen whether it has (`says_of_now`). It has as long for it as for giving partitions up.
    pub(super) fn holds_revocation(&self, context: &mut Context<'_>, id: &Arc<str>) -> bool {
        let Some(member) = self.members.get(id) else {
            return false;
        };
        if member.fresh.is_empty() {
            return false;
        }
        let topics = self.subscribed_topics(context, member);
        let is_wanted = |partition: &TopicPartition| {
            member.target.contains(partition)
                && (self.epoch == self.target_epoch || topics.contains(&partition.0))
        };
        let is_there = |partition: &TopicPartition| context.cluster.name(partition.0).is_some();
        let has_to_wait = !member.fresh.iter().any(is_wanted) && member.fresh.iter().any(is_there);
        if has_to_wait && !context.timers.is_set(&self.rebalance_timer(id)) {
            let millis = member.profile.rebalance_timeout_ms;
            context.after(self.rebalance_timer(id), millis);
        }
        has_to_wait
    }

    pub(super) fn put_current(&mut self, context: &mut Context<'_>, id: &Arc<str>, next: &Current) {
        for partition in next.assigned.keys().chain(next.revoking.keys()) {
            let owner = self.owners.get(partition);
            assert!(
                owner.is_none_or(|owner| owner == id),
                "a partition is assigned to two members"
            );
        }
        let record = self.current_record(id, Some(next));
        self.put(context, record);
    }

    /// Towards the target, from what the member has for certain.
    fn step(&self, id: &Arc<str>, assigned: &Owned, said: Said<'_>) -> Current {
        let member = &self.members[id];
        let target = &member.target;
        let mut kept = Owned::new();
        let mut revoked = Owned::new();
        for (partition, epoch) in assigned {
            match target.contains(partition) {
                true => kept.insert(*partition, *epoch),
                false => revoked.insert(*partition, *epoch),
            };
        }
        let current = &member.current;
        if has_any(&revoked, said) {
            return Current {
                state: MemberState::Unrevoked,
                assigned: kept,
                revoking: revoked,
                ..current.clone()
            };
        }
        let mut state = MemberState::Stable;
        for partition in target.iter() {
            if kept.contains_key(partition) {
                continue;
            }
            match self.owners.get(partition) {
                Some(owner) if owner != id => state = MemberState::Unreleased,
                // What it had to give up itself, and is to have again, is its own.
                _ => _ = kept.insert(*partition, self.target_epoch),
            }
        }
        let previous_epoch = match current.epoch == self.target_epoch {
            true => current.previous_epoch,
            false => current.epoch,
        };
        Current {
            epoch: self.target_epoch,
            previous_epoch,
            state,
            assigned: kept,
            revoking: Owned::new(),
        }
    }

    fn subscribed_topics(&self, context: &Context<'_>, member: &ConsumerMember) -> BTreeSet<Uuid> {
        let names = self.topics_of(&member.profile).into_iter();
        let topics = names.filter_map(|name| context.cluster.topic(name));
        topics.map(|topic| topic.id).collect()
    }

    /// A member does not have to wait for the next target to give up topics it is subscribed to no more.
    fn without_unsubscribed(
        &self,
        context: &Context<'_>,
        id: &Arc<str>,
        said: Said<'_>,
    ) -> Current {
        let member = &self.members[id];
        let current = &member.current;
        if self.epoch == self.target_epoch || current.assigned.is_empty() {
            return current.clone();
        }
        let topics = self.subscribed_topics(context, member);
        let mut next = current.clone();
        next.assigned
            .retain(|partition, _| topics.contains(&partition.0));
        for (partition, epoch) in &current.assigned {
            if !next.assigned.contains_key(partition) {
                next.revoking.insert(*partition, *epoch);
            }
        }
        if next.revoking.is_empty() {
            return current.clone();
        }
        match has_any(&next.revoking, said) {
            true => next.state = MemberState::Unrevoked,
            false => next.revoking.clear(),
        }
        next
    }
}

/// Whether a member may still have any of what it is to give up.
fn has_any(revoked: &Owned, said: Said<'_>) -> bool {
    match said {
        _ if revoked.is_empty() => false,
        None => true,
        Some(said) => said.iter().any(|partition| revoked.contains_key(partition)),
    }
}

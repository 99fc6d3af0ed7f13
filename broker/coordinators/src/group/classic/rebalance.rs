//! The way from one generation to the next (Kafka's `prepareRebalance`, `completeClassicGroupJoin`).

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::{GroupReply, JoinReply, SyncReply};
use super::super::context::{Context, TimerKey};
use super::{ClassicGroup, ClassicState, InitialRebalance};

impl ClassicGroup {
    /// Members are to join again; or those that have are enough.
    pub(super) fn rebalance(&mut self, context: &mut Context<'_>) {
        match self.state {
            ClassicState::PreparingRebalance => self.complete_join_if_all_have(context),
            ClassicState::Empty => self.begin_from_empty(context),
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.begin_again(context);
                self.complete_join_if_all_have(context);
            }
        }
    }

    /// The group is new: more members may be about to come, and each would cost a rebalance (KIP-134).
    fn begin_from_empty(&mut self, context: &mut Context<'_>) {
        let delay_ms = context.config.initial_rebalance_delay_ms.max(0);
        self.enter(ClassicState::PreparingRebalance, context.now.wall_ms);
        if delay_ms == 0 {
            self.wait_for_joins(context);
            return self.complete_join_if_all_have(context);
        }
        self.initial = Some(InitialRebalance {
            member_came: false,
            remaining_ms: self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0),
        });
        context.after(TimerKey::Join(Arc::clone(&self.id)), delay_ms);
    }

    fn begin_again(&mut self, context: &mut Context<'_>) {
        // Who waits for an assignment of this generation will not get it.
        let mut told = Vec::new();
        for member in self.members.values_mut() {
            if let Some(ticket) = member.awaiting_sync.take() {
                let refusal = SyncReply::refused(ErrorCode::RebalanceInProgress);
                context.reply(ticket, GroupReply::SyncGroup(refusal));
                told.push(Arc::clone(&member.id));
            }
        }
        for member in told {
            // It can speak again.
            self.touch(context, &member);
        }
        self.end_sync(context);
        self.enter(ClassicState::PreparingRebalance, context.now.wall_ms);
        self.wait_for_joins(context);
    }

    fn wait_for_joins(&mut self, context: &mut Context<'_>) {
        context.after(
            TimerKey::Join(Arc::clone(&self.id)),
            self.rebalance_timeout_ms(),
        );
    }

    pub(super) fn end_sync(&mut self, context: &mut Context<'_>) {
        self.pending_syncs.clear();
        context.timers.cancel(&TimerKey::Sync(Arc::clone(&self.id)));
    }

    pub(super) fn complete_join_if_all_have(&mut self, context: &mut Context<'_>) {
        let is_preparing = self.state == ClassicState::PreparingRebalance;
        if is_preparing && self.initial.is_none() && self.has_all_joined() {
            self.complete_join(context);
        }
    }

    /// The time to join again is over.
    pub(in crate::group) fn on_join_timer(&mut self, context: &mut Context<'_>) {
        if self.state != ClassicState::PreparingRebalance {
            return;
        }
        if let Some(initial) = self.initial.as_mut()
            && initial.member_came
            && initial.remaining_ms > 0
        {
            // Somebody came in this time, so somebody else may in the next.
            let delay_ms = context
                .config
                .initial_rebalance_delay_ms
                .clamp(0, initial.remaining_ms);
            initial.member_came = false;
            initial.remaining_ms -= delay_ms;
            return context.after(TimerKey::Join(Arc::clone(&self.id)), delay_ms);
        }
        self.complete_join(context);
    }

    /// The next generation is who has joined, and static members that may still come back.
    fn complete_join(&mut self, context: &mut Context<'_>) {
        self.initial = None;
        context.timers.cancel(&TimerKey::Join(Arc::clone(&self.id)));
        let is_gone =
            |member: &&super::ClassicMember| member.awaiting_join.is_none() && !member.is_static();
        let gone: Vec<_> = self.members.values().filter(is_gone).collect();
        let gone: Vec<_> = gone.iter().map(|member| Arc::clone(&member.id)).collect();
        for member in gone {
            self.remove(context, &member, ErrorCode::UnknownMemberId);
        }
        if self.members.is_empty() {
            return self.become_empty(context);
        }
        if !self.elect_leader() {
            // Static members only, and none has come: they have until their sessions end.
            return self.wait_for_joins(context);
        }
        self.generation = next_generation(self.generation);
        self.protocol = self.select_protocol();
        self.note_subscriptions();
        self.enter(ClassicState::CompletingRebalance, context.now.wall_ms);
        context.counters.rebalances.add(1);
        self.pending_syncs = self.members.keys().cloned().collect();
        for member in self.pending_syncs.clone() {
            self.answer_join(context, &member);
            self.touch(context, &member);
        }
        context.after(
            TimerKey::Sync(Arc::clone(&self.id)),
            self.rebalance_timeout_ms(),
        );
    }

    fn become_empty(&mut self, context: &mut Context<'_>) {
        self.generation = next_generation(self.generation);
        self.protocol = None;
        self.leader = None;
        self.subscribed = None;
        self.pending_syncs.clear();
        self.enter(ClassicState::Empty, context.now.wall_ms);
        context.counters.rebalances.add(1);
        self.record(context);
    }

    fn answer_join(&mut self, context: &mut Context<'_>, member: &Arc<str>) {
        let leader = self.leader.clone().unwrap_or_default();
        let is_leader = leader == *member;
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        known.is_new = false;
        let Some(ticket) = known.awaiting_join.take() else {
            return;
        };
        self.awaiting_joins -= 1;
        let reply = JoinReply {
            error: ErrorCode::None,
            member: Some(Arc::clone(member)),
            joined: Some(self.joined(leader, is_leader, false)),
        };
        context.reply(ticket, GroupReply::JoinGroup(reply));
    }

    /// Makes the earliest of those that have joined the leader, unless the leader has (Kafka's `maybeElectNewJoinedLeader`).
    fn elect_leader(&mut self) -> bool {
        let leader = self
            .leader
            .as_ref()
            .and_then(|leader| self.members.get(leader));
        if leader.is_some_and(|leader| leader.awaiting_join.is_some()) {
            return true;
        }
        let joined = self
            .members
            .values()
            .filter(|member| member.awaiting_join.is_some());
        let earliest = joined.min_by_key(|member| member.number);
        match earliest.map(|member| Arc::clone(&member.id)) {
            Some(member) => {
                self.leader = Some(member);
                true
            }
            None => false,
        }
    }

    /// Takes a member out. A request of it that waits is answered with `error`.
    pub(super) fn remove(
        &mut self,
        context: &mut Context<'_>,
        member: &Arc<str>,
        error: ErrorCode,
    ) {
        context
            .timers
            .cancel(&TimerKey::Session(Arc::clone(&self.id), Arc::clone(member)));
        self.pending_joins.remove(member);
        self.pending_syncs.remove(member);
        let Some(mut removed) = self.members.remove(member) else {
            return;
        };
        self.withdraw(&removed);
        if let Some(ticket) = removed.awaiting_join.take() {
            self.awaiting_joins -= 1;
            let refusal = JoinReply::refused(error, Some(Arc::clone(member)));
            context.reply(ticket, GroupReply::JoinGroup(refusal));
        }
        if let Some(ticket) = removed.awaiting_sync.take() {
            context.reply(ticket, GroupReply::SyncGroup(SyncReply::refused(error)));
        }
        if let Some(instance) = &removed.instance {
            self.static_members.remove(instance);
        }
        if self.is_leader(member) {
            let earliest = self.members.values().min_by_key(|member| member.number);
            self.leader = earliest.map(|member| Arc::clone(&member.id));
        }
    }

    /// Learns what the generation's members are subscribed to.
    pub(super) fn note_subscriptions(&mut self) {
        self.subscribed = None;
        let Some(protocol) = self.protocol.clone().filter(|_| self.is_of_consumers()) else {
            return;
        };
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            // Of a group with metadata of its own nothing is known.
            let Some(mut topics) = member.subscribed(&protocol) else {
                return;
            };
            all.append(&mut topics);
        }
        self.subscribed = Some(all);
    }
}

/// After the greatest follows 1: a member of generation 0 has not joined.
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}

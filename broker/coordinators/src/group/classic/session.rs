//! Heartbeats, and members that are not heard of.

use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::Heartbeat;
use super::super::context::{Context, TimerKey};
use super::{ClassicGroup, ClassicState};

impl ClassicGroup {
    /// Heartbeat (Kafka's `classicGroupHeartbeat`).
    pub(in crate::group) fn heartbeat(
        &mut self,
        context: &mut Context<'_>,
        request: &Heartbeat,
    ) -> ErrorCode {
        let member = &request.member;
        if let Err(error) = self.check_member(member, request.instance.as_ref()) {
            return error;
        }
        if request.generation != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        match self.state {
            ClassicState::Empty => ErrorCode::UnknownMemberId,
            ClassicState::PreparingRebalance => {
                self.touch(context, member);
                ErrorCode::RebalanceInProgress
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                self.touch(context, member);
                ErrorCode::None
            }
        }
    }

    /// A member was heard of.
    pub(in crate::group) fn touch(&self, context: &mut Context<'_>, member: &Arc<str>) {
        if let Some(known) = self.members.get(member) {
            let session = TimerKey::Session(Arc::clone(&self.id), Arc::clone(member));
            context.after(session, known.session_timeout_ms);
        }
    }

    /// A member was not heard of in time (Kafka's `expireClassicGroupMemberHeartbeat`).
    pub(in crate::group) fn on_session_timer(
        &mut self,
        context: &mut Context<'_>,
        member: &Arc<str>,
    ) {
        if self.pending_joins.remove(member) {
            context.counters.expired_members.add(1);
            return self.complete_join_if_all_have(context);
        }
        let Some(known) = self.members.get(member) else {
            return;
        };
        let is_waiting = known.awaiting_join.is_some() || known.awaiting_sync.is_some();
        if is_waiting && !known.is_new {
            // It cannot speak while it waits. Its session goes on with the answer.
            return;
        }
        context.counters.expired_members.add(1);
        self.remove(context, member, ErrorCode::UnknownMemberId);
        self.rebalance_without(context);
    }

    /// Members are gone.
    pub(super) fn rebalance_without(&mut self, context: &mut Context<'_>) {
        if self.state != ClassicState::Empty {
            self.rebalance(context);
        }
    }

    /// Members have not asked for their assignment in time (Kafka's `expirePendingSync`).
    pub(in crate::group) fn on_sync_timer(&mut self, context: &mut Context<'_>) {
        let late = std::mem::take(&mut self.pending_syncs);
        if late.is_empty() {
            return;
        }
        for member in late {
            context.counters.expired_members.add(1);
            self.remove(context, &member, ErrorCode::UnknownMemberId);
        }
        self.rebalance_without(context);
    }

    /// After a load: members have a whole session to be heard of; a group that is larger than is allowed by now has to rebalance.
    pub(in crate::group) fn on_loaded(&mut self, context: &mut Context<'_>) {
        let members: Vec<_> = self.members.keys().cloned().collect();
        for member in &members {
            self.touch(context, member);
        }
        if members.len() > context.config.members_max {
            self.rebalance(context);
        }
    }
}

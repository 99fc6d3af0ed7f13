//! SyncGroup (Kafka's `classicGroupSync`).

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::{GroupReply, SyncGroup, SyncReply};
use super::super::context::Context;
use super::{ClassicGroup, ClassicState};
use crate::Ticket;

impl ClassicGroup {
    pub(in crate::group) fn sync(
        &mut self,
        context: &mut Context<'_>,
        ticket: Ticket,
        request: SyncGroup,
    ) {
        if let Err(error) = self.check_sync(&request) {
            let refusal = SyncReply::refused(error);
            return context.reply(ticket, GroupReply::SyncGroup(refusal));
        }
        let member = Arc::clone(&request.member);
        self.pending_syncs.remove(&member);
        if self.state == ClassicState::CompletingRebalance {
            self.await_assignment(context, &member, ticket);
            if self.is_leader(&member) {
                self.assign(context, request.assignments);
            }
        } else {
            self.answer_sync(context, &member, ticket);
        }
        if self.state == ClassicState::Stable && self.pending_syncs.is_empty() {
            self.end_sync(context);
        }
    }

    fn check_sync(&self, request: &SyncGroup) -> Result<(), ErrorCode> {
        self.check_member(&request.member, request.instance.as_ref())?;
        if request.generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |theirs: &Option<Arc<str>>, ours: &Option<Arc<str>>| {
            theirs.is_some() && ours.is_some() && theirs != ours
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state {
            ClassicState::Empty => Err(ErrorCode::UnknownMemberId),
            ClassicState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            ClassicState::CompletingRebalance | ClassicState::Stable => Ok(()),
        }
    }

    fn await_assignment(&mut self, context: &mut Context<'_>, member: &Arc<str>, ticket: Ticket) {
        let Some(known) = self.members.get_mut(member) else {
            return;
        };
        // Sent again, over another connection most likely.
        if let Some(before) = known.awaiting_sync.replace(ticket) {
            let refusal = SyncReply::refused(ErrorCode::RebalanceInProgress);
            context.reply(before, GroupReply::SyncGroup(refusal));
        }
    }

    /// The leader has assigned. Members it has left out get nothing.
    fn assign(&mut self, context: &mut Context<'_>, assignments: Vec<(Arc<str>, bytes::Bytes)>) {
        let mut assignments: BTreeMap<_, _> = assignments.into_iter().collect();
        let before: Vec<_> = self
            .members
            .iter_mut()
            .map(|(id, member)| {
                let assigned = assignments.remove(id).unwrap_or_default();
                std::mem::replace(&mut member.assignment, assigned)
            })
            .collect();
        self.count_bytes();
        if self.bytes > context.config.record_bytes_max {
            for (member, before) in self.members.values_mut().zip(before) {
                member.assignment = before;
            }
            self.count_bytes();
            return self.refuse_assignments(context);
        }
        self.enter(ClassicState::Stable, context.now.wall_ms);
        self.record(context);
        let waiting: Vec<_> = self
            .members
            .values_mut()
            .filter_map(|member| Some((Arc::clone(&member.id), member.awaiting_sync.take()?)))
            .collect();
        for (member, ticket) in waiting {
            self.answer_sync(context, &member, ticket);
        }
    }

    /// What was assigned cannot be recorded: everybody has to join again, and the leader may do better. Kafka's code for it.
    fn refuse_assignments(&mut self, context: &mut Context<'_>) {
        let refuse = |member: &mut super::ClassicMember| member.awaiting_sync.take();
        let waiting: Vec<_> = self.members.values_mut().filter_map(refuse).collect();
        for ticket in waiting {
            let refusal = SyncReply::refused(ErrorCode::UnknownServerError);
            context.reply(ticket, GroupReply::SyncGroup(refusal));
        }
        self.rebalance(context);
    }

    fn answer_sync(&self, context: &mut Context<'_>, member: &Arc<str>, ticket: Ticket) {
        let known = self.members.get(member);
        let reply = SyncReply {
            error: ErrorCode::None,
            protocol: self.protocol_type.clone().zip(self.protocol.clone()),
            assignment: known
                .map(|known| known.assignment.clone())
                .unwrap_or_default(),
        };
        context.reply(ticket, GroupReply::SyncGroup(reply));
        self.touch(context, member);
    }
}

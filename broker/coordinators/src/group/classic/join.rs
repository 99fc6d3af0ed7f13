//! JoinGroup (Kafka's `GroupMetadataManager.classicGroupJoin`).

use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::{GroupReply, JoinGroup, JoinReply, SyncReply};
use super::super::context::{Context, TimerKey};
use super::member::ClassicMember;
use super::{ClassicGroup, ClassicState};
use crate::Ticket;

/// How long the request of a new member may wait. It does not know its id yet and cannot send heartbeats, and whether its client is still
/// there cannot be seen: one that is comes again.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 300_000;

impl ClassicGroup {
    pub(in crate::group) fn join(
        &mut self,
        context: &mut Context<'_>,
        ticket: Ticket,
        request: &JoinGroup,
    ) {
        let member = request.member.clone();
        if !self.has_room_for(context.config.members_max, member.as_deref()) {
            let refusal = JoinReply::refused(ErrorCode::GroupMaxSizeReached, None);
            context.reply(ticket, GroupReply::JoinGroup(refusal));
            if let Some(member) = member {
                self.remove(context, &member, ErrorCode::UnknownMemberId);
                self.complete_join_if_all_have(context);
            }
            return;
        }
        if !self.can_agree_with(request) {
            let refusal = JoinReply::refused(ErrorCode::InconsistentGroupProtocol, member);
            return context.reply(ticket, GroupReply::JoinGroup(refusal));
        }
        match member {
            None => self.join_as_new(context, ticket, request),
            Some(member) => self.join_again(context, ticket, &member, request),
        }
    }

    fn has_room_for(&self, members_max: usize, member: Option<&str>) -> bool {
        let known = member.and_then(|member| self.members.get(member));
        match self.state {
            ClassicState::Empty => true,
            ClassicState::PreparingRebalance => {
                known.is_some_and(|known| known.awaiting_join.is_some())
                    || self.awaiting_joins < members_max
            }
            ClassicState::CompletingRebalance | ClassicState::Stable => {
                known.is_some() || self.members.len() < members_max
            }
        }
    }

    /// Whether the member offers an assignor that all others offer.
    fn can_agree_with(&self, request: &JoinGroup) -> bool {
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        let mut offered = request.protocols.iter();
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && offered.any(|it| self.offered.get(&it.name) == Some(&self.members.len()))
    }

    fn join_as_new(&mut self, context: &mut Context<'_>, ticket: Ticket, request: &JoinGroup) {
        let instance = request.instance.as_ref();
        let begin = instance.unwrap_or(&request.client_id);
        let member: Arc<str> = format!("{begin}-{}", request.new_member).into();
        let replaced = instance.and_then(|instance| self.static_members.get(instance).cloned());
        if let Some(replaced) = replaced {
            self.replace_static(context, ticket, &replaced, member, request);
        } else if instance.is_none() && request.is_to_know_its_id {
            self.pending_joins.insert(Arc::clone(&member));
            let session = TimerKey::Session(Arc::clone(&self.id), Arc::clone(&member));
            context.after(session, request.session_timeout_ms);
            let refusal = JoinReply::refused(ErrorCode::MemberIdRequired, Some(member));
            context.reply(ticket, GroupReply::JoinGroup(refusal));
        } else {
            self.add(context, ticket, member, request);
            self.rebalance(context);
        }
    }

    fn join_again(
        &mut self,
        context: &mut Context<'_>,
        ticket: Ticket,
        member: &Arc<str>,
        request: &JoinGroup,
    ) {
        if self.pending_joins.contains(member) && request.instance.is_none() {
            self.add(context, ticket, Arc::clone(member), request);
            return self.rebalance(context);
        }
        if let Err(error) = self.check_member(member, request.instance.as_ref()) {
            let refusal = JoinReply::refused(error, Some(Arc::clone(member)));
            return context.reply(ticket, GroupReply::JoinGroup(refusal));
        }
        let is_the_same = self.members[member].protocols == request.protocols;
        let is_leader = self.is_leader(member);
        let knows_the_generation = match self.state {
            ClassicState::Empty | ClassicState::PreparingRebalance => false,
            // Perhaps the answer was lost.
            ClassicState::CompletingRebalance => is_the_same,
            // A leader that joins again asks for a rebalance: it may know of new partitions.
            ClassicState::Stable => is_the_same && !is_leader,
        };
        if knows_the_generation {
            let leader = self.leader.clone().unwrap_or_default();
            let reply = JoinReply {
                error: ErrorCode::None,
                member: Some(Arc::clone(member)),
                joined: Some(self.joined(leader, is_leader, false)),
            };
            return context.reply(ticket, GroupReply::JoinGroup(reply));
        }
        self.update(context, ticket, member, request);
        self.rebalance(context);
    }

    fn add(
        &mut self,
        context: &mut Context<'_>,
        ticket: Ticket,
        member: Arc<str>,
        request: &JoinGroup,
    ) {
        if let Some(initial) = &mut self.initial
            && self.generation == 0
        {
            initial.member_came = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::clone(&request.protocol_type));
        }
        self.pending_joins.remove(&member);
        if let Some(instance) = &request.instance {
            self.static_members
                .insert(Arc::clone(instance), Arc::clone(&member));
        }
        self.leader.get_or_insert_with(|| Arc::clone(&member));
        self.joins += 1;
        let mut added = ClassicMember::new(Arc::clone(&member), self.joins, request);
        added.awaiting_join = Some(ticket);
        self.awaiting_joins += 1;
        self.offer(&added);
        self.members.insert(Arc::clone(&member), added);
        let session = TimerKey::Session(Arc::clone(&self.id), member);
        context.after(session, NEW_MEMBER_JOIN_TIMEOUT_MS);
    }

    fn update(
        &mut self,
        context: &mut Context<'_>,
        ticket: Ticket,
        member: &Arc<str>,
        request: &JoinGroup,
    ) {
        let Some(mut known) = self.members.remove(member) else {
            return;
        };
        self.withdraw(&known);
        known.protocols.clone_from(&request.protocols);
        known.rebalance_timeout_ms = request.rebalance_timeout_ms;
        known.session_timeout_ms = request.session_timeout_ms;
        match known.awaiting_join.replace(ticket) {
            None => self.awaiting_joins += 1,
            // The client has sent it again, over another connection most likely.
            Some(before) => {
                let refusal =
                    JoinReply::refused(ErrorCode::RebalanceInProgress, Some(Arc::clone(member)));
                context.reply(before, GroupReply::JoinGroup(refusal));
            }
        }
        self.offer(&known);
        self.members.insert(Arc::clone(member), known);
    }

    /// A static member has come back under a new id: the old one is fenced (KIP-345).
    fn replace_static(
        &mut self,
        context: &mut Context<'_>,
        ticket: Ticket,
        replaced: &Arc<str>,
        member: Arc<str>,
        request: &JoinGroup,
    ) {
        let Some(mut known) = self.members.remove(replaced) else {
            return;
        };
        self.withdraw(&known);
        if let Some(before) = known.awaiting_join.take() {
            self.awaiting_joins -= 1;
            let fenced =
                JoinReply::refused(ErrorCode::FencedInstanceId, Some(Arc::clone(replaced)));
            context.reply(before, GroupReply::JoinGroup(fenced));
        }
        if let Some(before) = known.awaiting_sync.take() {
            let fenced = SyncReply::refused(ErrorCode::FencedInstanceId);
            context.reply(before, GroupReply::SyncGroup(fenced));
        }
        context.timers.cancel(&TimerKey::Session(
            Arc::clone(&self.id),
            Arc::clone(replaced),
        ));
        if self.pending_syncs.remove(replaced) {
            self.pending_syncs.insert(Arc::clone(&member));
        }
        if let Some(instance) = &known.instance {
            self.static_members
                .insert(Arc::clone(instance), Arc::clone(&member));
        }
        let leader_before = self.leader.clone().unwrap_or_default();
        if self.is_leader(replaced) {
            self.leader = Some(Arc::clone(&member));
        }
        known.id = Arc::clone(&member);
        known.client_id = Arc::clone(&request.client_id);
        known.client_host = Arc::clone(&request.client_host);
        self.offer(&known);
        self.members.insert(Arc::clone(&member), known);
        self.update(context, ticket, &member, request);
        self.touch(context, &member);

        let fits = self.bytes <= context.config.record_bytes_max;
        if self.state == ClassicState::Stable && self.select_protocol() == self.protocol && fits {
            // The assignment stays, and only the new id has to be recorded.
            if let Some(known) = self.members.get_mut(&member) {
                known.awaiting_join = None;
                known.is_new = false;
                self.awaiting_joins -= 1;
            }
            self.note_subscriptions();
            self.record(context);
            let is_leader = self.is_leader(&member);
            let joined = match request.can_skip_assignment {
                true => {
                    let leader = self.leader.clone().unwrap_or_default();
                    self.joined(leader, is_leader, is_leader)
                }
                // An older client that hears it is the leader would assign: it is told that the one before is.
                false => self.joined(leader_before, false, false),
            };
            let reply = JoinReply {
                error: ErrorCode::None,
                member: Some(member),
                joined: Some(joined),
            };
            return context.reply(ticket, GroupReply::JoinGroup(reply));
        }
        self.rebalance(context);
    }

    /// Counts a member that is about to be in the group.
    pub(super) fn offer(&mut self, member: &ClassicMember) {
        self.bytes += member.bytes();
        for protocol in &member.protocols {
            *self.offered.entry(Arc::clone(&protocol.name)).or_default() += 1;
        }
    }

    /// The opposite, for one that is no more, or about to change.
    pub(super) fn withdraw(&mut self, member: &ClassicMember) {
        self.bytes -= member.bytes();
        for protocol in &member.protocols {
            if let Some(count) = self.offered.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.offered.remove(&protocol.name);
                }
            }
        }
    }
}

//! Members that come from a group of the consumer protocol, and go to one.

use std::sync::Arc;

use bytes::Bytes;
use protocol::ErrorCode;

use super::super::ask::{GroupReply, JoinReply, Protocol, SyncReply};
use super::super::context::{Context, TimerKey};
use super::member::{CONSUMER_PROTOCOL_TYPE, ClassicMember};
use super::{ClassicGroup, ClassicState};

/// A member between two groups.
#[derive(Clone, Debug)]
pub(in crate::group) struct ConvertedMember {
    pub(in crate::group) id: Arc<str>,
    pub(in crate::group) instance: Option<Arc<str>>,
    pub(in crate::group) client_id: Arc<str>,
    pub(in crate::group) client_host: Arc<str>,
    pub(in crate::group) rebalance_timeout_ms: i32,
    pub(in crate::group) session_timeout_ms: i32,
    pub(in crate::group) protocols: Vec<Protocol>,
    pub(in crate::group) assignment: Bytes,
}

impl ClassicGroup {
    /// What its members say of themselves: for the assignor of the generation, or else the one they like best.
    pub(in crate::group) fn chosen_metadata(&self) -> Vec<Bytes> {
        let members = self.members.values();
        members
            .map(|member| {
                let chosen = self.protocol.as_deref();
                let offered = &member.protocols;
                let found = offered.iter().find(|it| Some(&*it.name) == chosen);
                let found = found.or_else(|| offered.first());
                found.map_or(Bytes::new(), |it| it.metadata.clone())
            })
            .collect()
    }

    /// What each member is assigned.
    pub(in crate::group) fn assignments(&self) -> impl Iterator<Item = &Bytes> {
        self.members.values().map(|member| &member.assignment)
    }

    /// Gives its members away, in the order of [`chosen_metadata`](Self::chosen_metadata). Those that wait are told to join again.
    pub(in crate::group) fn give_up(&mut self, context: &mut Context<'_>) -> Vec<ConvertedMember> {
        for timer in [
            TimerKey::Join(Arc::clone(&self.id)),
            TimerKey::Sync(Arc::clone(&self.id)),
        ] {
            context.timers.cancel(&timer);
        }
        let pending = std::mem::take(&mut self.pending_joins);
        for member in pending.iter().chain(self.members.keys()) {
            let session = TimerKey::Session(Arc::clone(&self.id), Arc::clone(member));
            context.timers.cancel(&session);
        }
        let members = std::mem::take(&mut self.members);
        *self = ClassicGroup::new(Arc::clone(&self.id));
        let mut given = Vec::with_capacity(members.len());
        for (id, mut member) in members {
            if let Some(ticket) = member.awaiting_join.take() {
                let refusal =
                    JoinReply::refused(ErrorCode::RebalanceInProgress, Some(Arc::clone(&id)));
                context.reply(ticket, GroupReply::JoinGroup(refusal));
            }
            if let Some(ticket) = member.awaiting_sync.take() {
                let refusal = SyncReply::refused(ErrorCode::RebalanceInProgress);
                context.reply(ticket, GroupReply::SyncGroup(refusal));
            }
            given.push(ConvertedMember {
                id,
                instance: member.instance,
                client_id: member.client_id,
                client_host: member.client_host,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout_ms,
                protocols: member.protocols,
                assignment: member.assignment,
            });
        }
        given
    }

    /// A group of members that have been in one of the consumer protocol: recorded with what they have, and about to rebalance.
    pub(in crate::group) fn converted(
        context: &mut Context<'_>,
        id: Arc<str>,
        generation: i32,
        members: Vec<ConvertedMember>,
    ) -> ClassicGroup {
        let mut group = ClassicGroup::new(id);
        group.generation = generation;
        group.protocol_type = Some(CONSUMER_PROTOCOL_TYPE.into());
        for member in members {
            group.joins += 1;
            if let Some(instance) = &member.instance {
                group
                    .static_members
                    .insert(Arc::clone(instance), Arc::clone(&member.id));
            }
            let member = ClassicMember::converted(member, group.joins);
            group.leader.get_or_insert_with(|| Arc::clone(&member.id));
            group.offer(&member);
            group.members.insert(Arc::clone(&member.id), member);
        }
        group.protocol = group.select_protocol();
        group.note_subscriptions();
        group.enter(ClassicState::Stable, context.now.wall_ms);
        group.record(context);
        let members: Vec<_> = group.members.keys().cloned().collect();
        for member in &members {
            group.touch(context, member);
        }
        group.rebalance(context);
        group
    }
}

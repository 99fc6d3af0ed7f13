//! Members that speak the classic protocol in a group of the consumer protocol (KIP-848, "online migration"): their requests are answered as
//! if there were a leader that assigns, and it is the coordinator.
//!
//! A member's generation is its epoch. It hears of a new target by a heartbeat's REBALANCE_IN_PROGRESS, joins, saying what it has, and asks for
//! its assignment. With partitions to give up it does that twice, as under the cooperative protocol (KIP-429).

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::consumer_protocol::{ConsumerSubscription, subscription};

use super::super::ask::{
    Heartbeat, JoinGroup, JoinReply, Joined, LeaveGroup, LeaveReply, LeavingMember, SyncGroup,
    SyncReply,
};
use super::super::classic::CONSUMER_PROTOCOL_TYPE;
use super::super::cluster::{Cluster, TopicPartition};
use super::super::context::Context;
use super::ConsumerGroup;
use super::member::{ClassicSide, ConsumerMember, MemberState, Profile};

/// Ids that wait for their members at most.
const HANDED_OUT_MAX: usize = 1_000;

impl ConsumerGroup {
    /// JoinGroup (Kafka's `classicGroupJoinToConsumerGroup`). It is answered at once.
    pub(in crate::group) fn join_classic(
        &mut self,
        context: &mut Context<'_>,
        ask: &JoinGroup,
    ) -> JoinReply {
        match self.try_join(context, ask) {
            Ok(reply) => reply,
            Err(error) => JoinReply::refused(error, None),
        }
    }

    fn try_join(
        &mut self,
        context: &mut Context<'_>,
        ask: &JoinGroup,
    ) -> Result<JoinReply, ErrorCode> {
        if !context.config.migration.upgrades && !context.config.migration.downgrades {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let is_known = ask.member.as_ref().is_some_and(|it| self.has_member(it));
        let replaces = ask
            .instance
            .as_ref()
            .is_some_and(|it| self.static_members.contains_key(it));
        if !is_known && !replaces && self.members.len() >= context.config.consumer_members_max {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        if !self.can_agree_with(ask) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let begin = ask.instance.as_ref().unwrap_or(&ask.client_id);
        let new_id: Arc<str> = format!("{begin}-{}", ask.new_member).into();
        if ask.member.is_none() && ask.instance.is_none() && ask.is_to_know_its_id {
            if self.handed_out.len() == HANDED_OUT_MAX {
                self.handed_out.pop_front();
            }
            self.handed_out.push_back(Arc::clone(&new_id));
            return Ok(JoinReply::refused(
                ErrorCode::MemberIdRequired,
                Some(new_id),
            ));
        }
        let said = read_subscription(ask)?;
        let id = self.who_joins(context, ask, new_id)?;
        let is_new = !self.has_member(&id);
        let before = self.members.get(&id).map(|it| it.profile.clone());
        let before = before.unwrap_or_default();
        let profile = Profile {
            instance: ask.instance.clone().or_else(|| before.instance.clone()),
            rack: said
                .rack
                .as_deref()
                .map(Arc::from)
                .or_else(|| before.rack.clone()),
            client_id: Arc::clone(&ask.client_id),
            client_host: Arc::clone(&ask.client_host),
            names: said
                .topics
                .iter()
                .map(|topic| topic.as_str().into())
                .collect(),
            regex: None,
            rebalance_timeout_ms: ask.rebalance_timeout_ms,
            assignor: None,
            classic: Some(ClassicSide {
                session_timeout_ms: ask.session_timeout_ms,
                protocols: ask.protocols.clone(),
            }),
        };
        let is_changed = self.put_profile(context, &id, &before, profile, is_new);
        self.refresh(context, is_changed);
        self.assign_if_due(context);
        let owned = with_ids(&**context.cluster, &said.owned);
        self.reconcile(context, &id, Some(&owned));
        self.touch(context, &id);
        // It has this long to ask for its assignment.
        context.after(self.rebalance_timer(&id), ask.rebalance_timeout_ms);
        Ok(JoinReply {
            error: ErrorCode::None,
            joined: Some(Joined {
                generation: self.members[&id].current.epoch,
                protocol_type: CONSUMER_PROTOCOL_TYPE.into(),
                protocol: ask.protocols[0].name.clone(),
                leader: Arc::default(),
                skip_assignment: false,
                members: Vec::new(),
            }),
            member: Some(id),
        })
    }

    /// Whether the member offers an assignor that all other members of the classic protocol offer: should the group become classic, they have
    /// one.
    fn can_agree_with(&self, ask: &JoinGroup) -> bool {
        let is_other = |id: &&Arc<str>| ask.member.as_ref() != Some(*id);
        let classic = self.members.iter().filter(|(id, _)| is_other(id));
        let classic: Vec<&ClassicSide> = classic
            .filter_map(|(_, member)| member.profile.classic.as_ref())
            .collect();
        let is_common = |name: &Arc<str>| {
            classic
                .iter()
                .all(|side| side.protocols.iter().any(|it| it.name == *name))
        };
        *ask.protocol_type == *CONSUMER_PROTOCOL_TYPE
            && ask.protocols.iter().any(|offered| is_common(&offered.name))
    }

    fn who_joins(
        &mut self,
        context: &mut Context<'_>,
        ask: &JoinGroup,
        new_id: Arc<str>,
    ) -> Result<Arc<str>, ErrorCode> {
        let current = ask
            .instance
            .as_ref()
            .and_then(|instance| self.static_members.get(instance).cloned());
        match (&ask.member, &ask.instance, current) {
            (None, _, Some(current)) => {
                self.replace(context, &current, &new_id);
                Ok(new_id)
            }
            (None, _, None) => Ok(new_id),
            (Some(_), Some(_), None) => Err(ErrorCode::UnknownMemberId),
            (Some(member), Some(_), Some(current)) if current != *member => {
                Err(ErrorCode::FencedInstanceId)
            }
            (Some(member), Some(_), _) => Ok(Arc::clone(member)),
            (Some(member), None, _) if self.has_member(member) => Ok(Arc::clone(member)),
            // Kafka takes any id. One whose session has ended would not notice, and commit where it was when it is told to give up what others read by now.
            (Some(member), None, _) => {
                let at = self.handed_out.iter().position(|id| id == member);
                let at = at.ok_or(ErrorCode::UnknownMemberId)?;
                self.handed_out.remove(at);
                Ok(Arc::clone(member))
            }
        }
    }

    /// SyncGroup (Kafka's `classicGroupSyncToConsumerGroup`).
    pub(in crate::group) fn sync_classic(
        &mut self,
        context: &mut Context<'_>,
        ask: &SyncGroup,
    ) -> SyncReply {
        let checked = self.check_sync(context, ask);
        if let Err(error) = checked {
            return SyncReply::refused(error);
        }
        context.timers.cancel(&self.rebalance_timer(&ask.member));
        self.touch(context, &ask.member);
        let member = &self.members[&ask.member];
        let assignment =
            member.profile.classic.as_ref().map(|side| {
                side.encode_assignment(&**context.cluster, member.current.assigned.keys())
            });
        SyncReply {
            error: ErrorCode::None,
            protocol: ask.protocol_type.clone().zip(ask.protocol.clone()),
            assignment: assignment.unwrap_or_default(),
        }
    }

    fn check_sync(&self, context: &mut Context<'_>, ask: &SyncGroup) -> Result<(), ErrorCode> {
        let member = self.check_classic(&ask.member, ask.instance.as_ref(), ask.generation)?;
        let is_other_type = ask
            .protocol_type
            .as_deref()
            .is_some_and(|it| it != CONSUMER_PROTOCOL_TYPE);
        let offered = member
            .profile
            .classic
            .as_ref()
            .and_then(|side| side.protocols.first());
        let is_other_protocol = match (&ask.protocol, offered) {
            (Some(asked), Some(offered)) => *asked != offered.name,
            _ => false,
        };
        if is_other_type || is_other_protocol {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        // One that is to give partitions up has to be told of it, though it has to join again afterwards.
        if self.target_epoch > member.current.epoch
            && member.current.state != MemberState::Unrevoked
        {
            self.await_join(context, &ask.member, member);
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Heartbeat (Kafka's `classicGroupHeartbeatToConsumerGroup`).
    pub(in crate::group) fn heartbeat_classic(
        &mut self,
        context: &mut Context<'_>,
        ask: &Heartbeat,
    ) -> ErrorCode {
        let checked = self.check_classic(&ask.member, ask.instance.as_ref(), ask.generation);
        let member = match checked {
            Ok(member) => member,
            Err(error) => return error,
        };
        self.touch(context, &ask.member);
        let is_behind = self.target_epoch > member.current.epoch;
        let is_to_join = match member.current.state {
            MemberState::Stable => is_behind,
            MemberState::Unrevoked => true,
            MemberState::Unreleased => is_behind || !self.is_waiting(&ask.member, member),
        };
        if !is_to_join {
            return ErrorCode::None;
        }
        self.await_join(context, &ask.member, member);
        ErrorCode::RebalanceInProgress
    }

    /// Whether others still have something of what a member is to have.
    fn is_waiting(&self, id: &Arc<str>, member: &ConsumerMember) -> bool {
        let mut target = member.target.iter();
        target.any(|partition| self.owners.get(partition).is_some_and(|owner| owner != id))
    }

    /// A member has been told to join: it has so long.
    fn await_join(&self, context: &mut Context<'_>, id: &Arc<str>, member: &ConsumerMember) {
        let timer = self.rebalance_timer(id);
        if !context.timers.is_set(&timer) {
            context.after(timer, member.profile.rebalance_timeout_ms);
        }
    }

    /// Whether a member of the classic protocol may speak for itself.
    fn check_classic(
        &self,
        id: &Arc<str>,
        instance: Option<&Arc<str>>,
        generation: i32,
    ) -> Result<&ConsumerMember, ErrorCode> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current != id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        let member = self.members.get(id).ok_or(ErrorCode::UnknownMemberId)?;
        if !member.is_classic() {
            return Err(ErrorCode::UnknownMemberId);
        }
        match member.current.epoch == generation {
            true => Ok(member),
            false => Err(ErrorCode::IllegalGeneration),
        }
    }

    /// LeaveGroup (Kafka's `classicGroupLeaveToConsumerGroup`).
    pub(in crate::group) fn leave_classic(
        &mut self,
        context: &mut Context<'_>,
        ask: &LeaveGroup,
    ) -> LeaveReply {
        let mut gone = Vec::new();
        let mut outcomes = Vec::with_capacity(ask.members.len());
        for leaving in &ask.members {
            let error = match self.who_leaves_classic(leaving) {
                Ok(id) if gone.contains(&id) => ErrorCode::UnknownMemberId,
                Ok(id) => {
                    gone.push(id);
                    ErrorCode::None
                }
                Err(error) => error,
            };
            outcomes.push((leaving.clone(), error));
        }
        if !gone.is_empty() {
            self.remove(context, &gone);
        }
        Ok(outcomes)
    }

    fn who_leaves_classic(&self, leaving: &LeavingMember) -> Result<Arc<str>, ErrorCode> {
        let id = match (&leaving.instance, &leaving.member) {
            (Some(instance), member) => {
                let current = self.static_members.get(instance);
                let current = current.ok_or(ErrorCode::UnknownMemberId)?;
                // An administrator names no member.
                if member.as_ref().is_some_and(|member| member != current) {
                    return Err(ErrorCode::FencedInstanceId);
                }
                current
            }
            (None, Some(member)) => member,
            (None, None) => return Err(ErrorCode::UnknownMemberId),
        };
        // An administrator can remove members of both protocols.
        match self.members.contains_key(id) {
            true => Ok(Arc::clone(id)),
            false => Err(ErrorCode::UnknownMemberId),
        }
    }
}

/// What the member says of itself for the assignor it likes best.
fn read_subscription(ask: &JoinGroup) -> Result<ConsumerSubscription, ErrorCode> {
    let offered = ask
        .protocols
        .first()
        .ok_or(ErrorCode::InconsistentGroupProtocol)?;
    subscription(&offered.metadata).map_err(|_| ErrorCode::InconsistentGroupProtocol)
}

/// Topics that are not there are left out.
pub(super) fn with_ids(
    cluster: &dyn Cluster,
    topics: &[(String, Vec<i32>)],
) -> BTreeSet<TopicPartition> {
    let mut found = BTreeSet::new();
    for (name, partitions) in topics {
        if let Some(topic) = cluster.topic(name) {
            let there = partitions
                .iter()
                .filter(|it| (0..topic.partitions).contains(*it));
            found.extend(there.map(|partition| (topic.id, *partition)));
        }
    }
    found
}

//! Members that leave, or are not heard of in time.

use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, ConsumerHeartbeatReply};
use super::super::context::Context;
use super::member::{AWAY_EPOCH, MemberState};
use super::{ConsumerGroup, Refusal};

impl ConsumerGroup {
    /// A heartbeat with which a member leaves: for good, or, if it is static, for a moment.
    pub(in crate::group) fn leave(
        &mut self,
        context: &mut Context<'_>,
        ask: &ConsumerHeartbeat,
    ) -> ConsumerHeartbeatReply {
        let id = self.who_leaves(ask)?;
        if ask.epoch == AWAY_EPOCH {
            self.go_away(context, &id);
        } else {
            self.remove(context, &[id]);
        }
        Ok(ConsumerHeartbeatAnswer {
            member: Arc::clone(&ask.member),
            epoch: ask.epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        })
    }

    fn who_leaves(&self, ask: &ConsumerHeartbeat) -> Result<Arc<str>, Refusal> {
        let Some(instance) = &ask.instance else {
            return match self.members.get_key_value(&ask.member) {
                Some((id, _)) => Ok(Arc::clone(id)),
                None => Err(Refusal::new(
                    ErrorCode::UnknownMemberId,
                    format!(
                        "Member {} is not a member of group {}.",
                        ask.member, self.id
                    ),
                )),
            };
        };
        match self.static_members.get(instance) {
            Some(current) if *current == ask.member => Ok(Arc::clone(current)),
            Some(current) => Err(Refusal::new(
                ErrorCode::FencedInstanceId,
                format!(
                    "Static member {} with instance id {instance} was fenced by member {current}.",
                    ask.member
                ),
            )),
            None => Err(Refusal::new(
                ErrorCode::UnknownMemberId,
                format!("Instance id {instance} is unknown."),
            )),
        }
    }

    /// What a static member had is kept for it, until its session ends.
    fn go_away(&mut self, context: &mut Context<'_>, id: &Arc<str>) {
        context.timers.cancel(&self.rebalance_timer(id));
        let mut current = self.members[id].current.clone();
        current.epoch = AWAY_EPOCH;
        current.previous_epoch = AWAY_EPOCH;
        current.state = MemberState::Stable;
        // It has nothing any more, and what it was to give up is free.
        current.revoking.clear();
        self.put_current(context, id, &current);
    }

    /// Takes members out, and begins a new epoch without them.
    pub(super) fn remove(&mut self, context: &mut Context<'_>, ids: &[Arc<str>]) {
        for id in ids {
            self.cancel_timers(context, id);
            self.put_removal(context, id);
        }
        self.forget_regexes(context);
        self.refresh(context, true);
        // The others need not wait for the first heartbeat to have it computed.
        self.assign_if_due(context);
    }

    /// A member was not heard of in time.
    pub(in crate::group) fn on_session_timer(&mut self, context: &mut Context<'_>, id: &Arc<str>) {
        if self.members.contains_key(id) {
            context.counters.expired_members.add(1);
            self.remove(context, &[Arc::clone(id)]);
        }
    }

    /// A member has not given up in time what it was to, or, of the classic protocol, has not joined or asked for its assignment.
    pub(in crate::group) fn on_rebalance_timer(
        &mut self,
        context: &mut Context<'_>,
        id: &Arc<str>,
    ) {
        self.on_session_timer(context, id);
    }
}

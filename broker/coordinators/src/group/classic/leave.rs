//! LeaveGroup (Kafka's `classicGroupLeaveToClassicGroup`).

use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::{LeaveGroup, LeaveReply, LeavingMember};
use super::super::context::{Context, TimerKey};
use super::ClassicGroup;

impl ClassicGroup {
    pub(in crate::group) fn leave(
        &mut self,
        context: &mut Context<'_>,
        request: &LeaveGroup,
    ) -> LeaveReply {
        let mut outcomes = Vec::with_capacity(request.members.len());
        let mut has_lost_one = false;
        for leaving in &request.members {
            let error = match self.who_leaves(leaving) {
                Ok(member) => {
                    self.remove(context, &member, ErrorCode::UnknownMemberId);
                    has_lost_one = true;
                    ErrorCode::None
                }
                Err(error) => error,
            };
            outcomes.push((leaving.clone(), error));
        }
        if has_lost_one {
            self.rebalance_without(context);
        }
        Ok(outcomes)
    }

    fn who_leaves(&self, leaving: &LeavingMember) -> Result<Arc<str>, ErrorCode> {
        let Some(member) = &leaving.member else {
            // An administrator removes a static member by its instance id alone (KIP-345).
            let current = leaving
                .instance
                .as_ref()
                .and_then(|instance| self.static_members.get(instance));
            return current.cloned().ok_or(ErrorCode::UnknownMemberId);
        };
        if self.pending_joins.contains(member) {
            return Ok(Arc::clone(member));
        }
        self.check_member(member, leaving.instance.as_ref())?;
        Ok(Arc::clone(member))
    }
}

impl ClassicGroup {
    /// The group is gone: so are members that were told an id and have not come.
    pub(in crate::group) fn abandon(&mut self, context: &mut Context<'_>) {
        for member in std::mem::take(&mut self.pending_joins) {
            let session = TimerKey::Session(Arc::clone(&self.id), member);
            context.timers.cancel(&session);
        }
        debug_assert!(self.members.is_empty(), "a group with members is abandoned");
        *self = ClassicGroup::new(Arc::clone(&self.id));
    }
}

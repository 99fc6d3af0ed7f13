//! Offsets that nobody needs any more (KIP-211), and groups without any.

use std::sync::Arc;

use super::super::classic::ClassicState;
use super::super::context::Context;
use super::super::members::{Group, Members};
use super::CommittedOffset;

impl Group {
    /// Forgets what has expired; and the group, if nothing is left of it. Returns how many records that took.
    pub(in crate::group) fn expire(&mut self, context: &mut Context<'_>) -> usize {
        let before = context.effects.records.len();
        let subscribed = self.subscribed();
        let expired: Vec<_> = self
            .offsets
            .iter()
            .filter(|(topic, _, committed)| {
                let is_subscribed = subscribed.as_ref().map(|topics| topics.contains(&***topic));
                self.has_expired(context, is_subscribed, committed)
            })
            .map(|(topic, partition, _)| (Arc::clone(topic), partition))
            .collect();
        context.counters.expired_offsets.add(expired.len() as u64);
        for (topic, partition) in expired {
            self.forget(context, &topic, partition);
        }
        if self.is_abandoned() && self.offsets.is_empty() && self.is_recorded() {
            self.bury(context);
        }
        context.effects.records.len() - before
    }

    /// `is_subscribed`: whether some member is subscribed to the topic, where that is known.
    fn has_expired(
        &self,
        context: &Context<'_>,
        is_subscribed: Option<bool>,
        committed: &CommittedOffset,
    ) -> bool {
        if !context.now.wall_is_trusted {
            return false;
        }
        let now_ms = context.now.wall_ms;
        let committed_at = committed.commit_timestamp_ms;
        let idle_since_ms = match &self.members {
            Members::Consumer(_) if is_subscribed == Some(true) => return false,
            Members::Consumer(_) => committed_at,
            Members::Classic(classic) => match (classic.protocol_type(), classic.state()) {
                // Who assigns partitions to itself commits now and then, or is gone.
                (None, _) => committed_at,
                // From when the last member left.
                (Some(_), ClassicState::Empty) => classic.state_since_ms().unwrap_or(committed_at),
                // Topics that nobody reads any more.
                (Some(_), ClassicState::Stable) if is_subscribed == Some(false) => committed_at,
                _ => return false,
            },
        };
        match committed.expire_timestamp_ms {
            Some(expires_ms) => now_ms >= expires_ms,
            None => now_ms.saturating_sub(idle_since_ms) >= context.config.offsets_retention_ms,
        }
    }
}

//! What every operation on a group works with.

use std::sync::Arc;

use protocol::group_records::GroupRecord;

use super::GroupReply;
use super::config::GroupConfig;
use super::metrics::GroupCounters;
use crate::{Effects, Now, Ticket, Timers};

/// What groups ask of the caller.
pub(super) type GroupEffects = Effects<GroupRecord, GroupReply>;

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKey {
    /// Looking for offsets and groups that have expired.
    Expiration,
    /// Members to join again.
    Join(Arc<str>),
    /// Members to ask for their assignments.
    Sync(Arc<str>),
    /// A member to be heard of.
    Session(Arc<str>, Arc<str>),
}

/// One call.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) config: &'a GroupConfig,
    pub(super) timers: &'a mut Timers<TimerKey>,
    pub(super) effects: &'a mut GroupEffects,
    pub(super) counters: &'a mut GroupCounters,
}

impl Context<'_> {
    pub(super) fn reply(&mut self, ticket: Ticket, reply: GroupReply) {
        self.effects.reply(ticket, reply);
    }

    pub(super) fn record(&mut self, record: GroupRecord) {
        self.effects.records.push(record);
    }

    /// Has a timer go off after so long.
    pub(super) fn after(&mut self, key: TimerKey, millis: i32) {
        let deadline_ms = self.now.monotonic_ms + i64::from(millis.max(0));
        self.timers.set(key, deadline_ms);
    }
}

/// The length that Java's `String.length` gives.
pub(super) fn java_length(text: &str) -> usize {
    text.encode_utf16().count()
}

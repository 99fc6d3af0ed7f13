//! What every operation on a group works with.

use std::sync::Arc;

use protocol::group_records::GroupRecord;

use super::GroupReply;
use super::cluster::Cluster;
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
    /// A member of the consumer protocol to give partitions up; one of the classic protocol in such a group to join, or to ask for its
    /// assignment.
    Rebalance(Arc<str>, Arc<str>),
    /// A target to be computed.
    Assign(Arc<str>),
}

/// One call.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) config: &'a GroupConfig,
    pub(super) timers: &'a mut Timers<TimerKey>,
    pub(super) effects: &'a mut GroupEffects,
    pub(super) counters: &'a GroupCounters,
    pub(super) cluster: &'a Arc<dyn Cluster>,
    /// Another one for each version of the cluster that was seen.
    pub(super) cluster_version: u64,
}

impl Context<'_> {
    pub(super) fn reply(&mut self, ticket: Ticket, reply: GroupReply) {
        self.effects.reply(ticket, reply);
    }

    pub(super) fn record(&mut self, record: GroupRecord) {
        self.effects.records.push(record);
    }

    /// How long a member of the consumer protocol may be silent.
    pub(super) fn session_timeout_ms(&self, group: &str) -> i32 {
        let of_the_group = self
            .cluster
            .group_setting(group, "consumer.session.timeout.ms");
        of_the_group.unwrap_or(self.config.consumer_session_timeout_ms)
    }

    /// How often a member of the consumer protocol is to be heard of.
    pub(super) fn heartbeat_interval_ms(&self, group: &str) -> i32 {
        let of_the_group = self
            .cluster
            .group_setting(group, "consumer.heartbeat.interval.ms");
        of_the_group.unwrap_or(self.config.consumer_heartbeat_interval_ms)
    }

    /// How long there is at least between two assignments (KIP-1263).
    pub(super) fn assignment_interval_ms(&self, group: &str) -> i32 {
        let of_the_group = self
            .cluster
            .group_setting(group, "consumer.assignment.interval.ms");
        of_the_group.unwrap_or(self.config.consumer_assignment_interval_ms)
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

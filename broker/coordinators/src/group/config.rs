//! The settings that groups follow.

use super::consumer::{ASSIGNORS, Assignor};

/// Which groups may change their protocol while they are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrationPolicy {
    /// From the classic protocol to the consumer protocol.
    pub upgrades: bool,
    /// And back.
    pub downgrades: bool,
}

/// Limits and times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`: how long a group that was empty waits for more members.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`, in members.
    pub members_max: usize,
    /// The most that the members of all groups may take, with what they say of themselves and are assigned, in bytes.
    pub member_bytes_max: usize,
    /// The largest record of a group. What a member says of itself may take a quarter of it.
    pub record_bytes_max: usize,
    /// `group.consumer.session.timeout.ms`.
    pub consumer_session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`.
    pub consumer_heartbeat_interval_ms: i32,
    /// `group.consumer.rebalance.heartbeat.interval.ms`: where it is less than the interval, of members that are not where they are to be.
    pub consumer_rebalance_heartbeat_interval_ms: i32,
    /// `group.consumer.assignment.interval.ms`.
    pub consumer_assignment_interval_ms: i32,
    /// `group.consumer.max.size`, in members.
    pub consumer_members_max: usize,
    /// `group.consumer.assignors`, the default first. At least one.
    pub consumer_assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`.
    pub migration: MigrationPolicy,
    /// `offset.metadata.max.bytes`, in UTF-16 units as Kafka counts them.
    pub offset_metadata_chars_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_ms: i64,
}

impl Default for GroupConfig {
    /// Kafka's, and our own bounds.
    fn default() -> GroupConfig {
        GroupConfig {
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            members_max: i32::MAX as usize,
            member_bytes_max: 16 << 20,
            record_bytes_max: 16 << 20,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            consumer_rebalance_heartbeat_interval_ms: 200,
            consumer_assignment_interval_ms: 1_000,
            consumer_members_max: i32::MAX as usize,
            consumer_assignors: ASSIGNORS.to_vec(),
            migration: MigrationPolicy {
                upgrades: true,
                downgrades: true,
            },
            offset_metadata_chars_max: 4_096,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            offsets_retention_check_ms: 600_000,
        }
    }
}

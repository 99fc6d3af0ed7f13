//! The settings of consumer groups, in the types the coordinators work with.

use broker_coordinators::group::{Assignor, GroupConfig, MigrationPolicy};

use super::error::Problem;
use super::settings::Settings;

/// A setting with the settings of the least and the greatest value, for itself and for a group's own.
const WITHIN: [[&str; 3]; 3] = [
    [
        "group.consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ],
    [
        "group.consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ],
    [
        "group.consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ],
];

/// What the broker's settings say about groups.
pub fn group_config(settings: &Settings) -> GroupConfig {
    let count = |name| {
        let count: i32 = settings.number(name);
        usize::try_from(count).unwrap_or(0)
    };
    let retention_minutes: i64 = settings.number("offsets.retention.minutes");
    let policy = settings.text("group.consumer.migration.policy");
    let policy = policy.unwrap_or_default().to_ascii_lowercase();
    let assignors = settings.list("group.consumer.assignors").iter();
    GroupConfig {
        session_timeout_ms_min: settings.number("group.min.session.timeout.ms"),
        session_timeout_ms_max: settings.number("group.max.session.timeout.ms"),
        initial_rebalance_delay_ms: settings.number("group.initial.rebalance.delay.ms"),
        members_max: count("group.max.size"),
        consumer_session_timeout_ms: settings.number("group.consumer.session.timeout.ms"),
        consumer_heartbeat_interval_ms: settings.number("group.consumer.heartbeat.interval.ms"),
        consumer_rebalance_heartbeat_interval_ms: settings
            .number("group.consumer.rebalance.heartbeat.interval.ms"),
        consumer_assignment_interval_ms: settings.number("group.consumer.assignment.interval.ms"),
        consumer_members_max: count("group.consumer.max.size"),
        consumer_assignors: assignors.filter_map(|name| Assignor::named(name)).collect(),
        migration: MigrationPolicy {
            upgrades: ["upgrade", "bidirectional"].contains(&policy.as_str()),
            downgrades: ["downgrade", "bidirectional"].contains(&policy.as_str()),
        },
        offset_metadata_chars_max: count("offset.metadata.max.bytes"),
        offsets_retention_ms: retention_minutes.saturating_mul(60_000),
        offsets_retention_check_ms: settings.number("offsets.retention.check.interval.ms"),
        ..GroupConfig::default()
    }
}

/// Whether groups may be of the consumer protocol.
pub fn has_consumer_protocol(settings: &Settings) -> bool {
    let protocols = settings.list("group.coordinator.rebalance.protocols");
    protocols.iter().any(|protocol| protocol == "consumer")
}

/// What contradicts each other (Kafka's `GroupCoordinatorConfig.validate`).
pub(super) fn contradictions(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut blame = |name: &'static str, message: String| {
        problems.push(Problem::new(&settings.get(name).origin, name, message));
    };
    for [name, min, max] in WITHIN {
        let number = |name| settings.number::<i64>(name);
        let (value, least, greatest) = (number(name), number(min), number(max));
        if least > greatest {
            blame(
                min,
                format!("{min} is {least}, expected at most {greatest} ({max})"),
            );
        } else if !(least..=greatest).contains(&value) {
            let message =
                format!("{name} is {value}, expected {least} ({min}) to {greatest} ({max})");
            blame(name, message);
        }
    }
    let [[session, ..], [heartbeat, ..], _] = WITHIN;
    let (timeout, interval): (i64, i64) = (settings.number(session), settings.number(heartbeat));
    if timeout <= interval {
        let message =
            format!("{session} is {timeout}, expected more than {interval} ({heartbeat})");
        blame(session, message);
    }
    if settings.list("group.consumer.assignors").is_empty() {
        let name = "group.consumer.assignors";
        blame(name, format!("{name} is empty, expected at least one"));
    }
    if !settings
        .list("group.coordinator.rebalance.protocols")
        .iter()
        .any(|protocol| protocol == "classic")
    {
        let name = "group.coordinator.rebalance.protocols";
        blame(
            name,
            format!("{name} lacks classic, which cannot be turned off"),
        );
    }
    problems
}

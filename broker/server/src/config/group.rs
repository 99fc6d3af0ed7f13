//! The settings of a group (KIP-848, KIP-932, KIP-1071): Kafka's `GroupConfig`.
//!
//! Consumer groups follow theirs. There are no groups of the other kinds yet: what is theirs is checked, kept and shown.

use super::definition::{
    Check,
    ConfigType::{Boolean, Int, String},
    Definition,
};
use super::describe::{ConfigEntry, ConfigSource, ConfigSynonym, entry, synonyms};
use super::dynamic::Overrides;
use super::settings::Settings;
use super::value::{Value, parse};

/// A group's setting.
#[derive(Clone, Copy, Debug)]
pub struct GroupDefinition {
    /// The setting.
    pub definition: Definition,
    /// The broker's setting that a group without one of its own follows.
    pub broker: Option<&'static str>,
    /// The broker's setting that is the least value.
    pub min: Option<&'static str>,
    /// The broker's setting that is the greatest value.
    pub max: Option<&'static str>,
}

const fn group(definition: Definition, broker: Option<&'static str>) -> GroupDefinition {
    GroupDefinition {
        definition: definition.dynamic(),
        broker,
        min: None,
        max: None,
    }
}

const fn within(definition: Definition, [broker, min, max]: [&'static str; 3]) -> GroupDefinition {
    let mut group = group(definition, Some(broker));
    group.min = Some(min);
    group.max = Some(max);
    group
}

/// All settings of a group, by name.
pub static GROUP_DEFINITIONS: &[GroupDefinition] = &[
    within(
        Definition::new(
            "consumer.assignment.interval.ms",
            Int,
            Some("1000"),
            "The least time between two assignments in a consumer group.",
        )
        .at_least(0),
        [
            "group.consumer.assignment.interval.ms",
            "group.consumer.min.assignment.interval.ms",
            "group.consumer.max.assignment.interval.ms",
        ],
    ),
    within(
        Definition::new(
            "consumer.heartbeat.interval.ms",
            Int,
            Some("5000"),
            "The time between two heartbeats of a consumer.",
        )
        .at_least(1),
        [
            "group.consumer.heartbeat.interval.ms",
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.max.heartbeat.interval.ms",
        ],
    ),
    within(
        Definition::new(
            "consumer.session.timeout.ms",
            Int,
            Some("45000"),
            "A consumer without a heartbeat for so long leaves its group.",
        )
        .at_least(1),
        [
            "group.consumer.session.timeout.ms",
            "group.consumer.min.session.timeout.ms",
            "group.consumer.max.session.timeout.ms",
        ],
    ),
    within(
        Definition::new(
            "share.assignment.interval.ms",
            Int,
            Some("1000"),
            "The least time between two assignments in a share group.",
        )
        .at_least(0),
        [
            "group.share.assignment.interval.ms",
            "group.share.min.assignment.interval.ms",
            "group.share.max.assignment.interval.ms",
        ],
    ),
    group(
        Definition::new(
            "share.auto.offset.reset",
            String,
            Some("latest"),
            "Where a share group begins.",
        )
        .check(Check::ShareOffsetReset),
        None,
    ),
    within(
        Definition::new(
            "share.delivery.count.limit",
            Int,
            Some("5"),
            "How often a record is delivered at most.",
        )
        .at_least(2),
        [
            "group.share.delivery.count.limit",
            "group.share.min.delivery.count.limit",
            "group.share.max.delivery.count.limit",
        ],
    ),
    within(
        Definition::new(
            "share.heartbeat.interval.ms",
            Int,
            Some("5000"),
            "The time between two heartbeats of a share group's member.",
        )
        .at_least(1),
        [
            "group.share.heartbeat.interval.ms",
            "group.share.min.heartbeat.interval.ms",
            "group.share.max.heartbeat.interval.ms",
        ],
    ),
    group(
        Definition::new(
            "share.isolation.level",
            String,
            Some("read_uncommitted"),
            "Whether records of open and aborted transactions are delivered.",
        )
        .check(Check::OneOf(&["read_committed", "read_uncommitted"])),
        None,
    ),
    within(
        Definition::new(
            "share.partition.max.record.locks",
            Int,
            Some("2000"),
            "Records of a partition that may be locked at once.",
        )
        .at_least(100),
        [
            "group.share.partition.max.record.locks",
            "group.share.min.partition.max.record.locks",
            "group.share.max.partition.max.record.locks",
        ],
    ),
    within(
        Definition::new(
            "share.record.lock.duration.ms",
            Int,
            Some("30000"),
            "How long a delivered record is locked.",
        )
        .at_least(1000),
        [
            "group.share.record.lock.duration.ms",
            "group.share.min.record.lock.duration.ms",
            "group.share.max.record.lock.duration.ms",
        ],
    ),
    group(
        Definition::new(
            "share.renew.acknowledge.enable",
            Boolean,
            Some("true"),
            "Whether a member may renew the lock of a record.",
        ),
        None,
    ),
    within(
        Definition::new(
            "share.session.timeout.ms",
            Int,
            Some("45000"),
            "A share group's member without a heartbeat for so long leaves the group.",
        )
        .at_least(1),
        [
            "group.share.session.timeout.ms",
            "group.share.min.session.timeout.ms",
            "group.share.max.session.timeout.ms",
        ],
    ),
    within(
        Definition::new(
            "streams.assignment.interval.ms",
            Int,
            Some("1000"),
            "The least time between two assignments in a streams group.",
        )
        .at_least(0),
        [
            "group.streams.assignment.interval.ms",
            "group.streams.min.assignment.interval.ms",
            "group.streams.max.assignment.interval.ms",
        ],
    ),
    within(
        Definition::new(
            "streams.heartbeat.interval.ms",
            Int,
            Some("5000"),
            "The time between two heartbeats of a streams group's member.",
        )
        .at_least(1),
        [
            "group.streams.heartbeat.interval.ms",
            "group.streams.min.heartbeat.interval.ms",
            "group.streams.max.heartbeat.interval.ms",
        ],
    ),
    group(
        Definition::new(
            "streams.initial.rebalance.delay.ms",
            Int,
            Some("3000"),
            "How long a new streams group waits for more members.",
        )
        .at_least(0),
        Some("group.streams.initial.rebalance.delay.ms"),
    ),
    GroupDefinition {
        definition: Definition::new(
            "streams.num.standby.replicas",
            Int,
            Some("0"),
            "Standby replicas of each task.",
        )
        .at_least(0)
        .dynamic(),
        broker: Some("group.streams.num.standby.replicas"),
        min: None,
        max: Some("group.streams.max.standby.replicas"),
    },
    within(
        Definition::new(
            "streams.session.timeout.ms",
            Int,
            Some("45000"),
            "A streams group's member without a heartbeat for so long leaves the group.",
        )
        .at_least(1),
        [
            "group.streams.session.timeout.ms",
            "group.streams.min.session.timeout.ms",
            "group.streams.max.session.timeout.ms",
        ],
    ),
];

fn find(name: &str) -> Option<&'static GroupDefinition> {
    GROUP_DEFINITIONS
        .iter()
        .find(|group| group.definition.name == name)
}

/// Whether a group can have these settings, under the broker's limits; the messages are Kafka's.
pub fn validate_group_configs(
    overrides: &Overrides,
    settings: &Settings,
) -> Result<(), std::string::String> {
    if let Some(name) = overrides.keys().find(|name| find(name).is_none()) {
        return Err(format!("Unknown group config name: {name}"));
    }
    for (name, text) in overrides {
        let parsed = find(name).map(|group| parse(&group.definition, text));
        if let Some(Err(violation)) = parsed {
            return Err(violation.message(name));
        }
    }
    for group in GROUP_DEFINITIONS {
        let Some(value) = number(group, overrides, settings) else {
            continue;
        };
        let name = group.definition.name;
        let limit = |limit: Option<&'static str>| {
            let limit = limit?;
            Some((limit, broker_number(limit, settings)?))
        };
        match (limit(group.min), limit(group.max)) {
            (Some((limit, min)), _) if value < min => {
                return Err(format!("{name} must be greater than or equal to {limit}"));
            }
            (_, Some((limit, max))) if value > max => {
                return Err(format!("{name} must be less than or equal to {limit}"));
            }
            _ => {}
        }
    }
    for kind in ["consumer", "share", "streams"] {
        let named = |setting: &str| {
            let name = format!("{kind}.{setting}.ms");
            let group = find(&name)?;
            Some((name, number(group, overrides, settings)?))
        };
        let (session, heartbeat) = (named("session.timeout"), named("heartbeat.interval"));
        if let (Some((session, timeout)), Some((heartbeat, interval))) = (session, heartbeat)
            && timeout <= interval
        {
            return Err(format!("{session} must be greater than {heartbeat}"));
        }
    }
    Ok(())
}

/// The number that counts for a group.
fn number(group: &GroupDefinition, overrides: &Overrides, settings: &Settings) -> Option<i64> {
    let own = overrides
        .get(group.definition.name)
        .and_then(|text| parse(&group.definition, text).ok());
    match own {
        Some(Value::Integer(value)) => Some(value),
        _ => broker_number(group.broker?, settings),
    }
}

fn broker_number(name: &str, settings: &Settings) -> Option<i64> {
    match settings.get(name).value {
        Some(Value::Integer(value)) => Some(value),
        _ => None,
    }
}

/// A group's settings, by name, whether there is such a group or not: all that are wanted.
pub fn describe_group(
    overrides: &Overrides,
    settings: &Settings,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<ConfigEntry> {
    let describe = |group: &GroupDefinition| {
        let definition = &group.definition;
        let name = definition.name;
        let own = overrides
            .get(name)
            .and_then(|text| parse(definition, text).ok());
        let own = own.map(|value| ConfigSynonym {
            name: name.to_owned(),
            value: Some(value.to_string()),
            source: ConfigSource::DynamicGroup,
        });
        let beneath = match group.broker {
            Some(broker) => synonyms(&[broker], settings),
            None => vec![ConfigSynonym {
                name: name.to_owned(),
                value: definition.default.map(str::to_owned),
                source: ConfigSource::Default,
            }],
        };
        let synonyms: Vec<ConfigSynonym> = own.into_iter().chain(beneath).collect();
        let value = synonyms.first().and_then(|first| first.value.clone());
        entry(definition, name.to_owned(), value, synonyms)
    };
    GROUP_DEFINITIONS
        .iter()
        .filter(|group| is_wanted(group.definition.name))
        .map(describe)
        .collect()
}

//! A topic's configuration: its own settings over the broker's.

use std::collections::{BTreeMap, BTreeSet};

use protocol::batch::Codec;
use protocol::model::{BrokerId, PartitionIndex};
use storage::log::Durability;

use super::definition::Definition;
use super::error::Origin;
use super::settings::Settings;
use super::topic_definitions::{TOPIC_DEFINITIONS, TopicDefinition, topic_definition};
use super::value::{Value, parse};

/// A topic's settings in the types the broker works with. Times are in milliseconds, as the
/// timestamps they are compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `max.message.bytes`: the largest batch, its header included.
    pub max_message_bytes: usize,
    /// `segment.bytes`.
    pub segment_bytes: u32,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `segment.jitter.ms`.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u32,
    /// `retention.ms`, `None` without bound.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`, `None` without bound.
    pub retention_bytes: Option<u64>,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: i64,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `min.cleanable.dirty.ratio`, in millionths.
    pub min_dirty_ppm: u32,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `durability`.
    pub durability: Durability,
    /// `compression.type` at the level that is set for it; `None` is as the producer sends it.
    pub codec: Option<Codec>,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `min.insync.replicas`.
    pub min_insync_replicas: i32,
    /// `acks.floor`.
    pub acks_floor: AcksFloor,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
    /// `flush.messages`, `None` without bound.
    pub flush_messages: Option<u64>,
    /// `flush.ms`, `None` without bound.
    pub flush_ms: Option<i64>,
    /// `leader.replication.throttled.replicas`.
    pub leader_throttled: ThrottledReplicas,
    /// `follower.replication.throttled.replicas`.
    pub follower_throttled: ThrottledReplicas,
}

/// Replicas of a topic whose replication is throttled (KIP-73).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// All of them.
    All,
    /// Those of these partitions on these brokers, perhaps none.
    Those(BTreeSet<(i32, i32)>),
}

impl ThrottledReplicas {
    fn parse(text: &str) -> ThrottledReplicas {
        if text.trim() == "*" {
            return ThrottledReplicas::All;
        }
        // A number that is none of a partition or a broker stands for nothing.
        let pairs = text.split(',').filter_map(|pair| {
            let (partition, broker) = pair.split_once(':')?;
            Some((partition.trim().parse().ok()?, broker.trim().parse().ok()?))
        });
        ThrottledReplicas::Those(pairs.collect())
    }

    /// Whether the replica of a partition on a broker is one of them.
    pub fn has(&self, partition: PartitionIndex, broker: BrokerId) -> bool {
        match self {
            ThrottledReplicas::All => true,
            ThrottledReplicas::Those(pairs) => pairs.contains(&(partition.get(), broker.get())),
        }
    }
}

/// `cleanup.policy`; a topic can have both, and with none of them keeps everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted.
    pub delete: bool,
    /// Of each key the last record stays.
    pub compact: bool,
}

/// `acks.floor`: what a producer gets at least, whatever it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcksFloor {
    /// What it asks for.
    None,
    /// It is on the leader's disk.
    Leader,
    /// It is committed.
    All,
}

/// `message.timestamp.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's when it appends.
    LogAppendTime,
}

/// A topic's setting with the value that counts.
pub(super) struct Resolved {
    pub(super) value: Value,
    /// The broker's setting that the value is from; `None` for the topic's own.
    pub(super) from_broker: bool,
}

impl TopicConfig {
    /// A topic's own settings over the broker's. An override that is no value of its setting does
    /// not count: it was checked when it was set, and a topic must stay usable if a later version
    /// tightens a bound.
    pub fn resolve(overrides: &BTreeMap<String, String>, settings: &Settings) -> TopicConfig {
        let view = View {
            overrides,
            settings,
        };
        let policies = view.text("cleanup.policy");
        let has_policy = |policy| policies.split(',').any(|value| value == policy);
        TopicConfig {
            max_message_bytes: view.number("max.message.bytes"),
            segment_bytes: view.number("segment.bytes"),
            segment_ms: view.number("segment.ms"),
            segment_jitter_ms: view.number("segment.jitter.ms"),
            segment_index_bytes: view.number("segment.index.bytes"),
            index_interval_bytes: view.number("index.interval.bytes"),
            retention_ms: view.bounded("retention.ms"),
            retention_bytes: view.bounded("retention.bytes").map(i64::unsigned_abs),
            file_delete_delay_ms: view.number("file.delete.delay.ms"),
            cleanup_policy: CleanupPolicy {
                delete: has_policy("delete"),
                compact: has_policy("compact"),
            },
            min_dirty_ppm: view.ppm("min.cleanable.dirty.ratio"),
            min_compaction_lag_ms: view.number("min.compaction.lag.ms"),
            max_compaction_lag_ms: view.number("max.compaction.lag.ms"),
            delete_retention_ms: view.number("delete.retention.ms"),
            durability: match view.text("durability").as_str() {
                "os" => Durability::Os,
                _ => Durability::Fsync,
            },
            codec: match view.text("compression.type").as_str() {
                "uncompressed" => Some(Codec::None),
                "gzip" => Some(Codec::Gzip {
                    // -1 is the library's own.
                    level: u32::try_from(view.number::<i64>("compression.gzip.level")).ok(),
                }),
                "snappy" => Some(Codec::Snappy),
                "lz4" => Some(Codec::Lz4),
                "zstd" => Some(Codec::Zstd {
                    level: view.number("compression.zstd.level"),
                }),
                _ => None,
            },
            timestamp_type: match view.text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: view.number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: view.number("message.timestamp.after.max.ms"),
            min_insync_replicas: view.number("min.insync.replicas"),
            acks_floor: match view.text("acks.floor").as_str() {
                "0" => AcksFloor::None,
                "1" => AcksFloor::Leader,
                _ => AcksFloor::All,
            },
            unclean_leader_election: view.text("unclean.leader.election.enable") == "true",
            flush_messages: view.bounded("flush.messages").map(i64::unsigned_abs),
            flush_ms: view.bounded("flush.ms"),
            leader_throttled: view.throttled("leader.replication.throttled.replicas"),
            follower_throttled: view.throttled("follower.replication.throttled.replicas"),
        }
    }
}

struct View<'a> {
    overrides: &'a BTreeMap<String, String>,
    settings: &'a Settings,
}

impl View<'_> {
    /// A share of 1, in millionths.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the bounds of the setting are 0 and 1"
    )]
    fn ppm(&self, name: &str) -> u32 {
        match self.value(name) {
            Value::Double(share) => (share * 1e6) as u32,
            _ => panic!("{name} is a share"),
        }
    }

    fn throttled(&self, name: &str) -> ThrottledReplicas {
        ThrottledReplicas::parse(&self.text(name))
    }

    fn value(&self, name: &str) -> Value {
        match topic_definition(name) {
            Some(topic) => resolve(topic, self.overrides, self.settings).value,
            None => panic!("{name} is not in the table of topic settings"),
        }
    }

    fn number<T: TryFrom<i64>>(&self, name: &str) -> T {
        let number = match self.value(name) {
            Value::Integer(value) => T::try_from(value).ok(),
            _ => None,
        };
        match number {
            Some(number) => number,
            None => panic!("the bounds of {name} are wider than its type"),
        }
    }

    /// A number that stands for "no bound" where it is negative or the largest.
    fn bounded(&self, name: &str) -> Option<i64> {
        Some(self.number(name)).filter(|value| (0..i64::MAX).contains(value))
    }

    fn text(&self, name: &str) -> String {
        self.value(name).to_string()
    }
}

/// The value of a topic's setting: the topic's own, else that of the first broker setting that is
/// set, else the default of the first that has one.
pub(super) fn resolve(
    topic: &TopicDefinition,
    overrides: &BTreeMap<String, String>,
    settings: &Settings,
) -> Resolved {
    let definition = &topic.definition;
    let own = overrides
        .get(definition.name)
        .and_then(|text| parse(definition, text).ok());
    if let Some(value) = own {
        return Resolved {
            value,
            from_broker: false,
        };
    }
    let synonyms = || {
        topic.synonyms.iter().filter_map(|(name, unit)| {
            let setting = settings.get(name);
            setting.value.clone().map(|value| (setting, *unit, value))
        })
    };
    let set = synonyms().find(|(setting, ..)| setting.origin != Origin::Default);
    match set.or_else(|| synonyms().next()) {
        Some((_, unit, Value::Integer(value))) => Resolved {
            value: Value::Integer(unit.to_millis(value)),
            from_broker: true,
        },
        Some((_, _, value)) => Resolved {
            value,
            from_broker: true,
        },
        None => Resolved {
            value: default_value(definition),
            from_broker: false,
        },
    }
}

fn default_value(definition: &Definition) -> Value {
    let text = definition.default.unwrap_or_default();
    match parse(definition, text) {
        Ok(value) => value,
        Err(violation) => panic!("{}", violation.message(definition.name)),
    }
}

/// Whether a topic can have this setting; the message is worded as Kafka's.
pub fn validate_topic_config(name: &str, value: &str) -> Result<(), String> {
    let Some(topic) = topic_definition(name) else {
        return Err(format!("Unknown topic config name: {name}"));
    };
    parse(&topic.definition, value)
        .map(drop)
        .map_err(|violation| violation.message(name))
}

/// Whether a topic can have these settings together, over the broker's; the message is worded as
/// Kafka's.
pub fn validate_topic_configs(
    overrides: &BTreeMap<String, String>,
    settings: &Settings,
) -> Result<(), String> {
    for (name, value) in overrides {
        validate_topic_config(name, value)?;
    }
    let view = View {
        overrides,
        settings,
    };
    let min: i64 = view.number("min.compaction.lag.ms");
    let max: i64 = view.number("max.compaction.lag.ms");
    if min > max {
        return Err(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        ));
    }
    Ok(())
}

/// Whether a topic's settings may be changed so; equal ones always.
pub fn validate_topic_change(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    settings: &Settings,
) -> Result<(), String> {
    let durability = |overrides| {
        let view = View {
            overrides,
            settings,
        };
        view.text("durability")
    };
    if durability(before) == durability(after) {
        Ok(())
    } else {
        Err("durability can only be set when a topic is created: create another topic".to_owned())
    }
}

/// The broker's settings that stand for one another, for DescribeConfigs: the group that `name` is
/// in, or itself alone.
pub(super) fn synonym_group(name: &str) -> Vec<&'static str> {
    TOPIC_DEFINITIONS
        .iter()
        .map(|topic| topic.synonyms)
        .find(|synonyms| synonyms.iter().any(|(synonym, _)| *synonym == name))
        .map(|synonyms| synonyms.iter().map(|(synonym, _)| *synonym).collect())
        .unwrap_or_default()
}

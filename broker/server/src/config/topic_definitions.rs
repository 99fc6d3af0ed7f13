//! The settings of a topic: Kafka's, and what is ours.

use super::definition::{
    Check,
    ConfigType::{Boolean, Double, Int, List, Long, String},
    Definition,
};

/// What a producer gets at least.
pub(super) const ACKS_FLOORS: &[&str] = &["0", "1", "all"];
/// What becomes of old segments.
pub(super) const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];
/// Codecs a topic can ask for.
pub(super) const COMPRESSION_TYPES: &[&str] =
    &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
/// Whose clock stamps records.
pub(super) const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];
/// Kafka's words for a topic that asks for it.
pub(super) const NO_TIERED_STORAGE: &str = "Tiered Storage functionality is disabled in the broker. \
     Topic cannot be configured with remote log storage.";

/// How a broker's value becomes a topic's, Kafka's `ConfigSynonym` converters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Taken as it is.
    Same,
    /// Minutes, where the topic's value is in milliseconds.
    Minutes,
    /// Hours, where the topic's value is in milliseconds.
    Hours,
}

impl Unit {
    /// Milliseconds for a whole number in this unit; a negative one stays what it is, since it
    /// stands for "none".
    pub fn to_millis(self, value: i64) -> i64 {
        let factor = match self {
            Unit::Same => 1,
            Unit::Minutes => 60_000,
            Unit::Hours => 3_600_000,
        };
        if value < 0 {
            value
        } else {
            value.saturating_mul(factor)
        }
    }
}

/// A topic's setting and the broker's settings it follows, the first that is set counting
/// (KIP-226, Kafka's `ServerTopicConfigSynonyms`).
#[derive(Clone, Copy, Debug)]
pub struct TopicDefinition {
    /// The setting.
    pub definition: Definition,
    /// The names of the broker's settings, in falling precedence.
    pub synonyms: &'static [(&'static str, Unit)],
}

const fn topic(
    definition: Definition,
    synonyms: &'static [(&'static str, Unit)],
) -> TopicDefinition {
    TopicDefinition {
        definition: definition.dynamic(),
        synonyms,
    }
}

/// All settings of a topic, by name.
pub static TOPIC_DEFINITIONS: &[TopicDefinition] = &[
    topic(
        Definition::new(
            "acks.floor",
            String,
            Some("all"),
            "Producers that ask for less than this get this: `all` in-sync replicas, `1`, the leader, or `0`, what they ask for.",
        )
        .check(Check::OneOf(ACKS_FLOORS))
        .own(),
        &[("acks.floor", Unit::Same)],
    ),
    topic(
        Definition::new(
            "cleanup.policy",
            List,
            Some("delete"),
            "What becomes of old segments.",
        )
        .check(Check::ListOf(CLEANUP_POLICIES)),
        &[("log.cleanup.policy", Unit::Same)],
    ),
    topic(
        Definition::new(
            "compression.gzip.level",
            Int,
            Some("-1"),
            "The level of gzip.",
        )
        .check(Check::BetweenOr(1, 9, -1)),
        &[("compression.gzip.level", Unit::Same)],
    ),
    topic(
        Definition::new(
            "compression.lz4.level",
            Int,
            Some("9"),
            "Accepted and shown; lz4 always works as at 9, Kafka's default: its fast compressor.",
        )
        .between(1, 17),
        &[("compression.lz4.level", Unit::Same)],
    ),
    topic(
        Definition::new(
            "compression.type",
            String,
            Some("producer"),
            "The codec batches are stored with; `producer` leaves them as they come.",
        )
        .check(Check::OneOf(COMPRESSION_TYPES)),
        &[("compression.type", Unit::Same)],
    ),
    topic(
        Definition::new(
            "compression.zstd.level",
            Int,
            Some("3"),
            "The level of zstd.",
        )
        .between(-131_072, 22),
        &[("compression.zstd.level", Unit::Same)],
    ),
    topic(
        Definition::new(
            "delete.retention.ms",
            Long,
            Some("86400000"),
            "How long compaction keeps the mark of a deleted key.",
        )
        .at_least(0),
        &[("log.cleaner.delete.retention.ms", Unit::Same)],
    ),
    topic(
        Definition::new(
            "durability",
            String,
            Some("fsync"),
            "When a record counts as stored. `fsync`: on stable media. `os`: in the page cache, as in Apache Kafka; it \
             survives the process and not the power, unless `flush.messages` or `flush.ms` say more. Only for new topics.",
        )
        .check(Check::OneOf(&["fsync", "os"]))
        .own(),
        &[],
    ),
    topic(
        Definition::new(
            "file.delete.delay.ms",
            Long,
            Some("60000"),
            "The time from a segment's deletion until its file is removed.",
        )
        .at_least(0),
        &[("log.segment.delete.delay.ms", Unit::Same)],
    ),
    topic(
        Definition::new(
            "flush.messages",
            Long,
            Some("9223372036854775807"),
            "With `durability=os`: so many records are synced before they are acknowledged.",
        )
        .at_least(1),
        &[("log.flush.interval.messages", Unit::Same)],
    ),
    topic(
        Definition::new(
            "flush.ms",
            Long,
            Some("9223372036854775807"),
            "With `durability=os`: what was written is synced at this age.",
        )
        .at_least(0),
        &[
            ("log.flush.interval.ms", Unit::Same),
            ("log.flush.scheduler.interval.ms", Unit::Same),
        ],
    ),
    topic(
        Definition::new(
            "follower.replication.throttled.replicas",
            List,
            Some(""),
            "Replicas whose fetching is throttled.",
        )
        .check(Check::ThrottledReplicas),
        &[],
    ),
    topic(
        Definition::new(
            "index.interval.bytes",
            Int,
            Some("4096"),
            "Bytes of a log between two entries of its index.",
        )
        .at_least(0),
        &[("log.index.interval.bytes", Unit::Same)],
    ),
    topic(
        Definition::new(
            "leader.replication.throttled.replicas",
            List,
            Some(""),
            "Replicas whose followers are throttled.",
        )
        .check(Check::ThrottledReplicas),
        &[],
    ),
    topic(
        Definition::new(
            "local.retention.bytes",
            Long,
            Some("-2"),
            "The size kept locally under tiered storage.",
        )
        .at_least(-2),
        &[("log.local.retention.bytes", Unit::Same)],
    ),
    topic(
        Definition::new(
            "local.retention.ms",
            Long,
            Some("-2"),
            "The age kept locally under tiered storage.",
        )
        .at_least(-2),
        &[("log.local.retention.ms", Unit::Same)],
    ),
    topic(
        Definition::new(
            "max.compaction.lag.ms",
            Long,
            Some("9223372036854775807"),
            "The age at which a record is compacted at the latest.",
        )
        .at_least(1),
        &[("log.cleaner.max.compaction.lag.ms", Unit::Same)],
    ),
    topic(
        Definition::new(
            "max.message.bytes",
            Int,
            Some("1048588"),
            "The largest record batch, as it arrives.",
        )
        .at_least(0),
        &[("message.max.bytes", Unit::Same)],
    ),
    topic(
        Definition::new(
            "message.timestamp.after.max.ms",
            Long,
            Some("3600000"),
            "How far a producer's timestamp may lie in the future.",
        )
        .at_least(0),
        &[("log.message.timestamp.after.max.ms", Unit::Same)],
    ),
    topic(
        Definition::new(
            "message.timestamp.before.max.ms",
            Long,
            Some("9223372036854775807"),
            "How far a producer's timestamp may lie in the past.",
        )
        .at_least(0),
        &[("log.message.timestamp.before.max.ms", Unit::Same)],
    ),
    topic(
        Definition::new(
            "message.timestamp.type",
            String,
            Some("CreateTime"),
            "Whose clock stamps records: the producer's, or the broker's when it appends.",
        )
        .check(Check::OneOf(TIMESTAMP_TYPES)),
        &[("log.message.timestamp.type", Unit::Same)],
    ),
    topic(
        Definition::new(
            "min.cleanable.dirty.ratio",
            Double,
            Some("0.5"),
            "The share of a log that is not compacted yet, from which compaction is worth it.",
        )
        .check(Check::Ratio),
        &[("log.cleaner.min.cleanable.ratio", Unit::Same)],
    ),
    topic(
        Definition::new(
            "min.compaction.lag.ms",
            Long,
            Some("0"),
            "The age at which a record is compacted at the earliest.",
        )
        .at_least(0),
        &[("log.cleaner.min.compaction.lag.ms", Unit::Same)],
    ),
    topic(
        Definition::new(
            "min.insync.replicas",
            Int,
            Some("1"),
            "In-sync replicas that must hold a record before it is acknowledged with acks=all.",
        )
        .at_least(1),
        &[("min.insync.replicas", Unit::Same)],
    ),
    topic(
        Definition::new(
            "preallocate",
            Boolean,
            Some("false"),
            "Kept for its readers; segments are written in large pieces and need none.",
        ),
        &[("log.preallocate", Unit::Same)],
    ),
    topic(
        Definition::new(
            "remote.log.copy.disable",
            Boolean,
            Some("false"),
            "Makes tiered data read-only.",
        ),
        &[],
    ),
    topic(
        Definition::new(
            "remote.log.delete.on.disable",
            Boolean,
            Some("false"),
            "Whether tiered data goes when tiering is turned off.",
        ),
        &[],
    ),
    topic(
        Definition::new(
            "remote.storage.enable",
            Boolean,
            Some("false"),
            "Tiered storage. Has to be off.",
        )
        .check(Check::OnlyFalse(NO_TIERED_STORAGE)),
        &[],
    ),
    topic(
        Definition::new(
            "retention.bytes",
            Long,
            Some("-1"),
            "The size of a partition beyond which its oldest segments are deleted; -1 is no bound.",
        ),
        &[("log.retention.bytes", Unit::Same)],
    ),
    topic(
        Definition::new(
            "retention.ms",
            Long,
            Some("604800000"),
            "The age at which a closed segment is deleted; -1 is never.",
        )
        .at_least(-1),
        &[
            ("log.retention.ms", Unit::Same),
            ("log.retention.minutes", Unit::Minutes),
            ("log.retention.hours", Unit::Hours),
        ],
    ),
    topic(
        Definition::new(
            "segment.bytes",
            Int,
            Some("1073741824"),
            "The largest segment file.",
        )
        .at_least(1_048_576),
        &[("log.segment.bytes", Unit::Same)],
    ),
    topic(
        Definition::new(
            "segment.index.bytes",
            Int,
            Some("10485760"),
            "The largest index file.",
        )
        .at_least(4),
        &[("log.index.size.max.bytes", Unit::Same)],
    ),
    topic(
        Definition::new(
            "segment.jitter.ms",
            Long,
            Some("0"),
            "Taken off `segment.ms` at random.",
        )
        .at_least(0),
        &[
            ("log.roll.jitter.ms", Unit::Same),
            ("log.roll.jitter.hours", Unit::Hours),
        ],
    ),
    topic(
        Definition::new(
            "segment.ms",
            Long,
            Some("604800000"),
            "The age at which a segment is closed.",
        )
        .at_least(1),
        &[("log.roll.ms", Unit::Same), ("log.roll.hours", Unit::Hours)],
    ),
    topic(
        Definition::new(
            "unclean.leader.election.enable",
            Boolean,
            Some("false"),
            "Whether a replica that lacks acknowledged records may lead. Loses data.",
        ),
        &[("unclean.leader.election.enable", Unit::Same)],
    ),
];

/// A topic's setting by its name.
pub fn topic_definition(name: &str) -> Option<&'static TopicDefinition> {
    let index = TOPIC_DEFINITIONS
        .binary_search_by(|topic| topic.definition.name.cmp(name))
        .ok()?;
    Some(&TOPIC_DEFINITIONS[index])
}

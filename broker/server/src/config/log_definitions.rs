//! The settings of a broker that its topics follow, and what is about all logs.

use super::definition::{
    Check,
    ConfigType::{Boolean, Double, Int, List, Long, String},
    Definition,
};
use super::topic_definitions::{CLEANUP_POLICIES, COMPRESSION_TYPES, TIMESTAMP_TYPES};

const NO_TIERED_STORAGE: &str = "this version has no tiered storage";

pub(super) const LOGS: &[Definition] = &[
    Definition::new(
        "message.max.bytes",
        Int,
        Some("1048588"),
        "The largest record batch, as it arrives.",
    )
    .at_least(0)
    .high()
    .dynamic(),
    Definition::new(
        "log.segment.bytes",
        Int,
        Some("1073741824"),
        "The largest segment file.",
    )
    .at_least(1_048_576)
    .high()
    .dynamic(),
    Definition::new(
        "log.roll.ms",
        Long,
        None,
        "The age at which a segment is closed.",
    )
    .at_least(1)
    .high()
    .dynamic(),
    Definition::new(
        "log.roll.hours",
        Int,
        Some("168"),
        "Used where `log.roll.ms` is not set.",
    )
    .at_least(1)
    .high(),
    Definition::new(
        "log.roll.jitter.ms",
        Long,
        None,
        "Taken off the age at random.",
    )
    .at_least(0)
    .high()
    .dynamic(),
    Definition::new(
        "log.roll.jitter.hours",
        Int,
        Some("0"),
        "Used where `log.roll.jitter.ms` is not set.",
    )
    .at_least(0)
    .high(),
    Definition::new(
        "log.index.interval.bytes",
        Int,
        Some("4096"),
        "Bytes of a log between two entries of its index.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "log.index.size.max.bytes",
        Int,
        Some("10485760"),
        "The largest index file.",
    )
    .at_least(4)
    .dynamic(),
    Definition::new(
        "log.retention.ms",
        Long,
        None,
        "The age at which a closed segment is deleted; -1 is never.",
    )
    .check(Check::BetweenOr(1, i64::MAX, -1))
    .high()
    .dynamic(),
    Definition::new(
        "log.retention.minutes",
        Int,
        None,
        "Used where `log.retention.ms` is not set.",
    )
    .check(Check::BetweenOr(1, i32::MAX as i64, -1))
    .high(),
    Definition::new(
        "log.retention.hours",
        Int,
        Some("168"),
        "Used where neither `log.retention.ms` nor `log.retention.minutes` is set.",
    )
    .check(Check::BetweenOr(1, i32::MAX as i64, -1))
    .high(),
    Definition::new(
        "log.retention.bytes",
        Long,
        Some("-1"),
        "The size of a partition beyond which its oldest segments are deleted; -1 is no bound.",
    )
    .at_least(-1)
    .high()
    .dynamic(),
    Definition::new(
        "log.retention.check.interval.ms",
        Long,
        Some("300000"),
        "The time between two looks for segments to delete.",
    )
    .at_least(1),
    Definition::new(
        "log.retention.clock.jump.pause.ms",
        Long,
        Some("86400000"),
        "After the wall clock has jumped ahead nothing is deleted for its age for so long, so that \
         somebody can see to the clock. Deletion by size goes on.",
    )
    .at_least(0)
    .low()
    .own(),
    Definition::new(
        "log.segment.delete.delay.ms",
        Long,
        Some("60000"),
        "The time from a segment's deletion until its file is removed.",
    )
    .at_least(0)
    .high()
    .dynamic(),
    Definition::new(
        "log.cleanup.policy",
        List,
        Some("delete"),
        "What becomes of old segments.",
    )
    .check(Check::ListOf(CLEANUP_POLICIES))
    .dynamic(),
    Definition::new(
        "log.message.timestamp.type",
        String,
        Some("CreateTime"),
        "Whose clock stamps records: the producer's, or the broker's when it appends.",
    )
    .check(Check::OneOf(TIMESTAMP_TYPES))
    .dynamic(),
    Definition::new(
        "log.message.timestamp.before.max.ms",
        Long,
        Some("9223372036854775807"),
        "How far a producer's timestamp may lie in the past.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "log.message.timestamp.after.max.ms",
        Long,
        Some("3600000"),
        "How far a producer's timestamp may lie in the future.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "compression.type",
        String,
        Some("producer"),
        "The codec batches are stored with; `producer` leaves them as they come.",
    )
    .check(Check::OneOf(COMPRESSION_TYPES))
    .high()
    .dynamic(),
    Definition::new(
        "compression.gzip.level",
        Int,
        Some("-1"),
        "The level of gzip.",
    )
    .check(Check::BetweenOr(1, 9, -1))
    .dynamic(),
    Definition::new(
        "compression.lz4.level",
        Int,
        Some("9"),
        "Accepted and shown; lz4 always works as at 9, Kafka's default: its fast compressor.",
    )
    .between(1, 17)
    .dynamic(),
    Definition::new(
        "compression.zstd.level",
        Int,
        Some("3"),
        "The level of zstd.",
    )
    .between(-131_072, 22)
    .dynamic(),
    Definition::new(
        "log.flush.interval.messages",
        Long,
        Some("9223372036854775807"),
        "So many records of a topic with `durability=os` are synced before they are acknowledged; those of others always are.",
    )
    .at_least(1)
    .high()
    .dynamic(),
    Definition::new(
        "log.flush.interval.ms",
        Long,
        None,
        "What a topic with `durability=os` has written is synced at this age.",
    )
    .at_least(0)
    .high()
    .dynamic(),
    Definition::new(
        "log.flush.scheduler.interval.ms",
        Long,
        Some("9223372036854775807"),
        "Used where `log.flush.interval.ms` is not set.",
    )
    .at_least(0)
    .high(),
    Definition::new(
        "log.preallocate",
        Boolean,
        Some("false"),
        "Reported as `preallocate`; segments are written in large pieces and need none.",
    )
    .dynamic(),
    Definition::new(
        "log.cleaner.enable",
        Boolean,
        Some("true"),
        "Whether topics with `cleanup.policy=compact` are compacted, `__consumer_offsets` among them.",
    ),
    Definition::new(
        "log.cleaner.backoff.ms",
        Long,
        Some("15000"),
        "How often dirty logs are looked for, where the last look found none.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "log.cleaner.dedupe.buffer.size",
        Long,
        Some("134217728"),
        "Memory for the keys of the log that is being compacted, in each data directory: 24 bytes for a key. With more keys it takes more passes.",
    )
    .dynamic(),
    Definition::new(
        "log.cleaner.io.max.bytes.per.second",
        Double,
        Some("1.7976931348623157E308"),
        "How much compaction reads and writes in a second, in each data directory.",
    )
    .dynamic(),
    Definition::new(
        "log.cleaner.delete.retention.ms",
        Long,
        Some("86400000"),
        "Reported as `delete.retention.ms`, which compaction goes by.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "log.cleaner.min.compaction.lag.ms",
        Long,
        Some("0"),
        "Reported as `min.compaction.lag.ms`, which compaction goes by.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        Some("9223372036854775807"),
        "Reported as `max.compaction.lag.ms`, which compaction goes by.",
    )
    .at_least(1)
    .dynamic(),
    Definition::new(
        "log.cleaner.min.cleanable.ratio",
        Double,
        Some("0.5"),
        "Reported as `min.cleanable.dirty.ratio`, which compaction goes by.",
    )
    .check(Check::Ratio)
    .dynamic(),
    Definition::new(
        "log.local.retention.ms",
        Long,
        Some("-2"),
        "Reported as `local.retention.ms`, for tiered storage.",
    )
    .at_least(-2)
    .dynamic(),
    Definition::new(
        "log.local.retention.bytes",
        Long,
        Some("-2"),
        "Reported as `local.retention.bytes`, for tiered storage.",
    )
    .at_least(-2)
    .dynamic(),
    Definition::new(
        "remote.log.storage.system.enable",
        Boolean,
        Some("false"),
        "Tiered storage. Has to be off.",
    )
    .check(Check::OnlyFalse(NO_TIERED_STORAGE)),
];

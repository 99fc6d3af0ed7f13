//! The settings of a broker that have an effect.

use super::definition::{
    Check,
    ConfigType::{Boolean, Double, Int, List, Long, String},
    Definition, Section,
};
use super::topic_definitions::{
    CLEANUP_POLICIES, COMPRESSION_TYPES, NO_TIERED_STORAGE, TIMESTAMP_TYPES,
};

const NO_AUTHORIZER: &str =
    "this version has no authorizer, and will not serve everyone where access was to be checked";

/// All of them, by subject.
pub static BROKER_SECTIONS: &[Section] = &[
    Section { title: "Identity and data", definitions: IDENTITY },
    Section { title: "Network", definitions: NETWORK },
    Section { title: "Requests", definitions: REQUESTS },
    Section { title: "Topics", definitions: TOPICS },
    Section { title: "Logs", definitions: LOGS },
    Section { title: "Producers and transactions", definitions: PRODUCERS },
    Section { title: "Journal and disk", definitions: JOURNAL },
    Section { title: "Logging and metrics", definitions: LOGGING },
];

const IDENTITY: &[Definition] = &[
    Definition::new("node.id", Int, Some("1"), "The number of this node in its cluster.")
        .at_least(0)
        .high()
        .kafka_default("none, required"),
    Definition::new(
        "cluster.id",
        String,
        None,
        "The cluster the data belongs to. Drawn when an empty data directory is first used; a \
         directory of another cluster is refused.",
    )
    .own(),
    Definition::new("broker.rack", String, None, "The rack or zone of this node."),
    Definition::new(
        "log.dirs",
        List,
        None,
        "The directory of the data. One for now; more than one is refused.",
    )
    .high(),
    Definition::new("log.dir", List, Some("./data"), "Used where `log.dirs` is not set.")
        .high()
        .kafka_default("a folder under the temporary directory"),
];

const NETWORK: &[Definition] = &[
    Definition::new(
        "listeners",
        List,
        Some("PLAINTEXT://127.0.0.1:9092"),
        "Where the broker listens: `NAME://HOST:PORT`, several with commas. An empty host is \
         every interface; port 0 is a free port.",
    )
    .high()
    .kafka_default("PLAINTEXT://:9092"),
    Definition::new(
        "advertised.listeners",
        List,
        None,
        "What clients are told to connect to, `NAME://HOST:PORT` for each listener. Needed where \
         a listener binds every interface.",
    )
    .high(),
    Definition::new(
        "listener.security.protocol.map",
        List,
        Some("PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"),
        "The security protocol of each listener's name. Only PLAINTEXT can be used for now.",
    )
    .low()
    .dynamic(),
    Definition::new(
        "authorizer.class.name",
        String,
        Some(""),
        "Kafka's authorizer. Has to be empty.",
    )
    .check(Check::OnlyEmpty(NO_AUTHORIZER))
    .low(),
    Definition::new(
        "max.connections",
        Int,
        Some("20000"),
        "Connections at once on this broker; more are closed at once.",
    )
    .at_least(0)
    .dynamic()
    .kafka_default("2147483647"),
    Definition::new(
        "max.connections.per.ip",
        Int,
        Some("2147483647"),
        "Connections at once from one address.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "connections.max.idle.ms",
        Long,
        Some("600000"),
        "A connection without requests for so long is closed.",
    )
    .at_least(1),
    Definition::new(
        "connections.max.in.flight.requests",
        Int,
        Some("100"),
        "Requests of one connection that may wait for their answers; beyond it the connection is \
         not read.",
    )
    .between(1, 100_000)
    .own(),
    Definition::new(
        "socket.listen.backlog.size",
        Int,
        Some("1024"),
        "Connections that may wait to be accepted, for each listener.",
    )
    .at_least(1)
    .kafka_default("50"),
];

const REQUESTS: &[Definition] = &[
    Definition::new(
        "socket.request.max.bytes",
        Int,
        Some("104857600"),
        "The largest request. A longer one closes its connection before it is read.",
    )
    .at_least(1024)
    .high(),
    Definition::new(
        "queued.max.request.bytes",
        Long,
        Some("268435456"),
        "Bytes of requests held at once by the whole process; beyond it connections are not read.",
    )
    .at_least(1_048_576)
    .kafka_default("-1, without bound"),
    Definition::new(
        "fetch.max.bytes",
        Int,
        Some("57671680"),
        "The most one fetch is answered with; a single larger batch is still given whole.",
    )
    .at_least(1024),
    Definition::new(
        "fetch.wait.ms.max",
        Int,
        Some("60000"),
        "The longest a fetch waits for `min_bytes`, whatever the client asks for.",
    )
    .at_least(0)
    .own(),
    Definition::new(
        "max.request.partition.size.limit",
        Int,
        Some("2000"),
        "The most partitions one DescribeTopicPartitions request is answered with.",
    )
    .at_least(1),
    Definition::new(
        "max.incremental.fetch.session.cache.slots",
        Int,
        Some("1000"),
        "Incremental fetch sessions (KIP-227) held at once; beyond it fetches are full.",
    )
    .at_least(0),
    Definition::new(
        "request.timeout.ms",
        Int,
        Some("30000"),
        "The longest the broker itself waits for an answer.",
    )
    .at_least(1)
    .high(),
];

const TOPICS: &[Definition] = &[
    Definition::new(
        "auto.create.topics.enable",
        Boolean,
        Some("true"),
        "Whether a topic that a producer or consumer names is created.",
    )
    .high(),
    Definition::new("delete.topic.enable", Boolean, Some("true"), "Whether topics can be deleted.")
        .high(),
    Definition::new("num.partitions", Int, Some("1"), "Partitions of a topic created without a number.")
        .between(1, 100_000),
    Definition::new(
        "default.replication.factor",
        Int,
        Some("1"),
        "Replicas of a topic created without a number.",
    )
    .between(1, i16::MAX as i64),
    Definition::new(
        "min.insync.replicas",
        Int,
        Some("1"),
        "In-sync replicas that must hold a record before it is acknowledged with acks=all.",
    )
    .at_least(1)
    .high()
    .dynamic(),
    Definition::new(
        "unclean.leader.election.enable",
        Boolean,
        Some("false"),
        "Whether a replica that lacks acknowledged records may lead. Loses data.",
    )
    .high()
    .dynamic(),
    Definition::new(
        "create.topics.max",
        Int,
        Some("1000"),
        "Topics that one request may create.",
    )
    .at_least(1)
    .own(),
    Definition::new(
        "create.partitions.max",
        Int,
        Some("10000"),
        "Partitions that one request may create, as `PartitionsCreationPerRequest` in Kafka.",
    )
    .at_least(1)
    .own(),
    Definition::new(
        "partitions.max",
        Int,
        Some("100000"),
        "Partitions that this broker hosts; more are refused.",
    )
    .at_least(1)
    .own(),
];

const LOGS: &[Definition] = &[
    Definition::new(
        "message.max.bytes",
        Int,
        Some("1048588"),
        "The largest record batch, as it arrives.",
    )
    .at_least(0)
    .high()
    .dynamic(),
    Definition::new("log.segment.bytes", Int, Some("1073741824"), "The largest segment file.")
        .at_least(1_048_576)
        .high()
        .dynamic(),
    Definition::new("log.roll.ms", Long, None, "The age at which a segment is closed.")
        .at_least(1)
        .high()
        .dynamic(),
    Definition::new("log.roll.hours", Int, Some("168"), "Used where `log.roll.ms` is not set.")
        .at_least(1)
        .high(),
    Definition::new("log.roll.jitter.ms", Long, None, "Taken off the age at random.")
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
    Definition::new("log.index.size.max.bytes", Int, Some("10485760"), "The largest index file.")
        .at_least(4)
        .dynamic(),
    Definition::new(
        "log.retention.ms",
        Long,
        None,
        "The age at which a closed segment is deleted; -1 is never.",
    )
    .at_least(-1)
    .high()
    .dynamic(),
    Definition::new("log.retention.minutes", Int, None, "Used where `log.retention.ms` is not set.")
        .at_least(-1)
        .high(),
    Definition::new(
        "log.retention.hours",
        Int,
        Some("168"),
        "Used where neither `log.retention.ms` nor `log.retention.minutes` is set.",
    )
    .at_least(-1)
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
        "log.segment.delete.delay.ms",
        Long,
        Some("60000"),
        "The time from a segment's deletion until its file is removed.",
    )
    .at_least(0)
    .high()
    .dynamic(),
    Definition::new("log.cleanup.policy", List, Some("delete"), "What becomes of old segments.")
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
    Definition::new("compression.gzip.level", Int, Some("-1"), "The level of gzip.")
        .check(Check::BetweenOr(1, 9, -1))
        .dynamic(),
    Definition::new("compression.lz4.level", Int, Some("9"), "The level of lz4.")
        .between(1, 17)
        .dynamic(),
    Definition::new("compression.zstd.level", Int, Some("3"), "The level of zstd.")
        .between(-131_072, 22)
        .dynamic(),
    Definition::new(
        "log.flush.interval.messages",
        Long,
        Some("9223372036854775807"),
        "Reported as `flush.messages`. Records are on disk before they are acknowledged.",
    )
    .at_least(1)
    .high()
    .dynamic(),
    Definition::new(
        "log.flush.interval.ms",
        Long,
        None,
        "Reported as `flush.ms`. Records are on disk before they are acknowledged.",
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
        "log.cleaner.delete.retention.ms",
        Long,
        Some("86400000"),
        "Reported as `delete.retention.ms`, for compaction.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "log.cleaner.min.compaction.lag.ms",
        Long,
        Some("0"),
        "Reported as `min.compaction.lag.ms`, for compaction.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        Some("9223372036854775807"),
        "Reported as `max.compaction.lag.ms`, for compaction.",
    )
    .at_least(1)
    .dynamic(),
    Definition::new(
        "log.cleaner.min.cleanable.ratio",
        Double,
        Some("0.5"),
        "Reported as `min.cleanable.dirty.ratio`, for compaction.",
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

const PRODUCERS: &[Definition] = &[
    Definition::new(
        "producer.id.expiration.ms",
        Int,
        Some("86400000"),
        "An idle producer's sequence numbers are forgotten after this time.",
    )
    .at_least(1)
    .low()
    .dynamic(),
    Definition::new(
        "transactional.id.expiration.ms",
        Int,
        Some("604800000"),
        "An unused transactional id is forgotten after this time.",
    )
    .at_least(1)
    .high(),
    Definition::new(
        "transaction.max.timeout.ms",
        Int,
        Some("900000"),
        "The longest transaction timeout a producer may ask for.",
    )
    .at_least(1)
    .high(),
];

const MIB: i64 = 1 << 20;

const JOURNAL: &[Definition] = &[
    Definition::new(
        "io.engine",
        String,
        Some("auto"),
        "How the disk is driven: io_uring, plain calls on threads, or whichever works.",
    )
    .check(Check::OneOf(&["auto", "uring", "threads"]))
    .own(),
    Definition::new("journal.files", Int, Some("4"), "Files of the journal, used in turn.")
        .between(2, 64)
        .own(),
    Definition::new(
        "journal.file.bytes",
        Long,
        Some("268435456"),
        "The size of a journal file. Recovery reads at most the journal, and the last files hold \
         what is not in segments yet.",
    )
    .check(Check::MultipleOf(MIB, 16 << 30, 4096))
    .high()
    .own(),
    Definition::new(
        "journal.initial.file.bytes",
        Long,
        Some("16777216"),
        "The size of the file that an empty data directory starts with, so that it is ready at \
         once; the others grow behind.",
    )
    .check(Check::MultipleOf(MIB, 16 << 30, 4096))
    .low()
    .own(),
    Definition::new(
        "journal.commit.bytes.max",
        Int,
        Some("4194304"),
        "The largest group commit, unless a single batch needs more.",
    )
    .check(Check::MultipleOf(65_536, 256 * MIB, 4096))
    .low()
    .own(),
    Definition::new("journal.depth", Int, Some("4"), "Group commits in flight at once.")
        .between(1, 64)
        .low()
        .own(),
    Definition::new(
        "journal.unsafe.no.sync",
        Boolean,
        Some("false"),
        "Acknowledges records that are not on disk. Loses them with the power; for the tests that \
         show that a missing sync is noticed.",
    )
    .low()
    .own(),
    Definition::new(
        "log.tail.bytes.max",
        Long,
        Some("67108864"),
        "Memory for the ends of all logs: what is not written to segments yet, and what \
         consumers at the end read.",
    )
    .at_least(MIB)
    .own(),
    Definition::new(
        "log.write.behind.ms",
        Long,
        Some("1000"),
        "The age at which a log's end is written to its segment.",
    )
    .between(1, 3_600_000)
    .low()
    .own(),
];

const LOGGING: &[Definition] = &[
    Definition::new("log.level", String, Some("info"), "What is logged, by module if need be.")
        .check(Check::LogLevel)
        .own(),
    Definition::new("log.format", String, Some("text"), "The form of the log.")
        .check(Check::OneOf(&["text", "json"]))
        .own(),
    Definition::new(
        "admin.listen",
        String,
        Some("127.0.0.1:9644"),
        "Where `/metrics`, `/livez` and `/readyz` are served; empty turns them off.",
    )
    .check(Check::HostPort)
    .own(),
];

//! The settings of a broker that have an effect.

use super::definition::{
    Check,
    ConfigType::{Boolean, Int, List, Long, String},
    Definition, Section,
};
use super::group_coordinator_definitions::GROUPS;
use super::journal_definitions::JOURNAL;
use super::log_definitions::LOGS;
use super::topic_definitions::ACKS_FLOORS;

const NO_AUTHORIZER: &str =
    "this version has no authorizer, and will not serve everyone where access was to be checked";

/// Kafka's selector of replicas by rack.
pub(super) const RACK_AWARE_SELECTOR: &str =
    "org.apache.kafka.common.replica.RackAwareReplicaSelector";
/// Classes are not loaded: these are Kafka's own.
const REPLICA_SELECTORS: &[&str] = &[
    RACK_AWARE_SELECTOR,
    "org.apache.kafka.common.replica.LeaderSelector",
];

/// All of them, by subject.
pub static BROKER_SECTIONS: &[Section] = &[
    Section {
        title: "Identity and data",
        definitions: IDENTITY,
    },
    Section {
        title: "Network",
        definitions: NETWORK,
    },
    Section {
        title: "Requests",
        definitions: REQUESTS,
    },
    Section {
        title: "Topics",
        definitions: TOPICS,
    },
    Section {
        title: "Logs",
        definitions: LOGS,
    },
    Section {
        title: "Producers and transactions",
        definitions: PRODUCERS,
    },
    Section {
        title: "Consumer groups",
        definitions: GROUPS,
    },
    Section {
        title: "Journal and disk",
        definitions: JOURNAL,
    },
    Section {
        title: "Logging and metrics",
        definitions: LOGGING,
    },
];

const IDENTITY: &[Definition] = &[
    Definition::new(
        "node.id",
        Int,
        Some("1"),
        "The number of this node in its cluster.",
    )
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
    .check(Check::Id)
    .own(),
    Definition::new(
        "peers",
        List,
        None,
        "The voters of the metadata quorum: `ID@HOST:PORT` of each one's `internal.listen`, separated \
         by commas. They found a cluster by themselves, in whatever order they are started. A node \
         that is not among them joins that cluster as a broker without a vote. Without any, this node \
         is a cluster of its own.",
    )
    .high()
    .own(),
    Definition::new(
        "internal.listen",
        String,
        None,
        "Where this node listens for others of the cluster, `HOST:PORT`. By default as `peers` says of \
         this node; one that is not among them has to say it. Nobody else should be able to connect to it.",
    )
    .check(Check::HostPort)
    .high()
    .own(),
    Definition::new(
        "internal.advertise",
        String,
        None,
        "Where others reach that, `HOST:PORT`. By default as `peers` says of this node, else as \
         `internal.listen` says. Needed by a node that is not among the peers and listens on every interface.",
    )
    .check(Check::HostPort)
    .own(),
    Definition::new(
        "broker.rack",
        String,
        None,
        "The rack or zone of this node.",
    ),
    Definition::new(
        "log.dirs",
        List,
        None,
        "The directories of the data, best each on a disk of its own: a new partition goes to the \
         one with the fewest, and stays there. One that fails takes its own partitions offline and \
         no others.",
    )
    .high(),
    Definition::new(
        "log.dir",
        List,
        Some("./data"),
        "Used where `log.dirs` is not set.",
    )
    .high()
    .kafka_default("a folder under the temporary directory"),
    Definition::new(
        "log.dirs.lost",
        List,
        None,
        "Ids of data directories that are lost for good, as the log of a start names them. While a \
         directory with partitions is missing, an empty one is not formatted, since it may be where \
         the other is to be mounted; one that is named here is not waited for. Its partitions stay \
         offline until their topics are deleted.",
    )
    .low()
    .own(),
    Definition::new(
        "metadata.log.dir",
        String,
        None,
        "The directory of the cluster's metadata, without which the broker cannot be. By default the \
         first of `log.dirs`; one that is not among them holds nothing else.",
    )
    .high(),
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
        String,
        Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"),
        "The security protocol of each listener's name. Only PLAINTEXT can be used for now.",
    )
    .low(),
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
    .at_least(1)
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
        "replica.selector.class",
        String,
        None,
        "Who consumers are told to read from: with Kafka's `RackAwareReplicaSelector`, a replica in sync in their own rack (`client.rack` of the consumer, \
         `broker.rack` of the brokers); with `LeaderSelector` or without a value, the leader. The same on all brokers.",
    )
    .check(Check::OneOf(REPLICA_SELECTORS)),
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
    Definition::new(
        "delete.topic.enable",
        Boolean,
        Some("true"),
        "Whether topics can be deleted.",
    )
    .high(),
    Definition::new(
        "num.partitions",
        Int,
        Some("1"),
        "Partitions of a topic created without a number.",
    )
    .between(1, 100_000),
    Definition::new(
        "default.replication.factor",
        Int,
        Some("1"),
        "Replicas of a topic created without a number. With `peers`, by default as many as there are \
         peers, at most 3.",
    )
    .between(1, i16::MAX as i64),
    Definition::new(
        "min.insync.replicas",
        Int,
        Some("1"),
        "In-sync replicas that must hold a record before it is acknowledged. With `peers`, by default \
         one less than `default.replication.factor` has by default.",
    )
    .at_least(1)
    .high()
    .dynamic(),
    Definition::new(
        "acks.floor",
        String,
        Some("all"),
        "Producers that ask for less than this get this: `all` in-sync replicas, `1`, the leader, or `0`, what they ask for. Some clients ask for \
         `acks=1` unless they are told otherwise.",
    )
    .check(Check::OneOf(ACKS_FLOORS))
    .own()
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
        "auto.leader.rebalance.enable",
        Boolean,
        Some("true"),
        "Whether preferred leaders, the first of a partition's replicas, lead again when they are in sync.",
    )
    .high(),
    Definition::new(
        "leader.imbalance.check.interval.seconds",
        Long,
        Some("300"),
        "How often that is looked after.",
    )
    .at_least(1)
    .high(),
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
        "Partitions that one request may create.",
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

const LOGGING: &[Definition] = &[
    Definition::new(
        "log.level",
        String,
        Some("info"),
        "What is logged, by module if need be.",
    )
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

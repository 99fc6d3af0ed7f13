//! The settings of consumer groups and of the topic they are recorded in.

use super::definition::{
    Check,
    ConfigType::{Int, List, Long, Short, String},
    Definition,
};

pub(super) const GROUPS: &[Definition] = &[
    Definition::new(
        "group.min.session.timeout.ms",
        Int,
        Some("6000"),
        "The shortest session timeout that a member of a classic group may ask for.",
    ),
    Definition::new(
        "group.max.session.timeout.ms",
        Int,
        Some("1800000"),
        "The longest session timeout that a member of a classic group may ask for.",
    ),
    Definition::new(
        "group.initial.rebalance.delay.ms",
        Int,
        Some("3000"),
        "How long a classic group that was empty waits for more members before it assigns partitions.",
    ),
    Definition::new(
        "group.max.size",
        Int,
        Some("2147483647"),
        "The most members of a classic group.",
    )
    .at_least(1),
    Definition::new(
        "group.coordinator.rebalance.protocols",
        List,
        Some("classic,consumer,streams"),
        "The protocols of groups: `consumer` is that of KIP-848. `classic` cannot be left out; `share` and `streams` do nothing yet.",
    )
    .check(Check::ListOf(&["consumer", "classic", "share", "streams"])),
    Definition::new(
        "group.consumer.session.timeout.ms",
        Int,
        Some("45000"),
        "A member of a consumer group without a heartbeat for so long is removed. A group may have its own.",
    )
    .at_least(1),
    Definition::new(
        "group.consumer.min.session.timeout.ms",
        Int,
        Some("45000"),
        "The shortest session timeout of a consumer group.",
    )
    .at_least(1),
    Definition::new(
        "group.consumer.max.session.timeout.ms",
        Int,
        Some("60000"),
        "The longest session timeout of a consumer group.",
    )
    .at_least(1),
    Definition::new(
        "group.consumer.heartbeat.interval.ms",
        Int,
        Some("5000"),
        "How often members of consumer groups are asked to be heard of. A group may have its own.",
    )
    .at_least(1),
    Definition::new(
        "group.consumer.rebalance.heartbeat.interval.ms",
        Int,
        Some("200"),
        "How often members of a consumer group are asked to be heard of while partitions change hands, where that is less than the group's interval.",
    )
    .at_least(1)
    .own(),
    Definition::new(
        "group.consumer.min.heartbeat.interval.ms",
        Int,
        Some("5000"),
        "The shortest heartbeat interval of a consumer group.",
    )
    .at_least(1),
    Definition::new(
        "group.consumer.max.heartbeat.interval.ms",
        Int,
        Some("15000"),
        "The longest heartbeat interval of a consumer group.",
    )
    .at_least(1),
    Definition::new(
        "group.consumer.assignment.interval.ms",
        Int,
        Some("1000"),
        "The least time between two assignments in a consumer group. A group may have its own.",
    )
    .at_least(0)
    .dynamic(),
    Definition::new(
        "group.consumer.min.assignment.interval.ms",
        Int,
        Some("0"),
        "The shortest assignment interval of a consumer group.",
    )
    .at_least(0),
    Definition::new(
        "group.consumer.max.assignment.interval.ms",
        Int,
        Some("15000"),
        "The longest assignment interval of a consumer group.",
    )
    .at_least(0),
    Definition::new(
        "group.consumer.max.size",
        Int,
        Some("2147483647"),
        "The most members of a consumer group.",
    )
    .at_least(1),
    Definition::new(
        "group.consumer.assignors",
        List,
        Some("uniform,range"),
        "The assignors that members of consumer groups may choose; the first is that of a group whose members choose none.",
    )
    .check(Check::ListOf(&["uniform", "range"])),
    Definition::new(
        "group.consumer.migration.policy",
        String,
        Some("bidirectional"),
        "Whether a classic group becomes a consumer group when a member of the consumer protocol joins it (`upgrade`), and classic again when the \
         last one leaves (`downgrade`).",
    )
    .check(Check::OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"])),
    Definition::new(
        "offset.metadata.max.bytes",
        Int,
        Some("4096"),
        "The longest text that may be committed with an offset, in UTF-16 units.",
    )
    .high(),
    Definition::new(
        "offsets.retention.minutes",
        Int,
        Some("10080"),
        "How long committed offsets are kept after a group has become empty, or after they were committed where nobody reads the partition as a \
         member. Not while the wall clock has jumped ahead.",
    )
    .at_least(1)
    .high(),
    Definition::new(
        "offsets.retention.check.interval.ms",
        Long,
        Some("600000"),
        "How often expired offsets are looked for.",
    )
    .at_least(1)
    .high(),
    Definition::new(
        "offsets.topic.num.partitions",
        Int,
        Some("50"),
        "The partitions of `__consumer_offsets`. Read when the topic is made, which is when the first group looks for its coordinator.",
    )
    .at_least(1)
    .high(),
    Definition::new(
        "offsets.topic.replication.factor",
        Short,
        Some("3"),
        "The replicas of `__consumer_offsets`; as many as there are brokers, where there are fewer.",
    )
    .at_least(1)
    .high(),
    Definition::new(
        "offsets.topic.segment.bytes",
        Int,
        Some("104857600"),
        "The segment size of `__consumer_offsets`.",
    )
    .at_least(1)
    .high(),
];

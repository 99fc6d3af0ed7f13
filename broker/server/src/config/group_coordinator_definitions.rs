//! The settings of consumer groups and of the topic they are recorded in.

use super::definition::{
    ConfigType::{Int, Long, Short},
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

//! The settings of topics.

use protocol::model::{PartitionIndex, TopicId, TopicIdPartition};

use super::super::create;
use super::super::leader_hints::led_elsewhere;
use super::{
    APPEND, Asked, DELETE, SET, SUBTRACT, TOPIC, Told, alter, described, max_message_bytes, ok,
    refused, takes, value,
};
use crate::testing::TestBroker;

#[tokio::test]
async fn a_topics_setting_takes_effect_at_once_and_is_told() {
    let mut broker = TestBroker::start(&[]).await;
    let id = create(&mut broker, "a", 1).await;
    assert!(takes(&broker, id, 5000));
    for (op, bytes, limit) in [(SET, Some("2000"), 2000), (DELETE, None, 1_048_588)] {
        let change: &[_] = &[("max.message.bytes", op, bytes)];
        assert_eq!(alter(&mut broker, (TOPIC, "a", change)).await, ok());
        assert_eq!(max_message_bytes(&broker, id), limit);
        assert_eq!(takes(&broker, id, 5000), limit > 5000);
        let told = described(&mut broker, TOPIC, "a", "max.message.bytes").await;
        let source = if op == SET { 1 } else { 5 };
        assert_eq!(told, value(&limit.to_string(), source));
    }
}

/// It deletes for itself what is too old, and may lead tomorrow.
#[tokio::test]
async fn a_replica_that_follows_goes_by_its_topics_settings() {
    let mut broker = TestBroker::start(&[]).await;
    let id = TopicIdPartition {
        topic_id: TopicId::new(led_elsewhere(&broker, &[2, 1]).await).expect("not zero"),
        partition: PartitionIndex::new(0),
    };
    for ms in [1_000, -1] {
        let change: &[_] = &[("retention.ms", SET, Some(&*ms.to_string()))];
        assert_eq!(alter(&mut broker, (TOPIC, "t", change)).await, ok());
        let followed = broker.broker.partitions.followed(id).expect("it follows");
        let retention = followed.log().config().retention.expect("it deletes");
        assert_eq!(retention.ms, (ms >= 0).then_some(ms));
    }
}

#[tokio::test]
async fn lists_are_appended_to_and_subtracted_from() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let steps = [
        (APPEND, "compact", "delete,compact"),
        (APPEND, "compact", "delete,compact"),
        (SUBTRACT, "delete", "compact"),
        (SUBTRACT, "compact", ""),
        (APPEND, "delete", "delete"),
    ];
    for (op, part, expected) in steps {
        let change: &[_] = &[("cleanup.policy", op, Some(part))];
        assert_eq!(alter(&mut broker, (TOPIC, "a", change)).await, ok());
        let told = described(&mut broker, TOPIC, "a", "cleanup.policy").await;
        assert_eq!(told, value(expected, 1));
    }
}

#[tokio::test]
async fn a_topics_refusals_are_kafkas() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let number = "Invalid value x for configuration retention.ms: Not a number of type LONG";
    let invalid_name = "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
    let cases: [(Asked<'_>, Told); 17] = [
        (
            (TOPIC, "a", &[("nope", SET, Some("1"))]),
            refused(40, "Unknown topic config name: nope"),
        ),
        ((TOPIC, "a", &[("nope", DELETE, None)]), ok()),
        (
            (TOPIC, "a", &[("", SET, Some("1"))]),
            refused(40, "Unknown topic config name: "),
        ),
        (
            (TOPIC, "a", &[("nope", APPEND, Some("1"))]),
            refused(40, "Can't APPEND to key nope because its type is not LIST."),
        ),
        (
            (TOPIC, "a", &[("retention.ms", SUBTRACT, Some("1"))]),
            refused(
                40,
                "Can't SUBTRACT to key retention.ms because its type is not LIST.",
            ),
        ),
        (
            (TOPIC, "a", &[("retention.ms", SET, Some("x"))]),
            refused(40, number),
        ),
        (
            (TOPIC, "none", &[("retention.ms", SET, Some("x"))]),
            refused(40, number),
        ),
        (
            (TOPIC, "none", &[("retention.ms", SET, Some("1"))]),
            refused(3, "The topic 'none' does not exist."),
        ),
        (
            (TOPIC, "none", &[]),
            refused(3, "The topic 'none' does not exist."),
        ),
        (
            (
                TOPIC,
                "__cluster_metadata",
                &[("retention.ms", SET, Some("1"))],
            ),
            refused(3, "The topic '__cluster_metadata' does not exist."),
        ),
        (
            (TOPIC, "", &[]),
            refused(42, "Default topic resources are not allowed."),
        ),
        ((TOPIC, "a/b", &[]), refused(17, invalid_name)),
        (
            (
                TOPIC,
                "a",
                &[
                    ("retention.ms", SET, None),
                    ("cleanup.policy", APPEND, None),
                    ("flush.ms", DELETE, None),
                ],
            ),
            refused(
                42,
                "Null value not supported for : retention.ms, cleanup.policy",
            ),
        ),
        (
            (
                TOPIC,
                "none",
                &[("retention.ms", SET, None), ("retention.ms", DELETE, None)],
            ),
            refused(42, "Error due to duplicate config keys"),
        ),
        (
            (
                TOPIC,
                "a",
                &[
                    ("min.compaction.lag.ms", SET, Some("10")),
                    ("max.compaction.lag.ms", SET, Some("5")),
                ],
            ),
            refused(
                40,
                "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
            ),
        ),
        (
            (TOPIC, "a", &[("retention.ms", 4, Some("1"))]),
            refused(42, "Unknown operation 4 on key retention.ms"),
        ),
        ((TOPIC, "a", &[]), ok()),
    ];
    for (asked, expected) in cases {
        assert_eq!(alter(&mut broker, asked).await, expected, "{asked:?}");
    }
    assert!(broker.broker.metadata.image().topic_configs("a").is_none());
}

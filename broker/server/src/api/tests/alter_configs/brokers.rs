//! The settings of brokers.

use super::super::create;
use super::{
    APPEND, Asked, BROKER, DELETE, SET, SUBTRACT, TOPIC, Told, alter, described, max_message_bytes,
    ok, refused, replace, takes, value,
};
use crate::testing::TestBroker;

#[tokio::test]
async fn topics_follow_the_brokers_unless_they_have_the_setting() {
    let mut broker = TestBroker::start(&[("message.max.bytes", "9000")]).await;
    let id = broker.broker.id.to_string();
    let follower = create(&mut broker, "follower", 1).await;
    let own = create(&mut broker, "own", 1).await;
    let change: &[_] = &[("max.message.bytes", SET, Some("4000"))];
    assert_eq!(alter(&mut broker, (TOPIC, "own", change)).await, ok());
    let steps: [(&str, i8, Option<&str>, usize, i8); 4] = [
        ("", SET, Some("2000"), 2000, 3),
        (&id, SET, Some("1000"), 1000, 2),
        (&id, DELETE, None, 2000, 3),
        ("", DELETE, None, 9000, 4),
    ];
    for (resource, op, bytes, expected, source) in steps {
        let change: &[_] = &[("message.max.bytes", op, bytes)];
        assert_eq!(alter(&mut broker, (BROKER, resource, change)).await, ok());
        assert_eq!(max_message_bytes(&broker, follower), expected);
        assert_eq!(max_message_bytes(&broker, own), 4000);
        assert_eq!(takes(&broker, follower, 5000), expected > 5000);
        let told = described(&mut broker, TOPIC, "follower", "max.message.bytes").await;
        assert_eq!(told, value(&expected.to_string(), source));
        let told = described(&mut broker, BROKER, &id, "message.max.bytes").await;
        assert_eq!(told, value(&expected.to_string(), source));
        let created = create(&mut broker, &format!("later-{resource}-{op}"), 1).await;
        assert_eq!(max_message_bytes(&broker, created), expected);
    }
    assert!(takes(&broker, follower, 5000));
}

#[tokio::test]
async fn a_brokers_refusals_are_kafkas() {
    let mut broker = TestBroker::start(&[("node.id", "1")]).await;
    let read_only = "Cannot update these configs dynamically: [num.partitions]";
    let cases: [(Asked<'_>, Told); 16] = [
        (
            (BROKER, "1", &[("num.partitions", SET, Some("5"))]),
            refused(42, read_only),
        ),
        (
            (BROKER, "", &[("num.partitions", SET, Some("5"))]),
            refused(42, read_only),
        ),
        ((BROKER, "1", &[("num.partitions", DELETE, None)]), ok()),
        ((BROKER, "1", &[("nope", DELETE, None)]), ok()),
        (
            (BROKER, "1", &[("nope", SET, Some("1"))]),
            refused(40, "Unknown config name: nope"),
        ),
        (
            (BROKER, "1", &[("nope", APPEND, Some("1"))]),
            refused(40, "Unknown config name: nope"),
        ),
        (
            (BROKER, "1", &[("num.partitions", APPEND, Some("1"))]),
            refused(
                40,
                "Config value append is not allowed for config key: num.partitions",
            ),
        ),
        (
            (BROKER, "", &[("log.retention.ms", SUBTRACT, Some("1"))]),
            refused(
                40,
                "Config value subtract is not allowed for config key: log.retention.ms",
            ),
        ),
        (
            (BROKER, "1", &[("log.retention.ms", SET, Some("x"))]),
            refused(
                42,
                "Invalid value x for configuration log.retention.ms: Not a number of type LONG",
            ),
        ),
        (
            (BROKER, "1", &[("log.segment.bytes", SET, None)]),
            refused(42, "Null value not supported for : log.segment.bytes"),
        ),
        (
            (BROKER, "99", &[("log.segment.bytes", SET, None)]),
            refused(42, "Null value not supported for : log.segment.bytes"),
        ),
        (
            (BROKER, "99", &[]),
            refused(42, "Unexpected broker id, expected 1, but received 99"),
        ),
        (
            (BROKER, "-1", &[]),
            refused(42, "Unexpected broker id, expected 1, but received -1"),
        ),
        (
            (BROKER, "01", &[]),
            refused(42, "Unexpected broker id, expected 1, but received 01"),
        ),
        (
            (BROKER, "x", &[]),
            refused(42, "Node id must be an integer, but it is: x"),
        ),
        (
            (BROKER, "", &[("sasl.jaas.config", SET, Some("x"))]),
            refused(
                42,
                "Cannot update these configs at default cluster level, broker id must be specified: [sasl.jaas.config]",
            ),
        ),
    ];
    for (asked, expected) in cases {
        assert_eq!(alter(&mut broker, asked).await, expected, "{asked:?}");
    }
    let append: &[_] = &[("log.cleanup.policy", APPEND, Some("compact"))];
    assert_eq!(alter(&mut broker, (BROKER, "1", append)).await, ok());
    let told = described(&mut broker, BROKER, "1", "log.cleanup.policy").await;
    assert_eq!(told, value("delete,compact", 2));
    // All that is set has to be valid, not only what is changed; and a list is gone with the rest.
    assert_eq!(
        replace(
            &mut broker,
            2,
            BROKER,
            "1",
            &[("log.retention.ms", Some("9"))]
        )
        .await,
        ok()
    );
    let told = described(&mut broker, BROKER, "1", "log.cleanup.policy").await;
    assert_eq!(told, value("delete", 5));
}

#[tokio::test]
async fn connections_are_limited_anew() {
    let mut broker = TestBroker::start(&[]).await;
    let address = "192.0.2.1".parse().expect("an address");
    let first = broker.admission.admit(address);
    assert!(first.is_ok());
    let limit: &[_] = &[("max.connections.per.ip", SET, Some("1"))];
    assert_eq!(alter(&mut broker, (BROKER, "", limit)).await, ok());
    assert!(broker.admission.admit(address).is_err());
    let none: &[_] = &[("max.connections.per.ip", SET, Some("0"))];
    assert_eq!(
        alter(&mut broker, (BROKER, "", none)).await,
        refused(42, "Invalid max.connections.per.ip 0")
    );
    let default: &[_] = &[("max.connections.per.ip", DELETE, None)];
    assert_eq!(alter(&mut broker, (BROKER, "", default)).await, ok());
    assert!(broker.admission.admit(address).is_ok());
}

#[tokio::test]
async fn producers_are_forgotten_after_the_time_that_is_set() {
    let mut broker = TestBroker::start(&[]).await;
    assert_eq!(broker.data_dir().producer_expiration_ms(), 86_400_000);
    let hour: &[_] = &[("producer.id.expiration.ms", SET, Some("3600000"))];
    assert_eq!(alter(&mut broker, (BROKER, "", hour)).await, ok());
    assert_eq!(broker.data_dir().producer_expiration_ms(), 3_600_000);
}

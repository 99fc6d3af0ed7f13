//! AlterConfigs and IncrementalAlterConfigs. What is expected here is what Apache Kafka 4.3.1 answers.

use bytes::BytesMut;
use protocol::batch::{BatchBuilder, NewRecord};
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, alter_configs_request,
    incremental_alter_configs_request, incremental_alter_configs_response,
};
use protocol::model::Uuid;

use super::super::topics::text;
use super::create;
use crate::testing::TestBroker;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Type, name, and what is to be done: key, operation, value.
type Asked<'a> = (i8, &'a str, &'a [(&'a str, i8, Option<&'a str>)]);

/// Code and message of a resource.
type Told = (i16, Option<String>);

async fn try_alter(broker: &mut TestBroker, validate_only: bool, asked: &[Asked<'_>]) -> Vec<Told> {
    use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let resource = |(kind, name, configs): &Asked<'_>| {
        let configs = configs.iter().map(|(key, op, value)| {
            AlterableConfig::default()
                .with_name(text(*key))
                .with_config_operation(*op)
                .with_value(value.map(text))
        });
        AlterConfigsResource::default()
            .with_resource_type(*kind)
            .with_resource_name(text(*name))
            .with_configs(configs.collect())
    };
    let request = IncrementalAlterConfigsRequest::default()
        .with_resources(asked.iter().map(resource).collect())
        .with_validate_only(validate_only);
    let response: IncrementalAlterConfigsResponse = broker.ask(1, &request).await;
    let answered: Vec<_> = response
        .responses
        .iter()
        .map(|it| (it.resource_type, it.resource_name.as_str()))
        .collect();
    let mut distinct: Vec<_> = asked.iter().map(|(kind, name, _)| (*kind, *name)).collect();
    let mut seen = std::collections::HashSet::new();
    distinct.retain(|resource| seen.insert(*resource));
    assert_eq!(answered, distinct, "each once, in the order they came");
    let told = |it: incremental_alter_configs_response::AlterConfigsResourceResponse| {
        let message = it.error_message.as_ref().map(ToString::to_string);
        (it.error_code, message)
    };
    response.responses.into_iter().map(told).collect()
}

async fn alter(broker: &mut TestBroker, asked: Asked<'_>) -> Told {
    try_alter(broker, false, &[asked]).await.remove(0)
}

async fn replace(
    broker: &mut TestBroker,
    version: i16,
    kind: i8,
    name: &str,
    configs: &[(&str, Option<&str>)],
) -> Told {
    use alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let configs = configs.iter().map(|(key, value)| {
        AlterableConfig::default()
            .with_name(text(*key))
            .with_value(value.map(text))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    let response: AlterConfigsResponse = broker.ask(version, &request).await;
    let told = &response.responses[0];
    let message = told.error_message.as_ref().map(ToString::to_string);
    (told.error_code, message)
}

/// Value and source of a setting.
async fn described(
    broker: &mut TestBroker,
    kind: i8,
    name: &str,
    key: &str,
) -> Option<(Option<String>, i8)> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let response: DescribeConfigsResponse = broker.ask(4, &request).await;
    let entry = response.results[0].configs.first()?;
    let value = entry.value.as_ref().map(ToString::to_string);
    Some((value, entry.config_source))
}

fn ok() -> Told {
    (0, None)
}

fn refused(code: i16, message: &str) -> Told {
    (code, Some(message.to_owned()))
}

fn value(value: &str, source: i8) -> Option<(Option<String>, i8)> {
    Some((Some(value.to_owned()), source))
}

fn max_message_bytes(broker: &TestBroker, topic: Uuid) -> usize {
    let partition = broker.partition(topic, 0).expect("led here");
    partition.config().max_message_bytes
}

fn batch(bytes: usize) -> BytesMut {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord {
        timestamp: crate::broker::wall_clock_ms(),
        value: Some(&vec![b'v'; bytes]),
        ..NewRecord::default()
    });
    builder.build()
}

/// Whether a partition takes a batch of a value of so many bytes.
fn takes(broker: &TestBroker, topic: Uuid, bytes: usize) -> bool {
    let partition = broker.partition(topic, 0).expect("led here");
    let now_ms = crate::broker::wall_clock_ms();
    let received = partition.receive(batch(bytes), 13, now_ms, None, 0);
    received.and_then(|batch| batch.append(now_ms)).is_ok()
}

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
async fn validation_changes_nothing() {
    let mut broker = TestBroker::start(&[]).await;
    let id = broker.broker.id.to_string();
    create(&mut broker, "a", 1).await;
    let asked: [Asked<'_>; 3] = [
        (TOPIC, "a", &[("retention.ms", SET, Some("1"))]),
        (BROKER, &id, &[("message.max.bytes", SET, Some("1"))]),
        (LOGGER, &id, &[("root", SET, Some("TRACE"))]),
    ];
    assert_eq!(
        try_alter(&mut broker, true, &asked).await,
        [ok(), ok(), ok()]
    );
    let told = described(&mut broker, TOPIC, "a", "retention.ms").await;
    assert_eq!(told, value("604800000", 5));
    assert_eq!(
        broker
            .broker
            .settings
            .now()
            .number::<i64>("message.max.bytes"),
        1_048_588
    );
    assert_eq!(broker.broker.loggers.levels()["root"], "INFO");
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

#[tokio::test]
async fn one_resources_error_does_not_hold_up_the_others() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    create(&mut broker, "b", 1).await;
    let twice: Asked<'_> = (TOPIC, "a", &[("retention.ms", SET, Some("5"))]);
    let asked: [Asked<'_>; 5] = [
        twice,
        (TOPIC, "b", &[("retention.ms", SET, Some("77"))]),
        (3, "x", &[("a", SET, Some("1"))]),
        (0, "x", &[("a", SET, None)]),
        twice,
    ];
    let told = try_alter(&mut broker, false, &asked).await;
    let duplicate = refused(42, "Each resource must appear at most once.");
    assert_eq!(
        told,
        [
            duplicate,
            ok(),
            refused(42, "Unknown resource type 3"),
            refused(42, "Null value not supported for : a"),
        ]
    );
    assert_eq!(
        described(&mut broker, TOPIC, "b", "retention.ms").await,
        value("77", 1)
    );
    assert_eq!(
        described(&mut broker, TOPIC, "a", "retention.ms").await,
        value("604800000", 5)
    );
}

#[tokio::test]
async fn every_version_replaces_what_is_set() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let set: &[_] = &[("retention.ms", SET, Some("5"))];
    for version in 0..=2 {
        assert_eq!(alter(&mut broker, (TOPIC, "a", set)).await, ok());
        let told = replace(
            &mut broker,
            version,
            TOPIC,
            "a",
            &[("segment.bytes", Some("3000000"))],
        )
        .await;
        assert_eq!(told, ok());
        assert_eq!(
            described(&mut broker, TOPIC, "a", "segment.bytes").await,
            value("3000000", 1)
        );
        assert_eq!(
            described(&mut broker, TOPIC, "a", "retention.ms").await,
            value("604800000", 5)
        );
    }
    let cases: [(i8, &str, &[_], Told); 6] = [
        (
            TOPIC,
            "a",
            &[("segment.bytes", None)],
            refused(42, "Null value not supported for : segment.bytes"),
        ),
        (
            TOPIC,
            "a",
            &[("nope", Some("1"))],
            refused(40, "Unknown topic config name: nope"),
        ),
        (
            TOPIC,
            "a",
            &[("flush.ms", Some("1")), ("flush.ms", Some("2"))],
            refused(42, "Error due to duplicate config keys"),
        ),
        (
            TOPIC,
            "none",
            &[],
            refused(3, "The topic 'none' does not exist."),
        ),
        (
            LOGGER,
            "1",
            &[("root", Some("INFO"))],
            refused(42, "Unknown resource type 8"),
        ),
        (3, "1", &[], refused(42, "Unknown resource type 3")),
    ];
    for (kind, name, configs, expected) in cases {
        assert_eq!(replace(&mut broker, 2, kind, name, configs).await, expected);
    }
    assert_eq!(
        described(&mut broker, TOPIC, "a", "segment.bytes").await,
        value("3000000", 1)
    );
    assert_eq!(replace(&mut broker, 2, TOPIC, "a", &[]).await, ok());
    assert_eq!(
        described(&mut broker, TOPIC, "a", "segment.bytes").await,
        value("1073741824", 5)
    );
}

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

#[tokio::test]
async fn loggers_have_levels() {
    let mut broker = TestBroker::start(&[("node.id", "1")]).await;
    let level = |to: &str| {
        format!(
            "Cannot set the log level of root to {to} as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"
        )
    };
    let cases: [(Asked<'_>, Told); 14] = [
        (
            (LOGGER, "1", &[("root", SET, Some("LOUD"))]),
            refused(40, &level("LOUD")),
        ),
        (
            (LOGGER, "1", &[("root", SET, Some("info"))]),
            refused(40, &level("info")),
        ),
        (
            (LOGGER, "1", &[("no.such", SET, Some("INFO"))]),
            refused(40, "Logger no.such does not exist!"),
        ),
        (
            (LOGGER, "1", &[("no.such", DELETE, None)]),
            refused(40, "Logger no.such does not exist!"),
        ),
        (
            (LOGGER, "1", &[("root", DELETE, None)]),
            refused(
                42,
                "Removing the log level of the root logger is not allowed",
            ),
        ),
        (
            (LOGGER, "1", &[("root", APPEND, Some("INFO"))]),
            refused(
                42,
                "APPEND operation is not allowed for the BROKER_LOGGER resource",
            ),
        ),
        (
            (LOGGER, "1", &[("root", SUBTRACT, Some("INFO"))]),
            refused(
                42,
                "SUBTRACT operation is not allowed for the BROKER_LOGGER resource",
            ),
        ),
        (
            (LOGGER, "1", &[("root", SET, None)]),
            refused(42, "Null value not supported for : root"),
        ),
        (
            (LOGGER, "99", &[]),
            refused(42, "Unexpected node id. Expected 1, but received 99"),
        ),
        (
            (LOGGER, "", &[]),
            refused(42, "Node id must be an integer, but it is: "),
        ),
        (
            (
                LOGGER,
                "1",
                &[("root", SET, Some("DEBUG")), ("x", SET, Some("INFO"))],
            ),
            refused(40, "Logger x does not exist!"),
        ),
        ((LOGGER, "1", &[("root", SET, Some("FATAL"))]), ok()),
        (
            (
                LOGGER,
                "1",
                &[
                    ("broker.net", SET, Some("TRACE")),
                    ("storage", SET, Some("WARN")),
                ],
            ),
            ok(),
        ),
        ((LOGGER, "1", &[("storage", DELETE, None)]), ok()),
    ];
    for (asked, expected) in cases {
        assert_eq!(alter(&mut broker, asked).await, expected, "{asked:?}");
    }
    let levels = broker.broker.loggers.levels();
    assert_eq!(
        (levels["root"], levels["broker.net"], levels["storage"]),
        ("ERROR", "TRACE", "ERROR")
    );
}

const GROUP: i8 = 32;
const CLIENT_METRICS: i8 = 16;

#[tokio::test]
async fn groups_have_settings_within_the_brokers_limits() {
    let mut broker = TestBroker::start(&[]).await;
    let reset = |to: &str| {
        format!(
            "Invalid value {to} for configuration share.auto.offset.reset: Invalid value `{to}` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
        )
    };
    let session = "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms";
    let standby = "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas";
    let cases: [(Asked<'_>, Told); 11] = [
        (
            (GROUP, "", &[]),
            refused(42, "Default group resources are not allowed."),
        ),
        (
            (
                GROUP,
                "g",
                &[
                    ("nope", SET, Some("1")),
                    ("share.session.timeout.ms", SET, Some("x")),
                ],
            ),
            refused(40, "Unknown group config name: nope"),
        ),
        (
            (
                GROUP,
                "g",
                &[("consumer.session.timeout.ms", SET, Some("x"))],
            ),
            refused(
                40,
                "Invalid value x for configuration consumer.session.timeout.ms: Not a number of type INT",
            ),
        ),
        (
            (
                GROUP,
                "g",
                &[("consumer.session.timeout.ms", SET, Some("1"))],
            ),
            refused(40, session),
        ),
        (
            (
                GROUP,
                "g",
                &[("streams.num.standby.replicas", SET, Some("3"))],
            ),
            refused(40, standby),
        ),
        (
            (
                GROUP,
                "g",
                &[("share.session.timeout.ms", APPEND, Some("1"))],
            ),
            refused(
                40,
                "Can't APPEND to key share.session.timeout.ms because its type is not LIST.",
            ),
        ),
        (
            (
                GROUP,
                "g",
                &[("share.auto.offset.reset", SET, Some("LATEST"))],
            ),
            refused(40, &reset("LATEST")),
        ),
        (
            (
                GROUP,
                "g",
                &[("share.auto.offset.reset", SET, Some("by_duration:PT"))],
            ),
            refused(40, &reset("by_duration:PT")),
        ),
        (
            (GROUP, "g", &[("share.isolation.level", SET, Some("x"))]),
            refused(
                40,
                "Invalid value x for configuration share.isolation.level: String must be one of: read_committed, read_uncommitted",
            ),
        ),
        (
            (
                GROUP,
                "g",
                &[(
                    "share.auto.offset.reset",
                    SET,
                    Some("by_duration:P1DT1H1M1.5S"),
                )],
            ),
            ok(),
        ),
        (
            (
                GROUP,
                "g",
                &[("consumer.session.timeout.ms", SET, Some("46000"))],
            ),
            ok(),
        ),
    ];
    for (asked, expected) in cases {
        assert_eq!(alter(&mut broker, asked).await, expected, "{asked:?}");
    }
    let told = described(&mut broker, GROUP, "g", "consumer.session.timeout.ms").await;
    assert_eq!(told, value("46000", 8));
    assert_eq!(replace(&mut broker, 2, GROUP, "g", &[]).await, ok());
    let told = described(&mut broker, GROUP, "g", "share.auto.offset.reset").await;
    assert_eq!(told, value("latest", 5));
}

#[tokio::test]
async fn client_metrics_have_settings() {
    let mut broker = TestBroker::start(&[]).await;
    let interval = |to: &str| {
        format!(
            "Invalid value {to} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
        )
    };
    let metrics = "org.apache.kafka.,x";
    let cases: [(Asked<'_>, Told); 11] = [
        (
            (CLIENT_METRICS, "", &[]),
            refused(42, "Subscription name can't be empty"),
        ),
        (
            (CLIENT_METRICS, "m", &[("nope", SET, Some("1"))]),
            refused(42, "Unknown client metrics configuration: nope"),
        ),
        (
            (CLIENT_METRICS, "m", &[("interval.ms", SET, Some("x"))]),
            refused(
                40,
                "Invalid value x for configuration interval.ms: Not a number of type INT",
            ),
        ),
        (
            (CLIENT_METRICS, "m", &[("interval.ms", SET, Some("99"))]),
            refused(42, &interval("99")),
        ),
        (
            (
                CLIENT_METRICS,
                "m",
                &[("interval.ms", SET, Some("3600001"))],
            ),
            refused(42, &interval("3600001")),
        ),
        (
            (
                CLIENT_METRICS,
                "m",
                &[("match", SET, Some("client_id=a,foo=b"))],
            ),
            refused(40, "Illegal client matching pattern: foo=b"),
        ),
        (
            (
                CLIENT_METRICS,
                "m",
                &[("match", SET, Some("client_id=a=b"))],
            ),
            refused(40, "Illegal client matching pattern: client_id=a=b"),
        ),
        (
            (CLIENT_METRICS, "m", &[("match", SET, Some("client_id="))]),
            refused(40, "Illegal client matching pattern: client_id="),
        ),
        (
            (CLIENT_METRICS, "m", &[("match", SET, Some(","))]),
            refused(40, "Configuration 'match' values must not be empty."),
        ),
        (
            (CLIENT_METRICS, "m", &[("metrics", APPEND, Some("z"))]),
            refused(
                40,
                "Can't APPEND to key metrics because its type is not LIST.",
            ),
        ),
        (
            (
                CLIENT_METRICS,
                "m",
                &[
                    ("interval.ms", SET, Some("100")),
                    (
                        "match",
                        SET,
                        Some(" client_id = a ,client_software_name=.*"),
                    ),
                    ("metrics", SET, Some(metrics)),
                ],
            ),
            ok(),
        ),
    ];
    for (asked, expected) in cases {
        assert_eq!(alter(&mut broker, asked).await, expected, "{asked:?}");
    }
    assert_eq!(
        described(&mut broker, CLIENT_METRICS, "m", "metrics").await,
        value(metrics, 7)
    );
    assert_eq!(
        described(&mut broker, CLIENT_METRICS, "m", "interval.ms").await,
        value("100", 7)
    );
}

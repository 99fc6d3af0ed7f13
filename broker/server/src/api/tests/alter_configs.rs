//! AlterConfigs and IncrementalAlterConfigs. What is expected here is what Apache Kafka 4.3.1 answers.

mod brokers;
mod client_metrics;
mod groups;
mod loggers;
mod topics;

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
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

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
        timestamp: crate::clock::wall_clock_ms(),
        value: Some(&vec![b'v'; bytes]),
        ..NewRecord::default()
    });
    builder.build()
}

/// Whether a partition takes a batch of a value of so many bytes.
fn takes(broker: &TestBroker, topic: Uuid, bytes: usize) -> bool {
    let partition = broker.partition(topic, 0).expect("led here");
    let now_ms = crate::clock::wall_clock_ms();
    let received = partition.receive(batch(bytes), 13, now_ms, None, 0);
    received
        .and_then(|batch| batch.append(crate::partition::Acks::All, now_ms))
        .is_ok()
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

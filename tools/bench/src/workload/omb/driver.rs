//! OMB's driver file for Kafka.

use std::collections::BTreeMap;

use super::super::producer_config::ProducerConfig;
use super::super::properties;
use super::super::{Acks, Compression};
use super::fields::Fields;
use super::wrong;
use crate::BenchError;

/// The only driver that is read.
const KAFKA: &str = "io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver";
/// As many replicas as a partition can have.
const REPLICATION_FACTOR_MAX: i64 = i16::MAX as i64;

/// What a driver file says of the load.
pub(super) struct Driver {
    pub(super) replication_factor: Option<i16>,
    pub(super) topic_configs: BTreeMap<String, String>,
    pub(super) acks: Acks,
    pub(super) compression: Compression,
    pub(super) producer: ProducerConfig,
    pub(super) bootstrap: Option<String>,
}

impl Driver {
    pub(super) fn parse(text: &str, notes: &mut Vec<String>) -> Result<Driver, BenchError> {
        let mut fields = Fields::parse(text, "the driver")?;
        match fields.text("driverClass")?.as_deref() {
            Some(KAFKA) => {}
            Some(other) => {
                return Err(wrong(format!("driverClass: {other} is not {KAFKA}")));
            }
            None => return Err(wrong("driverClass: is missing")),
        }
        // Results are called as the workload is.
        fields.take("name");
        let replication_factor = replication_factor(&mut fields)?;
        if fields.flag("reset")? == Some(true) {
            notes.push("reset: not honoured: topics that are there stay".to_owned());
        }
        let mut properties_of = |name: &str| {
            let text = fields.text(name)?.unwrap_or_default();
            Ok::<_, BenchError>(properties::parse(&text))
        };
        let topic_configs = properties_of("topicConfig")?;
        let mut common = properties_of("commonConfig")?;
        let mut own = properties_of("producerConfig")?;
        let mut consumer = properties_of("consumerConfig")?;
        for name in fields.unknown() {
            notes.push(format!(
                "driver, {name}: not honoured, since it is not known here"
            ));
        }
        let bootstrap = common.remove("bootstrap.servers");
        let bootstrap = own.remove("bootstrap.servers").or(bootstrap);
        consumer.remove("bootstrap.servers");
        // What the producer says counts before what is common.
        let names: Vec<&str> = PRODUCER
            .into_iter()
            .filter(|it| common.contains_key(*it))
            .collect();
        for name in names {
            if let Some(value) = common.remove(name) {
                own.entry(name.to_owned()).or_insert(value);
            }
        }
        let producer = ProducerConfig::take(&mut own)?;
        let acks = own
            .remove("acks")
            .map(|it| it.parse().map_err(|it: String| wrong(it)));
        let compression = own.remove("compression.type").as_deref().map(compression);
        if own.contains_key("transactional.id") || common.contains_key("transactional.id") {
            return Err(wrong("transactional.id: transactions are not written"));
        }
        let reads_from_the_begin = consumer
            .get("auto.offset.reset")
            .is_some_and(|it| it == "earliest");
        if reads_from_the_begin {
            consumer.remove("auto.offset.reset");
        }
        for (of, properties) in [
            ("commonConfig", common),
            ("producerConfig", own),
            ("consumerConfig", consumer),
        ] {
            // Values may be passwords.
            notes.extend(properties.keys().map(|name| unhonoured(of, name)));
        }
        Ok(Driver {
            replication_factor,
            topic_configs,
            acks: acks.transpose()?.unwrap_or_default(),
            compression: compression.transpose()?.unwrap_or_default(),
            producer,
            bootstrap,
        })
    }
}

/// Settings of a producer that are honoured.
const PRODUCER: [&str; 5] = [
    "acks",
    "batch.size",
    "compression.type",
    "linger.ms",
    "max.in.flight.requests.per.connection",
];

fn unhonoured(of: &str, name: &str) -> String {
    let reason = match name {
        "enable.idempotence" => "since the native client's producers have no ids",
        "enable.auto.commit" => "since the native client's consumers commit nothing",
        name if name.starts_with("security.") || name.starts_with("sasl.") => {
            "since the native client speaks without TLS and SASL"
        }
        name if name.starts_with("ssl.") => "since the native client speaks without TLS and SASL",
        _ => "since the native client has no such setting",
    };
    format!("{of}, {name}: not honoured {reason}")
}

/// -1 leaves the number of replicas to the cluster, as Kafka has it.
fn replication_factor(fields: &mut Fields) -> Result<Option<i16>, BenchError> {
    let Some(value) = fields.take("replicationFactor") else {
        return Ok(None);
    };
    match value.as_i64() {
        Some(-1) => Ok(None),
        Some(number @ 1..=REPLICATION_FACTOR_MAX) => Ok(i16::try_from(number).ok()),
        _ => Err(wrong(format!(
            "replicationFactor: {value} is not a number of replicas"
        ))),
    }
}

fn compression(name: &str) -> Result<Compression, BenchError> {
    let named = <Compression as clap::ValueEnum>::from_str(name, false);
    named.map_err(|_| {
        wrong(format!(
            "compression.type: {name} is not none, gzip, snappy, lz4 or zstd"
        ))
    })
}

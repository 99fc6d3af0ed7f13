//! Workloads and Kafka drivers of the OpenMessaging Benchmark (OMB), read as they are.
//!
//! | OMB | here |
//! |---|---|
//! | `topics`, `partitionsPerTopic`, `messageSize` | topics, partitions, size |
//! | `producerRate` | rate; 0 is as fast as answers come |
//! | `producersPerTopic` | producers, times topics; each writes to all topics |
//! | `subscriptionsPerTopic` | consumer groups, each of one consumer |
//! | `keyDistributor` | keys: none, or 10,000 that are drawn evenly |
//! | `useRandomizedPayloads`, `randomBytesRatio` | random share; otherwise all is random |
//! | `consumerBacklogSizeGB` | backlog (of GiB, as OMB counts), and the time to write it |
//! | `testDurationMinutes`, `warmupDurationMinutes` | duration, warm-up |
//! | `replicationFactor`, `topicConfig` | replication factor, topic configs |
//! | `acks`, `compression.type` | acks, compression |
//! | `linger.ms`, `batch.size`, `max.in.flight.requests.per.connection` | batch records, window: [`ProducerConfig`] |
//! | `bootstrap.servers` | bootstrap |
//!
//! What has no counterpart is in notes; what would make another load is an error.

mod driver;
mod fields;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use self::driver::Driver;
use self::fields::Fields;
use super::keys::Keys;
use super::producer_config::ProducerConfig;
use super::quantity::{Rate, Size, Span};
use super::{Workload, text_of};
use crate::BenchError;

/// OMB draws keys from so many.
const KEYS: u32 = 10_000;
/// A year.
const MINUTES_MAX: u64 = 366 * 24 * 60;
/// No machine has so much.
const BACKLOG_GIB_MAX: u64 = 1 << 20;
/// Of what is a count or a rate; what a workload may have is checked by the workload.
const NUMBER_MAX: u64 = 1 << 40;

/// What two files say.
#[derive(Clone, Debug, PartialEq)]
pub struct Omb {
    /// The load.
    pub workload: Workload,
    /// What batches and window follow from, when flags change the rate.
    pub producer: ProducerConfig,
    /// `bootstrap.servers`.
    pub bootstrap: Option<String>,
    /// What has no counterpart, and what is done instead.
    pub notes: Vec<String>,
}

impl Omb {
    /// Reads the files.
    pub fn read(workload: &Path, driver: &Path) -> Result<Omb, BenchError> {
        let texts = (text_of(workload)?, text_of(driver)?);
        let omb = Omb::parse(&texts.0, &texts.1);
        omb.map_err(|error| BenchError::Workload {
            what: match error {
                BenchError::Workload { what } => {
                    format!("{}, {}: {what}", workload.display(), driver.display())
                }
                other => other.to_string(),
            },
        })
    }

    /// Understands their texts. As with a workload's own file, what comes of it is not checked yet: flags may say otherwise.
    pub fn parse(workload: &str, driver: &str) -> Result<Omb, BenchError> {
        let mut notes = Vec::new();
        let driver = Driver::parse(driver, &mut notes)?;
        let mut fields = Fields::parse(workload, "the workload")?;
        let mut workload = Workload {
            replication_factor: driver.replication_factor,
            topic_configs: driver.topic_configs,
            acks: driver.acks,
            compression: driver.compression,
            ..Workload::default()
        };
        workload.name = fields.text("name")?.unwrap_or_else(|| "omb".to_owned());
        shape(&mut fields, &mut workload, &mut notes)?;
        keys(&mut fields, &mut workload, &mut notes)?;
        payloads(&mut fields, &mut workload, &mut notes)?;
        consumers(&mut fields, &mut workload, &mut notes)?;
        times(&mut fields, &mut workload)?;
        backlog(&mut fields, &mut workload, &mut notes)?;
        refuse_other_loads(&mut fields)?;
        for name in fields.unknown() {
            notes.push(format!("{name}: not honoured, since it is not known here"));
        }
        driver.producer.apply(&mut workload);
        Ok(Omb {
            workload,
            producer: driver.producer,
            bootstrap: driver.bootstrap,
            notes,
        })
    }
}

fn wrong(what: impl Into<String>) -> BenchError {
    BenchError::Workload { what: what.into() }
}

/// How much, to how many.
fn shape(
    fields: &mut Fields,
    workload: &mut Workload,
    notes: &mut Vec<String>,
) -> Result<(), BenchError> {
    let topics = fields.needed("topics", NUMBER_MAX)?;
    let partitions = fields.needed("partitionsPerTopic", NUMBER_MAX)?;
    let producers = fields.needed("producersPerTopic", NUMBER_MAX)?;
    workload.topics = topics as usize;
    workload.partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    workload.producers = producers.saturating_mul(topics) as usize;
    workload.size = Size(fields.needed("messageSize", NUMBER_MAX)?);
    workload.rate = Rate(fields.number("producerRate", NUMBER_MAX)?.unwrap_or(0) as f64);
    if topics > 1 {
        notes.push(format!(
            "producersPerTopic: {producers} for each of {topics} topics are {} producers, each of which writes to all topics",
            workload.producers
        ));
    }
    if workload.rate == Rate(0.0) {
        notes.push(
            "producerRate: 0 is as fast as answers come; no rate is looked for that consumers keep up with".to_owned(),
        );
    }
    Ok(())
}

fn keys(
    fields: &mut Fields,
    workload: &mut Workload,
    notes: &mut Vec<String>,
) -> Result<(), BenchError> {
    let written = fields.text("keyDistributor")?;
    workload.keys = match written.as_deref() {
        None | Some("NO_KEY") => Keys::None,
        Some("RANDOM_NANO") => Keys::Uniform { count: KEYS },
        Some("KEY_ROUND_ROBIN") => {
            notes.push(format!(
                "keyDistributor: KEY_ROUND_ROBIN: each of {KEYS} keys is as likely, and they do not come in turn"
            ));
            Keys::Uniform { count: KEYS }
        }
        Some(other) => {
            return Err(wrong(format!(
                "keyDistributor: {other} is not NO_KEY, KEY_ROUND_ROBIN or RANDOM_NANO"
            )));
        }
    };
    Ok(())
}

/// What values are made of.
fn payloads(
    fields: &mut Fields,
    workload: &mut Workload,
    notes: &mut Vec<String>,
) -> Result<(), BenchError> {
    let is_random = fields.flag("useRandomizedPayloads")?.unwrap_or(false);
    let share = fields.share("randomBytesRatio")?;
    let pool = fields.number("randomizedPayloadPoolSize", NUMBER_MAX)?;
    let file = fields.text("payloadFile")?;
    workload.random_share = match is_random {
        true => share.unwrap_or(0.0),
        false => 1.0,
    };
    if pool.is_some() && is_random {
        notes.push(
            "randomizedPayloadPoolSize: not honoured: values are those of a few batches".to_owned(),
        );
    }
    match file {
        Some(_) if is_random => notes.push(
            "payloadFile: not honoured since useRandomizedPayloads is set, as with OMB".to_owned(),
        ),
        Some(_) => notes.push(
            "payloadFile: not read: values are random bytes, each of its own, which no codec makes smaller; --random-share says otherwise"
                .to_owned(),
        ),
        None => {}
    }
    Ok(())
}

fn consumers(
    fields: &mut Fields,
    workload: &mut Workload,
    notes: &mut Vec<String>,
) -> Result<(), BenchError> {
    let groups = fields.number("subscriptionsPerTopic", NUMBER_MAX)?;
    let consumers = fields.number("consumerPerSubscription", NUMBER_MAX)?;
    let (groups, consumers) = (groups.unwrap_or(0), consumers.unwrap_or(0));
    if groups > 0 && consumers == 0 {
        return Err(wrong(
            "subscriptionsPerTopic: there are subscriptions, and consumerPerSubscription is 0",
        ));
    }
    if groups == 0 && consumers > 0 {
        return Err(wrong(
            "consumerPerSubscription: there are consumers, and subscriptionsPerTopic is 0",
        ));
    }
    if consumers > 1 {
        notes.push(format!(
            "consumerPerSubscription: {consumers}: not honoured since a group is one consumer with a connection to each broker"
        ));
    }
    workload.consumer_groups = groups as usize;
    Ok(())
}

fn times(fields: &mut Fields, workload: &mut Workload) -> Result<(), BenchError> {
    let minutes = |minutes: u64| Span(Duration::from_secs(60 * minutes));
    let warm_up = fields.number("warmupDurationMinutes", MINUTES_MAX)?;
    // As OMB has it by default.
    workload.warm_up = minutes(warm_up.unwrap_or(1));
    match fields.number("testDurationMinutes", MINUTES_MAX)? {
        None | Some(0) => Err(wrong("testDurationMinutes: 0 is a run without an end")),
        Some(duration) => {
            workload.duration = minutes(duration);
            Ok(())
        }
    }
}

/// OMB counts what all subscriptions have before them, and measures for as long again when it is read.
fn backlog(
    fields: &mut Fields,
    workload: &mut Workload,
    notes: &mut Vec<String>,
) -> Result<(), BenchError> {
    let gib = fields.number("consumerBacklogSizeGB", BACKLOG_GIB_MAX)?;
    let drained = fields.share("backlogDrainRatio")?.unwrap_or(1.0);
    let Some(gib) = gib.filter(|gib| *gib > 0) else {
        return Ok(());
    };
    if workload.rate == Rate(0.0) {
        return Err(wrong(
            "consumerBacklogSizeGB: a backlog needs a producerRate, as with OMB",
        ));
    }
    let groups = (workload.consumer_groups as u64).max(1);
    workload.backlog = Size((gib << 30) / groups);
    let bytes_per_second = workload.rate.0 * workload.size.0.max(1) as f64;
    let seconds = workload.backlog.0 as f64 / bytes_per_second;
    if seconds > MINUTES_MAX as f64 * 60.0 {
        return Err(wrong(
            "consumerBacklogSizeGB: at this rate it takes more than a year to write",
        ));
    }
    workload.duration.0 += Duration::from_secs(seconds.ceil() as u64);
    notes.push(format!(
        "consumerBacklogSizeGB: {gib}: consumers begin when {} are written, and the run is longer by the {seconds:.0} s that this takes",
        workload.backlog
    ));
    if drained < 1.0 {
        notes.push(format!(
            "backlogDrainRatio: {drained}: not honoured: a run ends when all is read"
        ));
    }
    Ok(())
}

/// Fields of OMB's variants that make another load.
fn refuse_other_loads(fields: &mut Fields) -> Result<(), BenchError> {
    if fields
        .number("producerIncrementRate", NUMBER_MAX)?
        .unwrap_or(0)
        > 0
    {
        return Err(wrong(
            "producerIncrementRate: a rate does not grow within a run; --sweep rate=... has a run for each",
        ));
    }
    match fields.take("messageSizeDistribution") {
        Some(_) => Err(wrong(
            "messageSizeDistribution: all values of a run have the same size",
        )),
        None => Ok(()),
    }
}

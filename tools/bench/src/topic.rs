//! The topic that is written to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::{ClientError, Connection, OffsetSpec, Topic};
use protocol::messages::ApiKey;

use crate::BenchError;

const SILENCE_MAX: Duration = Duration::from_secs(60);
const CREATION_MAX: Duration = Duration::from_secs(30);
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);

/// Apache Kafka writes at most 10,000 records of metadata for a request.
const PARTITIONS_PER_REQUEST_MAX: i32 = 5_000;

/// Creates a topic, and waits until the leaders of its partitions know that they are.
pub fn create(
    bootstrap: &str,
    name: &str,
    partitions: i32,
    configs: &[(String, String)],
) -> Result<Topic, BenchError> {
    let mut connection = connect(bootstrap)?;
    let mut created = partitions.min(PARTITIONS_PER_REQUEST_MAX);
    connection.create_topic_with(name, created, configs)?;
    while created < partitions {
        created = partitions.min(created + PARTITIONS_PER_REQUEST_MAX);
        connection.create_partitions(name, created)?;
    }
    let deadline = Instant::now() + CREATION_MAX;
    loop {
        match usable(&mut connection, name) {
            Ok(topic) if topic.partitions == partitions => return Ok(topic),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            // The protocol has no event for it.
            _ => std::thread::sleep(LOOK_UP_INTERVAL),
        }
    }
}

/// Sets one of a topic's settings.
pub fn set_config(bootstrap: &str, topic: &str, name: &str, value: &str) -> Result<(), BenchError> {
    Ok(connect(bootstrap)?.set_topic_config(topic, name, value)?)
}

/// Deletes a topic, so that the disk does not fill up from run to run.
pub fn delete(bootstrap: &str, name: &str) -> Result<(), BenchError> {
    Ok(connect(bootstrap)?.delete_topic(name)?)
}

/// Which partitions of a topic each broker leads, by the broker's address.
pub type Leaders = BTreeMap<String, Vec<i32>>;

/// Asks who leads a topic's partitions.
pub fn leaders(bootstrap: &str, name: &str) -> Result<Leaders, BenchError> {
    Ok(leaders_known_to(&mut connect(bootstrap)?, name)?)
}

fn leaders_known_to(connection: &mut Connection, name: &str) -> Result<Leaders, ClientError> {
    let metadata = connection.metadata(Some(&[name]))?;
    let mut leaders = Leaders::new();
    for partition in metadata.topics.iter().flat_map(|topic| &topic.partitions) {
        let mut brokers = metadata.brokers.iter();
        // Those that nobody leads yet are left out: they are missed.
        if let Some(leader) = brokers.find(|it| Some(it.id) == partition.leader) {
            let led = leaders.entry(leader.address.clone()).or_default();
            led.push(partition.partition);
        }
    }
    Ok(leaders)
}

fn usable(connection: &mut Connection, name: &str) -> Result<Topic, ClientError> {
    let topic = connection.topic(name)?;
    for (address, partitions) in leaders_known_to(connection, name)? {
        let mut leader = Connection::connect(&address, "holdfast-bench", SILENCE_MAX)?;
        for partition in partitions {
            leader.list_offset(&topic, partition, OffsetSpec::Latest)?;
        }
    }
    Ok(topic)
}

/// The version of an API to speak with a broker, at most `max`.
pub(crate) fn version(bootstrap: &str, api: ApiKey, max: i16) -> Result<i16, BenchError> {
    Ok(connect(bootstrap)?.version(api)?.min(max))
}

fn connect(bootstrap: &str) -> Result<Connection, BenchError> {
    let first = bootstrap.split(',').next().unwrap_or(bootstrap);
    Ok(Connection::connect(first, "holdfast-bench", SILENCE_MAX)?)
}

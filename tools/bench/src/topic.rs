//! The topic that is written to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::{ClientError, Connection, OffsetSpec, Topic};
use protocol::ErrorCode;
use protocol::messages::ApiKey;

use crate::BenchError;

const SILENCE_MAX: Duration = Duration::from_secs(60);
const CREATION_MAX: Duration = Duration::from_secs(30);
/// And so much more for each partition: Apache Kafka makes three files and a directory for it.
const CREATION_MAX_PER_PARTITION: Duration = Duration::from_millis(10);
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
    begin(bootstrap, name, partitions, None, configs)?.finish(name, partitions)
}

/// A topic that is there, with some of its partitions.
struct Begun {
    connection: Connection,
    created: i32,
}

fn begin(
    bootstrap: &str,
    name: &str,
    partitions: i32,
    replication_factor: Option<i16>,
    configs: &[(String, String)],
) -> Result<Begun, BenchError> {
    let mut connection = connect(bootstrap)?;
    let created = partitions.min(PARTITIONS_PER_REQUEST_MAX);
    connection.create_replicated_topic(name, created, replication_factor, configs)?;
    Ok(Begun {
        connection,
        created,
    })
}

impl Begun {
    fn finish(mut self, name: &str, partitions: i32) -> Result<Topic, BenchError> {
        let connection = &mut self.connection;
        while self.created < partitions {
            self.created = partitions.min(self.created + PARTITIONS_PER_REQUEST_MAX);
            connection.create_partitions(name, self.created)?;
        }
        let all = CREATION_MAX_PER_PARTITION * u32::try_from(partitions).unwrap_or_default();
        let deadline = Instant::now() + CREATION_MAX + all;
        loop {
            match usable(connection, name) {
                Ok(topic) if topic.partitions == partitions => return Ok(topic),
                Err(error) if Instant::now() >= deadline => return Err(error.into()),
                // The protocol has no event for it.
                _ => std::thread::sleep(LOOK_UP_INTERVAL),
            }
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

/// A topic that is there and is written to as it is; made, to stay, if it is not there.
pub fn existing(bootstrap: &str, name: &str, partitions: i32) -> Result<Topic, BenchError> {
    let known = connect(bootstrap)?.topic(name);
    match known {
        Ok(topic) if topic.partitions == partitions => Ok(topic),
        Ok(topic) => Err(BenchError::OtherShape {
            name: name.to_owned(),
            found: topic.partitions,
            wanted: partitions,
        }),
        Err(ClientError::Refused {
            code: ErrorCode::UnknownTopicOrPartition,
            ..
        }) => create(bootstrap, name, partitions, &[]),
        Err(error) => Err(error.into()),
    }
}

/// Topics of a run, which are deleted when it is over, however it ends.
#[derive(Debug)]
pub struct TemporaryTopics {
    bootstrap: String,
    names: Vec<String>,
}

impl TemporaryTopics {
    /// None yet.
    pub fn new(bootstrap: &str) -> TemporaryTopics {
        TemporaryTopics {
            bootstrap: bootstrap.to_owned(),
            names: Vec::new(),
        }
    }

    /// One more. A topic that was there before is an error, and stays.
    pub fn create(
        &mut self,
        name: &str,
        partitions: i32,
        replication_factor: Option<i16>,
        configs: &[(String, String)],
    ) -> Result<Topic, BenchError> {
        let made = begin(
            &self.bootstrap,
            name,
            partitions,
            replication_factor,
            configs,
        )?;
        self.names.push(name.to_owned());
        made.finish(name, partitions)
    }
}

impl Drop for TemporaryTopics {
    fn drop(&mut self) {
        for name in &self.names {
            if let Err(error) = delete(&self.bootstrap, name) {
                eprintln!("holdfast-bench: topic {name} is left: {error}");
            }
        }
    }
}

/// Where the partitions of a topic end.
pub fn ends(bootstrap: &str, topic: &Topic) -> Result<BTreeMap<i32, i64>, BenchError> {
    let mut ends = BTreeMap::new();
    for (address, partitions) in leaders(bootstrap, &topic.name)? {
        let mut leader = Connection::connect(&address, "holdfast-bench", SILENCE_MAX)?;
        for partition in partitions {
            let end = leader.list_offset(topic, partition, OffsetSpec::Latest)?;
            ends.insert(partition, end.get());
        }
    }
    Ok(ends)
}

/// Which partitions of a topic each broker leads, by the broker's address.
pub type Leaders = BTreeMap<String, Vec<i32>>;

/// Asks who leads a topic's partitions.
pub fn leaders(bootstrap: &str, name: &str) -> Result<Leaders, BenchError> {
    Ok(leaders_known_to(&mut connect(bootstrap)?, name)?)
}

/// The id of the broker that leads a topic's first partition.
pub(crate) fn first_leader(bootstrap: &str, name: &str) -> Result<i32, BenchError> {
    let metadata = connect(bootstrap)?.metadata(Some(&[name]))?;
    let mut partitions = metadata.topics.iter().flat_map(|it| &it.partitions);
    let leader = partitions.find_map(|it| it.leader.filter(|_| it.partition == 0));
    leader.ok_or(BenchError::Unexpected("the first partition has no leader"))
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

/// To the first of the addresses that takes a connection and answers.
fn connect(bootstrap: &str) -> Result<Connection, BenchError> {
    let mut outcome = Err(BenchError::Unexpected("no address is given"));
    for address in bootstrap
        .split(',')
        .map(str::trim)
        .filter(|it| !it.is_empty())
    {
        outcome = Connection::connect(address, "holdfast-bench", SILENCE_MAX).map_err(|source| {
            BenchError::Reach {
                address: address.to_owned(),
                source,
            }
        });
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

//! Topics: what there is, and what it is like.

use std::{collections::BTreeMap, time::Duration};

use client::{ClientError, ConfigResource, Connection, TopicMetadata};
use protocol::ErrorCode;
use serde::Serialize;

use crate::{CtlError, Seeds, log_ends::LogEnds};

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Brokers that are about to change who leads say so for a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: usize,
    /// How many replicas each has; those of the first, where they differ.
    pub replicas: usize,
    /// Whether it is the brokers' own.
    pub is_internal: bool,
}

/// All about a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Whether it is the brokers' own.
    pub is_internal: bool,
    /// The settings that it has of its own.
    pub config: BTreeMap<String, String>,
    /// Its partitions, by number.
    pub partitions: Vec<DescribedPartition>,
}

/// All about a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DescribedPartition {
    /// Its number.
    pub partition: i32,
    /// Who leads it.
    pub leader: Option<i32>,
    /// Who has it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Who is in sync.
    pub isr: Vec<i32>,
    /// The offset of the first record that is kept, and the end of what can be read. `None`: nobody leads it, or its leader does not answer.
    pub offsets: Option<(i64, i64)>,
}

/// What topics there are, by name; the brokers' own only if they are asked for.
pub fn list(seeds: &Seeds, with_internal: bool) -> Result<Vec<Listed>, CtlError> {
    let (_, metadata) = seeds.ask(SILENCE_MAX, |it| it.metadata(None))?;
    let mut topics: Vec<Listed> = metadata
        .topics
        .iter()
        .filter(|it| with_internal || !it.is_internal)
        .map(|it| Listed {
            name: it.name.clone(),
            partitions: it.partitions.len(),
            replicas: it.partitions.first().map_or(0, |it| it.replicas.len()),
            is_internal: it.is_internal,
        })
        .collect();
    topics.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(topics)
}

/// All about some topics, in the order they were asked for.
pub fn describe(seeds: &Seeds, names: &[String]) -> Result<Vec<Described>, CtlError> {
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut connection, metadata) = seeds.ask(SILENCE_MAX, |it| it.metadata(Some(&asked)))?;
    let mut ends = LogEnds::new(&metadata);
    let mut described = Vec::new();
    for name in names {
        let topic = metadata.topics.iter().find(|it| it.name == *name);
        let topic = topic.ok_or_else(|| no_topic(name))?;
        if topic.error == ErrorCode::UnknownTopicOrPartition {
            return Err(no_topic(name));
        }
        described.push(Described {
            name: name.clone(),
            id: topic.id.to_string(),
            is_internal: topic.is_internal,
            config: own_config(&mut connection, name)?,
            partitions: partitions(topic, &mut ends),
        });
    }
    Ok(described)
}

fn no_topic(name: &str) -> CtlError {
    CtlError::Refused(format!("there is no topic {name}"))
}

pub(crate) fn own_config(
    connection: &mut Connection,
    topic: &str,
) -> Result<BTreeMap<String, String>, ClientError> {
    let all = connection.describe_configs(&ConfigResource::Topic(topic.to_owned()))?;
    let own = all.into_iter().filter(|it| it.is_own);
    Ok(own.filter_map(|it| Some((it.name, it.value?))).collect())
}

fn partitions(topic: &TopicMetadata, ends: &mut LogEnds) -> Vec<DescribedPartition> {
    let mut partitions: Vec<DescribedPartition> = topic
        .partitions
        .iter()
        .map(|it| DescribedPartition {
            partition: it.partition,
            leader: it.leader,
            replicas: it.replicas.clone(),
            isr: it.isr.clone(),
            offsets: ends.of(topic, it),
        })
        .collect();
    partitions.sort_by_key(|it| it.partition);
    partitions
}

/// Makes a topic. Without a number of partitions or replicas it is made as the cluster makes topics.
pub fn create(
    seeds: &Seeds,
    name: &str,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    config: &[(String, String)],
) -> Result<(), CtlError> {
    let partitions = partitions.unwrap_or(-1);
    seeds.ask_patiently(SILENCE_MAX, PATIENCE, |it| {
        it.create_replicated_topic(name, partitions, replication_factor, config)
    })
}

/// Deletes topics, with all that is in them.
pub fn delete(seeds: &Seeds, names: &[String]) -> Result<(), CtlError> {
    for name in names {
        let deleted = seeds.ask_patiently(SILENCE_MAX, PATIENCE, |it| it.delete_topic(name));
        match deleted {
            Err(CtlError::Client(ClientError::Refused {
                code: ErrorCode::UnknownTopicOrPartition,
                ..
            })) => return Err(no_topic(name)),
            other => other?,
        }
    }
    Ok(())
}

/// Gives a topic more partitions, so many in all. Where a key goes changes with it.
pub fn add_partitions(seeds: &Seeds, name: &str, count: i32) -> Result<(), CtlError> {
    seeds.ask_patiently(SILENCE_MAX, PATIENCE, |it| {
        it.create_partitions(name, count)
    })
}

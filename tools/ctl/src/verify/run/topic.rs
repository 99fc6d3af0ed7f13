//! The topic that is written to.

use std::{
    thread,
    time::{Duration, Instant},
};

use client::{ClientError, Connection, OffsetSpec, Topic};
use protocol::ErrorCode;

use super::VerifyConfig;
use crate::{
    CtlError,
    leaders::Leaders,
    seeds::{CLIENT_ID, Seeds},
    verify::{PARTITIONS_MAX, history::OFFSET_MAX},
};

pub(super) const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long brokers may say that they cannot yet.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The topic, and whether it was made for this.
pub(super) struct Chosen {
    pub topic: Topic,
    pub is_ours: bool,
}

/// Finds or makes the topic, and waits until every partition has a leader.
pub(super) fn choose(config: &VerifyConfig, fresh_name: &str) -> Result<Chosen, CtlError> {
    let name = config.topic.as_deref().unwrap_or(fresh_name);
    let mut connection = config.seeds.connect(SILENCE_MAX)?;
    let is_ours = match connection.topic(name) {
        Ok(_) => false,
        Err(ClientError::Refused {
            code: ErrorCode::UnknownTopicOrPartition,
            ..
        }) => {
            create(config, name)?;
            true
        }
        // It is there, and nobody leads some of it yet.
        Err(error) if error.is_retriable() => false,
        Err(error) => return Err(error.into()),
    };
    let topic = wait_usable(&config.seeds, name)?;
    if !is_ours {
        refuse_compacted(&mut connection, name)?;
    }
    if topic.partitions > PARTITIONS_MAX {
        return Err(CtlError::Refused(format!(
            "the topic {name} has {} partitions, and at most {PARTITIONS_MAX} are written to: choose another one",
            topic.partitions
        )));
    }
    Ok(Chosen { topic, is_ours })
}

/// Nothing may be deleted while it is checked that nothing is lost.
fn create(config: &VerifyConfig, name: &str) -> Result<(), CtlError> {
    let configs = [
        ("cleanup.policy", "delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
    ];
    let configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (partitions, factor) = (config.partitions, config.replication_factor);
    let seeds = &config.seeds;
    seeds.ask_patiently(SILENCE_MAX, PATIENCE, |connection| {
        match connection.create_replicated_topic(name, partitions, factor, &configs) {
            // The broker before, of which no answer came, has made it.
            Err(ClientError::Refused {
                code: ErrorCode::TopicAlreadyExists,
                ..
            }) => Ok(()),
            created => created,
        }
    })
}

fn refuse_compacted(connection: &mut Connection, name: &str) -> Result<(), CtlError> {
    let policies = connection.topic_config(&[name], "cleanup.policy")?;
    match policies.get(name) {
        Some(policy) if policy.contains("compact") => Err(CtlError::Refused(format!(
            "the topic {name} is compacted: records go that somebody acknowledged; choose one with cleanup.policy=delete"
        ))),
        _ => Ok(()),
    }
}

/// The protocol has no event for it: a topic is looked at until it is whole.
fn wait_usable(seeds: &Seeds, name: &str) -> Result<Topic, CtlError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let looked = seeds.ask(SILENCE_MAX, |it| it.topic(name));
        match looked {
            Ok((_, topic)) if topic.partitions > 0 => return Ok(topic),
            Err(error) if Instant::now() >= deadline => {
                return Err(CtlError::Refused(format!(
                    "the topic {name} has no leaders after {PATIENCE:?}: {error}"
                )));
            }
            _ => thread::sleep(LOOK_INTERVAL),
        }
    }
}

/// The end of what may be read of a partition, as its leader knows it, once that is at least `least`; or at the deadline,
/// whatever was answered last.
///
/// A new leader says that it does not know yet (`OFFSET_NOT_AVAILABLE`, KIP-207), or an older end, and is asked again.
pub(super) fn end_of(
    leaders: &Leaders,
    topic: &Topic,
    partition: i32,
    least: i64,
    deadline: Instant,
) -> Result<i64, String> {
    loop {
        let (generation, leader) = leaders.of(partition);
        let end = leader.ok_or_else(|| "nobody leads it".to_owned());
        let end = end.and_then(|leader| {
            let connection = Connection::connect(&leader.address, CLIENT_ID, SILENCE_MAX);
            let end =
                connection.and_then(|mut it| it.list_offset(topic, partition, OffsetSpec::Latest));
            end.map_err(|error| error.to_string())
        });
        match end {
            Ok(end) if end.get() >= least => return Ok(end.get().min(OFFSET_MAX)),
            end if Instant::now() >= deadline => return end.map(|end| end.get()),
            _ => {
                thread::sleep(LOOK_INTERVAL);
                // Who cannot be asked now is asked again.
                let _ = leaders.refresh(generation);
            }
        }
    }
}

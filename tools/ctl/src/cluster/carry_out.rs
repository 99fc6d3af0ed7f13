//! Moves replicas, some partitions at a time, and waits until they have.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use client::{ClientError, ConfigChanges, ConfigResource, Connection, Reassignment};

use super::{facts::Facts, moves::Move};
use crate::{CtlError, Seeds, seeds::CLIENT_ID};

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Brokers that are about to change who leads say so for a moment.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many partitions move at a time.
const AT_ONCE: usize = 200;
/// Between two looks at how many there still are. Kafka has no way to be told.
const LOOK: Duration = Duration::from_millis(500);

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// Moves them. `throttle` is in bytes a second, for each broker; what is moved only counts towards it. `told` hears how many partitions are to go. Done means: all replicas are in sync where they
/// are to be, and nothing is left of the throttle.
pub fn carry_out(
    seeds: &Seeds,
    facts: &Facts,
    moves: &[Move],
    throttle: Option<u64>,
    told: &dyn Fn(usize),
) -> Result<(), CtlError> {
    let mut left = moves.len();
    for moves in moves.chunks(AT_ONCE) {
        told(left);
        if let Some(rate) = throttle {
            set_throttle(seeds, facts, moves, Some(rate))?;
        }
        let moved = move_all(seeds, moves, &|moving| told(left - moves.len() + moving));
        if throttle.is_some() {
            set_throttle(seeds, facts, moves, None)?;
        }
        moved?;
        left -= moves.len();
    }
    told(left);
    Ok(())
}

fn move_all(seeds: &Seeds, moves: &[Move], told: &dyn Fn(usize)) -> Result<(), CtlError> {
    seeds.ask_patiently(SILENCE_MAX, PATIENCE, |connection| {
        connection.reassign_all(moves.iter().map(|it| {
            let partition = &it.partition;
            (
                partition.topic.as_str(),
                partition.partition,
                it.to.as_slice(),
            )
        }))
    })?;
    let ours: BTreeSet<(&str, i32)> = moves
        .iter()
        .map(|it| (it.partition.topic.as_str(), it.partition.partition))
        .collect();
    loop {
        let moving = seeds.ask_patiently(SILENCE_MAX, PATIENCE, Connection::reassigning)?;
        let is_ours = |it: &&Reassignment| ours.contains(&(it.topic.as_str(), it.partition));
        match moving.iter().filter(is_ours).count() {
            0 => return Ok(()),
            count => told(count),
        }
        thread::sleep(LOOK);
    }
}

/// As Kafka's `kafka-reassign-partitions --throttle` does it: those that have a partition are throttled as leaders, and those that are to have it as followers.
fn set_throttle(
    seeds: &Seeds,
    facts: &Facts,
    moves: &[Move],
    rate: Option<u64>,
) -> Result<(), CtlError> {
    let mut topics: BTreeMap<&str, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for it in moves {
        let (leaders, followers) = topics.entry(&it.partition.topic).or_default();
        let replica = |id: &i32| format!("{}:{id}", it.partition.partition);
        leaders.extend(it.from.iter().map(replica));
        let new = it.to.iter().filter(|id| !it.from.contains(id));
        followers.extend(new.map(replica));
    }
    let value = |list: &[String]| rate.map(|_| list.join(","));
    let changes: BTreeMap<ConfigResource, ConfigChanges> = topics
        .iter()
        .map(|(topic, (leaders, followers))| {
            let changes = BTreeMap::from([
                (LEADER_REPLICAS.to_owned(), value(leaders)),
                (FOLLOWER_REPLICAS.to_owned(), value(followers)),
            ]);
            (ConfigResource::Topic((*topic).to_owned()), changes)
        })
        .collect();
    let rates: ConfigChanges = [LEADER_RATE, FOLLOWER_RATE]
        .map(|name| (name.to_owned(), rate.map(|rate| rate.to_string())))
        .into();
    // The limit comes before what is limited, and goes after it.
    if rate.is_some() {
        set_rates(facts, &rates)?;
    }
    seeds.ask_patiently(SILENCE_MAX, PATIENCE, |it| it.alter_configs(&changes))?;
    if rate.is_none() {
        set_rates(facts, &rates)?;
    }
    Ok(())
}

/// Kafka takes the settings of a broker from that broker only.
fn set_rates(facts: &Facts, rates: &ConfigChanges) -> Result<(), ClientError> {
    for broker in facts.brokers.iter().filter(|it| it.is_up()) {
        let change = BTreeMap::from([(ConfigResource::Broker(broker.id), rates.clone())]);
        Connection::connect(&broker.address, CLIENT_ID, SILENCE_MAX)?.alter_configs(&change)?;
    }
    Ok(())
}

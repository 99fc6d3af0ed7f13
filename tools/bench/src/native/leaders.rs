//! Who leads what, and which connections that makes.

use std::collections::BTreeMap;

use client::Topic;

use super::batches::{Batches, Request};
use super::end_to_end::At;
use crate::workload::Workload;
use crate::{BenchError, topic};

/// What one broker leads.
pub(crate) struct Leader {
    pub(crate) address: String,
    pub(crate) partitions: Vec<At>,
    /// One for each partition that is sent to.
    requests: Vec<Request>,
    /// The part of all requests up to each of these; empty if they are sent as much as each other.
    shares: Vec<f64>,
    /// The part of all requests that it gets.
    share: f64,
}

/// A connection that sends.
#[derive(Clone, Copy)]
pub(crate) struct Connection<'a> {
    pub(crate) address: &'a str,
    pub(crate) requests: &'a [Request],
    pub(crate) shares: &'a [f64],
    /// Its number among those to the same broker.
    pub(crate) round: usize,
    pub(crate) share: f64,
}

/// Which partitions each broker leads, by its address.
pub(crate) fn partitions_by_leader(
    bootstrap: &str,
    topics: &[Topic],
) -> Result<BTreeMap<String, Vec<At>>, BenchError> {
    let mut leaders: BTreeMap<String, Vec<At>> = BTreeMap::new();
    for (at, topic) in topics.iter().enumerate() {
        for (address, partitions) in topic::leaders(bootstrap, &topic.name)? {
            let led = leaders.entry(address).or_default();
            led.extend(partitions.into_iter().map(|partition| (at, partition)));
        }
    }
    Ok(leaders)
}

/// The leaders of all topics' partitions, with what is sent to them.
pub(crate) fn leaders(
    bootstrap: &str,
    topics: &[Topic],
    workload: &Workload,
    version: i16,
) -> Result<Vec<Leader>, BenchError> {
    let batches = Batches::build(workload)?;
    let leaders = partitions_by_leader(bootstrap, topics)?.into_iter();
    let leaders = leaders.map(|(address, partitions)| {
        let mut leader = Leader {
            address,
            partitions: Vec::new(),
            requests: Vec::new(),
            shares: Vec::new(),
            share: 0.0,
        };
        for (at, partition) in partitions {
            let topic = &topics[at];
            leader.partitions.push((at, partition));
            let share = batches.share(partition, topic.partitions) / topics.len() as f64;
            if share == 0.0 {
                continue;
            }
            let request = batches.request((at, topic), partition, workload, version)?;
            leader.requests.push(request);
            leader.share += share;
            if !batches.are_even() {
                leader.shares.push(leader.share);
            }
        }
        Ok(leader)
    });
    leaders.collect()
}

/// The connections of so many producers: each has one to every broker that is sent to.
pub(crate) fn connections(leaders: &[Leader], producers: usize) -> Vec<Connection<'_>> {
    let sent_to = leaders.iter().filter(|leader| !leader.requests.is_empty());
    let connections = sent_to.flat_map(|leader| {
        (0..producers).map(|round| Connection {
            address: &leader.address,
            requests: &leader.requests,
            shares: &leader.shares,
            round,
            share: leader.share / producers as f64,
        })
    });
    connections.collect()
}

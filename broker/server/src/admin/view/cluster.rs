//! The cluster, as this broker knows it.

use std::collections::BTreeMap;

use broker_controller::image::BrokerRegistration;
use protocol::model::BrokerId;
use serde::Serialize;

use super::health::{Health, MinInsyncReplicas};
use crate::broker::{Broker, is_private};
use crate::replication::INTERNAL;

/// Brokers that are shown.
const BROKERS_MAX: usize = 500;

#[derive(Debug, Serialize)]
pub(super) struct Cluster {
    id: String,
    /// The broker whose voter leads; none is known while there is an election.
    controller: Option<BrokerId>,
    topics: usize,
    partitions: usize,
    health: Health,
    /// How many brokers are registered.
    broker_count: usize,
    brokers: Vec<BrokerRow>,
}

#[derive(Debug, Serialize)]
struct BrokerRow {
    id: BrokerId,
    rack: Option<String>,
    /// Where clients reach it, one address for each listener.
    addresses: Vec<String>,
    fenced: bool,
    /// It has a data directory that refuses produce requests for want of space.
    short_of_space: bool,
    leaders: usize,
    replicas: usize,
    /// How many of its replicas are in sync.
    in_sync: usize,
}

/// What a broker has.
#[derive(Clone, Copy, Default)]
struct Held {
    leaders: usize,
    replicas: usize,
    in_sync: usize,
}

pub(super) fn cluster(broker: &Broker) -> Cluster {
    let image = broker.metadata.image();
    let min_insync_replicas = MinInsyncReplicas::on(broker);
    let (mut topics, mut partitions) = (0, 0);
    let mut health = Health::default();
    let mut held: BTreeMap<BrokerId, Held> = BTreeMap::new();
    for topic in image.topics().filter(|it| !is_private(it.name())) {
        topics += 1;
        partitions += topic.partition_count();
        let min = min_insync_replicas.of(&image, topic.name());
        health.add(Health::of(topic, min));
        for (_, state) in topic.partitions() {
            if let Some(leader) = state.leader {
                held.entry(leader).or_default().leaders += 1;
            }
            for id in state.replica_brokers() {
                held.entry(id).or_default().replicas += 1;
            }
            for id in &state.isr {
                held.entry(*id).or_default().in_sync += 1;
            }
        }
    }
    let brokers = image.brokers().take(BROKERS_MAX);
    let rows = brokers.map(|it| row(it, held.get(&it.broker_id).copied().unwrap_or_default()));
    let leader = broker.metadata.quorum().leader();
    Cluster {
        id: broker.cluster_id.clone(),
        controller: leader.map(|(_, voter)| voter.broker_id),
        topics,
        partitions,
        health,
        broker_count: image.broker_count(),
        brokers: rows.collect(),
    }
}

fn row(registration: &BrokerRegistration, held: Held) -> BrokerRow {
    let listeners = registration.listeners.iter();
    let listeners = listeners.filter(|it| it.name != INTERNAL);
    let addresses = listeners.map(|it| crate::config::host_port(&it.host, it.port));
    BrokerRow {
        id: registration.broker_id,
        rack: registration.rack.clone(),
        addresses: addresses.collect(),
        fenced: registration.fenced,
        short_of_space: !registration.short_of_space.is_empty(),
        leaders: held.leaders,
        replicas: held.replicas,
        in_sync: held.in_sync,
    }
}

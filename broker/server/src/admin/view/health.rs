//! What is not as it should be with partitions, in the words of `holdfast-ctl cluster status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_controller::image::{PartitionImage, TopicImage};
use broker_controller::{ConfigValidator, MetadataImage};
use protocol::model::BrokerId;
use serde::Serialize;

use crate::api::configs::ConfigTables;
use crate::broker::Broker;

/// How many partitions are not as they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Health {
    no_leader: usize,
    under_min_isr: usize,
    under_replicated: usize,
    /// They move to other brokers, which is no fault.
    reassigning: usize,
}

impl Health {
    pub(super) fn of(topic: &TopicImage, min_insync_replicas: usize) -> Health {
        let mut health = Health::default();
        for (_, state) in topic.partitions() {
            health.no_leader += usize::from(state.leader.is_none());
            health.under_min_isr += usize::from(is_under_min_isr(state, min_insync_replicas));
            health.under_replicated += usize::from(is_under_replicated(state));
            health.reassigning += usize::from(state.is_reassigning());
        }
        health
    }

    pub(super) fn add(&mut self, other: Health) {
        self.no_leader += other.no_leader;
        self.under_min_isr += other.under_min_isr;
        self.under_replicated += other.under_replicated;
        self.reassigning += other.reassigning;
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.no_leader + self.under_min_isr + self.under_replicated == 0
    }
}

/// All that is to be said of a partition.
pub(super) fn conditions(
    image: &MetadataImage,
    state: &PartitionImage,
    min_insync_replicas: usize,
) -> Vec<&'static str> {
    let is_offline = |id: BrokerId| !image.can_lead(id, state);
    let conditions = [
        ("no-leader", state.leader.is_none()),
        (
            "under-min-isr",
            is_under_min_isr(state, min_insync_replicas),
        ),
        ("offline-replica", state.replica_brokers().any(is_offline)),
        ("under-replicated", is_under_replicated(state)),
        ("reassigning", state.is_reassigning()),
    ];
    let met = conditions.into_iter().filter(|(_, is_met)| *is_met);
    met.map(|(condition, _)| condition).collect()
}

fn is_under_min_isr(state: &PartitionImage, min_insync_replicas: usize) -> bool {
    state.isr.len() < state.enough_in_sync(min_insync_replicas)
}

/// Replicas that are only on their way to a broker do not count.
fn is_under_replicated(state: &PartitionImage) -> bool {
    let mut replicas = state.replica_brokers();
    replicas.any(|id| !state.isr.contains(&id) && !state.adding.contains(&id))
}

/// `min.insync.replicas` of topics.
pub(super) struct MinInsyncReplicas {
    tables: ConfigTables,
    nothing_set: BTreeMap<String, String>,
}

impl MinInsyncReplicas {
    pub(super) fn on(broker: &Broker) -> MinInsyncReplicas {
        MinInsyncReplicas {
            tables: ConfigTables::new(Arc::clone(&broker.settings)),
            nothing_set: BTreeMap::new(),
        }
    }

    pub(super) fn of(&self, image: &MetadataImage, topic: &str) -> usize {
        let set = image.topic_configs(topic);
        let set = set.map_or(&self.nothing_set, |set| &**set);
        self.tables.topic_rules(set).min_insync_replicas
    }
}

#[cfg(test)]
mod tests;

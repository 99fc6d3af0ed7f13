//! The cluster's metadata at one moment, immutable.
//!
//! An image shares all it can with the one before it: its maps are persistent trees, so that one more topic among
//! 10,000 copies a dozen nodes. Cloning one is a few reference counts. Readers hold an image as long as they like.

mod apply;
mod between;
mod broker;
mod delta;
mod invariants;
mod snapshot;
mod topic;

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::model::{BrokerEpoch, BrokerId, PartitionIndex, ProducerId, TopicId};
use rpds::RedBlackTreeMapSync;

pub use self::broker::{BrokerLoad, BrokerRegistration};
pub use self::delta::{Applied, DeletedTopic, MetadataDelta};
pub use self::topic::{PartitionImage, TopicImage};
use crate::record::Listener;
use crate::{ClusterId, ConfigResource, DirectoryId, ResourceType, topic_name};

type Map<K, V> = RedBlackTreeMapSync<K, V>;

/// All metadata of the cluster. [`MetadataImage::default`] is that of a cluster that does not exist yet.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataImage {
    cluster_id: Option<ClusterId>,
    brokers: Map<BrokerId, Arc<BrokerRegistration>>,
    /// The greatest broker epoch given out.
    broker_epoch_max: Option<BrokerEpoch>,
    loads: Map<BrokerId, BrokerLoad>,
    /// How many replicas are in each directory.
    directory_loads: Map<DirectoryId, usize>,
    topics: Map<TopicId, Arc<TopicImage>>,
    topic_ids: Map<Arc<str>, TopicId>,
    /// Topics by the name metrics know, where that says more than the name (see `topic_name::unified`).
    unified_names: Map<Arc<str>, Arc<str>>,
    partition_count: usize,
    configs: Map<ConfigResource, Arc<BTreeMap<String, String>>>,
    features: Map<Arc<str>, i16>,
    next_producer_id: i64,
}

impl Default for MetadataImage {
    fn default() -> Self {
        MetadataImage {
            cluster_id: None,
            brokers: Map::new_sync(),
            broker_epoch_max: None,
            loads: Map::new_sync(),
            directory_loads: Map::new_sync(),
            topics: Map::new_sync(),
            topic_ids: Map::new_sync(),
            unified_names: Map::new_sync(),
            partition_count: 0,
            configs: Map::new_sync(),
            features: Map::new_sync(),
            next_producer_id: 0,
        }
    }
}

impl MetadataImage {
    /// The cluster's id, once there is a cluster.
    pub fn cluster_id(&self) -> Option<ClusterId> {
        self.cluster_id
    }

    /// All registered brokers by id, fenced ones too.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.brokers.values()
    }

    /// One broker.
    pub fn broker(&self, id: BrokerId) -> Option<&Arc<BrokerRegistration>> {
        self.brokers.get(&id)
    }

    /// How many brokers are registered.
    pub fn broker_count(&self) -> usize {
        self.brokers.size()
    }

    /// Where a broker that may serve clients is reached by a listener's name.
    pub fn endpoint(&self, id: BrokerId, listener: &str) -> Option<&Listener> {
        let broker = self.brokers.get(&id).filter(|broker| !broker.fenced)?;
        broker.listeners.iter().find(|it| it.name == listener)
    }

    /// How many replicas a broker holds.
    pub fn load(&self, id: BrokerId) -> BrokerLoad {
        self.loads.get(&id).copied().unwrap_or_default()
    }

    /// How many replicas a data directory holds, wherever it is.
    pub fn directory_load(&self, id: DirectoryId) -> usize {
        self.directory_loads.get(&id).copied().unwrap_or_default()
    }

    /// The epoch the next registration gets.
    pub fn next_broker_epoch(&self) -> BrokerEpoch {
        self.broker_epoch_max
            .map_or(BrokerEpoch::new(0), |max| BrokerEpoch::new(max.get() + 1))
    }

    /// All topics by id.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.values()
    }

    /// All topics by name.
    pub fn topics_by_name(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topic_ids.values().filter_map(|id| self.topics.get(id))
    }

    /// The topics whose names lie behind `after`, by name: for answers that are given in pages (KIP-966).
    pub fn topics_after<'a>(&'a self, after: &str) -> impl Iterator<Item = &'a Arc<TopicImage>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let ids = self.topic_ids.range::<str, _>((Excluded(after), Unbounded));
        ids.filter_map(|(_, id)| self.topics.get(id))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// A topic by id.
    pub fn topic(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.get(&id)
    }

    /// A topic by name.
    pub fn topic_named(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topic_ids.get(name).and_then(|id| self.topics.get(id))
    }

    /// A partition.
    pub fn partition(
        &self,
        id: TopicId,
        partition: PartitionIndex,
    ) -> Option<&Arc<PartitionImage>> {
        self.topics.get(&id)?.partition(partition)
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.size()
    }

    /// How many partitions there are, in all topics.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// The topic that metrics could not tell from one named `name`.
    pub fn colliding_topic(&self, name: &str) -> Option<&Arc<str>> {
        self.unified_names.get(topic_name::unified(name).as_str())
    }

    /// What is set for a resource; `None` if nothing is.
    pub fn configs(&self, resource: &ConfigResource) -> Option<&Arc<BTreeMap<String, String>>> {
        self.configs.get(resource)
    }

    /// What is set for a topic; `None` if nothing is.
    pub fn topic_configs(&self, name: &str) -> Option<&Arc<BTreeMap<String, String>>> {
        self.configs.get(&ConfigResource::topic(name))
    }

    /// All resources of a type that have something set.
    pub fn resources(&self, resource_type: ResourceType) -> impl Iterator<Item = &ConfigResource> {
        self.configs
            .keys()
            .filter(move |resource| resource.resource_type == resource_type)
    }

    /// The finalized features by name.
    pub fn features(&self) -> impl Iterator<Item = (&str, i16)> {
        self.features.iter().map(|(name, level)| (&**name, *level))
    }

    /// The finalized level of a feature; 0 if it has none.
    pub fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// The first producer id nobody was given.
    pub fn next_producer_id(&self) -> ProducerId {
        ProducerId::new(self.next_producer_id)
    }
}

#[cfg(test)]
mod tests;

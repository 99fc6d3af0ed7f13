//! The cluster's metadata, as groups see it.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_controller::{ConfigResource, MetadataImage, ResourceType};
use broker_coordinators::group::{Cluster, TopicPartition, TopicView};
use protocol::model::{PartitionIndex, TopicId, Uuid};

use crate::broker::is_private;

/// The metadata of one moment.
#[derive(Debug)]
pub(super) struct ImageCluster(pub(super) Arc<MetadataImage>);

impl Cluster for ImageCluster {
    fn version(&self) -> usize {
        // An image never changes, and as long as it is there no other one has its place.
        Arc::as_ptr(&self.0).addr()
    }

    fn topic(&self, name: &str) -> Option<TopicView> {
        let topic = self.0.topic_named(name).filter(|_| !is_private(name))?;
        Some(TopicView {
            id: topic.topic_id().get(),
            partitions: i32::try_from(topic.partition_count()).unwrap_or(i32::MAX),
        })
    }

    fn name(&self, topic: Uuid) -> Option<Arc<str>> {
        let topic = self.0.topic(TopicId::new(topic)?)?;
        Some(Arc::clone(topic.name()))
    }

    fn names(&self) -> Vec<Arc<str>> {
        let names = self.0.topics_by_name().map(|topic| topic.name());
        names.filter(|name| !is_private(name)).cloned().collect()
    }

    fn racks(&self, (topic, partition): TopicPartition) -> Vec<Arc<str>> {
        let id = TopicId::new(topic).zip(PartitionIndex::from_wire(partition));
        let partition = id.and_then(|(topic, partition)| self.0.partition(topic, partition));
        let Some(partition) = partition else {
            return Vec::new();
        };
        let brokers = partition.replica_brokers();
        let racks = brokers.filter_map(|id| self.0.broker(id)?.rack.as_deref());
        let distinct: BTreeSet<&str> = racks.collect();
        distinct.into_iter().map(Arc::from).collect()
    }

    fn group_setting(&self, group: &str, name: &str) -> Option<i32> {
        let resource = ConfigResource {
            resource_type: ResourceType::Group,
            name: group.to_owned(),
        };
        self.0.configs(&resource)?.get(name)?.parse().ok()
    }
}

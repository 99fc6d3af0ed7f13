//! What is different between two images, where the records between them are not there: a snapshot was taken over.

use std::sync::Arc;

use protocol::model::TopicIdPartition;

use super::{MetadataDelta, MetadataImage, TopicImage};

impl MetadataDelta {
    /// What leads from one image to a later one of the same cluster.
    pub fn between(before: &MetadataImage, after: &MetadataImage) -> MetadataDelta {
        let mut delta = MetadataDelta {
            features: before.features != after.features,
            ..MetadataDelta::default()
        };
        for broker in after.brokers() {
            let same = before
                .broker(broker.broker_id)
                .is_some_and(|it| it == broker);
            if !same {
                delta.brokers.insert(broker.broker_id);
            }
        }
        let gone = before.brokers().map(|broker| broker.broker_id);
        delta
            .brokers
            .extend(gone.filter(|id| after.broker(*id).is_none()));
        for topic in after.topics() {
            let known = before.topic(topic.topic_id());
            if known.is_none() {
                delta.topics_created.insert(topic.topic_id());
            }
            delta.add_changed_partitions(known, topic);
        }
        for topic in before.topics() {
            if after.topic(topic.topic_id()).is_none() {
                delta.topic_deleted(topic);
            }
        }
        let resources = before.configs.keys().chain(after.configs.keys());
        let changed = resources.filter(|it| before.configs(it) != after.configs(it));
        delta.configs.extend(changed.cloned());
        delta
    }

    fn add_changed_partitions(&mut self, before: Option<&Arc<TopicImage>>, after: &TopicImage) {
        for (partition, state) in after.partitions() {
            let known = before.and_then(|topic| topic.partition(partition));
            if known != Some(state) {
                self.partitions.insert(TopicIdPartition {
                    topic_id: after.topic_id(),
                    partition,
                });
            }
        }
    }
}

//! What a batch of records changed, so that a broker can open and close logs without comparing images.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::model::{BrokerId, TopicId, TopicIdPartition};

use super::{MetadataImage, TopicImage};
use crate::ConfigResource;

/// The next image, and what is different in it.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The next image.
    pub image: MetadataImage,
    /// What changed.
    pub delta: MetadataDelta,
}

/// What changed between two images. The new state is in the image; what is gone is here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataDelta {
    /// Brokers that registered, were fenced or unfenced, or said which directories are short of space.
    pub brokers: BTreeSet<BrokerId>,
    /// Topics that did not exist before.
    pub topics_created: BTreeSet<TopicId>,
    /// Topics that are gone. One made again under the same name is also in `topics_created`, by another id.
    pub topics_deleted: BTreeMap<TopicId, DeletedTopic>,
    /// Partitions that are new or changed, those of new topics too.
    pub partitions: BTreeSet<TopicIdPartition>,
    /// Resources whose configuration changed.
    pub configs: BTreeSet<ConfigResource>,
    /// Whether a feature changed.
    pub features: bool,
}

/// A topic as it was before it was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletedTopic {
    /// Its last state.
    pub topic: Arc<TopicImage>,
}

impl MetadataDelta {
    /// Whether nothing changed that a broker reacts to.
    pub fn is_empty(&self) -> bool {
        *self == MetadataDelta::default()
    }

    /// A topic that came and went within the batch was never there for anyone.
    pub(super) fn topic_deleted(&mut self, topic: &Arc<TopicImage>) {
        let topic_id = topic.topic_id();
        self.partitions
            .retain(|partition| partition.topic_id != topic_id);
        if !self.topics_created.remove(&topic_id) {
            self.topics_deleted.insert(
                topic_id,
                DeletedTopic {
                    topic: Arc::clone(topic),
                },
            );
        }
    }
}

//! What follows the cluster's metadata on this broker: its settings, and its partitions.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use broker_controller::{ConfigResource, MetadataDelta, MetadataImage, ResourceType};
use protocol::model::BrokerId;

use crate::broker::Partitions;
use crate::clock::monotonic_ms;
use crate::config::{LiveSettings, compaction_settings, group_config};
use crate::coordinator::Groups;
use crate::data_dirs::DataDirs;
use crate::listed::ListedBrokers;
use crate::net::admission::Admission;
use crate::quorum::ImageListener;

/// Brings the broker to what the image says.
pub struct Follower {
    /// This broker.
    pub node_id: BrokerId,
    /// The settings in force.
    pub settings: Arc<LiveSettings>,
    /// How many connections there may be.
    pub admission: Arc<Admission>,
    /// The partitions.
    pub partitions: Arc<Partitions>,
    /// The consumer groups.
    pub groups: Arc<Groups>,
    /// Where their data is.
    pub data_dirs: Arc<DataDirs>,
    /// Which brokers clients are told of.
    pub listed: Arc<ListedBrokers>,
}

impl Follower {
    fn follow_settings(&self, image: &MetadataImage) {
        let none = BTreeMap::new();
        let set_for = |name: String| {
            let resource = ConfigResource {
                resource_type: ResourceType::Broker,
                name,
            };
            image.configs(&resource)
        };
        let all_brokers = set_for(String::new());
        let this_broker = set_for(self.node_id.to_string());
        let before = self.settings.now();
        self.settings.set(
            all_brokers.map_or(&none, |configs| &**configs),
            this_broker.map_or(&none, |configs| &**configs),
        );
        let settings = self.settings.now();
        let known: HashSet<String> = before.without_effect().collect();
        for warning in settings.without_effect().filter(|it| !known.contains(it)) {
            tracing::warn!("{warning}");
        }
        self.admission.set_limits(
            settings.number("max.connections"),
            settings.number("max.connections.per.ip"),
        );
        let throttles = self.partitions.throttles();
        throttles.follow_settings(monotonic_ms(), &settings);
        self.groups.set_config(group_config(&settings));
        let producer_expiration_ms: i64 = settings.number("producer.id.expiration.ms");
        for directory in self.data_dirs.directories() {
            if let Some(data_dir) = directory.online() {
                data_dir.set_producer_expiration(producer_expiration_ms);
                data_dir.set_compaction_settings(compaction_settings(&settings));
            }
        }
    }
}

impl ImageListener for Follower {
    /// Takes the image up as a whole: at a start, after this broker is registered, since what the image does not know is deleted.
    fn begin(&self, image: &Arc<MetadataImage>) {
        self.follow_settings(image);
        self.listed.on_image(monotonic_ms(), image);
        self.partitions.begin(image);
    }

    fn on_image(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta) {
        let mut changed = delta.configs.iter();
        if changed.any(|resource| resource.resource_type == ResourceType::Broker) {
            self.follow_settings(image);
            self.partitions.reconfigure_all(image);
        }
        if !delta.brokers.is_empty() {
            self.listed.on_image(monotonic_ms(), image);
        }
        self.partitions.on_image(image, delta);
    }

    fn on_image_published(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta) {
        self.partitions.on_image_published(image, delta);
        let deleted = delta.topics_deleted.values();
        let names = deleted.map(|deleted| Arc::clone(deleted.topic.name()));
        let gone: Vec<_> = names
            .filter(|name| image.topic_named(name).is_none())
            .collect();
        if !gone.is_empty() {
            self.groups.forget_topics(image, gone);
        }
    }
}

//! What every API handler works with: configuration, metadata, partitions, counters.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use broker_controller::decide::RegisterBroker;
use broker_controller::image::{PartitionImage, TopicImage};
use broker_controller::{DirectoryId, MetadataDelta, MetadataImage};
use parking_lot::{Mutex, RwLock};
use protocol::ErrorCode;
use protocol::model::{BrokerEpoch, BrokerId, TopicId, TopicIdPartition};
use protocol::wire::versions::ApiVersionTable;

use crate::api::fetch_sessions::FetchSessions;
use crate::clock::monotonic_ms;
use crate::config::{Config, LiveSettings, TopicConfig};
use crate::coordinator::{Groups, Leadership, LeadershipListener};
use crate::data_dirs::DataDirs;
use crate::listed::ListedBrokers;
use crate::liveness::SESSION_MS;
use crate::logging::Loggers;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::partition::{
    Home, InSyncChanges, IsrProposals, Leading, Partition, RecordWorkers, log_config,
};
use crate::producer_ids::ProducerIds;
use crate::quorum::{ImageListener, METADATA_TOPIC, Metadata, RaftQuorum, metadata_partition};
use crate::replication::{
    Fetchers, Followed, LAG_MS_MAX, ProgressSink, Stopped, Throttles, view_of,
};

/// A running broker.
pub struct Broker {
    /// The node's configuration, as it started.
    pub config: Config,
    /// The settings in force, with what was set since.
    pub settings: Arc<LiveSettings>,
    /// The node.
    pub id: BrokerId,
    /// This life of it.
    pub epoch: BrokerEpoch,
    /// It, as other brokers see it.
    pub node: Arc<Node>,
    /// The cluster, as Kafka prints its id.
    pub cluster_id: String,
    /// The cluster's metadata.
    pub metadata: Arc<Metadata<RaftQuorum>>,
    /// The partitions led here.
    pub partitions: Arc<Partitions>,
    /// The consumer groups coordinated here.
    pub groups: Arc<Groups>,
    /// Which brokers clients are told of.
    pub listed: Arc<ListedBrokers>,
    /// The data directories.
    pub data_dirs: Arc<DataDirs>,
    /// How it is registered, as long as no directory goes offline.
    pub registration: RegisterBroker,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The levels of the process's log.
    pub loggers: Arc<Loggers>,
    /// The APIs that are handled.
    pub apis: ApiVersionTable,
    /// Incremental fetch sessions (KIP-227).
    pub fetch_sessions: Mutex<FetchSessions>,
    /// Bytes in flight in the whole process.
    pub budget: crate::net::MemoryBudget,
    /// Threads that look into batches.
    pub record_workers: RecordWorkers,
    /// Producer ids to hand out.
    pub producer_ids: ProducerIds,
}

/// The partitions on this broker. Follows the image.
pub struct Partitions {
    node_id: BrokerId,
    data_dirs: Arc<DataDirs>,
    settings: Arc<LiveSettings>,
    metrics: Arc<Metrics>,
    by_id: RwLock<HashMap<TopicIdPartition, Arc<Partition>>>,
    /// The replicas here that follow.
    followed: RwLock<HashMap<TopicIdPartition, Arc<Followed>>>,
    progress: ProgressSink,
    fetchers: OnceLock<Fetchers>,
    /// Held while replicas begin to lead or to follow.
    roles: Mutex<()>,
    /// The configuration of each topic here, resolved.
    configs: RwLock<HashMap<TopicId, Arc<TopicConfig>>>,
    /// Who hears what is led here.
    leadership: Leadership,
    /// What leaderships go by.
    leading: Leading,
    /// Who is in sync now and was not, or the other way round, and is yet to be told to the log.
    in_sync_changes: Mutex<InSyncChanges>,
    throttles: Throttles,
}

impl Partitions {
    /// None yet.
    pub fn new(
        node_id: BrokerId,
        data_dirs: Arc<DataDirs>,
        settings: Arc<LiveSettings>,
        metrics: Arc<Metrics>,
        proposals: Arc<dyn IsrProposals>,
    ) -> Partitions {
        Partitions {
            leading: Leading {
                id: node_id,
                lag_ms_max: LAG_MS_MAX,
                silence_ms_max: SESSION_MS,
                proposals,
                now_ms: monotonic_ms,
                metrics: Arc::clone(&metrics.cluster),
            },
            node_id,
            data_dirs,
            settings,
            metrics,
            by_id: RwLock::default(),
            followed: RwLock::default(),
            progress: ProgressSink::default(),
            fetchers: OnceLock::new(),
            roles: Mutex::new(()),
            configs: RwLock::default(),
            leadership: Leadership::default(),
            in_sync_changes: Mutex::default(),
            throttles: Throttles::default(),
        }
    }

    /// Leaders have given replicas here so many bytes, `throttled` of them at a limited rate.
    pub fn on_replicated(&self, bytes: usize, throttled: usize) {
        let counted = &self.metrics.cluster;
        counted.replication_bytes_in.add(bytes as u64);
        if throttled > 0 {
            counted.follower_throttled_bytes.add(throttled as u64);
            self.throttles.follower.take(monotonic_ms(), throttled);
        }
    }

    /// How fast replicas catch up.
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// Names who hears what is led here, before anything is. Once.
    pub fn set_leadership_listener(&self, listener: Weak<dyn LeadershipListener>) {
        self.leadership.set(listener);
    }

    /// A partition led here.
    pub fn get(&self, id: TopicIdPartition) -> Option<Arc<Partition>> {
        self.by_id.read().get(&id).cloned()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.by_id.read().values().cloned().collect()
    }

    /// A topic's configuration over the broker's.
    pub fn topic_config(&self, image: &MetadataImage, topic: &str) -> TopicConfig {
        let settings = self.settings.now();
        match image.topic_configs(topic) {
            Some(overrides) => TopicConfig::resolve(overrides, &settings),
            None => TopicConfig::resolve(&std::collections::BTreeMap::new(), &settings),
        }
    }

    /// Opens every partition of the image that has a replica here and deletes logs of topics and replicas that are gone: a start, after the image
    /// was loaded.
    fn open_all(&self, image: &MetadataImage) {
        for (directory, log) in self.data_dirs.logs() {
            let id = log.partition();
            if id == metadata_partition() {
                continue;
            }
            let state = image.partition(id.topic_id, id.partition);
            match state.map(|state| state.directory_on(self.node_id)) {
                None => {
                    tracing::info!(topic = log.topic(), partition = %id.partition, "deleting the log of a topic that is gone");
                    self.drop_log(directory, id, log.topic());
                }
                Some(None) => {
                    tracing::info!(topic = log.topic(), partition = %id.partition, "deleting the log of a replica that is on other brokers now");
                    self.drop_log(directory, id, log.topic());
                }
                Some(Some(own)) if own != directory => {
                    tracing::warn!(?log, %directory, "a log is in another directory than its partition: it is not used");
                }
                Some(Some(_)) => {}
            }
        }
        for topic in image.topics() {
            for (index, _) in topic.partitions() {
                let id = TopicIdPartition {
                    topic_id: topic.topic_id(),
                    partition: index,
                };
                self.update(image, id);
            }
        }
    }

    /// Brings one partition to what the image says of it.
    fn update(&self, image: &MetadataImage, id: TopicIdPartition) {
        let Some(topic) = image.topic(id.topic_id) else {
            return;
        };
        let Some(state) = topic.partition(id.partition) else {
            return;
        };
        let _roles = self.roles.lock();
        if state.leader != Some(self.node_id) {
            self.follow(image, topic, id, state);
            return;
        }
        let config = self.config_of(image, topic.topic_id(), topic.name());
        let view = view_of(image, state, config.min_insync_replicas);
        if let Some(partition) = self.get(id) {
            partition.set_view(view, &mut self.in_sync_changes.lock());
            return;
        }
        if let Some(followed) = self.followed.write().remove(&id) {
            // From here on it appends nothing.
            followed.stop();
        }
        let Some(home) = self.home(topic, id, state, &config) else {
            return;
        };
        let metrics = self.metrics.topics.topic(topic.name());
        let name = Arc::clone(topic.name());
        let leading = self.leading.clone();
        let partition = Partition::lead(id, name, leading, view, home, config, metrics);
        self.by_id.write().insert(id, Arc::clone(&partition));
        if let Some(listener) = self.leadership.listener() {
            listener.on_led(&partition);
        }
    }

    /// Has the replica here, if there is one, follow who leads. If there is none any more, its log goes.
    fn follow(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        id: TopicIdPartition,
        state: &PartitionImage,
    ) {
        let led = self.by_id.write().remove(&id);
        if let Some(led) = &led {
            led.close(ErrorCode::NotLeaderOrFollower);
            self.on_lost(led);
        }
        let Some(directory) = state.directory_on(self.node_id) else {
            let followed = self.followed.write().remove(&id);
            if let Some(followed) = &followed {
                followed.stop();
            }
            let was_in = led.map(|it| it.directory());
            if let Some(was_in) = was_in.or(followed.map(|it| it.directory())) {
                tracing::info!(topic = %topic.name(), partition = %id.partition, "deleting the log of a replica that is on other brokers now");
                self.drop_log(was_in, id, topic.name());
            }
            return;
        };
        let known = self.followed.read().get(&id).cloned();
        let followed = match known.filter(|it| it.directory() == directory) {
            Some(followed) => followed,
            None => {
                let config = self.config_of(image, topic.topic_id(), topic.name());
                let Some(home) = self.home(topic, id, state, &config) else {
                    return;
                };
                let name = Arc::clone(topic.name());
                let metrics = self.metrics.topics.topic(topic.name());
                let followed = Followed::new(id, name, home, self.progress.clone(), metrics);
                followed.set_throttled(config.follower_throttled.has(id.partition, self.node_id));
                let other = self.followed.write().insert(id, Arc::clone(&followed));
                if let Some(other) = other {
                    // It was in another directory.
                    other.stop();
                }
                followed
            }
        };
        let in_sync = state.isr.contains(&self.node_id);
        followed.follow(state.leader, state.leader_epoch, in_sync);
    }

    /// Where the replica here is; its log is made if it is not there.
    fn home(
        &self,
        topic: &TopicImage,
        id: TopicIdPartition,
        state: &PartitionImage,
        config: &TopicConfig,
    ) -> Option<Home> {
        // Only ever there: in another directory it would be empty.
        let directory = state.directory_on(self.node_id);
        let Some(data_dir) = directory.and_then(|id| self.data_dirs.get(id)) else {
            tracing::error!(topic = %topic.name(), partition = %id.partition, ?directory, "the directory of a partition is offline");
            return None;
        };
        let log = match data_dir.log(id) {
            Some(log) => log,
            None => {
                match data_dir.create_log(id, topic.name(), config.durability, log_config(config)) {
                    Ok(log) => log,
                    Err(error) => {
                        tracing::error!(topic = %topic.name(), partition = %id.partition, %error, "cannot create the log of a partition");
                        return None;
                    }
                }
            }
        };
        log.set_config(log_config(config));
        Some(Home { data_dir, log })
    }

    /// A replica whose leader has no record before some offset any more begins anew there: what it has, the leader has deleted.
    pub fn begin_anew_if_due(&self, followed: &Arc<Followed>) {
        let Some(Stopped::BeginAt(start)) = followed.stopped() else {
            return;
        };
        let _roles = self.roles.lock();
        let id = followed.id();
        let is_it = |known: &Arc<Followed>| Arc::ptr_eq(known, followed);
        if !self.followed.read().get(&id).is_some_and(is_it) {
            return;
        }
        let Some(data_dir) = self.data_dirs.get(followed.directory()) else {
            return;
        };
        let (durability, config) = (followed.log().durability(), followed.log().config());
        let topic = followed.topic();
        tracing::info!(%topic, partition = %id.partition, %start, "a replica begins anew where its leader's log begins");
        let log = data_dir
            .drop_log(id)
            .and_then(|()| data_dir.create_log_at(id, topic, durability, config, start));
        let log = match log {
            Ok(log) => log,
            Err(error) => {
                tracing::error!(%topic, partition = %id.partition, %error, "a replica cannot begin anew");
                return;
            }
        };
        let home = Home { data_dir, log };
        let metrics = self.metrics.topics.topic(topic);
        let anew = Followed::new(id, Arc::clone(topic), home, self.progress.clone(), metrics);
        let (leader, leader_epoch, in_sync) = followed.leadership();
        anew.follow(leader, leader_epoch, in_sync);
        let config = self.configs.read().get(&id.topic_id).cloned();
        let is_throttled =
            |it: Arc<TopicConfig>| it.follower_throttled.has(id.partition, self.node_id);
        anew.set_throttled(config.is_some_and(is_throttled));
        self.followed.write().insert(id, anew);
    }

    /// A replica here that follows.
    pub fn followed(&self, id: TopicIdPartition) -> Option<Arc<Followed>> {
        self.followed.read().get(&id).cloned()
    }

    /// All of them.
    pub fn all_followed(&self) -> Vec<Arc<Followed>> {
        self.followed.read().values().cloned().collect()
    }

    /// Where replicas here say how far they are durable.
    pub fn progress(&self) -> &ProgressSink {
        &self.progress
    }

    /// Names who fetches for the replicas that follow. Once.
    pub fn set_fetchers(&self, fetchers: Fetchers) {
        assert!(self.fetchers.set(fetchers).is_ok(), "there is one set");
    }

    /// Has leaders asked for what is followed now.
    pub fn fetch(&self) {
        if let Some(fetchers) = self.fetchers.get() {
            fetchers.follow();
        }
    }

    fn config_of(&self, image: &MetadataImage, id: TopicId, name: &str) -> Arc<TopicConfig> {
        if let Some(config) = self.configs.read().get(&id) {
            return Arc::clone(config);
        }
        let config = Arc::new(self.topic_config(image, name));
        Arc::clone(self.configs.write().entry(id).or_insert(config))
    }

    /// The same for every topic, after the broker's own settings changed.
    pub fn reconfigure_all(&self, image: &MetadataImage) {
        for topic in image.topics() {
            self.reconfigure(image, topic.name());
        }
    }

    /// Resolves a topic's configuration anew; its partitions go by it from the next append and read on.
    fn reconfigure(&self, image: &MetadataImage, name: &str) {
        let Some(topic) = image.topic_named(name) else {
            return;
        };
        let config = Arc::new(self.topic_config(image, name));
        let before = self
            .configs
            .write()
            .insert(topic.topic_id(), Arc::clone(&config));
        if before.is_some_and(|before| before == config) {
            return;
        }
        for (index, _) in topic.partitions() {
            let id = TopicIdPartition {
                topic_id: topic.topic_id(),
                partition: index,
            };
            if let Some(partition) = self.get(id) {
                partition.set_config(Arc::clone(&config));
                self.update(image, id);
            } else if let Some(followed) = self.followed(id) {
                followed.log().set_config(log_config(&config));
                followed.set_throttled(config.follower_throttled.has(index, self.node_id));
            }
        }
    }

    fn forget_config(&self, id: TopicId) {
        self.configs.write().remove(&id);
    }

    fn delete(&self, id: TopicIdPartition, topic: &str) {
        let partition = self.by_id.write().remove(&id);
        if let Some(partition) = partition {
            partition.close(ErrorCode::UnknownTopicOrPartition);
            self.on_lost(&partition);
            self.drop_log(partition.directory(), id, topic);
        }
        let followed = self.followed.write().remove(&id);
        if let Some(followed) = followed {
            followed.stop();
            self.drop_log(followed.directory(), id, topic);
        }
    }

    /// Closes the partitions whose directory has gone offline.
    pub fn close_offline(&self) {
        let usable = self.data_dirs.usable();
        self.followed
            .write()
            .retain(|_, it| usable.contains(&it.directory()));
        let closed: Vec<_> = {
            let mut by_id = self.by_id.write();
            let offline = by_id.extract_if(|_, it| !usable.contains(&it.directory()));
            offline.map(|(_, partition)| partition).collect()
        };
        for partition in closed {
            partition.close(ErrorCode::KafkaStorageError);
            self.on_lost(&partition);
        }
    }

    fn on_lost(&self, partition: &Partition) {
        if let Some(listener) = self.leadership.listener() {
            listener.on_lost(partition.topic(), partition.id());
        }
    }

    fn drop_log(&self, directory: DirectoryId, id: TopicIdPartition, topic: &str) {
        // In one that is offline it is found by the next start that can read it.
        let Some(data_dir) = self.data_dirs.get(directory) else {
            return;
        };
        if let Err(error) = data_dir.drop_log(id) {
            // The next start finds a log that no topic has, and tries again.
            tracing::error!(topic, partition = %id.partition, %error, "cannot delete the log of a partition");
        }
    }
}

impl ImageListener for Partitions {
    fn begin(&self, image: &Arc<MetadataImage>) {
        self.open_all(image);
        self.fetch();
    }

    fn on_image(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta) {
        for id in &delta.partitions {
            self.update(image, *id);
        }
        if !delta.brokers.is_empty() {
            // Who is alive, and in which life, is part of what leaders go by.
            for partition in self.all() {
                self.update(image, partition.id());
            }
        }
        for resource in &delta.configs {
            if resource.resource_type == broker_controller::ResourceType::Topic {
                self.reconfigure(image, &resource.name);
            }
        }
        // It may be throttled no more.
        self.fetch();
        let changes = std::mem::take(&mut *self.in_sync_changes.lock());
        changes.say();
    }

    fn on_image_published(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta) {
        for (topic_id, deleted) in &delta.topics_deleted {
            for (index, _) in deleted.topic.partitions() {
                let id = TopicIdPartition {
                    topic_id: *topic_id,
                    partition: index,
                };
                self.delete(id, deleted.topic.name());
            }
            self.forget_config(*topic_id);
            if image.topic_named(deleted.topic.name()).is_none() {
                self.metrics.topics.remove(deleted.topic.name());
            }
        }
    }
}

/// Whether clients may not touch a topic of that name.
pub fn is_private(topic: &str) -> bool {
    topic == METADATA_TOPIC
}

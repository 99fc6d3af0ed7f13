//! The only change of an image.
//!
//! Records come from [`decide`](crate::decide()), through a log that checks its bytes. A record that does not
//! fit the image is therefore a mistake of ours, and a broker that went on would act on metadata nobody decided: it
//! stops instead, here, with the record in hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::model::{BrokerId, PartitionIndex, TopicId, TopicIdPartition};
use rpds::VectorSync;

use super::{
    Applied, BrokerLoad, BrokerRegistration, MetadataDelta, MetadataImage, PartitionImage,
    TopicImage,
};
use crate::record::{
    ConfigRecord, DirectorySpaceRecord, FeatureLevelRecord, PartitionChangeRecord, PartitionRecord,
    ProducerIdsRecord, ReassignmentRecord, RegisterBrokerRecord, RemoveTopicRecord, Replica,
    TopicRecord, UnregisterBrokerRecord,
};
use crate::{ConfigResource, MetadataRecord, topic_name};

impl MetadataImage {
    /// The image after `records`, in order. It shares with this one what they leave alone.
    ///
    /// Apply the records of one decision together: a topic without its partitions is no state to show anyone.
    pub fn apply<'a>(&self, records: impl IntoIterator<Item = &'a MetadataRecord>) -> Applied {
        let mut image = self.clone();
        let mut delta = MetadataDelta::default();
        for record in records {
            image.apply_one(record, &mut delta);
        }
        debug_assert_eq!(image.check_partitions(&delta.partitions), Ok(()));
        Applied { image, delta }
    }

    fn apply_one(&mut self, record: &MetadataRecord, delta: &mut MetadataDelta) {
        match record {
            MetadataRecord::Cluster(record) => {
                assert!(
                    self.cluster_id.is_none_or(|id| id == record.cluster_id),
                    "the cluster id never changes: {record:?}"
                );
                self.cluster_id = Some(record.cluster_id);
            }
            MetadataRecord::RegisterBroker(record) => self.register_broker(record, delta),
            MetadataRecord::FenceBroker(record) => {
                self.set_fenced(record.broker_id, true, delta);
            }
            MetadataRecord::UnfenceBroker(record) => {
                self.set_fenced(record.broker_id, false, delta);
            }
            MetadataRecord::Topic(record) => self.add_topic(record, delta),
            MetadataRecord::Partition(record) => self.add_partition(record, delta),
            MetadataRecord::PartitionChange(record) => self.change_partition(record, delta),
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record, delta),
            MetadataRecord::Config(record) => self.set_config(record, delta),
            MetadataRecord::ProducerIds(record) => self.give_producer_ids(record),
            MetadataRecord::FeatureLevel(record) => self.set_feature(record, delta),
            MetadataRecord::Reassignment(record) => self.reassign(record, delta),
            MetadataRecord::UnregisterBroker(record) => self.unregister_broker(record, delta),
            MetadataRecord::DirectorySpace(record) => self.set_short_of_space(record, delta),
        }
    }

    fn register_broker(&mut self, record: &RegisterBrokerRecord, delta: &mut MetadataDelta) {
        let mut registration = BrokerRegistration::from(record);
        if let Some(before) = self.brokers.get(&record.broker_id) {
            let amended = before.broker_epoch == record.broker_epoch
                && before.incarnation_id == record.incarnation_id;
            assert!(
                amended || record.broker_epoch > before.broker_epoch,
                "broker epochs grow with every life: {record:?}"
            );
            registration = registration.after(before);
        }
        self.broker_epoch_max = self.broker_epoch_max.max(Some(record.broker_epoch));
        self.brokers
            .insert_mut(record.broker_id, Arc::new(registration));
        delta.brokers.insert(record.broker_id);
    }

    fn unregister_broker(&mut self, record: &UnregisterBrokerRecord, delta: &mut MetadataDelta) {
        assert_eq!(
            self.load(record.broker_id),
            BrokerLoad::default(),
            "a broker that holds replicas stays: {record:?}"
        );
        self.broker_epoch_max = self.broker_epoch_max.max(Some(record.broker_epoch));
        if let Some(before) = self.brokers.get(&record.broker_id) {
            assert!(
                before.broker_epoch == record.broker_epoch,
                "another life of it is registered: {record:?}"
            );
            self.brokers.remove_mut(&record.broker_id);
            delta.brokers.insert(record.broker_id);
        }
    }

    fn set_fenced(&mut self, broker_id: BrokerId, fenced: bool, delta: &mut MetadataDelta) {
        let broker = self.brokers.get_mut(&broker_id);
        let broker = broker.unwrap_or_else(|| panic!("broker {broker_id} is not registered"));
        Arc::make_mut(broker).fenced = fenced;
        delta.brokers.insert(broker_id);
    }

    fn set_short_of_space(&mut self, record: &DirectorySpaceRecord, delta: &mut MetadataDelta) {
        let broker = self.brokers.get_mut(&record.broker_id);
        let broker = broker.unwrap_or_else(|| panic!("no broker for {record:?}"));
        let broker = Arc::make_mut(broker);
        assert!(
            broker.broker_epoch == record.broker_epoch,
            "another life of it is registered: {record:?}"
        );
        broker.short_of_space = record.short_of_space.clone();
        delta.brokers.insert(record.broker_id);
    }

    fn add_topic(&mut self, record: &TopicRecord, delta: &mut MetadataDelta) {
        assert!(
            !self.topics.contains_key(&record.topic_id)
                && !self.topic_ids.contains_key(record.name.as_str()),
            "topic names and ids are unique: {record:?}"
        );
        let name: Arc<str> = record.name.as_str().into();
        self.topic_ids
            .insert_mut(Arc::clone(&name), record.topic_id);
        let unified = topic_name::unified(&name).into();
        self.unified_names.insert_mut(unified, Arc::clone(&name));
        let topic = TopicImage {
            topic_id: record.topic_id,
            name,
            partitions: VectorSync::new_sync(),
        };
        self.topics.insert_mut(record.topic_id, Arc::new(topic));
        delta.topics_created.insert(record.topic_id);
    }

    fn add_partition(&mut self, record: &PartitionRecord, delta: &mut MetadataDelta) {
        let topic = self.topics.get_mut(&record.topic_id);
        let topic = topic.unwrap_or_else(|| panic!("no topic for {record:?}"));
        let topic = Arc::make_mut(topic);
        assert_eq!(
            usize::try_from(record.partition.get()).ok(),
            Some(topic.partitions.len()),
            "partitions are numbered without gaps: {record:?}"
        );
        topic
            .partitions
            .push_back_mut(Arc::new(PartitionImage::from(record)));
        self.partition_count += 1;
        self.count_replicas(&record.replicas, |load| load + 1);
        delta.partitions.insert(TopicIdPartition {
            topic_id: record.topic_id,
            partition: record.partition,
        });
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord, delta: &mut MetadataDelta) {
        let before = self.partition(record.topic_id, record.partition);
        let before = Arc::clone(before.unwrap_or_else(|| panic!("no partition for {record:?}")));
        assert!(
            record.leader_epoch >= before.leader_epoch
                && record.partition_epoch > before.partition_epoch,
            "epochs never go back: {record:?} after {before:?}"
        );
        assert!(
            record.leader == before.leader || record.leader_epoch > before.leader_epoch,
            "another leader has another epoch: {record:?} after {before:?}"
        );
        if let Some(replicas) = &record.replicas {
            self.count_replicas(&before.replicas, |load| load - 1);
            self.count_replicas(replicas, |load| load + 1);
        }
        let after = Arc::new(before.changed(record));
        self.set_partition(record.topic_id, record.partition, after);
        delta.partitions.insert(TopicIdPartition {
            topic_id: record.topic_id,
            partition: record.partition,
        });
    }

    fn reassign(&mut self, record: &ReassignmentRecord, delta: &mut MetadataDelta) {
        let before = self.partition(record.topic_id, record.partition);
        let before = before.unwrap_or_else(|| panic!("no partition for {record:?}"));
        let after = Arc::new(before.reassigning(record));
        self.set_partition(record.topic_id, record.partition, after);
        delta.partitions.insert(TopicIdPartition {
            topic_id: record.topic_id,
            partition: record.partition,
        });
    }

    fn set_partition(
        &mut self,
        topic_id: TopicId,
        partition: PartitionIndex,
        after: Arc<PartitionImage>,
    ) {
        let index = usize::try_from(partition.get()).unwrap_or(usize::MAX);
        if let Some(topic) = self.topics.get_mut(&topic_id) {
            Arc::make_mut(topic).partitions.set_mut(index, after);
        }
    }

    fn remove_topic(&mut self, record: &RemoveTopicRecord, delta: &mut MetadataDelta) {
        let topic = self.topics.get(&record.topic_id);
        let topic = Arc::clone(topic.unwrap_or_else(|| panic!("no topic for {record:?}")));
        for (_, partition) in topic.partitions() {
            self.count_replicas(&partition.replicas, |load| load - 1);
        }
        self.partition_count -= topic.partition_count();
        self.topics.remove_mut(&record.topic_id);
        self.topic_ids.remove_mut(&**topic.name());
        self.unified_names
            .remove_mut(topic_name::unified(topic.name()).as_str());
        let resource = ConfigResource::topic(&**topic.name());
        if self.configs.remove_mut(&resource) {
            delta.configs.insert(resource);
        }
        delta.topic_deleted(&topic);
    }

    fn set_config(&mut self, record: &ConfigRecord, delta: &mut MetadataDelta) {
        let resource = ConfigResource {
            resource_type: record.resource_type,
            name: record.resource_name.clone(),
        };
        delta.configs.insert(resource.clone());
        let Some(value) = &record.value else {
            self.unset_config(&resource, &record.key);
            return;
        };
        if let Some(configs) = self.configs.get_mut(&resource) {
            Arc::make_mut(configs).insert(record.key.clone(), value.clone());
        } else {
            let configs = BTreeMap::from([(record.key.clone(), value.clone())]);
            self.configs.insert_mut(resource, Arc::new(configs));
        }
    }

    fn unset_config(&mut self, resource: &ConfigResource, key: &str) {
        let Some(configs) = self.configs.get_mut(resource) else {
            return;
        };
        let configs = Arc::make_mut(configs);
        configs.remove(key);
        if configs.is_empty() {
            self.configs.remove_mut(resource);
        }
    }

    fn give_producer_ids(&mut self, record: &ProducerIdsRecord) {
        assert!(
            record.next_producer_id > self.next_producer_id,
            "a producer id is given once: {record:?} after {}",
            self.next_producer_id
        );
        self.next_producer_id = record.next_producer_id;
    }

    fn set_feature(&mut self, record: &FeatureLevelRecord, delta: &mut MetadataDelta) {
        delta.features = true;
        if record.level == 0 {
            self.features.remove_mut(record.name.as_str());
        } else {
            self.features
                .insert_mut(record.name.as_str().into(), record.level);
        }
    }

    fn count_replicas(&mut self, replicas: &[Replica], count: impl Fn(usize) -> usize) {
        for (at, replica) in replicas.iter().enumerate() {
            let mut load = self.load(replica.broker_id);
            load.replicas = count(load.replicas);
            if at == 0 {
                load.preferred_leaders = count(load.preferred_leaders);
            }
            if load == BrokerLoad::default() {
                self.loads.remove_mut(&replica.broker_id);
            } else {
                self.loads.insert_mut(replica.broker_id, load);
            }
            match count(self.directory_load(replica.directory_id)) {
                0 => drop(self.directory_loads.remove_mut(&replica.directory_id)),
                load => self.directory_loads.insert_mut(replica.directory_id, load),
            }
        }
    }
}

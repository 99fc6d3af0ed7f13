//! An image as records, to begin a metadata log with.

use protocol::model::{BrokerEpoch, BrokerId};

use super::{BrokerRegistration, MetadataImage, TopicImage};
use crate::MetadataRecord;
use crate::record::{
    ClusterRecord, ConfigRecord, DirectorySpaceRecord, FeatureLevelRecord, PartitionRecord,
    ProducerIdsRecord, ReassignmentRecord, TopicRecord, UnregisterBrokerRecord,
};

/// In records that are not about any broker that is registered. Brokers may have this id too: it comes before their registrations.
const NOBODY: BrokerId = BrokerId::new(0);

impl MetadataImage {
    /// Records that lead from nothing to this image. Sorted, so that equal images give equal bytes.
    pub fn snapshot(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::with_capacity(self.topics.size() + self.partition_count + 16);
        records.extend(
            self.cluster_id
                .map(|cluster_id| MetadataRecord::Cluster(ClusterRecord { cluster_id })),
        );
        for (name, level) in self.features() {
            let name = name.to_owned();
            records.push(MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name,
                level,
            }));
        }
        records.extend(self.epoch_of_the_gone());
        for broker in self.brokers() {
            push_broker(broker, &mut records);
        }
        for topic in self.topics() {
            push_topic(topic, &mut records);
        }
        for (resource, configs) in self.configs.iter() {
            records.extend(configs.iter().map(|(key, value)| {
                MetadataRecord::Config(ConfigRecord {
                    resource_type: resource.resource_type,
                    resource_name: resource.name.clone(),
                    key: key.clone(),
                    value: Some(value.clone()),
                })
            }));
        }
        records.extend(self.producer_ids());
        records
    }

    /// The greatest epoch, if the broker that had it was unregistered: it is never given out again. Which broker that was matters to nobody any more.
    fn epoch_of_the_gone(&self) -> Option<MetadataRecord> {
        let broker_epoch = self.broker_epoch_max?;
        let is_had = self.brokers().any(|it| it.broker_epoch == broker_epoch);
        (!is_had).then_some(MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
            broker_id: NOBODY,
            broker_epoch,
        }))
    }

    /// Who got the last block matters to nobody any more; any registered broker stands for it.
    fn producer_ids(&self) -> Option<MetadataRecord> {
        let registered = self.brokers().next();
        (self.next_producer_id > 0).then_some(MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: registered.map_or(NOBODY, |broker| broker.broker_id),
            broker_epoch: registered.map_or(BrokerEpoch::new(0), |broker| broker.broker_epoch),
            next_producer_id: self.next_producer_id,
        }))
    }
}

fn push_broker(broker: &BrokerRegistration, records: &mut Vec<MetadataRecord>) {
    records.push(MetadataRecord::RegisterBroker(broker.into()));
    if !broker.short_of_space.is_empty() {
        records.push(MetadataRecord::DirectorySpace(DirectorySpaceRecord {
            broker_id: broker.broker_id,
            broker_epoch: broker.broker_epoch,
            short_of_space: broker.short_of_space.clone(),
        }));
    }
}

fn push_topic(topic: &TopicImage, records: &mut Vec<MetadataRecord>) {
    let topic_id = topic.topic_id();
    records.push(MetadataRecord::Topic(TopicRecord {
        name: topic.name().to_string(),
        topic_id,
    }));
    records.extend(topic.partitions().map(|(partition, state)| {
        MetadataRecord::Partition(PartitionRecord {
            topic_id,
            partition,
            replicas: state.replicas.clone(),
            isr: state.isr.clone(),
            elr: state.elr.clone(),
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
        })
    }));
    let reassigned = topic.partitions().filter(|(_, it)| it.is_reassigning());
    records.extend(reassigned.map(|(partition, state)| {
        MetadataRecord::Reassignment(ReassignmentRecord {
            topic_id,
            partition,
            adding: state.adding.clone(),
            removing: state.removing.clone(),
        })
    }));
}

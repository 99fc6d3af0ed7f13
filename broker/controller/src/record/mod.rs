//! The records of the metadata log.
//!
//! Each names the state it leads to, epochs included, rather than an operation: a log can be read by a person,
//! and `apply` can check that no epoch goes back. The bytes are described in [`codec`].

pub mod codec;
mod display;

use protocol::model::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId,
};
use serde::{Deserialize, Serialize};

pub use self::codec::{FORMAT_VERSION, RECORD_BYTES_MAX, RecordError};
use crate::{ClusterId, DirectoryId, IncarnationId, ResourceType};

/// A change of the cluster's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRecord {
    /// The first record of a cluster.
    Cluster(ClusterRecord),
    /// A broker started, or changed how it can be reached.
    RegisterBroker(RegisterBrokerRecord),
    /// A broker may not lead.
    FenceBroker(FenceBrokerRecord),
    /// A broker may lead.
    UnfenceBroker(UnfenceBrokerRecord),
    /// A topic exists; its partitions follow.
    Topic(TopicRecord),
    /// A partition exists.
    Partition(PartitionRecord),
    /// A partition changed.
    PartitionChange(PartitionChangeRecord),
    /// A topic, its partitions and its configuration are gone.
    RemoveTopic(RemoveTopicRecord),
    /// One key of a configuration.
    Config(ConfigRecord),
    /// A broker was given a block of producer ids.
    ProducerIds(ProducerIdsRecord),
    /// The finalized level of a feature (KIP-584).
    FeatureLevel(FeatureLevelRecord),
    /// A partition's replicas are on their way from some brokers to others (KIP-455).
    Reassignment(ReassignmentRecord),
    /// A broker is no part of the cluster any more.
    UnregisterBroker(UnregisterBrokerRecord),
    /// Which of a broker's directories are short of space.
    DirectorySpace(DirectorySpaceRecord),
}

/// The cluster's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// Drawn once.
    pub cluster_id: ClusterId,
}

/// Where a broker can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The listener's name, such as `PLAINTEXT`.
    pub name: String,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: u16,
}

/// The levels of a feature a broker can work with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportedFeature {
    /// The feature, such as `metadata.version`.
    pub name: String,
    /// The lowest level.
    pub min: i16,
    /// The highest level.
    pub max: i16,
}

/// A broker's registration. One with an epoch seen before amends it; one with a greater epoch is another life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterBrokerRecord {
    /// `node.id`.
    pub broker_id: BrokerId,
    /// Greater than all before.
    pub broker_epoch: BrokerEpoch,
    /// The life of the process this is.
    pub incarnation_id: IncarnationId,
    /// The data directories that are online.
    pub directories: Vec<DirectoryId>,
    /// Where clients reach it.
    pub listeners: Vec<Listener>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// What it supports.
    pub features: Vec<SupportedFeature>,
    /// Whether it may not lead yet.
    pub fenced: bool,
}

/// A broker may not lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceBrokerRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// The life that is meant.
    pub broker_epoch: BrokerEpoch,
}

/// A broker may lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfenceBrokerRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// The life that is meant.
    pub broker_epoch: BrokerEpoch,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// Its name.
    pub name: String,
    /// Its id, unique in time.
    pub topic_id: TopicId,
}

/// Where a replica is: a broker, and the directory on it. A replaced directory is another replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// The broker.
    pub broker_id: BrokerId,
    /// The directory.
    pub directory_id: DirectoryId,
}

/// A partition, as it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRecord {
    /// The topic, known from an earlier record.
    pub topic_id: TopicId,
    /// The next number of the topic.
    pub partition: PartitionIndex,
    /// The preferred leader first.
    pub replicas: Vec<Replica>,
    /// In sync.
    pub isr: Vec<BrokerId>,
    /// Not in sync, but they have all that is committed (KIP-966).
    pub elr: Vec<BrokerId>,
    /// A member of the ISR; `None` while none of them can lead.
    pub leader: Option<BrokerId>,
    /// The number of the leadership.
    pub leader_epoch: LeaderEpoch,
    /// The number of the state.
    pub partition_epoch: PartitionEpoch,
}

/// A partition's next state. Leader and epochs are always given, the lists only where they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionChangeRecord {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
    /// New replicas, or directories.
    pub replicas: Option<Vec<Replica>>,
    /// A new ISR.
    pub isr: Option<Vec<BrokerId>>,
    /// A new ELR.
    pub elr: Option<Vec<BrokerId>>,
    /// The leader from now on.
    pub leader: Option<BrokerId>,
    /// Its epoch; greater than before if the leader, or its life, is another.
    pub leader_epoch: LeaderEpoch,
    /// One more than before.
    pub partition_epoch: PartitionEpoch,
}

/// A topic is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveTopicRecord {
    /// The topic.
    pub topic_id: TopicId,
}

/// One key of a resource's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRecord {
    /// What it belongs to.
    pub resource_type: ResourceType,
    /// The resource's name.
    pub resource_name: String,
    /// The key.
    pub key: String,
    /// The value; `None` to unset it.
    pub value: Option<String>,
}

/// A block of producer ids, `next_producer_id` being the end of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerIdsRecord {
    /// Who got the block.
    pub broker_id: BrokerId,
    /// In which life.
    pub broker_epoch: BrokerEpoch,
    /// The first id that nobody has.
    pub next_producer_id: i64,
}

/// A finalized feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureLevelRecord {
    /// The feature.
    pub name: String,
    /// Its level; 0 removes it.
    pub level: i16,
}

/// Which of a partition's replicas come, and which go. Goes with a [`PartitionChangeRecord`] of the same partition, before it or behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReassignmentRecord {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
    /// Replicas that count when they have been in sync once; none when nothing is on its way.
    pub adding: Vec<BrokerId>,
    /// Replicas that go when all that are added are in sync.
    pub removing: Vec<BrokerId>,
}

/// A broker is no part of the cluster any more. If it is not registered, as in a snapshot, this says only that its epoch was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnregisterBrokerRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// Its last life.
    pub broker_epoch: BrokerEpoch,
}

/// Which of a broker's directories are short of space, until it says otherwise, in this life or a later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectorySpaceRecord {
    /// The broker.
    pub broker_id: BrokerId,
    /// The life that said so.
    pub broker_epoch: BrokerEpoch,
    /// Those of its directories, sorted; none when all have enough.
    pub short_of_space: Vec<DirectoryId>,
}

#[cfg(test)]
mod tests;

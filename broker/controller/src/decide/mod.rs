//! The commands: each is a request with all that it needs, ids included, and decides what to record and to answer.

mod alter_configs;
mod alter_partition;
mod assignment;
mod brokers;
mod cluster;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod elect_leaders;
mod features;
mod hand_over;
mod producer_ids;
mod reassign;
mod replicate_internal;
mod unregister;

pub use self::alter_configs::{
    AlterConfigs, AlterConfigsResult, CONFIG_VALUE_CHARS_MAX, ConfigAlteration, ConfigOp,
    IncrementalAlterConfigs, ReplacedConfigs, ResourceAlterations,
};
pub use self::alter_partition::{AlterPartition, AlterPartitionResult, IsrProposal};
pub use self::assignment::ReplicaAssignment;
pub use self::brokers::{FenceBroker, RegisterBroker, ReportSpace, UnfenceBroker};
pub use self::cluster::BootstrapCluster;
pub use self::create_partitions::{CreatePartitions, CreatePartitionsResult, NewPartitions};
pub use self::create_topics::{CreateTopicResult, CreateTopics, CreatedTopic, NewTopic};
pub use self::delete_topics::{DeleteTopicResult, DeleteTopics, TopicRef};
pub use self::elect_leaders::{ElectLeaders, ElectLeadersResult, ElectionType};
pub use self::features::{
    FEATURES, FeatureRange, FeatureUpdate, GROUP_VERSION, METADATA_VERSION, METADATA_VERSION_LEVEL,
    UpdateFeatures, UpgradeType,
};
pub use self::hand_over::{HandOver, Missed};
pub use self::producer_ids::{AllocateProducerIds, PRODUCER_ID_BLOCK_LEN, ProducerIdBlock};
pub use self::reassign::{AlterPartitionReassignments, NewReplicas};
pub use self::replicate_internal::ReplicateInternalTopics;
pub use self::unregister::UnregisterBroker;

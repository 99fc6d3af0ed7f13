//! The resources that have configurations, and the seam to the tables that know their keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ApiError;

/// What a configuration belongs to. The numbers are Kafka's `ConfigResource.Type`; they are in the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A topic, by name.
    Topic,
    /// A broker, by id; the empty name means all brokers.
    Broker,
    /// A subscription of client metrics (KIP-714).
    ClientMetrics,
    /// A consumer group (KIP-848).
    Group,
}

impl ResourceType {
    /// The number on the wire and in records.
    pub const fn code(self) -> i8 {
        match self {
            ResourceType::Topic => 2,
            ResourceType::Broker => 4,
            ResourceType::ClientMetrics => 16,
            ResourceType::Group => 32,
        }
    }

    /// The type of a number; `None` also for broker loggers (8), which are no metadata.
    pub const fn from_code(code: i8) -> Option<ResourceType> {
        match code {
            2 => Some(ResourceType::Topic),
            4 => Some(ResourceType::Broker),
            16 => Some(ResourceType::ClientMetrics),
            32 => Some(ResourceType::Group),
            _ => None,
        }
    }
}

impl Serialize for ResourceType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(self.code())
    }
}

impl<'de> Deserialize<'de> for ResourceType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = i8::deserialize(deserializer)?;
        ResourceType::from_code(code)
            .ok_or_else(|| serde::de::Error::custom("unknown resource type"))
    }
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConfigResource {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its name within the type.
    pub name: String,
}

impl ConfigResource {
    /// A topic's configuration.
    pub fn topic(name: impl Into<String>) -> ConfigResource {
        ConfigResource {
            resource_type: ResourceType::Topic,
            name: name.into(),
        }
    }
}

/// What leads and counts in a topic's partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicRules {
    /// `min.insync.replicas`: with fewer members, an ISR commits nothing.
    pub min_insync_replicas: usize,
    /// `unclean.leader.election.enable`: rather lose records than wait for who has them.
    pub unclean_leader_election: bool,
    /// What a replica has acknowledged is there after any restart: `durability=fsync`.
    pub survives_restart: bool,
}

/// What the caller's configuration tables know.
///
/// The rules between keys and the wording of errors are the tables'; the controller only asks.
pub trait ConfigValidator {
    /// Whether a key holds a list, so that values may be appended and subtracted. Unknown keys do not.
    fn is_list(&self, resource_type: ResourceType, key: &str) -> bool;

    /// The value a list starts from when it is appended to while unset: the default in force, as
    /// `KafkaConfigSchema.getDefault` has it.
    fn default_value(&self, resource_type: ResourceType, key: &str) -> Option<String>;

    /// What a topic's configuration, `configs` being what is set, says of its leaders and members.
    fn topic_rules(&self, configs: &BTreeMap<String, String>) -> TopicRules;

    /// Whether `configs` may be all that is set for a resource. `existing` is what is set now; for a topic that is being created, the same.
    fn validate(
        &self,
        resource: &ConfigResource,
        configs: &BTreeMap<String, String>,
        existing: &BTreeMap<String, String>,
    ) -> Result<(), ApiError>;
}

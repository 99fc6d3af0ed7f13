//! The configuration of a node and of its topics.
//!
//! Every setting is a row of a table ([`BROKER_SECTIONS`], [`TOPIC_DEFINITIONS`]) under Kafka's name
//! where Kafka has it. A node's values come from four sources, each above the one before: the
//! defaults, a YAML file, `HOLDFAST_*` variables of the environment, flags. All mistakes of all
//! sources are reported at once, and before anything is touched. The settings that Kafka has and
//! this broker has no use for are known by name and accepted with a warning, so that a
//! configuration written for Kafka starts.

mod accepted;
mod broker;
mod broker_definitions;
mod client_metrics;
mod cluster;
mod compaction;
mod definition;
mod describe;
mod dynamic;
mod environment;
mod error;
mod file;
mod group;
mod group_coordinator;
mod group_coordinator_definitions;
mod journal_definitions;
mod listener;
mod log_definitions;
mod not_yet;
mod print;
mod reference;
mod references;
mod settings;
mod suggest;
mod topic;
mod topic_definitions;
mod value;

#[cfg(test)]
mod tests;

pub use accepted::ACCEPTED_WITHOUT_EFFECT;
pub use broker::{
    BrokerConfig, IoEngine, JournalConfig, LogConfig, LogFormat, LoggingConfig, NetworkConfig,
    ProducerConfig, RequestConfig, TopicLimits,
};
pub use broker_definitions::BROKER_SECTIONS;
pub use client_metrics::{
    CLIENT_METRICS_DEFINITIONS, ClientMetricsError, describe_client_metrics,
    validate_client_metrics,
};
pub use cluster::ClusterConfig;
pub use compaction::compaction_settings;
pub use definition::{Check, ConfigType, Definition, Importance, KafkaDefault, Section, Update};
pub use describe::{
    ConfigEntry, ConfigSource, ConfigSynonym, describe_all_brokers, describe_broker, describe_topic,
};
pub use dynamic::{
    DynamicConfigError, LiveSettings, Overrides, known_definition, validate_broker_configs,
};
pub use error::{ConfigError, Origin, Problem};
pub use group::{GROUP_DEFINITIONS, GroupDefinition, describe_group, validate_group_configs};
pub use group_coordinator::{group_config, has_consumer_protocol};
pub use listener::{Endpoint, EndpointError, host_port};
pub use print::{PrintFormat, print};
pub use reference::reference;
pub use settings::{FlagSetting, Setting, Settings, Sources};
pub use topic::{
    AcksFloor, CleanupPolicy, ThrottledReplicas, TimestampType, TopicConfig, validate_topic_change,
    validate_topic_config, validate_topic_configs,
};
pub use topic_definitions::{TOPIC_DEFINITIONS, TopicDefinition, Unit, topic_definition};
pub use value::{Reason, Value, Violation, parse};

/// A node's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the broker works with.
    pub broker: BrokerConfig,
    /// Every setting with its source, for topics' defaults and for DescribeConfigs.
    pub settings: Settings,
    /// What to log once, as soon as there is a log.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads and checks all sources. Reads the file of [`Sources::file`]; touches nothing else.
    pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
        let settings = Settings::resolve(sources)?;
        let broker = BrokerConfig::from_settings(&settings).map_err(ConfigError::Invalid)?;
        let warnings = settings.warnings(&broker);
        Ok(Config {
            broker,
            settings,
            warnings,
        })
    }
}

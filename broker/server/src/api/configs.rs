//! What the controller asks of the configuration tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_controller::{ApiError, ConfigResource, ConfigValidator, ResourceType, TopicRules};
use protocol::ErrorCode;

use crate::config::{
    ClientMetricsError, ConfigType, DynamicConfigError, LiveSettings, describe_topic,
    known_definition, topic_definition, validate_broker_configs, validate_client_metrics,
    validate_group_configs, validate_topic_change, validate_topic_configs,
};

/// The tables of settings, over this broker's.
#[derive(Clone, Debug)]
pub struct ConfigTables {
    settings: Arc<LiveSettings>,
}

impl ConfigTables {
    /// Over these settings of the broker.
    pub fn new(settings: Arc<LiveSettings>) -> ConfigTables {
        ConfigTables { settings }
    }
}

impl ConfigValidator for ConfigTables {
    fn is_list(&self, resource_type: ResourceType, key: &str) -> bool {
        let config_type = match resource_type {
            ResourceType::Topic => topic_definition(key).map(|it| it.definition.config_type),
            ResourceType::Broker => known_definition(key).map(|it| it.config_type),
            // Kafka has none for groups, and takes those of client metrics for texts.
            ResourceType::Group | ResourceType::ClientMetrics => None,
        };
        config_type == Some(ConfigType::List)
    }

    fn default_value(&self, resource_type: ResourceType, key: &str) -> Option<String> {
        match resource_type {
            ResourceType::Topic => {
                let settings = self.settings.now();
                let entries = describe_topic(&BTreeMap::new(), &settings, |name| name == key);
                entries.into_iter().next()?.value
            }
            ResourceType::Broker => known_definition(key)?.default.map(str::to_owned),
            ResourceType::Group | ResourceType::ClientMetrics => None,
        }
    }

    fn topic_rules(&self, configs: &BTreeMap<String, String>) -> TopicRules {
        let settings = self.settings.now();
        let set = configs
            .get("min.insync.replicas")
            .and_then(|it| it.parse().ok());
        let unclean = configs.get("unclean.leader.election.enable");
        TopicRules {
            min_insync_replicas: set.unwrap_or_else(|| settings.number("min.insync.replicas")),
            unclean_leader_election: match unclean {
                Some(text) => text.eq_ignore_ascii_case("true"),
                None => settings.boolean("unclean.leader.election.enable"),
            },
            survives_restart: configs.get("durability").is_none_or(|it| it == "fsync"),
        }
    }

    fn validate(
        &self,
        resource: &ConfigResource,
        configs: &BTreeMap<String, String>,
        existing: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        let settings = self.settings.now();
        match resource.resource_type {
            ResourceType::Topic => validate_topic_configs(configs, &settings)
                .and_then(|()| validate_topic_change(existing, configs, &settings))
                .map_err(|message| ApiError::new(ErrorCode::InvalidConfig, message)),
            ResourceType::Broker => validate_broker_configs(configs, !resource.name.is_empty())
                .map_err(|error| ApiError::new(broker_code(&error), error.to_string())),
            ResourceType::Group => validate_group_configs(configs, &settings)
                .map_err(|message| ApiError::new(ErrorCode::InvalidConfig, message)),
            ResourceType::ClientMetrics => validate_client_metrics(configs).map_err(|error| {
                let code = match error {
                    ClientMetricsError::Request(_) => ErrorCode::InvalidRequest,
                    ClientMetricsError::Config(_) => ErrorCode::InvalidConfig,
                };
                ApiError::new(code, error.to_string())
            }),
        }
    }
}

/// Kafka's codes for a broker's settings that are refused.
fn broker_code(error: &DynamicConfigError) -> ErrorCode {
    match error {
        DynamicConfigError::Unknown(_) => ErrorCode::InvalidConfig,
        DynamicConfigError::Refused(_) => ErrorCode::InvalidRequest,
    }
}

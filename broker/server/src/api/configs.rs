//! What the controller asks of the configuration tables.

use std::collections::BTreeMap;

use broker_controller::{ApiError, ConfigResource, ConfigValidator, ResourceType};
use protocol::ErrorCode;

use crate::config::{
    ConfigType, Settings, describe_topic, topic_definition, validate_topic_change,
    validate_topic_configs,
};

/// The tables of topic settings, over this broker's.
#[derive(Clone, Debug)]
pub struct TopicConfigs {
    settings: Settings,
}

impl TopicConfigs {
    /// Over these settings of the broker.
    pub fn new(settings: Settings) -> TopicConfigs {
        TopicConfigs { settings }
    }
}

impl ConfigValidator for TopicConfigs {
    fn is_list(&self, resource_type: ResourceType, key: &str) -> bool {
        resource_type == ResourceType::Topic
            && topic_definition(key)
                .is_some_and(|topic| topic.definition.config_type == ConfigType::List)
    }

    fn default_value(&self, resource_type: ResourceType, key: &str) -> Option<String> {
        if resource_type != ResourceType::Topic {
            return None;
        }
        let entries = describe_topic(&BTreeMap::new(), &self.settings);
        entries.into_iter().find(|entry| entry.name == key)?.value
    }

    fn validate(
        &self,
        resource: &ConfigResource,
        configs: &BTreeMap<String, String>,
        existing: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        match resource.resource_type {
            ResourceType::Topic => validate_topic_configs(configs, &self.settings)
                .and_then(|()| validate_topic_change(existing, configs, &self.settings))
                .map_err(|message| ApiError::new(ErrorCode::InvalidConfig, message)),
            other => Err(ApiError::new(
                ErrorCode::InvalidRequest,
                format!("configurations of {other:?} cannot be changed"),
            )),
        }
    }
}

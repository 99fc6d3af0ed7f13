//! The settings of topics and brokers.

use std::collections::BTreeMap;

use protocol::{
    codec::StrBytes,
    messages::{
        ApiKey, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
        describe_configs_request::DescribeConfigsResource,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
};

use crate::{ClientError, Connection, error::check};

/// Kafka's `ConfigResource.Type`.
const RESOURCE_TOPIC: i8 = 2;
/// The same for brokers.
const RESOURCE_BROKER: i8 = 4;
/// Kafka's `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;
/// So many topics are asked for at a time.
const TOPICS_PER_REQUEST: usize = 500;

/// What settings belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigResource {
    /// A topic, by name.
    Topic(String),
    /// A broker. It has to be the one that is asked.
    Broker(i32),
    /// All brokers that have no value of their own.
    AllBrokers,
}

impl ConfigResource {
    fn on_the_wire(&self) -> (i8, String) {
        match self {
            ConfigResource::Topic(name) => (RESOURCE_TOPIC, name.clone()),
            ConfigResource::Broker(id) => (RESOURCE_BROKER, id.to_string()),
            ConfigResource::AllBrokers => (RESOURCE_BROKER, String::new()),
        }
    }
}

/// Settings to change, by name; `None` goes back to the default.
pub type ConfigChanges = BTreeMap<String, Option<String>>;

/// The value of a setting, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    /// Its name.
    pub name: String,
    /// `None` where there is none, or where it is sensitive.
    pub value: Option<String>,
    /// Whether nobody has set it.
    pub is_default: bool,
    /// Whether it belongs to what was asked for, and not to something above it.
    pub is_own: bool,
    /// Whether it cannot be changed while the broker runs.
    pub is_read_only: bool,
}

/// Kafka's `ConfigSource`.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_BROKER: i8 = 2;
const SOURCE_ALL_BROKERS: i8 = 3;
const SOURCE_DEFAULT: i8 = 5;

impl Connection {
    /// All settings of a topic, of the broker that is asked, or what was set for all brokers.
    pub fn describe_configs(
        &mut self,
        resource: &ConfigResource,
    ) -> Result<Vec<ConfigValue>, ClientError> {
        let (kind, name) = resource.on_the_wire();
        let asked = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![asked]);
        let answer = self.call(&request)?;
        let [result] = answer.results.as_slice() else {
            return Err(ClientError::Unrelated(ApiKey::DescribeConfigs));
        };
        check("describe settings", result.error_code)?;
        let own = match resource {
            ConfigResource::Topic(_) => SOURCE_TOPIC,
            ConfigResource::Broker(_) => SOURCE_BROKER,
            ConfigResource::AllBrokers => SOURCE_ALL_BROKERS,
        };
        let values = result.configs.iter().map(|it| ConfigValue {
            name: it.name.to_string(),
            value: it
                .value
                .as_ref()
                .filter(|_| !it.is_sensitive)
                .map(ToString::to_string),
            is_default: it.config_source == SOURCE_DEFAULT,
            is_own: it.config_source == own,
            is_read_only: it.read_only,
        });
        Ok(values.collect())
    }

    /// Changes settings. "Done" is what the broker says: others may not have heard of it yet. An error is that of the first resource that is refused; the others are changed
    /// all the same.
    pub fn alter_configs(
        &mut self,
        changes: &BTreeMap<ConfigResource, ConfigChanges>,
    ) -> Result<(), ClientError> {
        let resources = changes.iter().map(|(resource, changes)| {
            let configs = changes.iter().map(|(name, value)| {
                AlterableConfig::default()
                    .with_name(StrBytes::from_string(name.clone()))
                    .with_config_operation(if value.is_some() { SET } else { DELETE })
                    .with_value(value.clone().map(StrBytes::from_string))
            });
            let (kind, name) = resource.on_the_wire();
            AlterConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(StrBytes::from_string(name))
                .with_configs(configs.collect())
        });
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources.collect());
        let answer = self.call(&request)?;
        if answer.responses.len() != changes.len() {
            return Err(ClientError::Unrelated(ApiKey::IncrementalAlterConfigs));
        }
        let mut responses = answer.responses.iter();
        responses.try_for_each(|it| check("change settings", it.error_code))
    }

    /// The value of one setting in each of several topics. Topics that are gone, or whose settings may not be read, are
    /// left out.
    pub fn topic_config(
        &mut self,
        topics: &[&str],
        name: &str,
    ) -> Result<BTreeMap<String, String>, ClientError> {
        let mut values = BTreeMap::new();
        for topics in topics.chunks(TOPICS_PER_REQUEST) {
            let resources = topics.iter().map(|topic| {
                let key = StrBytes::from_string(name.to_owned());
                DescribeConfigsResource::default()
                    .with_resource_type(RESOURCE_TOPIC)
                    .with_resource_name(StrBytes::from_string((*topic).to_owned()))
                    .with_configuration_keys(Some(vec![key]))
            });
            let request = DescribeConfigsRequest::default().with_resources(resources.collect());
            for result in self.call(&request)?.results {
                let mut configs = result.configs.iter();
                let config = configs.find(|config| config.name.as_str() == name);
                let value = config.and_then(|config| config.value.as_ref());
                if let Some(value) = value.filter(|_| result.error_code == 0) {
                    values.insert(result.resource_name.to_string(), value.to_string());
                }
            }
        }
        Ok(values)
    }
}

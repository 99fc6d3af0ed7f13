//! The settings of topics.

use std::collections::BTreeMap;

use protocol::{
    codec::StrBytes,
    messages::{DescribeConfigsRequest, describe_configs_request::DescribeConfigsResource},
};

use crate::{ClientError, Connection};

/// Kafka's `ConfigResource.Type`.
const RESOURCE_TOPIC: i8 = 2;
/// So many topics are asked for at a time.
const TOPICS_PER_REQUEST: usize = 500;

impl Connection {
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

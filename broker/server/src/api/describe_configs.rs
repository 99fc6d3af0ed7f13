//! DescribeConfigs (key 32), versions 1-4.
//!
//! Every setting of a topic or of this broker, with its value, source, synonyms, type, and documentation (KIP-226, KIP-569). Values
//! of a sensitive setting are withheld. A resource that is not there has its own error; the others are answered. One that is named
//! twice is answered once, so that a small request cannot ask for the same page ten thousand times.
//!
//! Not supported: loggers, client metrics and groups; they get INVALID_REQUEST.

use std::collections::{BTreeMap, BTreeSet};

use broker_controller::{ResourceType, topic_name};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::messages::{ApiKey, DescribeConfigsRequest, DescribeConfigsResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::first_error;
use super::topics::text;
use super::{Answer, Api, Call, decode};
use crate::broker::{Broker, is_private};
use crate::config::{ConfigEntry, describe_all_brokers, describe_broker, describe_topic};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DescribeConfigs,
    name: "DescribeConfigs",
    versions: VersionRange::new(1, 4),
    handle,
};

/// The first version with types and documentation.
const TYPES_MIN: i16 = 3;

struct Refusal(ErrorCode, String);

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DescribeConfigsRequest = decode(body, call.head.version)?;
    let mut seen = BTreeSet::new();
    let distinct = request
        .resources
        .iter()
        .filter(|resource| seen.insert((resource.resource_type, resource.resource_name.as_str())));
    let results: Vec<_> = distinct
        .map(|resource| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            match entries(call.broker, resource) {
                // Kafka sends an empty message, not null, where it has nothing to say.
                Ok(entries) => result
                    .with_error_message(Some(text("")))
                    .with_configs(selected(entries, resource, &request, call.head.version)),
                Err(Refusal(code, message)) => result
                    .with_error_code(code.code())
                    .with_error_message(Some(text(message))),
            }
        })
        .collect();
    let error = first_error(results.iter().map(|result| result.error_code));
    let body = DescribeConfigsResponse::default().with_results(results);
    Ok(Answer::Now(call.head.respond(&body, error)))
}

fn entries(
    broker: &Broker,
    resource: &DescribeConfigsResource,
) -> Result<Vec<ConfigEntry>, Refusal> {
    let name = resource.resource_name.as_str();
    let settings = &broker.settings.now();
    match ResourceType::from_code(resource.resource_type) {
        Some(ResourceType::Topic) => {
            topic_name::validate(name)
                .map_err(|message| Refusal(ErrorCode::InvalidTopicException, message))?;
            let image = broker.metadata.image();
            if image.topic_named(name).is_none() || is_private(name) {
                let code = ErrorCode::UnknownTopicOrPartition;
                return Err(Refusal(code, String::new()));
            }
            let none = BTreeMap::new();
            let overrides = image
                .topic_configs(name)
                .map_or(&none, |overrides| &**overrides);
            Ok(describe_topic(overrides, settings))
        }
        Some(ResourceType::Broker) if name.is_empty() => Ok(describe_all_brokers(settings)),
        Some(ResourceType::Broker) => match name.parse::<i32>() {
            // Only as it is printed: `01` would be another name of the same resource.
            Ok(id) if id == broker.id.get() && name == id.to_string() => {
                Ok(describe_broker(settings))
            }
            Ok(_) => Err(invalid(format!(
                "Unexpected broker id, expected {} or empty string, but received {name}",
                broker.id
            ))),
            Err(_) => Err(invalid(format!(
                "Broker id must be an integer, but it is: {name}"
            ))),
        },
        _ => Err(invalid(format!(
            "Unsupported resource type: {}",
            resource.resource_type
        ))),
    }
}

fn invalid(message: String) -> Refusal {
    Refusal(ErrorCode::InvalidRequest, message)
}

/// The settings that were asked for, all of them where no names are given.
fn selected(
    entries: Vec<ConfigEntry>,
    resource: &DescribeConfigsResource,
    request: &DescribeConfigsRequest,
    version: i16,
) -> Vec<DescribeConfigsResourceResult> {
    let names: Option<BTreeSet<&str>> = resource
        .configuration_keys
        .as_ref()
        .filter(|keys| !keys.is_empty())
        .map(|keys| keys.iter().map(|key| key.as_str()).collect());
    entries
        .into_iter()
        .filter(|entry| {
            names
                .as_ref()
                .is_none_or(|names| names.contains(entry.name.as_str()))
        })
        .map(|entry| result(entry, request, version))
        .collect()
}

fn result(
    entry: ConfigEntry,
    request: &DescribeConfigsRequest,
    version: i16,
) -> DescribeConfigsResourceResult {
    let synonyms = entry
        .synonyms
        .into_iter()
        .filter(|_| request.include_synonyms)
        .map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(text(synonym.name))
                .with_value(synonym.value.map(text))
                .with_source(synonym.source.wire_code())
        })
        .collect();
    let result = DescribeConfigsResourceResult::default()
        .with_name(text(entry.name))
        .with_value(entry.value.map(text))
        .with_read_only(entry.read_only)
        .with_config_source(entry.source.wire_code())
        .with_is_sensitive(entry.sensitive)
        .with_synonyms(synonyms)
        .with_documentation(None);
    if version < TYPES_MIN {
        return result;
    }
    let documentation = request
        .include_documentation
        .then(|| text(entry.documentation));
    result
        .with_config_type(entry.config_type.wire_code())
        .with_documentation(documentation)
}

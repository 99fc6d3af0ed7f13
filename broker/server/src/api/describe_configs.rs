//! DescribeConfigs (key 32), versions 1-4.
//!
//! Every setting of a topic, this broker, all brokers (the empty name), a group or a subscription of client metrics, with its value,
//! source, synonyms, type, and documentation (KIP-226, KIP-569, KIP-714, KIP-848); and the levels of this broker's loggers
//! (KIP-412). Values of a sensitive setting are withheld. A resource that is not there has its own error; the others are answered.
//! One that is named twice is answered once, and one whose answer would make the whole too large is refused, so that a small
//! request cannot ask for an answer without end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_controller::{ConfigResource, ResourceType, topic_name};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::messages::{ApiKey, DescribeConfigsRequest, DescribeConfigsResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::alterations::BROKER_LOGGER;
use super::controller::first_error;
use super::topics::text;
use super::{Answer, Api, Call, Head, Response, decode};
use crate::broker::{Broker, is_private};
use crate::config::{
    ConfigEntry, ConfigSource, describe_all_brokers, describe_broker, describe_client_metrics,
    describe_group, describe_topic,
};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DescribeConfigs,
    name: "DescribeConfigs",
    versions: VersionRange::new(1, 4),
    handle,
};

/// The first version with types and documentation.
const TYPES_MIN: i16 = 3;
/// Of more resources the description takes long enough to be made elsewhere.
const RESOURCES_AT_ONCE_MAX: usize = 16;
/// What an answer may take: more than some clients can receive is of no use to anyone.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The type of a level in an answer: Kafka gives none.
const UNKNOWN_TYPE: i8 = 0;

struct Refusal(ErrorCode, String);

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DescribeConfigsRequest = decode(body, call.head.version)?;
    let head = call.head;
    if request.resources.len() <= RESOURCES_AT_ONCE_MAX {
        let response = respond(call.broker, &head, &request, ANSWER_BYTES_MAX);
        return Ok(Answer::Now(response));
    }
    let broker = Arc::clone(call.broker);
    Ok(Answer::later(async move {
        let failed = head.clone();
        let respond = move || respond(&broker, &head, &request, ANSWER_BYTES_MAX);
        let answer = tokio::task::spawn_blocking(respond).await;
        answer.unwrap_or_else(|_| {
            failed.unanswerable(&WireError::Malformed("the broker is stopping"))
        })
    }))
}

/// The answer, of about `bytes_max` at most.
pub(super) fn respond(
    broker: &Broker,
    head: &Head,
    request: &DescribeConfigsRequest,
    bytes_max: usize,
) -> Response {
    let mut seen = BTreeSet::new();
    let distinct = request
        .resources
        .iter()
        .filter(|resource| seen.insert((resource.resource_type, resource.resource_name.as_str())));
    let mut room = Some(bytes_max);
    let results: Vec<_> = distinct
        .map(|resource| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            let configs = match room {
                // After one that has no room, no other is looked at.
                None => Err(too_large(bytes_max)),
                Some(left) => {
                    configs(broker, resource, request, head.version).and_then(|configs| {
                        room = left.checked_sub(bytes_of(&configs));
                        room.map(|_| configs).ok_or_else(|| too_large(bytes_max))
                    })
                }
            };
            match configs {
                // Kafka sends an empty message, not null, where it has nothing to say.
                Ok(configs) => result
                    .with_error_message(Some(text("")))
                    .with_configs(configs),
                Err(Refusal(code, message)) => result
                    .with_error_code(code.code())
                    .with_error_message(Some(text(message))),
            }
        })
        .collect();
    let error = first_error(results.iter().map(|result| result.error_code));
    let body = DescribeConfigsResponse::default().with_results(results);
    head.respond(&body, error)
}

fn too_large(bytes_max: usize) -> Refusal {
    Refusal(
        ErrorCode::PolicyViolation,
        format!(
            "The answer would be larger than {bytes_max} bytes; describe fewer resources, \
             or fewer of their settings, at a time."
        ),
    )
}

/// About what they take in the answer.
fn bytes_of(configs: &[DescribeConfigsResourceResult]) -> usize {
    const FIXED: usize = 16;
    let text = |text: &Option<protocol::codec::StrBytes>| text.as_ref().map_or(0, |it| it.len());
    let synonym = |it: &DescribeConfigsSynonym| FIXED + it.name.len() + text(&it.value);
    let config = |it: &DescribeConfigsResourceResult| {
        let synonyms: usize = it.synonyms.iter().map(synonym).sum();
        FIXED + it.name.len() + text(&it.value) + text(&it.documentation) + synonyms
    };
    configs.iter().map(config).sum()
}

/// What is asked for of a resource.
fn configs(
    broker: &Broker,
    resource: &DescribeConfigsResource,
    request: &DescribeConfigsRequest,
    version: i16,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let names: Option<BTreeSet<&str>> = resource
        .configuration_keys
        .as_ref()
        .filter(|keys| !keys.is_empty())
        .map(|keys| keys.iter().map(|key| key.as_str()).collect());
    let is_wanted = |name: &str| names.as_ref().is_none_or(|names| names.contains(name));
    if resource.resource_type == BROKER_LOGGER {
        check_logger_node(broker, &resource.resource_name)?;
        let levels = broker.loggers.levels().into_iter();
        let wanted = levels.filter(|(name, _)| is_wanted(name));
        return Ok(wanted.map(|(name, level)| logger(name, level)).collect());
    }
    let entries = entries(broker, resource, is_wanted)?.into_iter();
    Ok(entries
        .map(|entry| result(entry, request, version))
        .collect())
}

fn entries(
    broker: &Broker,
    resource: &DescribeConfigsResource,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<ConfigEntry>, Refusal> {
    let name = resource.resource_name.as_str();
    let settings = &broker.settings.now();
    let Some(resource_type) = ResourceType::from_code(resource.resource_type) else {
        return Err(invalid(ErrorCode::InvalidRequest.message()));
    };
    let image = broker.metadata.image();
    let none = BTreeMap::new();
    let resource = ConfigResource {
        resource_type,
        name: name.to_owned(),
    };
    let overrides = image.configs(&resource).map_or(&none, |configs| &**configs);
    match resource_type {
        ResourceType::Topic => {
            topic_name::validate(name)
                .map_err(|message| Refusal(ErrorCode::InvalidTopicException, message))?;
            if image.topic_named(name).is_none() || is_private(name) {
                let code = ErrorCode::UnknownTopicOrPartition;
                return Err(Refusal(code, String::new()));
            }
            Ok(describe_topic(overrides, settings, is_wanted))
        }
        ResourceType::Broker if name.is_empty() => Ok(describe_all_brokers(settings, is_wanted)),
        ResourceType::Broker => {
            check_node(broker, name, |id| {
                format!("Unexpected broker id, expected {id} or empty string, but received {name}")
            })?;
            Ok(describe_broker(settings, is_wanted))
        }
        ResourceType::Group if name.is_empty() => Err(invalid("Group name must not be empty")),
        ResourceType::Group => Ok(describe_group(overrides, settings, is_wanted)),
        ResourceType::ClientMetrics if name.is_empty() => Err(invalid(
            "Client metrics subscription name must not be empty",
        )),
        ResourceType::ClientMetrics => Ok(describe_client_metrics(overrides, is_wanted)),
    }
}

fn check_logger_node(broker: &Broker, name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(invalid("Broker id must not be empty"));
    }
    check_node(broker, name, |id| {
        format!("Unexpected broker id, expected {id} but received {name}")
    })
}

/// Whether a resource is this node's. Its id counts only as it is printed: `01` would be another name of the same resource.
fn check_node(
    broker: &Broker,
    name: &str,
    other: impl FnOnce(i32) -> String,
) -> Result<(), Refusal> {
    let id = broker.id.get();
    if name == id.to_string() {
        return Ok(());
    }
    Err(invalid(match name.parse::<i32>() {
        Ok(_) => other(id),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    }))
}

/// A logger's level, which has no type and no documentation.
fn logger(name: String, level: &'static str) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(level)))
        .with_config_source(ConfigSource::DynamicBrokerLogger.wire_code())
        .with_config_type(UNKNOWN_TYPE)
        .with_documentation(Some(text("")))
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal(ErrorCode::InvalidRequest, message.into())
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

//! CreateTopics (key 19), versions 2-7.
//!
//! Each topic by itself: one that is refused does not keep the others from being made. Done means: its records are committed and its
//! partitions take records; a request that does not wait (`timeout_ms` of 0 or less) creates nothing, as with Kafka. Topic ids in the answer from version 7 (KIP-516), effective configuration from version 5 (KIP-525).

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_controller::ApiError;
use broker_controller::decide::{CreateTopicResult, CreateTopics, NewTopic, ReplicaAssignment};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use protocol::messages::{ApiKey, CreateTopicsRequest, CreateTopicsResponse, TopicName};
use protocol::model::BrokerId;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::{first_error, submit};
use super::topics::{new_topic_id, text};
use super::{Answer, Api, Call, decode};
use crate::broker::Broker;
use crate::config::describe_topic;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::CreateTopics,
    name: "CreateTopics",
    versions: VersionRange::new(2, 7),
    handle,
};

/// The first version that tells the effective configuration.
const CONFIGS_MIN: i16 = 5;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: CreateTopicsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let max = call.broker.config.broker.topics.topics_per_request_max;
    if request.topics.len() > max {
        let error = ApiError::new(
            ErrorCode::PolicyViolation,
            "Excessively large number of topics per request.",
        );
        let names = request.topics.iter().map(|topic| topic.name.as_str());
        let topics = names.map(|name| refused(name, &error)).collect();
        let body = CreateTopicsResponse::default().with_topics(topics);
        return Ok(Answer::Now(head.respond(&body, error.code)));
    }
    let topics: Vec<NewTopic> = request.topics.iter().map(new_topic).collect();
    let asked = Asked::of(&topics);
    let command = CreateTopics {
        topics,
        validate_only: request.validate_only,
    };
    let submitted = submit(call.broker, command, request.timeout_ms);
    let broker = Arc::clone(call.broker);
    Ok(Answer::later(async move {
        let topics: Vec<CreatableTopicResult> = match submitted.await {
            Ok(results) => results
                .into_iter()
                .map(|result| answer(&broker, result, &asked, head.version))
                .collect(),
            Err(error) => asked.names().map(|name| refused(name, &error)).collect(),
        };
        let error = first_error(topics.iter().map(|topic| topic.error_code));
        head.respond(&CreateTopicsResponse::default().with_topics(topics), error)
    }))
}

/// The configuration that was asked for, by topic.
struct Asked(BTreeMap<String, BTreeMap<String, String>>);

impl Asked {
    fn of(topics: &[NewTopic]) -> Asked {
        let set = |topic: &NewTopic| {
            let configs = topic.configs.iter();
            let set = configs.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
            (topic.name.clone(), set.collect())
        };
        Asked(topics.iter().map(set).collect())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn new_topic(topic: &CreatableTopic) -> NewTopic {
    let assignments = topic
        .assignments
        .iter()
        .map(|assignment| ReplicaAssignment {
            partition: assignment.partition_index,
            brokers: assignment
                .broker_ids
                .iter()
                .map(|id| BrokerId::new(id.0))
                .collect(),
        });
    let configs = topic.configs.iter().map(|config| {
        (
            config.name.to_string(),
            config.value.as_ref().map(ToString::to_string),
        )
    });
    NewTopic {
        name: topic.name.to_string(),
        topic_id: new_topic_id(),
        num_partitions: (topic.num_partitions != -1).then_some(topic.num_partitions),
        replication_factor: (topic.replication_factor != -1).then_some(topic.replication_factor),
        assignments: assignments.collect(),
        configs: configs.collect(),
    }
}

fn answer(
    broker: &Broker,
    result: CreateTopicResult,
    asked: &Asked,
    version: i16,
) -> CreatableTopicResult {
    let created = match result.result {
        Ok(created) => created,
        Err(error) => return refused(&result.name, &error),
    };
    let configs = match asked.0.get(&result.name) {
        Some(configs) if version >= CONFIGS_MIN => effective_configs(broker, configs),
        _ => Vec::new(),
    };
    CreatableTopicResult::default()
        .with_name(TopicName(text(result.name)))
        .with_topic_id(created.topic_id.get())
        .with_error_message(None)
        .with_num_partitions(created.num_partitions)
        .with_replication_factor(created.replication_factor)
        .with_configs(Some(configs))
}

fn effective_configs(
    broker: &Broker,
    configs: &BTreeMap<String, String>,
) -> Vec<CreatableTopicConfigs> {
    describe_topic(configs, &broker.settings.now(), |_| true)
        .into_iter()
        .map(|entry| {
            CreatableTopicConfigs::default()
                .with_name(text(entry.name))
                .with_value(entry.value.map(text))
                .with_read_only(entry.read_only)
                .with_config_source(entry.source.wire_code())
                .with_is_sensitive(entry.sensitive)
        })
        .collect()
}

fn refused(name: &str, error: &ApiError) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(TopicName(text(name)))
        .with_error_code(error.code.code())
        .with_error_message(error.message.clone().map(text))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(Some(Vec::new()))
}

//! CreateTopics (key 19), versions 2-7.
//!
//! Each topic by itself: one that is refused does not keep the others from being made. Done means: its records are committed and its
//! partitions take records. Topic ids in the answer from version 7 (KIP-516), effective configuration from version 5 (KIP-525).

use std::sync::Arc;

use broker_controller::decide::{CreateTopicResult, CreateTopics, NewTopic, ReplicaAssignment};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use protocol::messages::{ApiKey, CreateTopicsRequest, CreateTopicsResponse, TopicName};
use protocol::model::BrokerId;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

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
    let broker = Arc::clone(call.broker);
    Ok(Answer::later(async move {
        let command = CreateTopics {
            topics: request.topics.iter().map(new_topic).collect(),
            validate_only: request.validate_only,
        };
        let topics: Vec<CreatableTopicResult> = match broker.metadata.submit(&command).await {
            Ok(results) => results
                .into_iter()
                .zip(&command.topics)
                .map(|(result, topic)| answer(&broker, result, topic, head.version))
                .collect(),
            Err(error) => command
                .topics
                .iter()
                .map(|topic| refused(&topic.name, error.code, error.message.clone()))
                .collect(),
        };
        let error = topics
            .iter()
            .find_map(|topic| {
                ErrorCode::from_code(topic.error_code).filter(|code| *code != ErrorCode::None)
            })
            .unwrap_or(ErrorCode::None);
        head.respond(&CreateTopicsResponse::default().with_topics(topics), error)
    }))
}

fn new_topic(topic: &CreatableTopic) -> NewTopic {
    let assignments = topic.assignments.iter().map(|assignment| ReplicaAssignment {
        partition: assignment.partition_index,
        brokers: assignment.broker_ids.iter().map(|id| BrokerId::new(id.0)).collect(),
    });
    let configs = topic.configs.iter().map(|config| {
        (config.name.to_string(), config.value.as_ref().map(ToString::to_string))
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
    topic: &NewTopic,
    version: i16,
) -> CreatableTopicResult {
    let created = match result.result {
        Ok(created) => created,
        Err(error) => return refused(&result.name, error.code, error.message),
    };
    let configs = (version >= CONFIGS_MIN).then(|| effective_configs(broker, topic));
    CreatableTopicResult::default()
        .with_name(TopicName(text(result.name)))
        .with_topic_id(created.topic_id.get())
        .with_error_message(None)
        .with_num_partitions(created.num_partitions)
        .with_replication_factor(created.replication_factor)
        .with_configs(configs)
}

fn effective_configs(broker: &Broker, topic: &NewTopic) -> Vec<CreatableTopicConfigs> {
    let overrides = topic
        .configs
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect();
    describe_topic(&overrides, &broker.config.settings)
        .into_iter()
        .map(|entry| {
            CreatableTopicConfigs::default()
                .with_name(text(entry.name))
                .with_value(entry.value.map(text))
                .with_read_only(false)
                .with_config_source(entry.source.wire_code())
                .with_is_sensitive(entry.sensitive)
        })
        .collect()
}

fn refused(name: &str, code: ErrorCode, message: Option<String>) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(TopicName(text(name)))
        .with_error_code(code.code())
        .with_error_message(message.map(text))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(None)
}

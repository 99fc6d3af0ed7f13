//! Metadata (key 3), versions 0-13.
//!
//! Brokers as this listener advertises them, and topics by name, by id (version 10), or all (null; in version 0 an empty list). A topic that is asked for by name and does not
//! exist is created where the request and `auto.create.topics.enable` allow it; creation takes a journal write, so it is awaited and the answer has the topic.
//! The metadata log itself is never listed.

use std::sync::Arc;

use broker_controller::decide::{CreateTopics, NewTopic};
use broker_controller::image::{PartitionImage, TopicImage};
use broker_controller::{MetadataImage, topic_name};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::{ApiKey, MetadataRequest, MetadataResponse, TopicName};
use protocol::model::{BrokerId, TopicId, Uuid};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::topics::{new_topic_id, text};
use super::{Answer, Api, Call, Head, Response, decode};
use crate::broker::{Broker, is_private};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::Metadata,
    name: "Metadata",
    versions: VersionRange::new(0, 13),
    handle,
};

/// Kafka's bits for every operation on a topic, as without an authorizer: READ to ALTER_CONFIGS that apply to topics.
const TOPIC_OPERATIONS: i32 = 0b0000_1101_1111_1000;
/// The same for the cluster.
pub(super) const CLUSTER_OPERATIONS: i32 = 0b0001_1111_1010_0000;
/// Nobody asked.
pub(super) const OPERATIONS_OMITTED: i32 = i32::MIN;

/// A topic as the request names it.
enum Wanted {
    Name(String),
    Id(Uuid),
}

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: MetadataRequest = decode(body, version)?;
    let listener: Arc<str> = call.connection.listener_name().into();
    let wanted = wanted(&request, version);
    let may_create = (version < 4 || request.allow_auto_topic_creation)
        && call.broker.config.broker.topics.auto_create;
    let head = call.head;
    let missing = match &wanted {
        Some(wanted) if may_create => missing(&call.broker.metadata.image(), wanted),
        _ => Vec::new(),
    };
    if missing.is_empty() {
        return Ok(Answer::Now(respond(
            call.broker,
            &head,
            &request,
            wanted.as_deref(),
            &listener,
        )));
    }
    let broker = Arc::clone(call.broker);
    Ok(Answer::later(async move {
        create(&broker, missing).await;
        respond(&broker, &head, &request, wanted.as_deref(), &listener)
    }))
}

/// The topics asked for; `None` for all.
fn wanted(request: &MetadataRequest, version: i16) -> Option<Vec<Wanted>> {
    let topics = request.topics.as_ref()?;
    if version == 0 && topics.is_empty() {
        return None;
    }
    let wanted = topics.iter().map(|topic| match &topic.name {
        Some(name) => Wanted::Name(name.to_string()),
        None => Wanted::Id(topic.topic_id),
    });
    Some(wanted.collect())
}

/// Topics that could be created: named, valid, and not there.
fn missing(image: &MetadataImage, wanted: &[Wanted]) -> Vec<String> {
    let mut missing: Vec<String> = wanted
        .iter()
        .filter_map(|wanted| match wanted {
            Wanted::Name(name) => Some(name),
            Wanted::Id(_) => None,
        })
        .filter(|name| {
            image.topic_named(name).is_none()
                && topic_name::validate(name).is_ok()
                && !is_private(name)
        })
        .cloned()
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

async fn create(broker: &Broker, names: Vec<String>) {
    let topics = names
        .into_iter()
        .map(|name| NewTopic {
            name,
            topic_id: new_topic_id(),
            num_partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: Vec::new(),
        })
        .collect();
    match broker
        .metadata
        .submit(&CreateTopics {
            topics,
            validate_only: false,
        })
        .await
    {
        Ok(results) => {
            for result in results {
                match result.result {
                    Ok(_) => tracing::info!(topic = result.name, "created a topic automatically"),
                    Err(error) => {
                        tracing::warn!(
                            topic = result.name,
                            ?error,
                            "cannot create a topic automatically"
                        );
                    }
                }
            }
        }
        Err(error) => tracing::error!(?error, "cannot create topics automatically"),
    }
}

fn respond(
    broker: &Broker,
    head: &Head,
    request: &MetadataRequest,
    wanted: Option<&[Wanted]>,
    listener: &str,
) -> Response {
    let image = broker.metadata.image();
    let topics: Vec<MetadataResponseTopic> = match wanted {
        None => image
            .topics_by_name()
            .map(|topic| found(broker, topic))
            .collect(),
        Some(wanted) => wanted
            .iter()
            .map(|wanted| one(broker, &image, wanted))
            .collect(),
    };
    let operations = |asked: bool, all: i32| if asked { all } else { OPERATIONS_OMITTED };
    let topics: Vec<_> = topics
        .into_iter()
        .map(|topic| {
            let asked = request.include_topic_authorized_operations && topic.error_code == 0;
            topic.with_topic_authorized_operations(operations(asked, TOPIC_OPERATIONS))
        })
        .collect();
    let error = topics
        .iter()
        .find_map(|topic| {
            ErrorCode::from_code(topic.error_code).filter(|code| *code != ErrorCode::None)
        })
        .unwrap_or(ErrorCode::None);
    let cluster_operations = operations(
        request.include_cluster_authorized_operations,
        CLUSTER_OPERATIONS,
    );
    let body = MetadataResponse::default()
        .with_brokers(brokers(&image, listener))
        .with_cluster_id(Some(text(&*broker.cluster_id)))
        .with_controller_id(broker.id.get().into())
        .with_cluster_authorized_operations(cluster_operations)
        .with_topics(topics);
    head.respond(&body, error)
}

fn brokers(image: &MetadataImage, listener: &str) -> Vec<MetadataResponseBroker> {
    image
        .brokers()
        .filter(|broker| !broker.fenced)
        .filter_map(|broker| {
            let endpoint = image.endpoint(broker.broker_id, listener)?;
            Some(
                MetadataResponseBroker::default()
                    .with_node_id(broker.broker_id.get().into())
                    .with_host(text(&*endpoint.host))
                    .with_port(i32::from(endpoint.port))
                    .with_rack(broker.rack.as_deref().map(text)),
            )
        })
        .collect()
}

fn one(broker: &Broker, image: &MetadataImage, wanted: &Wanted) -> MetadataResponseTopic {
    match wanted {
        Wanted::Name(name) => match image.topic_named(name) {
            Some(topic) if !is_private(name) => found(broker, topic),
            _ => {
                let code = if topic_name::validate(name).is_err() {
                    ErrorCode::InvalidTopicException
                } else {
                    ErrorCode::UnknownTopicOrPartition
                };
                MetadataResponseTopic::default()
                    .with_error_code(code.code())
                    .with_name(Some(TopicName(text(&**name))))
            }
        },
        Wanted::Id(id) => match TopicId::new(*id).and_then(|id| image.topic(id)) {
            Some(topic) => found(broker, topic),
            None => MetadataResponseTopic::default()
                .with_error_code(ErrorCode::UnknownTopicId.code())
                .with_name(None)
                .with_topic_id(*id),
        },
    }
}

fn found(broker: &Broker, topic: &TopicImage) -> MetadataResponseTopic {
    let partitions = topic
        .partitions()
        .map(|(index, state)| partition(broker, index.get(), state))
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(&**topic.name()))))
        .with_topic_id(topic.topic_id().get())
        .with_is_internal(topic_name::is_internal(topic.name()))
        .with_partitions(partitions)
}

fn partition(broker: &Broker, index: i32, state: &PartitionImage) -> MetadataResponsePartition {
    let ids = |brokers: Vec<BrokerId>| brokers.into_iter().map(|id| id.get().into()).collect();
    let code = match state.leader {
        Some(_) => ErrorCode::None,
        None => ErrorCode::LeaderNotAvailable,
    };
    let image = broker.metadata.image();
    let offline = state
        .replica_brokers()
        .filter(|id| image.broker(*id).is_none_or(|broker| broker.fenced))
        .collect();
    MetadataResponsePartition::default()
        .with_error_code(code.code())
        .with_partition_index(index)
        .with_leader_id(state.leader.map_or(-1, BrokerId::get).into())
        .with_leader_epoch(state.leader_epoch.get())
        .with_replica_nodes(ids(state.replica_brokers().collect()))
        .with_isr_nodes(ids(state.isr.clone()))
        .with_offline_replicas(ids(offline))
}

//! Metadata (key 3), versions 0-13.
//!
//! Brokers as this listener advertises them ([`ListedBrokers`](crate::listed::ListedBrokers)), and topics by name, by id (version 12), or all (null; in version 0 an empty list). A topic
//! is answered once, however often it is asked for; where there are ids, names do not count.
//!
//! A topic that is asked for by name and does not exist is created where the request and `auto.create.topics.enable` allow it. Kafka
//! answers UNKNOWN_TOPIC_OR_PARTITION until that is done; here it takes one journal write, so it is awaited and the answer has the topic,
//! or says why it cannot be. The topics Kafka keeps for itself are not created: nobody here writes them, and made as plain topics
//! they would have the wrong partitions and retention.
//!
//! The error of the whole answer (version 13, KIP-1102) stays NONE: no broker asks its clients to bootstrap again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use broker_controller::decide::{CreateTopicResult, CreateTopics, NewTopic};
use broker_controller::image::{PartitionImage, TopicImage};
use broker_controller::{MetadataImage, topic_name};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::{ApiKey, MetadataRequest, MetadataResponse, TopicName};
use protocol::model::{BrokerId, PartitionIndex, TopicId, TopicIdPartition, Uuid};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::{first_error, submit};
use super::topics::{new_topic_id, text};
use super::view::{View, on_wire};
use super::{Answer, Api, Call, Head, Response, decode};
use crate::broker::{Broker, is_private};
use crate::clock::monotonic_ms;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::Metadata,
    name: "Metadata",
    versions: VersionRange::new(0, 13),
    handle,
};

/// Kafka's bits for every operation on a topic, as without an authorizer: READ to ALTER_CONFIGS that apply to topics.
pub(super) const TOPIC_OPERATIONS: i32 = 0b0000_1101_1111_1000;
/// The same for the cluster.
pub(super) const CLUSTER_OPERATIONS: i32 = 0b0001_1111_1010_0000;
/// Nobody asked.
pub(super) const OPERATIONS_OMITTED: i32 = i32::MIN;

/// The first version that takes topic ids; they were in the schema before (KIP-516).
const IDS_MIN: i16 = 12;
/// How long an automatic creation is awaited; it goes on, and the client asks again.
const CREATE_WAIT_MS_MAX: i32 = 30_000;

/// The topics asked for, each once.
enum Wanted {
    All,
    Names(Vec<String>),
    Ids(Vec<Uuid>),
}

/// Why topics were not created, by name.
type NotCreated = BTreeMap<String, ErrorCode>;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: MetadataRequest = decode(body, version)?;
    let Some(wanted) = Wanted::of(&request, version) else {
        return Ok(Answer::Now(invalid(&call.head, &request)));
    };
    let listener = Arc::clone(call.connection.listener_name());
    let may_create = (version < 4 || request.allow_auto_topic_creation)
        && call.broker.config.broker.topics.auto_create;
    let missing = match &wanted {
        Wanted::Names(names) if may_create => missing(call.broker, names),
        _ => Vec::new(),
    };
    let head = call.head;
    let broker = Arc::clone(call.broker);
    if missing.is_empty() {
        let response = respond(
            &broker,
            &head,
            &request,
            &wanted,
            &listener,
            &NotCreated::new(),
        );
        return Ok(Answer::Now(response));
    }
    let created = create(&broker, missing);
    Ok(Answer::later(async move {
        let not_created = created.await;
        respond(&broker, &head, &request, &wanted, &listener, &not_created)
    }))
}

impl Wanted {
    /// `None` if the request names topics in a way its version has not.
    fn of(request: &MetadataRequest, version: i16) -> Option<Wanted> {
        let Some(topics) = &request.topics else {
            return Some(Wanted::All);
        };
        if version == 0 && topics.is_empty() {
            return Some(Wanted::All);
        }
        let ids = topics
            .iter()
            .map(|topic| topic.topic_id)
            .filter(|id| !id.is_nil());
        let ids: Vec<Uuid> = distinct(ids);
        let nameless = topics.iter().any(|topic| topic.name.is_none());
        match (ids.is_empty(), nameless) {
            (false, _) => (version >= IDS_MIN).then_some(Wanted::Ids(ids)),
            (true, true) => None,
            (true, false) => {
                let names = topics.iter().filter_map(|topic| topic.name.as_ref());
                Some(Wanted::Names(distinct(names.map(|name| name.to_string()))))
            }
        }
    }
}

fn distinct<T: Clone + Eq + std::hash::Hash>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(item.clone())).collect()
}

/// Topics that could be created, as many as one request may.
fn missing(broker: &Broker, names: &[String]) -> Vec<String> {
    let image = broker.metadata.image();
    let could = |name: &&String| {
        image.topic_named(name).is_none()
            && topic_name::validate(name).is_ok()
            && !topic_name::is_internal(name)
            && !is_private(name)
    };
    let max = broker.config.broker.topics.topics_per_request_max;
    names.iter().filter(could).take(max).cloned().collect()
}

fn create(
    broker: &Arc<Broker>,
    names: Vec<String>,
) -> impl Future<Output = NotCreated> + Send + 'static {
    let topics = names.into_iter().map(|name| NewTopic {
        name,
        topic_id: new_topic_id(),
        num_partitions: None,
        replication_factor: None,
        assignments: Vec::new(),
        configs: Vec::new(),
    });
    let command = CreateTopics {
        topics: topics.collect(),
        validate_only: false,
    };
    let submitted = submit(broker, command, CREATE_WAIT_MS_MAX);
    async move {
        let results = match submitted.await {
            Ok(results) => results,
            Err(error) => {
                tracing::warn!(%error, "cannot create topics automatically");
                return NotCreated::new();
            }
        };
        let mut not_created = NotCreated::new();
        for CreateTopicResult { name, result } in results {
            match result {
                Ok(_) => tracing::info!(topic = name, "created a topic automatically"),
                // By another request, since this one looked.
                Err(error) if error.code == ErrorCode::TopicAlreadyExists => {}
                Err(error) => {
                    tracing::debug!(topic = name, %error, "cannot create a topic automatically");
                    not_created.insert(name, error.code);
                }
            }
        }
        not_created
    }
}

/// The answer to a request that cannot be read at its version: each topic with the error, and nothing else, as from Kafka.
fn invalid(head: &Head, request: &MetadataRequest) -> Response {
    let code = ErrorCode::InvalidRequest;
    let topics = request.topics.iter().flatten().map(|topic| {
        MetadataResponseTopic::default()
            .with_error_code(code.code())
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_topic_id(topic.topic_id)
    });
    let body = MetadataResponse::default()
        .with_cluster_id(None)
        .with_controller_id((-1).into())
        .with_topics(topics.collect());
    head.respond(&body, code)
}

fn respond(
    broker: &Broker,
    head: &Head,
    request: &MetadataRequest,
    wanted: &Wanted,
    listener: &str,
    not_created: &NotCreated,
) -> Response {
    let image = broker.metadata.image();
    let view = Topics(View {
        image: &image,
        listener,
        led: &broker.partitions,
    });
    let topics: Vec<MetadataResponseTopic> = match wanted {
        Wanted::All => image
            .topics_by_name()
            .map(|topic| view.topic(topic))
            .collect(),
        Wanted::Names(names) => names
            .iter()
            .map(|name| view.named(name, not_created.get(name).copied()))
            .collect(),
        Wanted::Ids(ids) => ids.iter().map(|id| view.with_id(*id)).collect(),
    };
    let error = first_error(topics.iter().map(|topic| topic.error_code));
    let asked = request.include_topic_authorized_operations;
    let topics = topics.into_iter().map(|topic| {
        // Of an unknown id there is no name to be authorized for.
        let operations = if asked && topic.name.is_some() {
            TOPIC_OPERATIONS
        } else {
            OPERATIONS_OMITTED
        };
        topic.with_topic_authorized_operations(operations)
    });
    let cluster_operations = if request.include_cluster_authorized_operations {
        CLUSTER_OPERATIONS
    } else {
        OPERATIONS_OMITTED
    };
    let body = MetadataResponse::default()
        .with_brokers(brokers(broker, &image, listener))
        .with_cluster_id(Some(text(&*broker.cluster_id)))
        .with_controller_id(broker.id.get().into())
        .with_cluster_authorized_operations(cluster_operations)
        .with_topics(topics.collect());
    head.respond(&body, error)
}

fn brokers(broker: &Broker, image: &MetadataImage, listener: &str) -> Vec<MetadataResponseBroker> {
    let listed = broker.listed.of(monotonic_ms(), image);
    listed
        .into_iter()
        .filter_map(|registration| {
            let mut listeners = registration.listeners.iter();
            let endpoint = listeners.find(|it| it.name == listener)?;
            Some(
                MetadataResponseBroker::default()
                    .with_node_id(registration.broker_id.get().into())
                    .with_host(text(&*endpoint.host))
                    .with_port(i32::from(endpoint.port))
                    .with_rack(registration.rack.as_deref().map(text)),
            )
        })
        .collect()
}

/// Topics, for clients of one listener.
struct Topics<'a>(View<'a>);

impl Topics<'_> {
    fn named(&self, name: &str, not_created: Option<ErrorCode>) -> MetadataResponseTopic {
        if let Some(topic) = self.0.image.topic_named(name).filter(|_| !is_private(name)) {
            return self.topic(topic);
        }
        let code = match topic_name::validate(name) {
            Err(_) => ErrorCode::InvalidTopicException,
            Ok(()) => not_created.unwrap_or(ErrorCode::UnknownTopicOrPartition),
        };
        MetadataResponseTopic::default()
            .with_error_code(code.code())
            .with_name(Some(TopicName(text(name))))
            .with_is_internal(topic_name::is_internal(name))
    }

    fn with_id(&self, id: Uuid) -> MetadataResponseTopic {
        match TopicId::new(id).and_then(|id| self.0.image.topic(id)) {
            Some(topic) => self.topic(topic),
            None => MetadataResponseTopic::default()
                .with_error_code(ErrorCode::UnknownTopicId.code())
                .with_name(None)
                .with_topic_id(id),
        }
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        let partitions = topic.partitions();
        let partitions =
            partitions.map(|(index, state)| self.partition(topic.topic_id(), index, state));
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(text(&**topic.name()))))
            .with_topic_id(topic.topic_id().get())
            .with_is_internal(topic_name::is_internal(topic.name()))
            .with_partitions(partitions.collect())
    }

    fn partition(
        &self,
        topic_id: TopicId,
        index: PartitionIndex,
        state: &PartitionImage,
    ) -> MetadataResponsePartition {
        let id = TopicIdPartition {
            topic_id,
            partition: index,
        };
        let (code, leader) = self.0.leader(id, state);
        MetadataResponsePartition::default()
            .with_error_code(code.code())
            .with_partition_index(index.get())
            .with_leader_id(leader.map_or(-1, BrokerId::get).into())
            .with_leader_epoch(state.leader_epoch.get())
            .with_replica_nodes(on_wire(state.replica_brokers()))
            .with_isr_nodes(on_wire(state.isr.iter().copied()))
            .with_offline_replicas(self.0.offline_replicas(state))
    }
}

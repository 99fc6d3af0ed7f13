//! FindCoordinator (key 10), versions 0-6 (KIP-699 asks for many at once from version 4 on).
//!
//! The broker that leads the partition of `__consumer_offsets` which a group belongs to, as the listener advertises it. The topic is made when
//! the first group asks, and the answer waits until it is there (Kafka answers COORDINATOR_NOT_AVAILABLE meanwhile).
//!
//! Not supported: coordinators of transactions, whose clients get an error that ends them, and of share groups, which get INVALID_REQUEST as
//! types that do not exist.

use std::sync::Arc;

use broker_controller::MetadataImage;
use broker_coordinators::group::OFFSETS_TOPIC;
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::find_coordinator_response::Coordinator;
use protocol::messages::{ApiKey, FindCoordinatorRequest, FindCoordinatorResponse};
use protocol::model::TopicIdPartition;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::first_error;
use super::groups::on_wire;
use super::offsets_topic::make_offsets_topic;
use super::{Answer, Api, Call, decode};
use crate::broker::Broker;
use crate::coordinator::coordinating_partition;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::FindCoordinator,
    name: "FindCoordinator",
    versions: VersionRange::new(0, 6),
    handle,
};

/// The first version that asks for many.
const MANY_MIN: i16 = 4;

/// `key_type` of consumer groups.
const GROUP: i8 = 0;
/// `key_type` of transactional producers.
const TRANSACTION: i8 = 1;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: FindCoordinatorRequest = decode(body, call.head.version)?;
    let head = call.head;
    let broker = Arc::clone(call.broker);
    let listener = Arc::clone(call.connection.listener_name());
    Ok(Answer::later(async move {
        let keys = match head.version >= MANY_MIN {
            true => request.coordinator_keys,
            false => vec![request.key],
        };
        let made = match request.key_type {
            GROUP => make_offsets_topic(&broker).await,
            // As InitProducerId answers.
            TRANSACTION => Err(ErrorCode::TransactionalIdAuthorizationFailed),
            _ => Err(ErrorCode::InvalidRequest),
        };
        let image = broker.metadata.image();
        let find = |key: StrBytes| {
            let found = made.and_then(|()| find(&broker, &image, &listener, &key));
            coordinator(key, found)
        };
        let mut found: Vec<Coordinator> = keys.into_iter().map(find).collect();
        let error = first_error(found.iter().map(|it| it.error_code));
        let body = match found.pop() {
            Some(only) if head.version < MANY_MIN => FindCoordinatorResponse::default()
                .with_error_code(only.error_code)
                .with_error_message(only.error_message)
                .with_node_id(only.node_id)
                .with_host(only.host)
                .with_port(only.port),
            last => {
                found.extend(last);
                FindCoordinatorResponse::default().with_coordinators(found)
            }
        };
        head.respond(&body, error)
    }))
}

/// A broker, and where it can be reached.
type Found = (protocol::model::BrokerId, String, u16);

fn find(
    broker: &Broker,
    image: &MetadataImage,
    listener: &str,
    group: &str,
) -> Result<Found, ErrorCode> {
    let unavailable = ErrorCode::CoordinatorNotAvailable;
    let partition = coordinating_partition(image, group).ok_or(unavailable)?;
    let topic = image.topic_named(OFFSETS_TOPIC).ok_or(unavailable)?;
    let leader = topic.partition(partition).and_then(|state| state.leader);
    let leader = leader.ok_or(unavailable)?;
    let id = TopicIdPartition {
        topic_id: topic.topic_id(),
        partition,
    };
    // Another may coordinate by now.
    if broker
        .partitions
        .get(id)
        .is_some_and(|it| it.is_abandoned())
    {
        return Err(unavailable);
    }
    let endpoint = image.endpoint(leader, listener).ok_or(unavailable)?;
    Ok((leader, endpoint.host.clone(), endpoint.port))
}

fn coordinator(key: StrBytes, found: Result<Found, ErrorCode>) -> Coordinator {
    match found {
        Ok((id, host, port)) => Coordinator::default()
            .with_key(key)
            .with_error_message(None)
            .with_node_id(id.get().into())
            .with_host(on_wire(&host))
            .with_port(i32::from(port)),
        Err(error) => Coordinator::default()
            .with_key(key)
            .with_error_code(error.code())
            .with_error_message(Some(on_wire(error.message())))
            .with_node_id((-1).into())
            .with_port(-1),
    }
}

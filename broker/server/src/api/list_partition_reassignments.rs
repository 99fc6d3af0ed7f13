//! ListPartitionReassignments (key 46), version 0 (KIP-455).
//!
//! What this broker knows to be under way: of the partitions that are named, or of all. What is named and is not under way, or not there, is left out.

use broker_controller::image::TopicImage;
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use protocol::messages::{
    ApiKey, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use protocol::model::PartitionIndex;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::topics::text;
use super::view::on_wire;
use super::{Answer, Api, Call, decode};
use crate::broker::is_private;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::ListPartitionReassignments,
    name: "ListPartitionReassignments",
    versions: VersionRange::new(0, 0),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: ListPartitionReassignmentsRequest = decode(body, call.head.version)?;
    let image = call.broker.metadata.image();
    let topics: Vec<OngoingTopicReassignment> = match &request.topics {
        None => {
            let topics = image.topics_by_name();
            topics.filter_map(|topic| under_way(topic, None)).collect()
        }
        Some(named) => named
            .iter()
            .filter_map(|named| {
                let topic = image.topic_named(&named.name)?;
                under_way(topic, Some(&named.partition_indexes))
            })
            .collect(),
    };
    let body = ListPartitionReassignmentsResponse::default()
        .with_error_message(None)
        .with_topics(topics);
    Ok(Answer::Now(call.head.respond(&body, ErrorCode::None)))
}

fn under_way(topic: &TopicImage, named: Option<&[i32]>) -> Option<OngoingTopicReassignment> {
    if is_private(topic.name()) {
        return None;
    }
    let is_named = |index: PartitionIndex| named.is_none_or(|named| named.contains(&index.get()));
    let partitions = topic.partitions();
    let partitions = partitions.filter(|(index, it)| it.is_reassigning() && is_named(*index));
    let partitions: Vec<_> = partitions
        .map(|(index, state)| {
            OngoingPartitionReassignment::default()
                .with_partition_index(index.get())
                .with_replicas(on_wire(state.replica_brokers()))
                .with_adding_replicas(on_wire(state.adding.iter().copied()))
                .with_removing_replicas(on_wire(state.removing.iter().copied()))
        })
        .collect();
    (!partitions.is_empty()).then(|| {
        OngoingTopicReassignment::default()
            .with_name(text(&**topic.name()).into())
            .with_partitions(partitions)
    })
}

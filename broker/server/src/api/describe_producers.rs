//! DescribeProducers (key 61), version 0 (KIP-664).
//!
//! The idempotent producers that a partition's leader remembers, by id. A partition is answered once, however often it is asked for;
//! one whose producers would make the answer too large is refused with POLICY_VIOLATION, unless it is the first with any.
//!
//! There are no transactions yet: no producer has one open, and no coordinator has written.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_controller::topic_name;
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState as WireState, TopicResponse,
};
use protocol::messages::{ApiKey, DescribeProducersRequest, DescribeProducersResponse};
use protocol::model::{ProducerId, TopicId};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;
use storage::log::ProducerState;

use super::controller::first_error;
use super::topics::{find_partition, id_of, text};
use super::{Answer, Api, Call, Head, Response, decode};
use crate::broker::Broker;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DescribeProducers,
    name: "DescribeProducers",
    versions: VersionRange::new(0, 0),
    handle,
};

/// Producers in one answer: some four megabytes.
const PRODUCERS_MAX: usize = 100_000;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DescribeProducersRequest = decode(body, call.head.version)?;
    let head = call.head;
    let broker = Arc::clone(call.broker);
    // Producers are copied, partition by partition.
    Ok(Answer::later(async move {
        let failed = head.clone();
        let respond = move || respond(&broker, &head, &request, PRODUCERS_MAX);
        let answer = tokio::task::spawn_blocking(respond).await;
        answer.unwrap_or_else(|_| {
            failed.unanswerable(&WireError::Malformed("the broker is stopping"))
        })
    }))
}

/// The answer, of at most so many producers, or those of one partition.
pub(super) fn respond(
    broker: &Broker,
    head: &Head,
    request: &DescribeProducersRequest,
    producers_max: usize,
) -> Response {
    let mut seen = BTreeSet::new();
    let mut producers = 0;
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name = topic.name.as_str();
        let found = topic_of(broker, name);
        let mut partitions = Vec::new();
        for index in &topic.partition_indexes {
            if !seen.insert((name, *index)) {
                continue;
            }
            let active = found.clone().and_then(|id| active(broker, id, *index));
            let answer = PartitionResponse::default()
                .with_partition_index(*index)
                .with_error_message(None);
            partitions.push(match active {
                Ok(active) if producers > 0 && producers + active.len() > producers_max => answer
                    .with_error_code(ErrorCode::PolicyViolation.code())
                    .with_error_message(Some(text(format!(
                        "The answer would have more than {producers_max} producers; ask for fewer \
                         partitions at a time."
                    )))),
                Ok(active) => {
                    producers += active.len();
                    answer.with_active_producers(active)
                }
                Err((code, message)) => answer
                    .with_error_code(code.code())
                    .with_error_message(message.map(text)),
            });
        }
        topics.push(
            TopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions),
        );
    }
    let codes = topics.iter().flat_map(|topic| &topic.partitions);
    let error = first_error(codes.map(|partition| partition.error_code));
    let body = DescribeProducersResponse::default().with_topics(topics);
    head.respond(&body, error)
}

/// Kafka has a sentence where it does not know the topic, and none where it does not know the partition.
type Refusal = (ErrorCode, Option<String>);

fn topic_of(broker: &Broker, name: &str) -> Result<TopicId, Refusal> {
    topic_name::validate(name)
        .map_err(|message| (ErrorCode::InvalidTopicException, Some(message)))?;
    id_of(broker, name).map_err(|code| (code, Some(code.message().to_owned())))
}

fn active(broker: &Broker, id: TopicId, index: i32) -> Result<Vec<WireState>, Refusal> {
    let partition = find_partition(broker, id, index).map_err(|code| (code, None))?;
    let producers = partition.log().producers();
    Ok(producers
        .iter()
        .map(|(id, state)| on_wire(id, state))
        .collect())
}

fn on_wire(id: ProducerId, state: &ProducerState) -> WireState {
    let last = state.batches.back();
    WireState::default()
        .with_producer_id(id.get().into())
        .with_producer_epoch(state.epoch.get().into())
        .with_last_sequence(last.map_or(-1, |batch| batch.last_sequence.get()))
        .with_last_timestamp(last.map_or(-1, |batch| batch.timestamp))
        .with_coordinator_epoch(-1)
        .with_current_txn_start_offset(-1)
}

//! AlterPartitionReassignments (key 45), versions 0-1 (KIP-455, KIP-860).
//!
//! Done means: the reassignments have begun. To take one back is to begin another, to where it came from. ListPartitionReassignments says which are under way.

use broker_controller::ApiError;
use broker_controller::decide::{AlterPartitionReassignments, NewReplicas};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::alter_partition_reassignments_request::ReassignableTopic;
use protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ApiKey,
};
use protocol::model::BrokerId;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::{first_error, submit};
use super::topics::{check_named, text};
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::AlterPartitionReassignments,
    name: "AlterPartitionReassignments",
    versions: VersionRange::new(0, 1),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: AlterPartitionReassignmentsRequest = decode(body, version)?;
    let head = call.head;
    let counts = request.topics.iter();
    let counts = counts.map(|topic| (&topic.name.0, topic.partitions.len()));
    if let Err(error) = check_named(call.broker, counts) {
        let body = AlterPartitionReassignmentsResponse::default()
            .with_error_code(error.code.code())
            .with_error_message(error.message.map(text));
        return Ok(Answer::Now(head.respond(&body, error.code)));
    }
    let allow_replication_factor_change = version == 0 || request.allow_replication_factor_change;
    let command = AlterPartitionReassignments {
        allow_replication_factor_change,
        partitions: request.topics.iter().flat_map(new_replicas).collect(),
    };
    let submitted = submit(call.broker, command, request.timeout_ms);
    Ok(Answer::later(async move {
        let body = AlterPartitionReassignmentsResponse::default()
            .with_allow_replication_factor_change(allow_replication_factor_change)
            .with_error_message(None);
        let (body, error) = match submitted.await.flatten() {
            Ok(results) => {
                let code = |it: &Result<(), ApiError>| {
                    it.as_ref().err().map_or(0, |error| error.code.code())
                };
                let error = first_error(results.iter().map(code));
                (body.with_responses(answers(request.topics, results)), error)
            }
            Err(error) => {
                let body = body
                    .with_error_code(error.code.code())
                    .with_error_message(error.message.map(text));
                (body, error.code)
            }
        };
        debug_assert!(error != ErrorCode::None || body.error_code == 0);
        head.respond(&body, error)
    }))
}

fn new_replicas(topic: &ReassignableTopic) -> impl Iterator<Item = NewReplicas> {
    let brokers = |ids: &Vec<protocol::messages::BrokerId>| {
        ids.iter().map(|id| BrokerId::new(id.0)).collect()
    };
    topic.partitions.iter().map(move |partition| NewReplicas {
        topic: topic.name.to_string(),
        partition: partition.partition_index,
        brokers: partition.replicas.as_ref().map(brokers),
    })
}

/// In the order of the request.
fn answers(
    topics: Vec<ReassignableTopic>,
    results: Vec<Result<(), ApiError>>,
) -> Vec<ReassignableTopicResponse> {
    let mut results = results.into_iter();
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().zip(results.by_ref());
        let partitions = partitions.map(|(partition, result)| {
            let answer = ReassignablePartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_message(None);
            match result {
                Ok(()) => answer,
                Err(error) => answer
                    .with_error_code(error.code.code())
                    .with_error_message(error.message.map(text)),
            }
        });
        ReassignableTopicResponse::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    topics.collect()
}

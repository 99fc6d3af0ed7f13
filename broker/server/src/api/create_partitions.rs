//! CreatePartitions (key 37), versions 0-3 (KIP-195, KIP-599).
//!
//! Each topic by itself: one that is refused does not keep the others from growing. Done means: its records are committed and
//! its new partitions take records; a request that does not wait (`timeout_ms` of 0 or less) creates nothing, as with Kafka. A
//! request for too many partitions is refused as a whole; Kafka creates the first ten thousand and answers an error.

use broker_controller::ApiError;
use broker_controller::decide::{CreatePartitions, CreatePartitionsResult, NewPartitions};
use bytes::BytesMut;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::messages::{ApiKey, CreatePartitionsRequest, CreatePartitionsResponse};
use protocol::model::BrokerId;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::{first_error, submit};
use super::topics::text;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::CreatePartitions,
    name: "CreatePartitions",
    versions: VersionRange::new(0, 3),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: CreatePartitionsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let topics: Vec<NewPartitions> = request.topics.iter().map(new_partitions).collect();
    let mut names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let command = CreatePartitions {
        topics,
        validate_only: request.validate_only,
    };
    let submitted = submit(call.broker, command, request.timeout_ms);
    Ok(Answer::later(async move {
        let results: Vec<CreatePartitionsTopicResult> = match submitted.await {
            Ok(results) => results.into_iter().map(answer).collect(),
            Err(error) => names
                .into_iter()
                .map(|name| unanswered(name, &error))
                .map(answer)
                .collect(),
        };
        let error = first_error(results.iter().map(|result| result.error_code));
        head.respond(
            &CreatePartitionsResponse::default().with_results(results),
            error,
        )
    }))
}

fn new_partitions(topic: &CreatePartitionsTopic) -> NewPartitions {
    let brokers = |ids: &[protocol::messages::BrokerId]| -> Vec<BrokerId> {
        ids.iter().map(|id| BrokerId::new(id.0)).collect()
    };
    NewPartitions {
        name: topic.name.to_string(),
        count: topic.count,
        assignments: topic.assignments.as_ref().map(|assignments| {
            let assignments = assignments.iter();
            assignments
                .map(|assignment| brokers(&assignment.broker_ids))
                .collect()
        }),
    }
}

fn unanswered(name: String, error: &ApiError) -> CreatePartitionsResult {
    CreatePartitionsResult {
        name,
        result: Err(error.clone()),
    }
}

fn answer(result: CreatePartitionsResult) -> CreatePartitionsTopicResult {
    let answer = CreatePartitionsTopicResult::default()
        .with_name(text(result.name).into())
        .with_error_message(None);
    match result.result {
        Ok(()) => answer,
        Err(error) => answer
            .with_error_code(error.code.code())
            .with_error_message(error.message.map(text)),
    }
}

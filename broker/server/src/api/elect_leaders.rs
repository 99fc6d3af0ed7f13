//! ElectLeaders (key 43), versions 0-2 (KIP-183, KIP-460).
//!
//! Done means: the elections are committed, and this broker knows them. Without a list of partitions those are answered where an election was needed.

use std::collections::BTreeMap;

use broker_controller::ApiError;
use broker_controller::decide::{ElectLeaders, ElectLeadersResult, ElectionType};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::messages::{ApiKey, ElectLeadersRequest, ElectLeadersResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::{first_error, submit};
use super::topics::{check_named, text};
use super::{Answer, Api, Call, Head, Response, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::ElectLeaders,
    name: "ElectLeaders",
    versions: VersionRange::new(0, 2),
    handle,
};

/// Kafka's `ElectionType`.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: ElectLeadersRequest = decode(body, call.head.version)?;
    let head = call.head;
    let named = request.topic_partitions.as_deref();
    let counts = named.iter().flat_map(|it| it.iter());
    let counts = counts.map(|topic| (&topic.topic.0, topic.partitions.len()));
    if let Err(error) = check_named(call.broker, counts) {
        return Ok(Answer::Now(refused(&head, None, &error)));
    }
    let partitions = named.map(|topics| {
        let of = |topic: &protocol::messages::elect_leaders_request::TopicPartitions| {
            let name = topic.topic.to_string();
            let partitions = topic.partitions.clone().into_iter();
            partitions.map(move |partition| (name.clone(), partition))
        };
        topics.iter().flat_map(of).collect::<Vec<_>>()
    });
    let election = match request.election_type {
        PREFERRED => ElectionType::Preferred,
        UNCLEAN => ElectionType::Unclean,
        other => {
            let message = format!("Unknown election type {other}");
            let error = ApiError::new(ErrorCode::InvalidRequest, message);
            return Ok(Answer::Now(refused(&head, partitions, &error)));
        }
    };
    let command = ElectLeaders {
        election,
        partitions: partitions.clone(),
        elections_max: usize::MAX,
    };
    let submitted = submit(call.broker, command, request.timeout_ms);
    Ok(Answer::later(async move {
        match submitted.await.flatten() {
            Ok(results) => respond(&head, ErrorCode::None, results),
            Err(error) => refused(&head, partitions, &error),
        }
    }))
}

/// The same for every partition that was named.
fn refused(head: &Head, partitions: Option<Vec<(String, i32)>>, error: &ApiError) -> Response {
    let results = partitions.into_iter().flatten();
    let results = results.map(|(topic, partition)| ElectLeadersResult {
        topic,
        partition,
        result: Err(error.clone()),
    });
    respond(head, error.code, results.collect())
}

fn respond(head: &Head, code: ErrorCode, results: Vec<ElectLeadersResult>) -> Response {
    let mut topics: BTreeMap<String, Vec<PartitionResult>> = BTreeMap::new();
    for ElectLeadersResult {
        topic,
        partition,
        result,
    } in results
    {
        let answer = PartitionResult::default()
            .with_partition_id(partition)
            .with_error_message(None);
        let answer = match result {
            Ok(()) => answer,
            Err(error) => answer
                .with_error_code(error.code.code())
                .with_error_message(error.message.map(text)),
        };
        topics.entry(topic).or_default().push(answer);
    }
    let codes = topics.values().flatten().map(|it| it.error_code);
    let counted = first_error(std::iter::once(code.code()).chain(codes));
    let topics = topics.into_iter().map(|(topic, partitions)| {
        ReplicaElectionResult::default()
            .with_topic(text(topic).into())
            .with_partition_result(partitions)
    });
    let body = ElectLeadersResponse::default()
        .with_error_code(code.code())
        .with_replica_election_results(topics.collect());
    head.respond(&body, counted)
}

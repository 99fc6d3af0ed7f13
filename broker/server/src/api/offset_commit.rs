//! OffsetCommit (key 8), versions 2-10; topics by id in version 10 (KIP-848).
//!
//! Done means: the offsets are on stable media on enough replicas, like any acknowledged record. Topics and partitions that do not exist are
//! refused by themselves. While there is too little space on the disk nothing is taken, with an error that clients retry.

use std::sync::Arc;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::messages::{ApiKey, OffsetCommitRequest, OffsetCommitResponse};
use protocol::model::LeaderEpoch;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::ask::{CommitOffsets, CommitPartition, CommitReply, CommitTopic};

use super::controller::first_error;
use super::groups::{named, shared};
use super::topics::{has_partition, name_of};
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::OffsetCommit,
    name: "OffsetCommit",
    versions: VersionRange::new(2, 10),
    handle,
};

/// The versions in which a client says how long its offsets are to be kept.
const RETENTION: VersionRange = VersionRange::new(2, 4);
/// The first version of members of the consumer protocol (KIP-848).
const EPOCHS_MIN: i16 = 9;
/// The first version in which topics have ids.
const TOPIC_IDS_MIN: i16 = 10;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: OffsetCommitRequest = decode(body, call.head.version)?;
    let head = call.head;
    let broker = Arc::clone(call.broker);
    let image = broker.metadata.image();
    let by_id = head.version >= TOPIC_IDS_MIN;
    let mut refusals = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name = match by_id {
            true => name_of(&image, topic.topic_id),
            false => Ok(shared(&topic.name.0)),
        };
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let refusal = match &name {
                Ok(name) if has_partition(&image, name, wanted.partition_index) => None,
                Ok(_) => Some(ErrorCode::UnknownTopicOrPartition),
                Err(error) => Some(*error),
            };
            if refusal.is_none() {
                partitions.push(partition(wanted));
            }
            refusals.push(refusal);
        }
        topics.push(CommitTopic {
            topic: name.unwrap_or_default(),
            partitions,
        });
    }
    let retention_ms =
        Some(request.retention_time_ms).filter(|ms| RETENTION.contains(head.version) && *ms >= 0);
    let ask = CommitOffsets {
        group: shared(&request.group_id.0),
        member: named(&request.member_id),
        instance: request.group_instance_id.as_ref().map(shared),
        generation: Some(request.generation_id_or_member_epoch).filter(|it| *it >= 0),
        knows_epochs: head.version >= EPOCHS_MIN,
        retention_ms,
        topics,
    };
    // With nothing left to commit nobody is asked, as with Kafka.
    let is_asked = refusals.contains(&None);
    let asked = is_asked.then(|| broker.groups.commit(&image, ask));
    Ok(Answer::later(async move {
        let committed = match asked {
            Some(asked) => asked.await.and_then(|reply| reply),
            None => Ok(Vec::new()),
        };
        let topics = responses(&request.topics, &refusals, &committed);
        let codes = topics.iter().flat_map(|topic| &topic.partitions);
        let error = first_error(codes.map(|partition| partition.error_code));
        head.respond(&OffsetCommitResponse::default().with_topics(topics), error)
    }))
}

fn partition(wanted: &OffsetCommitRequestPartition) -> CommitPartition {
    CommitPartition {
        partition: wanted.partition_index,
        offset: wanted.committed_offset,
        leader_epoch: LeaderEpoch::from_wire(wanted.committed_leader_epoch),
        metadata: wanted
            .committed_metadata
            .as_deref()
            .unwrap_or_default()
            .into(),
    }
}

/// The partitions as they were asked for: those that exist with what became of them, in order.
fn responses(
    topics: &[OffsetCommitRequestTopic],
    refusals: &[Option<ErrorCode>],
    committed: &CommitReply,
) -> Vec<OffsetCommitResponseTopic> {
    let mut refusals = refusals.iter().copied();
    let mut outcomes = committed.iter().flatten().copied();
    let mut code = || match (refusals.next().flatten(), committed) {
        (Some(refusal), _) => refusal,
        (None, Err(error)) => *error,
        (None, Ok(_)) => outcomes.next().unwrap_or(ErrorCode::UnknownServerError),
    };
    let mut answered = Vec::with_capacity(topics.len());
    for topic in topics {
        let partitions = topic.partitions.iter().map(|wanted| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(wanted.partition_index)
                .with_error_code(code().code())
        });
        answered.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions.collect()),
        );
    }
    answered
}

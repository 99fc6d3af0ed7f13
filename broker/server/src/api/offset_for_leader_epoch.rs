//! OffsetForLeaderEpoch (key 23), versions 2-4 (KIP-101, KIP-320).
//!
//! Where the records of a leader epoch end, so that a consumer notices that what it has read was truncated. An epoch that left no
//! records is answered with the one before it; one that is older than the log with the log's start; one that has not been with
//! none (-1). The epoch of now ends at the end of the log.
//!
//! Who asks does not matter: a replica's id is not looked at.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use protocol::messages::{ApiKey, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use protocol::model::{LeaderEpoch, Offset};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::first_error;
use super::topics::{find_partition, id_of};
use super::{Answer, Api, Call, decode};
use crate::broker::Broker;
use crate::partition::Partition;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::OffsetForLeaderEpoch,
    name: "OffsetForLeaderEpoch",
    versions: VersionRange::new(2, 4),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: OffsetForLeaderEpochRequest = decode(body, call.head.version)?;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|asked| answer(call.broker, topic.topic.as_str(), asked));
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    let topics: Vec<_> = topics.collect();
    let codes = topics.iter().flat_map(|topic| &topic.partitions);
    let error = first_error(codes.map(|partition| partition.error_code));
    let body = OffsetForLeaderEpochResponse::default().with_topics(topics);
    Ok(Answer::Now(call.head.respond(&body, error)))
}

fn answer(broker: &Broker, topic: &str, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let end = end_of(broker, topic, asked);
    let (code, end) = match end {
        Ok(end) => (ErrorCode::None, end),
        Err(code) => (code, None),
    };
    EpochEndOffset::default()
        .with_error_code(code.code())
        .with_partition(asked.partition)
        .with_leader_epoch(end.map_or(-1, |(epoch, _)| epoch.get()))
        .with_end_offset(end.map_or(-1, |(_, offset)| offset.get()))
}

fn end_of(
    broker: &Broker,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
    let id = id_of(broker, topic)?;
    let partition = find_partition(broker, id, asked.partition)?;
    partition.check_epoch(LeaderEpoch::from_wire(asked.current_leader_epoch))?;
    Ok(
        LeaderEpoch::from_wire(asked.leader_epoch)
            .and_then(|epoch| end_of_epoch(&partition, epoch)),
    )
}

/// Kafka's `LeaderEpochFileCache.endOffsetFor`, where the epoch of now counts as known from the moment it begins.
fn end_of_epoch(partition: &Partition, requested: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
    let offsets = partition.offsets();
    if requested > offsets.leader_epoch {
        return None;
    }
    if requested == offsets.leader_epoch {
        return Some((requested, offsets.log_end));
    }
    let known = partition.log().end_of_epoch(requested);
    Some(known.unwrap_or((requested, offsets.log_start)))
}

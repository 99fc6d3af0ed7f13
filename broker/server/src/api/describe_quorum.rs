//! DescribeQuorum (key 55), versions 0-2 (KIP-595, KIP-836, KIP-853): who votes on the metadata, and how far each is.
//!
//! The voter that leads is asked, wherever the request arrives. It is the only one that knows how far the others are, though not when it heard of that: one
//! that has all there is has it now, and of others the time is not told (-1).

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use protocol::messages::{ApiKey, DescribeQuorumRequest, DescribeQuorumResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::topics::text;
use super::{Answer, Api, Call, decode};
use crate::clock::wall_clock_ms;
use crate::quorum::{METADATA_TOPIC, QuorumStatus, VoterStatus};
use crate::replication::INTERNAL;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DescribeQuorum,
    name: "DescribeQuorum",
    versions: VersionRange::new(0, 2),
    handle,
};

/// The first version that has directories, and where nodes are.
const NODES_MIN: i16 = 2;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DescribeQuorumRequest = decode(body, call.head.version)?;
    let head = call.head;
    let version = head.version;
    let metadata = std::sync::Arc::clone(&call.broker.metadata);
    Ok(Answer::later(async move {
        let status = metadata.quorum().status().await;
        let now_ms = wall_clock_ms();
        let mut error = ErrorCode::None;
        let topics = request.topics.into_iter().map(|topic| {
            let of = |partition: i32| {
                let is_it = topic.topic_name.as_str() == METADATA_TOPIC && partition == 0;
                let (code, data) = match &status {
                    _ if !is_it => (ErrorCode::UnknownTopicOrPartition, PartitionData::default()),
                    None => (ErrorCode::LeaderNotAvailable, PartitionData::default()),
                    Some(status) => (ErrorCode::None, described(status, version, now_ms)),
                };
                if error == ErrorCode::None {
                    error = code;
                }
                data.with_partition_index(partition)
                    .with_error_code(code.code())
                    .with_error_message(None)
            };
            let partitions = topic.partitions.iter().map(|it| it.partition_index);
            let partitions = partitions.map(of).collect();
            TopicData::default()
                .with_partitions(partitions)
                .with_topic_name(topic.topic_name)
        });
        let body = DescribeQuorumResponse::default()
            .with_error_message(None)
            .with_topics(topics.collect())
            .with_nodes(match version {
                0..NODES_MIN => Vec::new(),
                _ => status.iter().flat_map(nodes).collect(),
            });
        head.respond(&body, error)
    }))
}

fn described(status: &QuorumStatus, version: i16, now_ms: i64) -> PartitionData {
    let end = status.voters.iter().map(|it| it.log_end).max();
    let state = |it: &VoterStatus| {
        let has_all = Some(it.log_end) >= end.map(|end| end.min(status.high_watermark));
        let time = if has_all { now_ms } else { -1 };
        let state = ReplicaState::default();
        let state = match version {
            0..NODES_MIN => state,
            _ => state.with_replica_directory_id(it.id.directory().get()),
        };
        state
            .with_replica_id(it.at.broker_id.get().into())
            .with_log_end_offset(it.log_end)
            .with_last_fetch_timestamp(time)
            .with_last_caught_up_timestamp(time)
    };
    PartitionData::default()
        .with_leader_id(status.leader.get().into())
        .with_leader_epoch(i32::try_from(status.term).unwrap_or(i32::MAX))
        .with_high_watermark(status.high_watermark)
        .with_current_voters(status.voters.iter().map(state).collect())
        .with_observers(Vec::new())
}

fn nodes(status: &QuorumStatus) -> impl Iterator<Item = Node> {
    status.voters.iter().map(|it| {
        let listener = Listener::default()
            .with_name(StrBytes::from_static_str(INTERNAL))
            .with_host(text(&*it.at.host))
            .with_port(it.at.port);
        Node::default()
            .with_node_id(it.at.broker_id.get().into())
            .with_listeners(vec![listener])
    })
}

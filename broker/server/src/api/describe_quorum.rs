//! DescribeQuorum (key 55), versions 0-2 (KIP-595, KIP-836, KIP-853): who votes on the metadata, and how far each is.
//!
//! The voter that leads is asked, wherever the request arrives. It is the only one that knows how far the others are. When they were there last, and had all there was,
//! it knows by their heartbeats; until it has heard one the time is not told (-1). Brokers that do not vote are observers for 5 minutes after their last.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use protocol::messages::{ApiKey, DescribeQuorumRequest, DescribeQuorumResponse};
use protocol::model::BrokerId;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::topics::text;
use super::{Answer, Api, Call, decode};
use crate::clock::wall_clock_ms;
use crate::quorum::{HeardBroker, METADATA_TOPIC, QuorumStatus, VoterStatus};
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
    let node = std::sync::Arc::clone(&call.broker.node);
    Ok(Answer::later(async move {
        let status = node.quorum_status().await;
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
    let heard_of = |id: BrokerId| status.heard.iter().find(|it| it.broker_id == id);
    let voter = |it: &VoterStatus| {
        // The leader is there, and has all there is. What others have is what they have said to it; what they go by they have said in heartbeats.
        let times = match heard_of(it.at.broker_id) {
            _ if it.at.broker_id == status.leader => (now_ms, now_ms),
            heard => heard.map_or((-1, -1), |heard| times(heard, now_ms)),
        };
        let state = state(it.at.broker_id, it.log_end, times);
        match version {
            0..NODES_MIN => state,
            _ => state.with_replica_directory_id(it.id.directory().get()),
        }
    };
    let votes = |id: BrokerId| status.voters.iter().any(|it| it.at.broker_id == id);
    let observers = status.heard.iter().filter(|it| !votes(it.broker_id));
    let observers = observers.map(|it| state(it.broker_id, it.log_end, times(it, now_ms)));
    PartitionData::default()
        .with_leader_id(status.leader.get().into())
        .with_leader_epoch(i32::try_from(status.term).unwrap_or(i32::MAX))
        .with_high_watermark(status.high_watermark)
        .with_current_voters(status.voters.iter().map(voter).collect())
        .with_observers(observers.collect())
}

/// When a broker was heard last, and had all there was; -1: not yet.
fn times(heard: &HeardBroker, now_ms: i64) -> (i64, i64) {
    let caught_up = heard.behind_ms.map_or(-1, |behind_ms| now_ms - behind_ms);
    (now_ms - heard.silent_ms, caught_up)
}

fn state(id: BrokerId, log_end: i64, (fetched, caught_up): (i64, i64)) -> ReplicaState {
    ReplicaState::default()
        .with_replica_id(id.get().into())
        .with_log_end_offset(log_end)
        .with_last_fetch_timestamp(fetched)
        .with_last_caught_up_timestamp(caught_up)
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

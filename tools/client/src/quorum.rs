//! Who votes on the cluster's metadata, and how far each is.

use protocol::{
    codec::StrBytes,
    messages::{
        ApiKey, DescribeQuorumRequest, TopicName, describe_quorum_request,
        describe_quorum_response::ReplicaState,
    },
    model::Uuid,
};

use crate::{ClientError, Connection, error::check};

const METADATA_TOPIC: &str = "__cluster_metadata";
const DOING: &str = "describe the quorum";

/// The metadata quorum, as its leader knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Who leads it.
    pub leader: i32,
    /// The number of its leadership.
    pub leader_epoch: i32,
    /// The end of what is committed.
    pub high_watermark: i64,
    /// Those that vote.
    pub voters: Vec<QuorumReplica>,
    /// Those that only follow.
    pub observers: Vec<QuorumReplica>,
}

/// One of those that have the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumReplica {
    /// The node.
    pub id: i32,
    /// The directory that its log is in.
    pub directory: Uuid,
    /// The end of its log.
    pub log_end_offset: i64,
    /// Milliseconds since the epoch, by the leader's clock: when it last asked for more. `None`: unknown.
    pub last_fetch_ms: Option<i64>,
    /// The same, when it last had all there was.
    pub last_caught_up_ms: Option<i64>,
}

impl Quorum {
    /// Whether all voters have everything that is committed.
    pub fn is_caught_up(&self) -> bool {
        let mut voters = self.voters.iter();
        voters.all(|it| it.log_end_offset >= self.high_watermark)
    }

    /// The brokers that vote, sorted.
    pub fn voter_ids(&self) -> Vec<i32> {
        let mut ids: Vec<i32> = self.voters.iter().map(|it| it.id).collect();
        ids.sort_unstable();
        ids
    }
}

impl Connection {
    /// Asks for the state of the metadata quorum.
    pub fn quorum(&mut self) -> Result<Quorum, ClientError> {
        let partition = describe_quorum_request::PartitionData::default().with_partition_index(0);
        let topic = describe_quorum_request::TopicData::default()
            .with_topic_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC)))
            .with_partitions(vec![partition]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let answer = self.call(&request)?;
        check(DOING, answer.error_code)?;
        let partition = answer.topics.first().and_then(|it| it.partitions.first());
        let partition = partition.ok_or(ClientError::Unrelated(ApiKey::DescribeQuorum))?;
        check(DOING, partition.error_code)?;
        Ok(Quorum {
            leader: partition.leader_id.0,
            leader_epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters: partition.current_voters.iter().map(replica).collect(),
            observers: partition.observers.iter().map(replica).collect(),
        })
    }
}

fn replica(state: &ReplicaState) -> QuorumReplica {
    let known = |ms: i64| (ms >= 0).then_some(ms);
    QuorumReplica {
        id: state.replica_id.0,
        directory: state.replica_directory_id,
        log_end_offset: state.log_end_offset,
        last_fetch_ms: known(state.last_fetch_timestamp),
        last_caught_up_ms: known(state.last_caught_up_timestamp),
    }
}

//! Where replicas are, and who leads them.

use protocol::{
    codec::StrBytes,
    messages::{
        AlterPartitionReassignmentsRequest, ApiKey, BrokerId, DescribeQuorumRequest,
        ElectLeadersRequest, ListPartitionReassignmentsRequest, MetadataRequest, TopicName,
        alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
        describe_quorum_request,
        metadata_request::MetadataRequestTopic,
    },
};

use crate::{ClientError, Connection, error::check};

const TIMEOUT_MS: i32 = 30_000;
/// Kafka's `ElectionType`.
const PREFERRED: i8 = 0;

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

impl Connection {
    /// Begins to move a partition to other brokers, the preferred leader first.
    pub fn reassign(
        &mut self,
        topic: &str,
        partition: i32,
        brokers: &[i32],
    ) -> Result<(), ClientError> {
        let replicas = brokers.iter().copied().map(BrokerId).collect();
        let partition = ReassignablePartition::default()
            .with_partition_index(partition)
            .with_replicas(Some(replicas));
        let topic = ReassignableTopic::default()
            .with_name(name(topic))
            .with_partitions(vec![partition]);
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(TIMEOUT_MS)
            .with_topics(vec![topic]);
        let answer = self.call(&request)?;
        check("reassign a partition", answer.error_code)?;
        let topic = answer.responses.first();
        match topic.map(|topic| topic.partitions.as_slice()) {
            Some([partition]) => check("reassign a partition", partition.error_code),
            _ => Err(ClientError::Unrelated(ApiKey::AlterPartitionReassignments)),
        }
    }

    /// How many partitions are on their way, as the broker knows.
    pub fn reassignments(&mut self) -> Result<usize, ClientError> {
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(TIMEOUT_MS)
            .with_topics(None);
        let answer = self.call(&request)?;
        check("list reassignments", answer.error_code)?;
        let topics = answer.topics.iter();
        Ok(topics.map(|topic| topic.partitions.len()).sum())
    }

    /// How many replicas of each partition of a topic are in sync, by number.
    pub fn in_sync(&mut self, topic: &str) -> Result<Vec<usize>, ClientError> {
        let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(false);
        let mut answer = self.call(&request)?;
        let topic = answer.topics.first_mut();
        let topic = topic.ok_or(ClientError::Unrelated(ApiKey::Metadata))?;
        check("look a topic up", topic.error_code)?;
        topic.partitions.sort_by_key(|it| it.partition_index);
        let partitions = topic.partitions.iter();
        Ok(partitions.map(|it| it.isr_nodes.len()).collect())
    }

    /// The brokers that vote on the metadata, sorted, and whether all have everything that is committed.
    pub fn voters(&mut self) -> Result<(Vec<i32>, bool), ClientError> {
        let partition = describe_quorum_request::PartitionData::default().with_partition_index(0);
        let topic = describe_quorum_request::TopicData::default()
            .with_topic_name(name("__cluster_metadata"))
            .with_partitions(vec![partition]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let answer = self.call(&request)?;
        check("describe the quorum", answer.error_code)?;
        let unrelated = ClientError::Unrelated(ApiKey::DescribeQuorum);
        let partition = answer.topics.first().and_then(|it| it.partitions.first());
        let partition = partition.ok_or(unrelated)?;
        check("describe the quorum", partition.error_code)?;
        let voters = partition.current_voters.iter();
        let mut ids: Vec<i32> = voters.clone().map(|it| it.replica_id.0).collect();
        ids.sort_unstable();
        let mut voters = voters;
        let all = voters.all(|it| it.log_end_offset >= partition.high_watermark);
        Ok((ids, all))
    }

    /// Gives all partitions to their preferred leaders, where those are in sync. Returns how many have another leader now.
    pub fn elect_preferred_leaders(&mut self) -> Result<usize, ClientError> {
        let request = ElectLeadersRequest::default()
            .with_election_type(PREFERRED)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_partitions(None);
        let answer = self.call(&request)?;
        check("elect leaders", answer.error_code)?;
        let topics = answer.replica_election_results.iter();
        let partitions = topics.flat_map(|topic| &topic.partition_result);
        Ok(partitions.filter(|it| it.error_code == 0).count())
    }
}

//! Where replicas are, and who leads them.

use std::collections::BTreeMap;

use protocol::{
    codec::StrBytes,
    messages::{
        AlterPartitionReassignmentsRequest, ApiKey, BrokerId, ElectLeadersRequest,
        ListPartitionReassignmentsRequest, MetadataRequest, TopicName,
        alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
        metadata_request::MetadataRequestTopic,
    },
};

use crate::{ClientError, Connection, error::check};

const TIMEOUT_MS: i32 = 30_000;
/// Kafka's `ElectionType`.
const PREFERRED: i8 = 0;

/// A partition that moves to other brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The brokers that come.
    pub adding: Vec<i32>,
    /// The brokers that go.
    pub removing: Vec<i32>,
}

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
        self.reassign_all([(topic, partition, brokers)].into_iter())
    }

    /// The same for several: topics, partitions, and who is to have them. An error is that of the first that is refused; the others move all the same.
    pub fn reassign_all<'a>(
        &mut self,
        moves: impl Iterator<Item = (&'a str, i32, &'a [i32])>,
    ) -> Result<(), ClientError> {
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for (topic, partition, brokers) in moves {
            let replicas = brokers.iter().copied().map(BrokerId).collect();
            let partition = ReassignablePartition::default()
                .with_partition_index(partition)
                .with_replicas(Some(replicas));
            topics.entry(topic).or_default().push(partition);
        }
        let asked: usize = topics.values().map(Vec::len).sum();
        let topics = topics.into_iter().map(|(topic, partitions)| {
            ReassignableTopic::default()
                .with_name(name(topic))
                .with_partitions(partitions)
        });
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(TIMEOUT_MS)
            .with_topics(topics.collect());
        let answer = self.call(&request)?;
        check("reassign partitions", answer.error_code)?;
        let mut partitions = answer.responses.iter().flat_map(|it| &it.partitions);
        if partitions.clone().count() != asked {
            return Err(ClientError::Unrelated(ApiKey::AlterPartitionReassignments));
        }
        partitions.try_for_each(|it| check("reassign a partition", it.error_code))
    }

    /// How many partitions are on their way, as the broker knows.
    pub fn reassignments(&mut self) -> Result<usize, ClientError> {
        Ok(self.reassigning()?.len())
    }

    /// The partitions that are on their way, as the broker knows.
    pub fn reassigning(&mut self) -> Result<Vec<Reassignment>, ClientError> {
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(TIMEOUT_MS)
            .with_topics(None);
        let answer = self.call(&request)?;
        check("list reassignments", answer.error_code)?;
        let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect();
        let topics = answer.topics.iter();
        let partitions = topics.flat_map(|topic| {
            topic.partitions.iter().map(move |it| Reassignment {
                topic: topic.name.as_str().to_owned(),
                partition: it.partition_index,
                adding: ids(&it.adding_replicas),
                removing: ids(&it.removing_replicas),
            })
        });
        Ok(partitions.collect())
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

//! Partitions with their eligible leader replicas (KIP-966).

use std::collections::BTreeSet;

use protocol::{
    codec::StrBytes,
    messages::{
        ApiKey, DescribeTopicPartitionsRequest, TopicName,
        describe_topic_partitions_request::{Cursor, TopicRequest},
        describe_topic_partitions_response::DescribeTopicPartitionsResponsePartition,
    },
};

use crate::{ClientError, Connection, metadata::ids};

/// So many partitions are asked for at a time; a broker may answer with fewer.
const PARTITIONS_PER_ANSWER: i32 = 2_000;

/// What the controller keeps of a partition beyond what clients are told in Metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// Those that may lead although they are not in sync.
    pub eligible_leader_replicas: Vec<i32>,
    /// Replicas whose broker or disk is not there.
    pub offline_replicas: Vec<i32>,
}

impl Connection {
    /// Asks for all partitions of topics, as often as it takes. Topics that are gone meanwhile are left out.
    pub fn describe_partitions(
        &mut self,
        topics: &BTreeSet<&str>,
    ) -> Result<Vec<DescribedPartition>, ClientError> {
        let mut described = Vec::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let asked = topics.iter().filter(|topic| {
                let from = cursor.as_ref().map(|cursor| cursor.topic_name.as_str());
                from.is_none_or(|from| **topic >= from)
            });
            let asked = asked.map(|topic| {
                let name = TopicName(StrBytes::from_string((*topic).to_owned()));
                TopicRequest::default().with_name(name)
            });
            let request = DescribeTopicPartitionsRequest::default()
                .with_topics(asked.collect())
                .with_response_partition_limit(PARTITIONS_PER_ANSWER)
                .with_cursor(cursor.clone());
            let answer = self.call(&request)?;
            for topic in &answer.topics {
                let Some(name) = topic.name.as_ref().filter(|_| topic.error_code == 0) else {
                    continue;
                };
                let partitions = topic.partitions.iter().map(|it| partition(name, it));
                described.extend(partitions);
            }
            let Some(next) = answer.next_cursor else {
                return Ok(described);
            };
            let next = Cursor::default()
                .with_topic_name(next.topic_name)
                .with_partition_index(next.partition_index);
            // A broker that goes round in circles would be asked for ever.
            let place = |it: &Cursor| (it.topic_name.as_str().to_owned(), it.partition_index);
            if cursor
                .as_ref()
                .is_some_and(|before| place(before) >= place(&next))
            {
                return Err(ClientError::Unrelated(ApiKey::DescribeTopicPartitions));
            }
            cursor = Some(next);
        }
    }
}

fn partition(
    topic: &TopicName,
    partition: &DescribeTopicPartitionsResponsePartition,
) -> DescribedPartition {
    let eligible = partition.eligible_leader_replicas.as_deref();
    DescribedPartition {
        topic: topic.as_str().to_owned(),
        partition: partition.partition_index,
        eligible_leader_replicas: ids(eligible.unwrap_or_default()),
        offline_replicas: ids(&partition.offline_replicas),
    }
}

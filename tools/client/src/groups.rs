//! Committed offsets of a group that assigns its partitions itself.

use std::collections::BTreeMap;

use protocol::{
    codec::StrBytes,
    messages::{
        ApiKey, FindCoordinatorRequest, OffsetCommitRequest, OffsetFetchRequest,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::{
            OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
        },
    },
};

use crate::{ClientError, Connection, Topic, error::check};

/// The first version of FindCoordinator that asks for many groups.
const MANY_KEYS_MIN: i16 = 4;
/// The first version of OffsetFetch that asks for many groups.
const MANY_GROUPS_MIN: i16 = 8;
/// The first version of OffsetCommit and OffsetFetch in which topics have ids.
const TOPIC_IDS_MIN: i16 = 10;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Connection {
    /// Looks the coordinator of a group up: the broker's id. With that the broker makes what it needs for groups.
    pub fn find_coordinator(&mut self, group: &str) -> Result<i32, ClientError> {
        let request = FindCoordinatorRequest::default();
        let has_many = self.version(ApiKey::FindCoordinator)? >= MANY_KEYS_MIN;
        let request = match has_many {
            true => request.with_coordinator_keys(vec![text(group)]),
            false => request.with_key(text(group)),
        };
        let answer = self.call(&request)?;
        let (code, id) = match answer.coordinators.first() {
            Some(found) => (found.error_code, found.node_id),
            None if has_many => return Err(ClientError::Unrelated(ApiKey::FindCoordinator)),
            None => (answer.error_code, answer.node_id),
        };
        check("find a coordinator", code)?;
        Ok(id.0)
    }

    /// Commits offsets by partition. "Done" is what the broker says; an error is of the first partition that has one.
    pub fn commit_offsets(
        &mut self,
        group: &str,
        topic: &Topic,
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<(), ClientError> {
        let partitions = offsets.iter().map(|(partition, offset)| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(*offset)
                .with_committed_metadata(Some(text("")))
        });
        let named = OffsetCommitRequestTopic::default().with_partitions(partitions.collect());
        let topic = match self.version(ApiKey::OffsetCommit)? >= TOPIC_IDS_MIN {
            true => named.with_topic_id(topic.id),
            false => named.with_name(topic.wire_name()),
        };
        let request = OffsetCommitRequest::default()
            .with_group_id(text(group).into())
            .with_generation_id_or_member_epoch(-1)
            .with_retention_time_ms(-1)
            .with_topics(vec![topic]);
        let answer = self.call(&request)?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let mut answered = 0;
        for partition in partitions {
            check("commit an offset", partition.error_code)?;
            answered += 1;
        }
        match answered == offsets.len() {
            true => Ok(()),
            false => Err(ClientError::Unrelated(ApiKey::OffsetCommit)),
        }
    }

    /// The committed offsets of all partitions of a topic that have one.
    pub fn committed_offsets(
        &mut self,
        group: &str,
        topic: &Topic,
    ) -> Result<BTreeMap<i32, i64>, ClientError> {
        let all: Vec<i32> = (0..topic.partitions).collect();
        let doing = "fetch committed offsets";
        let mut committed = BTreeMap::new();
        if self.version(ApiKey::OffsetFetch)? >= MANY_GROUPS_MIN {
            let named = OffsetFetchRequestTopics::default().with_partition_indexes(all);
            let topic = match self.version(ApiKey::OffsetFetch)? >= TOPIC_IDS_MIN {
                true => named.with_topic_id(topic.id),
                false => named.with_name(topic.wire_name()),
            };
            let group = OffsetFetchRequestGroup::default()
                .with_group_id(text(group).into())
                .with_topics(Some(vec![topic]));
            let answer = self.call(&OffsetFetchRequest::default().with_groups(vec![group]))?;
            for group in &answer.groups {
                check(doing, group.error_code)?;
                for partition in group.topics.iter().flat_map(|topic| &topic.partitions) {
                    check(doing, partition.error_code)?;
                    committed.insert(partition.partition_index, partition.committed_offset);
                }
            }
        } else {
            let topic = OffsetFetchRequestTopic::default()
                .with_name(topic.wire_name())
                .with_partition_indexes(all);
            let request = OffsetFetchRequest::default()
                .with_group_id(text(group).into())
                .with_topics(Some(vec![topic]));
            let answer = self.call(&request)?;
            check(doing, answer.error_code)?;
            for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                check(doing, partition.error_code)?;
                committed.insert(partition.partition_index, partition.committed_offset);
            }
        }
        committed.retain(|_, offset| *offset >= 0);
        Ok(committed)
    }
}

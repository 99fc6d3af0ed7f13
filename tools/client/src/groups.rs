//! Consumer groups, and the offsets they have committed.

use std::collections::BTreeMap;

use protocol::{
    codec::StrBytes,
    messages::{
        ApiKey, ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest,
        FindCoordinatorRequest, ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest,
        consumer_group_describe_response::Assignment,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::{
            OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
        },
    },
    model::Uuid,
};

use crate::{ClientError, Connection, Topic, error::check};

/// A group, as its coordinator lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its id.
    pub id: String,
    /// Its state, in Kafka's words; empty from a broker that does not tell.
    pub state: String,
    /// `classic`, `consumer` or another; empty from a broker that does not tell.
    pub kind: String,
}

/// A group, as its coordinator describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Its state, in Kafka's words.
    pub state: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// How its client calls itself.
    pub client_id: String,
    /// Where it is.
    pub host: String,
    /// The partitions that it has, by topic. Empty where only the client can read that.
    pub assigned: BTreeMap<String, Vec<i32>>,
}

/// An offset that a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The topic's name, or nothing.
    pub topic: String,
    /// The topic's id, or zeros.
    pub topic_id: Uuid,
    /// The partition's number.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// The first version of FindCoordinator that asks for many groups.
const MANY_KEYS_MIN: i16 = 4;
/// The first version of OffsetFetch that asks for many groups.
const MANY_GROUPS_MIN: i16 = 8;
/// The first version of OffsetCommit and OffsetFetch in which topics have ids.
const TOPIC_IDS_MIN: i16 = 10;

fn assigned(assignment: &Assignment) -> BTreeMap<String, Vec<i32>> {
    let topics = assignment.topic_partitions.iter();
    topics
        .map(|it| (it.topic_name.to_string(), it.partitions.clone()))
        .collect()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Connection {
    /// The groups whose coordinator this broker is.
    pub fn list_groups(&mut self) -> Result<Vec<ListedGroup>, ClientError> {
        let answer = self.call(&ListGroupsRequest::default())?;
        check("list groups", answer.error_code)?;
        let groups = answer.groups.iter().map(|it| ListedGroup {
            id: it.group_id.to_string(),
            state: it.group_state.to_string(),
            kind: it.group_type.to_string(),
        });
        Ok(groups.collect())
    }

    /// A group of the consumer protocol (KIP-848). GROUP_ID_NOT_FOUND if there is none, or if it is classic.
    pub fn describe_consumer_group(&mut self, group: &str) -> Result<DescribedGroup, ClientError> {
        let request =
            ConsumerGroupDescribeRequest::default().with_group_ids(vec![text(group).into()]);
        let answer = self.call(&request)?;
        let [found] = answer.groups.as_slice() else {
            return Err(ClientError::Unrelated(ApiKey::ConsumerGroupDescribe));
        };
        check("describe a group", found.error_code)?;
        let members = found.members.iter().map(|it| GroupMember {
            id: it.member_id.to_string(),
            client_id: it.client_id.to_string(),
            host: it.client_host.to_string(),
            assigned: assigned(&it.assignment),
        });
        Ok(DescribedGroup {
            state: found.group_state.to_string(),
            members: members.collect(),
        })
    }

    /// A classic group. What its members have, only they can read. GROUP_ID_NOT_FOUND, or a group that is dead, if there is none.
    pub fn describe_classic_group(&mut self, group: &str) -> Result<DescribedGroup, ClientError> {
        let request = DescribeGroupsRequest::default().with_groups(vec![text(group).into()]);
        let answer = self.call(&request)?;
        let [found] = answer.groups.as_slice() else {
            return Err(ClientError::Unrelated(ApiKey::DescribeGroups));
        };
        check("describe a group", found.error_code)?;
        let members = found.members.iter().map(|it| GroupMember {
            id: it.member_id.to_string(),
            client_id: it.client_id.to_string(),
            host: it.client_host.to_string(),
            assigned: BTreeMap::new(),
        });
        Ok(DescribedGroup {
            state: found.group_state.to_string(),
            members: members.collect(),
        })
    }

    /// Deletes a group without members, with all that it has committed.
    pub fn delete_group(&mut self, group: &str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![text(group).into()]);
        let answer = self.call(&request)?;
        match answer.results.as_slice() {
            [found] => check("delete a group", found.error_code),
            _ => Err(ClientError::Unrelated(ApiKey::DeleteGroups)),
        }
    }

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

    /// All offsets that a group has committed: by topic, whose name old versions tell and whose id newer ones (the other is empty), and partition.
    pub fn all_committed_offsets(
        &mut self,
        group: &str,
    ) -> Result<Vec<CommittedOffset>, ClientError> {
        let doing = "fetch committed offsets";
        let mut committed = Vec::new();
        if self.version(ApiKey::OffsetFetch)? >= MANY_GROUPS_MIN {
            let group = OffsetFetchRequestGroup::default()
                .with_group_id(text(group).into())
                .with_topics(None);
            let answer = self.call(&OffsetFetchRequest::default().with_groups(vec![group]))?;
            for group in &answer.groups {
                check(doing, group.error_code)?;
                for topic in &group.topics {
                    for partition in &topic.partitions {
                        check(doing, partition.error_code)?;
                        committed.push(CommittedOffset {
                            topic: topic.name.to_string(),
                            topic_id: topic.topic_id,
                            partition: partition.partition_index,
                            offset: partition.committed_offset,
                        });
                    }
                }
            }
        } else {
            let request = OffsetFetchRequest::default()
                .with_group_id(text(group).into())
                .with_topics(None);
            let answer = self.call(&request)?;
            check(doing, answer.error_code)?;
            for topic in &answer.topics {
                for partition in &topic.partitions {
                    check(doing, partition.error_code)?;
                    committed.push(CommittedOffset {
                        topic: topic.name.to_string(),
                        topic_id: Uuid::nil(),
                        partition: partition.partition_index,
                        offset: partition.committed_offset,
                    });
                }
            }
        }
        committed.retain(|it| it.offset >= 0);
        Ok(committed)
    }
}

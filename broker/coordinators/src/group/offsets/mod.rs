//! Committed offsets (Kafka's `OffsetMetadataManager`).
//!
//! They are recorded state alone: what is decided changes nothing, and applying the records does.

mod commit;
mod delete;
mod expire;
mod fetch;

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::group_records::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use protocol::model::LeaderEpoch;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The epoch of the record before it.
    pub leader_epoch: Option<LeaderEpoch>,
    /// What the client wants to find again.
    pub metadata: Box<str>,
    /// When it was committed, in milliseconds since the epoch.
    pub commit_timestamp_ms: i64,
    /// When it expires, where the client said so.
    pub expire_timestamp_ms: Option<i64>,
}

/// The offsets of a group.
#[derive(Debug, Default)]
pub(super) struct GroupOffsets {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>,
}

impl GroupOffsets {
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            let partitions = partitions.iter();
            partitions.map(move |(partition, committed)| (topic, *partition, committed))
        })
    }

    /// The partitions of a topic with an offset.
    pub(super) fn partitions(&self, topic: &str) -> impl Iterator<Item = i32> {
        let partitions = self.topics.get(topic).into_iter();
        partitions.flat_map(|partitions| partitions.keys().copied())
    }

    pub(super) fn apply(&mut self, topic: &str, partition: i32, value: Option<CommittedOffset>) {
        match (value, self.topics.get_mut(topic)) {
            (Some(value), Some(partitions)) => {
                partitions.insert(partition, value);
            }
            (Some(value), None) => {
                self.topics
                    .insert(topic.into(), [(partition, value)].into());
            }
            (None, Some(partitions)) => {
                partitions.remove(&partition);
                if partitions.is_empty() {
                    self.topics.remove(topic);
                }
            }
            (None, None) => {}
        }
    }
}

impl From<OffsetCommitValue> for CommittedOffset {
    fn from(value: OffsetCommitValue) -> CommittedOffset {
        CommittedOffset {
            offset: value.offset,
            leader_epoch: LeaderEpoch::from_wire(value.leader_epoch),
            metadata: value.metadata.into_boxed_str(),
            commit_timestamp_ms: value.commit_timestamp_ms,
            expire_timestamp_ms: Some(value.expire_timestamp_ms).filter(|ms| *ms != -1),
        }
    }
}

/// The record of an offset, or that takes it back.
fn offset_record(
    group: &str,
    topic: &str,
    partition: i32,
    committed: Option<&CommittedOffset>,
) -> GroupRecord {
    GroupRecord::OffsetCommit {
        key: OffsetCommitKey {
            group: group.to_owned(),
            topic: topic.to_owned(),
            partition,
        },
        value: committed.map(|committed| OffsetCommitValue {
            offset: committed.offset,
            leader_epoch: committed.leader_epoch.map_or(-1, LeaderEpoch::get),
            metadata: committed.metadata.to_string(),
            commit_timestamp_ms: committed.commit_timestamp_ms,
            expire_timestamp_ms: committed.expire_timestamp_ms.unwrap_or(-1),
        }),
    }
}

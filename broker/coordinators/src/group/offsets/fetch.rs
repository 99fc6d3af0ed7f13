//! OffsetFetch, for one group.

use std::sync::Arc;

use super::super::ask::{FetchOffsets, FetchReply, FetchedTopic};
use super::super::members::{Group, Members};

impl Group {
    /// What is committed where it is asked for, or everywhere.
    pub(in crate::group) fn fetch(group: Option<&Group>, request: &FetchOffsets) -> FetchReply {
        if let Some(Members::Consumer(consumer)) = group.map(|group| &group.members) {
            consumer.check_fetch(request)?;
        }
        Ok(Group::fetched(group, request))
    }

    fn fetched(group: Option<&Group>, request: &FetchOffsets) -> Vec<FetchedTopic> {
        let offsets = group.map(|group| &group.offsets);
        let Some(wanted) = &request.topics else {
            let topics = offsets.into_iter().flat_map(|offsets| &offsets.topics);
            return topics
                .map(|(topic, partitions)| FetchedTopic {
                    topic: Arc::clone(topic),
                    partitions: partitions
                        .iter()
                        .map(|(partition, committed)| (*partition, Some(committed.clone())))
                        .collect(),
                })
                .collect();
        };
        let find = |topic: &str, partition: i32| offsets?.get(topic, partition).cloned();
        let fetched = wanted.iter().map(|(topic, partitions)| FetchedTopic {
            topic: Arc::clone(topic),
            partitions: partitions
                .iter()
                .map(|partition| (*partition, find(topic, *partition)))
                .collect(),
        });
        fetched.collect()
    }
}

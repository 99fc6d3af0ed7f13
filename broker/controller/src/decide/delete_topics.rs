//! DeleteTopics by name or id (KIP-516), as `ControllerApis.deleteTopics` decides it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::model::TopicId;
use serde::{Deserialize, Serialize};

use crate::image::TopicImage;
use crate::record::RemoveTopicRecord;
use crate::{ApiError, Command, Context, Decision, MetadataImage, MetadataRecord};

/// A request to delete topics. The caller has dropped those the client may not delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTopics {
    /// The topics.
    pub topics: Vec<TopicRef>,
}

/// A topic as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TopicRef {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTopicResult {
    /// Its name, if it was given or found.
    pub name: Option<String>,
    /// Its id, if it was given or found.
    pub topic_id: Option<TopicId>,
    /// Whether it is deleted.
    pub result: Result<(), ApiError>,
}

impl Command for DeleteTopics {
    /// One per topic, in the order they came first.
    type Response = Vec<DeleteTopicResult>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let mut counts: BTreeMap<&TopicRef, usize> = BTreeMap::new();
        for topic in &self.topics {
            *counts.entry(topic).or_default() += 1;
        }
        let mut deleted: BTreeSet<TopicId> = BTreeSet::new();
        let mut decision = Decision::unchanged(Vec::with_capacity(counts.len()));
        // Kafka settles ids before names: a topic that is named both ways is deleted by neither.
        let doubly = named_both_ways(context.image, &counts);
        for topic in &self.topics {
            let Some(count) = counts.remove(topic) else {
                continue;
            };
            let result = find(context.image, topic, count).and_then(|found| {
                let id = found.topic_id();
                if doubly.contains(&id) {
                    return Err(ApiError::new(
                        ErrorCode::InvalidRequest,
                        "The provided topic name maps to an ID that was already supplied.",
                    ));
                }
                Ok(found)
            });
            if let Ok(found) = &result
                && deleted.insert(found.topic_id())
            {
                let topic_id = found.topic_id();
                decision
                    .records
                    .push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id }));
            }
            decision.response.push(answer(topic, result));
        }
        decision
    }
}

fn named_both_ways(
    image: &MetadataImage,
    counts: &BTreeMap<&TopicRef, usize>,
) -> BTreeSet<TopicId> {
    let names = counts.keys().filter_map(|topic| match topic {
        TopicRef::Name(name) => image.topic_named(name).map(|topic| topic.topic_id()),
        TopicRef::Id(_) => None,
    });
    names
        .filter(|id| counts.contains_key(&TopicRef::Id(*id)))
        .collect()
}

fn find<'a>(
    image: &'a MetadataImage,
    topic: &TopicRef,
    count: usize,
) -> Result<&'a Arc<TopicImage>, ApiError> {
    let (found, duplicate, unknown, message) = match topic {
        TopicRef::Name(name) => (
            image.topic_named(name),
            "Duplicate topic name.",
            ErrorCode::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        ),
        TopicRef::Id(id) => (
            image.topic(*id),
            "Duplicate topic id.",
            ErrorCode::UnknownTopicId,
            "This server does not host this topic ID.",
        ),
    };
    if count > 1 {
        return Err(ApiError::new(ErrorCode::InvalidRequest, duplicate));
    }
    found.ok_or_else(|| ApiError::new(unknown, message))
}

fn answer(topic: &TopicRef, result: Result<&Arc<TopicImage>, ApiError>) -> DeleteTopicResult {
    let (name, topic_id) = match (topic, &result) {
        (_, Ok(found)) => (Some(found.name().to_string()), Some(found.topic_id())),
        (TopicRef::Name(name), Err(_)) => (Some(name.clone()), None),
        (TopicRef::Id(id), Err(_)) => (None, Some(*id)),
    };
    DeleteTopicResult {
        name,
        topic_id,
        result: result.map(|_| ()),
    }
}

//! CreatePartitions, as `ReplicationControlManager.createPartitions` decides it.

use std::collections::BTreeMap;

use protocol::ErrorCode;
use protocol::model::{BrokerId, PartitionIndex};
use serde::{Deserialize, Serialize};

use super::assignment;
use crate::image::TopicImage;
use crate::placement::Placement;
use crate::record::Replica;
use crate::{ApiError, Command, Context, Decision, MetadataRecord};

/// A request for more partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePartitions {
    /// The topics.
    pub topics: Vec<NewPartitions>,
    /// Whether nothing is to be created.
    pub validate_only: bool,
}

/// How many partitions a topic is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPartitions {
    /// The topic's name.
    pub name: String,
    /// Partitions in all.
    pub count: i32,
    /// Where the new ones go, if by hand: the brokers of each.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePartitionsResult {
    /// Its name.
    pub name: String,
    /// Whether it has, or could have, that many.
    pub result: Result<(), ApiError>,
}

impl Command for CreatePartitions {
    /// One per name, in the order they came first.
    type Response = Vec<CreatePartitionsResult>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in &self.topics {
            *counts.entry(&topic.name).or_default() += 1;
        }
        let mut growth = Growth {
            context,
            placement: Placement::new(context.image),
            added: 0,
            records: vec![],
        };
        let mut response = Vec::with_capacity(counts.len());
        for topic in &self.topics {
            let Some(count) = counts.remove(topic.name.as_str()) else {
                continue;
            };
            let result = if count > 1 {
                Err(ApiError::new(
                    ErrorCode::InvalidRequest,
                    "Duplicate topic name.",
                ))
            } else {
                growth.grow(topic)
            };
            response.push(CreatePartitionsResult {
                name: topic.name.clone(),
                result,
            });
        }
        let records = if self.validate_only {
            Vec::new()
        } else {
            growth.records
        };
        Decision { records, response }
    }
}

struct Growth<'a> {
    context: &'a Context<'a>,
    placement: Placement,
    added: usize,
    records: Vec<MetadataRecord>,
}

impl Growth<'_> {
    fn grow(&mut self, asked: &NewPartitions) -> Result<(), ApiError> {
        let image = self.context.image;
        let topic = image
            .topic_named(&asked.name)
            .ok_or_else(|| ApiError::bare(ErrorCode::UnknownTopicOrPartition))?;
        let added = added(topic, asked)?;
        assignment::check_partition_counts(self.context, self.added.saturating_add(added))?;
        let first = i32::try_from(topic.partition_count()).unwrap_or(i32::MAX);
        let partitions = match &asked.assignments {
            Some(assignments) => self.assigned(topic, first, assignments)?,
            None => self.place(topic, (first, asked.count))?,
        };
        self.added += added;
        self.records
            .extend(
                (first..)
                    .map(PartitionIndex::new)
                    .zip(partitions)
                    .map(|(index, replicas)| {
                        assignment::new_partition(image, topic.topic_id(), index, replicas)
                    }),
            );
        Ok(())
    }

    fn assigned(
        &mut self,
        topic: &TopicImage,
        first: i32,
        assignments: &[Vec<BrokerId>],
    ) -> Result<Vec<Vec<Replica>>, ApiError> {
        let image = self.context.image;
        for (index, brokers) in (first..).zip(assignments) {
            assignment::check_brokers(image, brokers, Some(topic.replication_factor()))?;
            assignment::check_one_active(image, index, brokers)?;
        }
        let assign = |brokers: &Vec<BrokerId>| self.placement.assign(brokers);
        Ok(assignments.iter().map(assign).collect())
    }

    fn place(
        &mut self,
        topic: &TopicImage,
        range: (i32, i32),
    ) -> Result<Vec<Vec<Replica>>, ApiError> {
        let factor = topic.replication_factor();
        self.placement
            .place(topic.topic_id(), Some(topic), range, factor)
            .map_err(|reason| ApiError::new(ErrorCode::InvalidReplicationFactor, reason))
    }
}

/// How many partitions are missing.
fn added(topic: &TopicImage, asked: &NewPartitions) -> Result<usize, ApiError> {
    let invalid = |message| Err(ApiError::new(ErrorCode::InvalidPartitions, message));
    let existing = topic.partition_count();
    let added = match usize::try_from(asked.count) {
        Ok(count) if count == existing => {
            return invalid(format!("Topic already has {existing} partition(s)."));
        }
        Ok(count) if count > existing => count - existing,
        _ => {
            return invalid(format!(
                "The topic {} currently has {existing} partition(s); {} would not be an increase.",
                asked.name, asked.count
            ));
        }
    };
    match &asked.assignments {
        Some(assignments) if assignments.len() != added => Err(ApiError::new(
            ErrorCode::InvalidReplicaAssignment,
            format!(
                "Attempted to add {added} additional partition(s), but only {} assignment(s) were \
                 specified.",
                assignments.len()
            ),
        )),
        _ => Ok(added),
    }
}

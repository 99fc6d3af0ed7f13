//! CreateTopics, as Kafka's `ControllerApis.createTopics` and `ReplicationControlManager.createTopics` decide it.
//!
//! A topic that is refused does not hold up the others; too many partitions refuse the whole request. Unlike
//! Kafka, two names of one request that collide ('a.b' and 'a_b') are refused as they are in two requests.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ErrorCode;
use protocol::model::{PartitionIndex, TopicId};
use serde::{Deserialize, Serialize};

use super::alter_configs::check_value_size;
use super::assignment::{self, ReplicaAssignment};
use crate::placement::Placement;
use crate::record::{ConfigRecord, Replica, TopicRecord};
use crate::{
    ApiError, Command, ConfigResource, Context, Decision, MetadataRecord, ResourceType, topic_name,
};

/// A request to create topics. The caller has dropped those the client may not create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTopics {
    /// The topics.
    pub topics: Vec<NewTopic>,
    /// Whether nothing is to be created.
    pub validate_only: bool,
}

/// One topic to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Drawn by the caller, used if the topic is created.
    pub topic_id: TopicId,
    /// How many partitions; `None` (-1 on the wire) for the default.
    pub num_partitions: Option<i32>,
    /// How many replicas; `None` (-1 on the wire) for the default.
    pub replication_factor: Option<i16>,
    /// Partitions placed by hand; then neither number may be given.
    pub assignments: Vec<ReplicaAssignment>,
    /// Its configuration. Null values are refused.
    pub configs: Vec<(String, Option<String>)>,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTopicResult {
    /// Its name.
    pub name: String,
    /// What was, or would have been, created.
    pub result: Result<CreatedTopic, ApiError>,
}

/// A topic that was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedTopic {
    /// Its id.
    pub topic_id: TopicId,
    /// How many partitions it has.
    pub num_partitions: i32,
    /// How many replicas they have.
    pub replication_factor: i16,
}

impl Command for CreateTopics {
    /// One per name, in the order they came first.
    type Response = Vec<CreateTopicResult>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in &self.topics {
            *counts.entry(&topic.name).or_default() += 1;
        }
        let too_many = self.check_partition_counts(context, &counts).err();
        let mut creation = Creation::new(context);
        let mut response = Vec::with_capacity(counts.len());
        for topic in &self.topics {
            let Some(count) = counts.remove(topic.name.as_str()) else {
                continue;
            };
            let result = match &too_many {
                Some(error) => Err(error.clone()),
                None => refuse_by_name(&topic.name, count).and_then(|()| creation.create(topic)),
            };
            response.push(CreateTopicResult {
                name: topic.name.clone(),
                result,
            });
        }
        let records = if self.validate_only {
            Vec::new()
        } else {
            creation.records
        };
        Decision { records, response }
    }
}

impl CreateTopics {
    fn check_partition_counts(
        &self,
        context: &Context<'_>,
        counts: &BTreeMap<&str, usize>,
    ) -> Result<(), ApiError> {
        let default = context.config.default_num_partitions;
        let single = self
            .topics
            .iter()
            .filter(|topic| counts[topic.name.as_str()] == 1);
        let sum = single.fold(0usize, |sum, topic| {
            let asked = usize::try_from(topic.num_partitions.unwrap_or(default)).unwrap_or(0);
            let assigned = topic.assignments.len();
            sum.saturating_add(if assigned == 0 { asked } else { assigned })
        });
        assignment::check_partition_counts(context, sum)
    }
}

fn refuse_by_name(name: &str, count: usize) -> Result<(), ApiError> {
    if count > 1 {
        return Err(ApiError::new(
            ErrorCode::InvalidRequest,
            "Duplicate topic name.",
        ));
    }
    if name == topic_name::CLUSTER_METADATA {
        let message = format!("Creation of internal topic {name} is prohibited.");
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    Ok(())
}

/// What the request's earlier topics have led to.
struct Creation<'a> {
    context: &'a Context<'a>,
    placement: Placement,
    topic_ids: BTreeSet<TopicId>,
    /// Unified name to name.
    names: BTreeMap<String, String>,
    records: Vec<MetadataRecord>,
}

impl<'a> Creation<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Creation {
            context,
            placement: Placement::new(context.image),
            topic_ids: BTreeSet::new(),
            names: BTreeMap::new(),
            records: Vec::new(),
        }
    }

    fn create(&mut self, topic: &NewTopic) -> Result<CreatedTopic, ApiError> {
        self.check_name(&topic.name)?;
        let configs = self.configs(topic)?;
        if self.context.image.topic(topic.topic_id).is_some()
            || self.topic_ids.contains(&topic.topic_id)
        {
            // The caller draws from 122 random bits: this is a mistake of its, which must not stop the controller.
            let message = format!("The topic id {} was drawn twice.", topic.topic_id);
            return Err(ApiError::new(ErrorCode::UnknownServerError, message));
        }
        let partitions = if topic.assignments.is_empty() {
            self.place(topic)?
        } else {
            self.assigned(topic)?
        };
        let created = CreatedTopic {
            topic_id: topic.topic_id,
            num_partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: partitions.first().map_or(0, |replicas| {
                i16::try_from(replicas.len()).unwrap_or(i16::MAX)
            }),
        };
        self.record(topic, configs, partitions);
        Ok(created)
    }

    fn check_name(&self, name: &str) -> Result<(), ApiError> {
        let image = self.context.image;
        // Kafka looks for the name first as well: a topic that exists is not said to collide with itself.
        if image.topic_named(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(ApiError::new(ErrorCode::TopicAlreadyExists, message));
        }
        let invalid = |message| ApiError::new(ErrorCode::InvalidTopicException, message);
        topic_name::validate(name).map_err(invalid)?;
        let earlier = self
            .names
            .get(&topic_name::unified(name))
            .map(String::as_str);
        let other = image
            .colliding_topic(name)
            .map(|other| &**other)
            .or(earlier);
        other.map_or(Ok(()), |other| {
            Err(invalid(format!(
                "Topic '{name}' collides with existing topic: {other}"
            )))
        })
    }

    fn configs(&self, topic: &NewTopic) -> Result<BTreeMap<String, String>, ApiError> {
        let nulls: BTreeSet<&str> = topic
            .configs
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(key, _)| key.as_str())
            .collect();
        if !nulls.is_empty() {
            let names = nulls.into_iter().collect::<Vec<_>>().join(",");
            let message = format!("Null value not supported for topic configs: {names}");
            return Err(ApiError::new(ErrorCode::InvalidConfig, message));
        }
        let set = topic.configs.iter().cloned();
        let configs: BTreeMap<_, _> = set
            .filter_map(|(key, value)| value.map(|value| (key, value)))
            .collect();
        if !configs.is_empty() {
            configs
                .values()
                .try_for_each(|value| check_value_size(value))?;
            let resource = ConfigResource::topic(&topic.name);
            self.context
                .configs
                .validate(&resource, &configs, &configs)?;
        }
        Ok(configs)
    }

    fn place(&mut self, topic: &NewTopic) -> Result<Vec<Vec<Replica>>, ApiError> {
        let config = self.context.config;
        let factor = topic
            .replication_factor
            .unwrap_or(config.default_replication_factor);
        let partitions = topic
            .num_partitions
            .unwrap_or(config.default_num_partitions);
        let invalid_factor = |message| ApiError::new(ErrorCode::InvalidReplicationFactor, message);
        if factor <= 0 {
            return Err(invalid_factor(
                "Replication factor must be larger than 0, or -1 to use the default value.".into(),
            ));
        }
        if partitions <= 0 {
            return Err(ApiError::new(
                ErrorCode::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let replicas = usize::from(factor.unsigned_abs());
        self.placement
            .place(topic.topic_id, None, (0, partitions), replicas)
            .map_err(|reason| {
                invalid_factor(format!(
                    "Unable to replicate the partition {factor} time(s): {reason}"
                ))
            })
    }

    fn assigned(&mut self, topic: &NewTopic) -> Result<Vec<Vec<Replica>>, ApiError> {
        let request = |what| {
            let message = format!("A manual partition assignment was specified, but {what}");
            Err(ApiError::new(ErrorCode::InvalidRequest, message))
        };
        if topic.replication_factor.is_some() {
            return request("replication factor was not set to -1.");
        }
        if topic.num_partitions.is_some() {
            return request("numPartitions was not set to -1.");
        }
        let assignments = self.checked_assignments(topic)?;
        let assign = |assignment: &&ReplicaAssignment| self.placement.assign(&assignment.brokers);
        Ok(assignments.values().map(assign).collect())
    }

    fn checked_assignments<'t>(
        &self,
        topic: &'t NewTopic,
    ) -> Result<BTreeMap<i32, &'t ReplicaAssignment>, ApiError> {
        let image = self.context.image;
        let invalid = |message| Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message));
        let mut assignments = BTreeMap::new();
        let mut replicas = None;
        for assignment in &topic.assignments {
            let partition = assignment.partition;
            if assignments.contains_key(&partition) {
                return invalid(format!(
                    "Found multiple manual partition assignments for partition {partition}"
                ));
            }
            assignment::check_brokers(image, &assignment.brokers, replicas)?;
            assignment::check_one_active(image, partition, &assignment.brokers)?;
            replicas = Some(assignment.brokers.len());
            assignments.insert(partition, assignment);
        }
        if !(0..)
            .zip(assignments.keys())
            .all(|(expected, partition)| expected == *partition)
        {
            return invalid("partitions should be a consecutive 0-based integer sequence".into());
        }
        Ok(assignments)
    }

    fn record(
        &mut self,
        topic: &NewTopic,
        configs: BTreeMap<String, String>,
        partitions: Vec<Vec<Replica>>,
    ) {
        let topic_id = topic.topic_id;
        let name = topic.name.clone();
        self.names.insert(topic_name::unified(&name), name.clone());
        self.topic_ids.insert(topic_id);
        self.records
            .push(MetadataRecord::Topic(TopicRecord { name, topic_id }));
        self.records.extend(configs.into_iter().map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: ResourceType::Topic,
                resource_name: topic.name.clone(),
                key,
                value: Some(value),
            })
        }));
        let image = self.context.image;
        self.records.extend(
            (0..)
                .map(PartitionIndex::new)
                .zip(partitions)
                .map(|(index, replicas)| {
                    assignment::new_partition(image, topic_id, index, replicas)
                }),
        );
    }
}

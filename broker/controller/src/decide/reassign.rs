//! Partitions go to other brokers (KIP-455, KIP-860): `ReplicationControlManager.alterPartitionReassignments`.
//!
//! A reassignment only says which replicas come and which go. It is over when those that come are in sync ([`settle`](crate::election::settle)); until then all of them
//! are replicas. Unlike in Kafka, one that another reassignment had begun to add, and that this one keeps, still has to come into sync; and to cancel one is to reassign
//! back, so that nobody goes who may have what nobody else has.

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::model::{BrokerId, PartitionIndex};
use serde::{Deserialize, Serialize};

use super::assignment;
use crate::election::{Restarted, records_of, rules, settle};
use crate::image::PartitionImage;
use crate::placement::Placement;
use crate::record::Replica;
use crate::{ApiError, Command, Context, Decision, MetadataImage, MetadataRecord};

/// A request for other replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterPartitionReassignments {
    /// Whether a partition may have more replicas than before, or fewer.
    pub allow_replication_factor_change: bool,
    /// The partitions, each once, and at most `request_partitions_max`.
    pub partitions: Vec<NewReplicas>,
}

/// Where a partition is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReplicas {
    /// The topic's name.
    pub topic: String,
    /// The partition's number, as it came.
    pub partition: i32,
    /// The brokers, the preferred leader first; `None` takes a reassignment back.
    pub brokers: Option<Vec<BrokerId>>,
}

impl Command for AlterPartitionReassignments {
    /// One per partition, in their order; or why none of them counts.
    type Response = Result<Vec<Result<(), ApiError>>, ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        if let Err(error) = assignment::check_request(context, self.partitions.len()) {
            return Decision::unchanged(Err(error));
        }
        let mut records = Vec::new();
        let mut response = Vec::with_capacity(self.partitions.len());
        let mut seen = BTreeSet::new();
        for asked in &self.partitions {
            let result = match seen.insert((&asked.topic, asked.partition)) {
                true => self.one(context, asked),
                false => Err(ApiError::new(
                    ErrorCode::InvalidRequest,
                    "The partition is named twice.",
                )),
            };
            response.push(result.map(|changes| records.extend(changes)));
        }
        Decision {
            records,
            response: Ok(response),
        }
    }
}

impl AlterPartitionReassignments {
    fn one(
        &self,
        context: &Context<'_>,
        asked: &NewReplicas,
    ) -> Result<Vec<MetadataRecord>, ApiError> {
        let image = context.image;
        let NewReplicas {
            topic, partition, ..
        } = asked;
        let unknown = |message| ApiError::new(ErrorCode::UnknownTopicOrPartition, message);
        let topic = image
            .topic_named(topic)
            .ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
        let name = topic.name();
        let index = PartitionIndex::from_wire(*partition)
            .filter(|index| topic.partition(*index).is_some())
            .ok_or_else(|| unknown(format!("Unable to find partition {name}:{partition}.")))?;
        let before = topic.partition(index).expect("it was found");
        let next = match &asked.brokers {
            Some(brokers) => {
                self.check(image, before, brokers)?;
                changed(image, before, brokers)
            }
            None if before.is_reassigning() => {
                let stays = |broker: &BrokerId| !before.adding.contains(broker);
                let brokers: Vec<_> = before.replica_brokers().filter(stays).collect();
                changed(image, before, &brokers)
            }
            None => {
                return Err(ApiError::new(
                    ErrorCode::NoReassignmentInProgress,
                    "No partition reassignment is in progress.",
                ));
            }
        };
        let rules = rules(image, context.configs, name);
        let next = settle(image, rules, before, next, Restarted::default());
        let place = (topic.topic_id(), index);
        Ok(next.map_or_else(Vec::new, |next| records_of(place, before, next).collect()))
    }

    fn check(
        &self,
        image: &MetadataImage,
        before: &PartitionImage,
        brokers: &[BrokerId],
    ) -> Result<(), ApiError> {
        assignment::check_brokers(image, brokers, None)?;
        let factor = before.replicas.len() - before.removing.len();
        if !self.allow_replication_factor_change && brokers.len() != factor {
            let message = format!(
                "The replication factor is changed from {factor} to {}",
                brokers.len()
            );
            return Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message));
        }
        Ok(())
    }
}

/// A partition that is to be on these brokers.
fn changed(image: &MetadataImage, before: &PartitionImage, brokers: &[BrokerId]) -> PartitionImage {
    let mut placement = Placement::new(image);
    let place = |broker: &BrokerId| {
        let known = before.replicas.iter().find(|it| it.broker_id == *broker);
        let known = known.copied();
        known.or_else(|| placement.assign(&[*broker]).first().copied())
    };
    let kept: Vec<Replica> = brokers.iter().filter_map(place).collect();
    // One that has not come yet is not waited for. One that has may have what nobody else has.
    let has_come = |id: &BrokerId| {
        !before.adding.contains(id) || before.isr.contains(id) || before.elr.contains(id)
    };
    let goes = |replica: &&Replica| {
        let id = &replica.broker_id;
        !brokers.contains(id) && has_come(id)
    };
    let going: Vec<Replica> = before.replicas.iter().filter(goes).copied().collect();
    let comes = |broker: &&BrokerId| {
        before.directory_on(**broker).is_none() || before.adding.contains(*broker)
    };
    PartitionImage {
        adding: brokers.iter().filter(comes).copied().collect(),
        removing: going.iter().map(|replica| replica.broker_id).collect(),
        replicas: kept.into_iter().chain(going).collect(),
        ..before.clone()
    }
}

//! Partitions go to other brokers (KIP-455, KIP-860): `ReplicationControlManager.alterPartitionReassignments`.
//!
//! A reassignment only says which replicas come and which go. It is over when those that come are in sync ([`settle`](crate::election::settle)); until then all of them
//! are replicas. Unlike in Kafka, one that another reassignment had begun to add, and that this one keeps, still has to come into sync.

use protocol::ErrorCode;
use protocol::model::{BrokerId, PartitionIndex};
use serde::{Deserialize, Serialize};

use super::assignment;
use crate::election::{Restarted, records_of, rules, settle};
use crate::image::{PartitionImage, TopicImage};
use crate::placement::Placement;
use crate::record::Replica;
use crate::{ApiError, Command, Context, Decision, MetadataRecord};

/// A request for other replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterPartitionReassignments {
    /// Whether a partition may have more replicas than before, or fewer.
    pub allow_replication_factor_change: bool,
    /// The partitions. Of one that is named twice the second goes by what the first led to.
    pub partitions: Vec<NewReplicas>,
}

/// Where a partition is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReplicas {
    /// The topic's name.
    pub topic: String,
    /// The partition's number, as it came.
    pub partition: i32,
    /// The brokers, the preferred leader first; `None` ends a reassignment where it began.
    pub brokers: Option<Vec<BrokerId>>,
}

impl Command for AlterPartitionReassignments {
    /// One per partition, in their order.
    type Response = Vec<Result<(), ApiError>>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let mut image = context.image.clone();
        let mut records = Vec::new();
        let mut response = Vec::with_capacity(self.partitions.len());
        for asked in &self.partitions {
            let context = Context {
                image: &image,
                ..*context
            };
            match self.one(&context, asked) {
                Ok(changes) => {
                    image = image.apply(&changes).image;
                    records.extend(changes);
                    response.push(Ok(()));
                }
                Err(error) => response.push(Err(error)),
            }
        }
        Decision { records, response }
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
            Some(brokers) => self.changed(context, before, brokers)?,
            None => cancelled(context, topic, index, before)?,
        };
        let rules = rules(image, context.configs, name);
        let next = settle(image, rules, before, next, Restarted::default());
        let place = (topic.topic_id(), index);
        Ok(next.map_or_else(Vec::new, |next| records_of(place, before, next).collect()))
    }

    fn changed(
        &self,
        context: &Context<'_>,
        before: &PartitionImage,
        brokers: &[BrokerId],
    ) -> Result<PartitionImage, ApiError> {
        let image = context.image;
        assignment::check_brokers(image, brokers, None)?;
        let factor = before.replicas.len() - before.removing.len();
        if !self.allow_replication_factor_change && brokers.len() != factor {
            let message = format!(
                "The replication factor is changed from {factor} to {}",
                brokers.len()
            );
            return Err(ApiError::new(ErrorCode::InvalidReplicationFactor, message));
        }
        let mut placement = Placement::new(image);
        let place = |broker: &BrokerId| {
            let known = before.replicas.iter().find(|it| it.broker_id == *broker);
            let known = known.copied();
            known.or_else(|| placement.assign(&[*broker]).first().copied())
        };
        let kept: Vec<Replica> = brokers.iter().filter_map(place).collect();
        // One that has not come yet is not waited for.
        let was_coming = |id: &BrokerId| before.adding.contains(id) && !before.isr.contains(id);
        let goes = |replica: &&Replica| {
            let id = &replica.broker_id;
            !brokers.contains(id) && !was_coming(id)
        };
        let going: Vec<Replica> = before.replicas.iter().filter(goes).copied().collect();
        let comes = |broker: &&BrokerId| {
            before.directory_on(**broker).is_none() || before.adding.contains(*broker)
        };
        Ok(PartitionImage {
            adding: brokers.iter().filter(comes).copied().collect(),
            removing: going.iter().map(|replica| replica.broker_id).collect(),
            replicas: kept.into_iter().chain(going).collect(),
            ..before.clone()
        })
    }
}

/// Back to where a reassignment began.
fn cancelled(
    context: &Context<'_>,
    topic: &TopicImage,
    partition: PartitionIndex,
    before: &PartitionImage,
) -> Result<PartitionImage, ApiError> {
    if !before.is_reassigning() {
        return Err(ApiError::new(
            ErrorCode::NoReassignmentInProgress,
            "No partition reassignment is in progress.",
        ));
    }
    let stays = |broker: &BrokerId| !before.adding.contains(broker);
    let mut next = before.clone();
    next.replicas.retain(|replica| stays(&replica.broker_id));
    next.isr.retain(stays);
    next.elr.retain(stays);
    (next.adding, next.removing) = (Vec::new(), Vec::new());
    let could_lead = next.isr.iter().chain(&next.elr);
    let mut could_lead = could_lead.filter(|broker| context.image.can_lead(**broker, &next));
    if could_lead.next().is_none() {
        let message = format!(
            "Unable to revert partition assignment for {}:{partition} because it would require an unclean leader election.",
            topic.name()
        );
        return Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message));
    }
    Ok(next)
}

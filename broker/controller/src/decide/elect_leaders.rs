//! Leaders are elected on request (KIP-183, KIP-460): `ReplicationControlManager.electLeaders`.

use protocol::ErrorCode;
use protocol::model::{LeaderEpoch, PartitionEpoch, PartitionIndex};
use serde::{Deserialize, Serialize};

use super::assignment;
use crate::election::{Restarted, records_of, rules, settle};
use crate::image::{PartitionImage, TopicImage};
use crate::{ApiError, Command, Context, Decision, MetadataRecord, TopicRules};

/// Which leader is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ElectionType {
    /// The first of the replicas, if it is in sync.
    Preferred,
    /// Any that is alive, where there is none: what only others had is lost.
    Unclean,
}

/// A request for elections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectLeaders {
    /// Which leader.
    pub election: ElectionType,
    /// Topics and numbers, as they came, at most `request_partitions_max`; `None`: wherever it is needed.
    pub partitions: Option<Vec<(String, i32)>>,
    /// At most so many elections. What is beyond has none, and is not answered.
    pub elections_max: usize,
}

/// What became of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectLeadersResult {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// Whether it has the leader now.
    pub result: Result<(), ApiError>,
}

impl Command for ElectLeaders {
    /// One per partition, in their order, or why none of them counts. Of all partitions those are left out where nothing was needed.
    type Response = Result<Vec<ElectLeadersResult>, ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let named = self.partitions.as_ref().map_or(0, Vec::len);
        if let Err(error) = assignment::check_request(context, named) {
            return Decision::unchanged(Err(error));
        }
        let mut records = Vec::new();
        let mut elections = 0;
        let mut response = Vec::new();
        let mut one = |topic: &str, partition: i32| {
            let result = self.elect(context, topic, partition);
            if elections == self.elections_max && result.is_ok() {
                return;
            }
            let result = result.map(|changes| {
                elections += 1;
                records.extend(changes);
            });
            let is_needed =
                !matches!(&result, Err(error) if error.code == ErrorCode::ElectionNotNeeded);
            if is_needed || self.partitions.is_some() {
                response.push(ElectLeadersResult {
                    topic: topic.to_owned(),
                    partition,
                    result,
                });
            }
        };
        match &self.partitions {
            Some(partitions) => {
                let mut seen = std::collections::BTreeSet::new();
                for (topic, partition) in partitions {
                    if seen.insert((topic, *partition)) {
                        one(topic, *partition);
                    }
                }
            }
            None => {
                for topic in context.image.topics_by_name() {
                    for (index, _) in topic.partitions() {
                        one(topic.name(), index.get());
                    }
                }
            }
        }
        Decision {
            records,
            response: Ok(response),
        }
    }
}

impl ElectLeaders {
    fn elect(
        &self,
        context: &Context<'_>,
        topic: &str,
        partition: i32,
    ) -> Result<Vec<MetadataRecord>, ApiError> {
        let image = context.image;
        let unknown = |message| ApiError::new(ErrorCode::UnknownTopicOrPartition, message);
        let topic = image
            .topic_named(topic)
            .ok_or_else(|| unknown(format!("No such topic as {topic}")))?;
        let index = PartitionIndex::from_wire(partition);
        let found = index.and_then(|index| Some((index, topic.partition(index)?)));
        let name = topic.name();
        let (index, before) =
            found.ok_or_else(|| unknown(format!("No such partition as {name}-{partition}")))?;
        let next = match self.election {
            ElectionType::Preferred => preferred(context, before)?,
            ElectionType::Unclean => unclean(context, topic, before)?,
        };
        Ok(records_of((topic.topic_id(), index), before, next).collect())
    }
}

fn not_needed() -> ApiError {
    ApiError::bare(ErrorCode::ElectionNotNeeded)
}

fn preferred(context: &Context<'_>, before: &PartitionImage) -> Result<PartitionImage, ApiError> {
    let first = before.replicas[0].broker_id;
    if before.leader == Some(first) {
        return Err(not_needed());
    }
    if !before.isr.contains(&first) || !context.image.can_lead(first, before) {
        return Err(ApiError::bare(ErrorCode::PreferredLeaderNotAvailable));
    }
    // It would take no produce requests, while the present leader does.
    let has_space = |broker| context.image.has_space(broker, before);
    if !has_space(first) && before.leader.is_some_and(has_space) {
        return Err(ApiError::new(
            ErrorCode::PreferredLeaderNotAvailable,
            "Too little space is left on the disk of the preferred leader.",
        ));
    }
    Ok(PartitionImage {
        leader: Some(first),
        leader_epoch: LeaderEpoch::new(before.leader_epoch.get() + 1),
        partition_epoch: PartitionEpoch::new(before.partition_epoch.get() + 1),
        ..before.clone()
    })
}

fn unclean(
    context: &Context<'_>,
    topic: &TopicImage,
    before: &PartitionImage,
) -> Result<PartitionImage, ApiError> {
    if before.leader.is_some() {
        return Err(not_needed());
    }
    let rules = TopicRules {
        unclean_leader_election: true,
        ..rules(context.image, context.configs, topic.name())
    };
    let next = settle(
        context.image,
        rules,
        before,
        before.clone(),
        Restarted::default(),
    );
    next.ok_or_else(|| ApiError::bare(ErrorCode::EligibleLeadersNotAvailable))
}

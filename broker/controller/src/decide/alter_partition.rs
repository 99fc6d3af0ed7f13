//! Leaders propose who is in sync: Kafka's `ReplicationControlManager.alterPartition` (KIP-497, KIP-841, KIP-903).

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::model::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId, TopicIdPartition,
};
use serde::{Deserialize, Serialize};

use super::brokers::check_broker_epoch;
use crate::election::{Restarted, records_of, rules, settle};
use crate::image::PartitionImage;
use crate::{ApiError, Command, Context, Decision, MetadataRecord};

/// A leader's proposals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterPartition {
    /// The leader.
    pub broker_id: BrokerId,
    /// Its life.
    pub broker_epoch: BrokerEpoch,
    /// One for each partition.
    pub proposals: Vec<IsrProposal>,
}

/// Who a leader takes for in sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsrProposal {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: PartitionIndex,
    /// The leadership it is made in.
    pub leader_epoch: LeaderEpoch,
    /// The state it is made for.
    pub partition_epoch: PartitionEpoch,
    /// The members, each in the life that the leader has seen be in sync.
    pub isr: Vec<(BrokerId, BrokerEpoch)>,
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterPartitionResult {
    /// The partition.
    pub partition: TopicIdPartition,
    /// The partition epoch from now on, or why nothing changed.
    pub result: Result<PartitionEpoch, ErrorCode>,
}

impl Command for AlterPartition {
    /// One per proposal, in their order; or why none of them counts.
    type Response = Result<Vec<AlterPartitionResult>, ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        if let Err(error) = check_broker_epoch(context.image, self.broker_id, self.broker_epoch) {
            return Decision::unchanged(Err(error));
        }
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(self.proposals.len());
        let mut seen = BTreeSet::new();
        for proposal in &self.proposals {
            let partition = TopicIdPartition {
                topic_id: proposal.topic_id,
                partition: proposal.partition,
            };
            let result = match seen.insert(partition) {
                true => self.take(context, proposal, &mut records),
                false => Err(ErrorCode::InvalidRequest),
            };
            results.push(AlterPartitionResult { partition, result });
        }
        Decision {
            records,
            response: Ok(results),
        }
    }
}

impl AlterPartition {
    fn take(
        &self,
        context: &Context<'_>,
        proposal: &IsrProposal,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<PartitionEpoch, ErrorCode> {
        let image = context.image;
        let topic = image
            .topic(proposal.topic_id)
            .ok_or(ErrorCode::UnknownTopicId)?;
        let before = topic
            .partition(proposal.partition)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        self.check(context, proposal, before)?;
        let mut next = before.as_ref().clone();
        next.isr = proposal.isr.iter().map(|(broker, _)| *broker).collect();
        let rules = rules(image, context.configs, topic.name());
        let Some(next) = settle(image, rules, before, next, Restarted::default()) else {
            return Ok(before.partition_epoch);
        };
        let partition_epoch = next.partition_epoch;
        let place = (proposal.topic_id, proposal.partition);
        records.extend(records_of(place, before, next));
        Ok(partition_epoch)
    }

    fn check(
        &self,
        context: &Context<'_>,
        proposal: &IsrProposal,
        before: &PartitionImage,
    ) -> Result<(), ErrorCode> {
        if proposal.leader_epoch > before.leader_epoch
            || proposal.partition_epoch > before.partition_epoch
        {
            // The controller was another one, or is behind.
            return Err(ErrorCode::NotController);
        }
        if proposal.leader_epoch < before.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if before.leader != Some(self.broker_id) {
            return Err(ErrorCode::InvalidRequest);
        }
        if proposal.partition_epoch < before.partition_epoch {
            return Err(ErrorCode::InvalidUpdateVersion);
        }
        let members: BTreeSet<BrokerId> = proposal.isr.iter().map(|(id, _)| *id).collect();
        let are_replicas = members.iter().all(|id| before.directory_on(*id).is_some());
        if members.len() != proposal.isr.len()
            || !are_replicas
            || !members.contains(&self.broker_id)
        {
            return Err(ErrorCode::InvalidRequest);
        }
        let is_eligible = |(id, epoch): &(BrokerId, BrokerEpoch)| {
            let broker = context.image.broker(*id);
            let is_of_that_life = broker.is_some_and(|broker| broker.broker_epoch == *epoch);
            is_of_that_life && context.image.can_lead(*id, before)
        };
        match proposal.isr.iter().all(is_eligible) {
            true => Ok(()),
            false => Err(ErrorCode::IneligibleReplica),
        }
    }
}

//! OffsetCommit (Kafka's `OffsetMetadataManager.commitOffset`).

use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::{CommitOffsets, CommitReply, CommitTopic};
use super::super::classic::{ClassicGroup, ClassicState};
use super::super::context::{Context, java_length};
use super::super::members::{Group, Members};
use super::{CommittedOffset, offset_record};

impl Group {
    /// The code for a group that is not there.
    pub(in crate::group) fn missing_for_commit(request: &CommitOffsets) -> Option<ErrorCode> {
        match (request.generation, request.knows_epochs) {
            // Who assigns partitions to itself makes the group by committing.
            (None, _) => None,
            (Some(_), true) => Some(ErrorCode::GroupIdNotFound),
            (Some(_), false) => Some(ErrorCode::IllegalGeneration),
        }
    }

    pub(in crate::group) fn commit(
        &mut self,
        context: &mut Context<'_>,
        request: &CommitOffsets,
    ) -> CommitReply {
        match &self.members {
            Members::Classic(classic) => {
                check(classic, request)?;
                if let Some(member) = &request.member {
                    classic.touch(context, member);
                }
            }
            Members::Consumer(consumer) => consumer.check_commit(request)?,
        }
        let now_ms = context.now.wall_ms;
        let expire_timestamp_ms = request.retention_ms.map(|ms| now_ms.saturating_add(ms));
        let mut outcomes = Vec::new();
        for topic in &request.topics {
            for wanted in &topic.partitions {
                if java_length(&wanted.metadata) > context.config.offset_metadata_chars_max {
                    outcomes.push(ErrorCode::OffsetMetadataTooLarge);
                    continue;
                }
                if let Err(error) = self.check_partition(context, request, topic, wanted.partition)
                {
                    outcomes.push(error);
                    continue;
                }
                let committed = CommittedOffset {
                    offset: wanted.offset,
                    leader_epoch: wanted.leader_epoch,
                    metadata: wanted.metadata.clone(),
                    commit_timestamp_ms: now_ms,
                    expire_timestamp_ms,
                };
                let (group, name) = (&request.group, &topic.topic);
                context.record(offset_record(
                    group,
                    name,
                    wanted.partition,
                    Some(&committed),
                ));
                self.offsets.apply(name, wanted.partition, Some(committed));
                context.counters.commits.add(1);
                outcomes.push(ErrorCode::None);
            }
        }
        Ok(outcomes)
    }
}

impl Group {
    /// Whether a member may commit in this partition, which it may have lost already.
    fn check_partition(
        &self,
        context: &Context<'_>,
        request: &CommitOffsets,
        topic: &CommitTopic,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        let Members::Consumer(consumer) = &self.members else {
            return Ok(());
        };
        let topic = context.cluster.topic(&topic.topic);
        consumer.check_commit_of(request, topic.map(|topic| (topic.id, partition)))
    }
}

/// Who may commit (Kafka's `ClassicGroup.validateOffsetCommit`).
fn check(group: &ClassicGroup, request: &CommitOffsets) -> Result<(), ErrorCode> {
    let state = group.state();
    if request.generation.is_none() && state == ClassicState::Empty {
        return Ok(());
    }
    let names_a_member = request.member.is_some() || request.instance.is_some();
    if request.generation.is_some() || names_a_member {
        let member: &Arc<str> = &request.member.clone().unwrap_or_default();
        group.check_member(member, request.instance.as_ref())?;
        if request.generation != Some(group.generation()) {
            return Err(ErrorCode::IllegalGeneration);
        }
    } else {
        // Somebody consumes as a group: others would move what is its own.
        return Err(ErrorCode::UnknownMemberId);
    }
    if state == ClassicState::CompletingRebalance {
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(())
}

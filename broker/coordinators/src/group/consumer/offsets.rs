//! Who may commit and read offsets of a group of the consumer protocol.

use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::{CommitOffsets, FetchOffsets};
use super::super::cluster::TopicPartition;
use super::ConsumerGroup;
use super::member::ConsumerMember;

impl ConsumerGroup {
    /// Who may commit at all (Kafka's `ConsumerGroup.validateOffsetCommit`).
    pub(in crate::group) fn check_commit(&self, ask: &CommitOffsets) -> Result<(), ErrorCode> {
        let Some(epoch) = ask.generation else {
            return match self.is_empty() {
                true => Ok(()),
                // Somebody consumes as a group: others would move what is its own.
                false => Err(ErrorCode::UnknownMemberId),
            };
        };
        let member = self.speaking(ask.member.as_ref(), ask.instance.as_ref())?;
        if !member.is_classic() && !ask.knows_epochs {
            return Err(ErrorCode::UnsupportedVersion);
        }
        match epoch > member.current.epoch {
            true => Err(stale(member)),
            false => Ok(()),
        }
    }

    /// Where: what a member had, in an epoch before, it may commit as long as nobody else has got it since (KIP-1251).
    pub(in crate::group) fn check_commit_of(
        &self,
        ask: &CommitOffsets,
        partition: Option<TopicPartition>,
    ) -> Result<(), ErrorCode> {
        let Some(epoch) = ask.generation else {
            return Ok(());
        };
        let member = self.speaking(ask.member.as_ref(), ask.instance.as_ref())?;
        if epoch == member.current.epoch {
            return Ok(());
        }
        let current = &member.current;
        let since =
            partition.and_then(|it| current.assigned.get(&it).or(current.revoking.get(&it)));
        match since {
            Some(since) if epoch >= *since => Ok(()),
            _ => Err(stale(member)),
        }
    }

    /// Who may read (Kafka's `ConsumerGroup.validateOffsetFetch`).
    pub(in crate::group) fn check_fetch(&self, ask: &FetchOffsets) -> Result<(), ErrorCode> {
        let Some((id, epoch)) = &ask.member else {
            return Ok(());
        };
        let member = self.speaking(Some(id), None)?;
        match *epoch == member.current.epoch {
            true => Ok(()),
            false => Err(stale(member)),
        }
    }

    fn speaking(
        &self,
        id: Option<&Arc<str>>,
        instance: Option<&Arc<str>>,
    ) -> Result<&ConsumerMember, ErrorCode> {
        let id = id.ok_or(ErrorCode::UnknownMemberId)?;
        let current = instance.and_then(|instance| self.static_members.get(instance));
        if current.is_some_and(|current| current != id) {
            return Err(ErrorCode::FencedInstanceId);
        }
        self.members.get(id).ok_or(ErrorCode::UnknownMemberId)
    }
}

/// The code for an epoch that is not the member's, in its protocol.
fn stale(member: &ConsumerMember) -> ErrorCode {
    match member.is_classic() {
        true => ErrorCode::IllegalGeneration,
        false => ErrorCode::StaleMemberEpoch,
    }
}

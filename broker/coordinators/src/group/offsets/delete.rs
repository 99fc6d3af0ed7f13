//! OffsetDelete, DeleteGroups, and offsets in topics that are gone.

use std::sync::Arc;

use protocol::ErrorCode;
use protocol::group_records::GroupRecord;

use super::super::Group;
use super::super::ask::{DeleteOffsets, DeleteOffsetsReply};
use super::super::classic::ClassicState;
use super::super::context::Context;
use super::offset_record;

impl Group {
    pub(in crate::group) fn delete_offsets(
        &mut self,
        context: &mut Context<'_>,
        request: &DeleteOffsets,
    ) -> DeleteOffsetsReply {
        let is_empty = self.classic.state() == ClassicState::Empty;
        if !is_empty && !self.classic.is_of_consumers() {
            // What its members read is not known.
            return Err(ErrorCode::NonEmptyGroup);
        }
        let mut outcomes = Vec::with_capacity(request.topics.len());
        for (topic, partitions) in &request.topics {
            let is_subscribed = match self.classic.subscribed() {
                Some(topics) => topics.contains(&**topic),
                None => !is_empty,
            };
            if is_subscribed {
                outcomes.push(ErrorCode::GroupSubscribedToTopic);
                continue;
            }
            for partition in partitions {
                self.forget(context, &request.group, topic, *partition);
            }
            outcomes.push(ErrorCode::None);
        }
        Ok(outcomes)
    }

    /// Deletes all that is recorded of a group nobody is in.
    pub(in crate::group) fn delete(&mut self, context: &mut Context<'_>, id: &str) -> ErrorCode {
        if self.classic.state() != ClassicState::Empty {
            return ErrorCode::NonEmptyGroup;
        }
        let committed: Vec<_> = self
            .offsets
            .iter()
            .map(|(topic, partition, _)| (Arc::clone(topic), partition))
            .collect();
        for (topic, partition) in committed {
            self.forget(context, id, &topic, partition);
        }
        self.bury(context, id);
        ErrorCode::None
    }

    /// Takes back the record of the group.
    pub(in crate::group) fn bury(&mut self, context: &mut Context<'_>, id: &str) {
        self.classic.abandon(context);
        context.record(GroupRecord::GroupMetadata {
            group: id.to_owned(),
            value: None,
        });
    }

    pub(in crate::group) fn forget_topics(
        &mut self,
        context: &mut Context<'_>,
        id: &str,
        topics: &[Arc<str>],
    ) {
        for topic in topics {
            let partitions: Vec<i32> = self.offsets.partitions(topic).collect();
            for partition in partitions {
                self.forget(context, id, topic, partition);
            }
        }
    }

    /// Takes back an offset, if there is one.
    pub(super) fn forget(
        &mut self,
        context: &mut Context<'_>,
        id: &str,
        topic: &str,
        partition: i32,
    ) {
        if self.offsets.get(topic, partition).is_some() {
            context.record(offset_record(id, topic, partition, None));
            self.offsets.apply(topic, partition, None);
        }
    }
}

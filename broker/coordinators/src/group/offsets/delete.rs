//! OffsetDelete, DeleteGroups, and offsets in topics that are gone.

use std::sync::Arc;

use protocol::ErrorCode;

use super::super::ask::{DeleteOffsets, DeleteOffsetsReply};
use super::super::context::Context;
use super::super::members::Group;
use super::offset_record;

impl Group {
    pub(in crate::group) fn delete_offsets(
        &mut self,
        context: &mut Context<'_>,
        request: &DeleteOffsets,
    ) -> DeleteOffsetsReply {
        let is_empty = self.has_no_members();
        let is_opaque = self.classic().is_some_and(|it| !it.is_of_consumers());
        if !is_empty && is_opaque {
            // What its members read is not known.
            return Err(ErrorCode::NonEmptyGroup);
        }
        let mut outcomes = Vec::with_capacity(request.topics.len());
        for (topic, partitions) in &request.topics {
            let is_subscribed = match self.subscribed() {
                Some(topics) => topics.contains(&**topic),
                None => !is_empty,
            };
            if is_subscribed {
                outcomes.push(ErrorCode::GroupSubscribedToTopic);
                continue;
            }
            for partition in partitions {
                self.forget(context, topic, *partition);
            }
            outcomes.push(ErrorCode::None);
        }
        Ok(outcomes)
    }

    /// Deletes all that is recorded of a group nobody is in.
    pub(in crate::group) fn delete(&mut self, context: &mut Context<'_>) -> ErrorCode {
        if !self.has_no_members() {
            return ErrorCode::NonEmptyGroup;
        }
        let committed: Vec<_> = self
            .offsets
            .iter()
            .map(|(topic, partition, _)| (Arc::clone(topic), partition))
            .collect();
        for (topic, partition) in committed {
            self.forget(context, &topic, partition);
        }
        self.bury(context);
        ErrorCode::None
    }

    pub(in crate::group) fn forget_topics(
        &mut self,
        context: &mut Context<'_>,
        topics: &[Arc<str>],
    ) {
        for topic in topics {
            let partitions: Vec<i32> = self.offsets.partitions(topic).collect();
            for partition in partitions {
                self.forget(context, topic, partition);
            }
        }
    }

    /// Takes back an offset, if there is one.
    pub(super) fn forget(&mut self, context: &mut Context<'_>, topic: &str, partition: i32) {
        if self.offsets.get(topic, partition).is_some() {
            context.record(offset_record(&self.id, topic, partition, None));
            self.offsets.apply(topic, partition, None);
        }
    }
}

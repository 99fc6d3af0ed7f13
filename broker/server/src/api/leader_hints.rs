//! Who leads instead, in answers to those who asked the wrong broker (KIP-951): they need not ask for the metadata first.

use std::collections::BTreeMap;

use broker_controller::MetadataImage;
use broker_controller::record::Listener;
use protocol::ErrorCode;
use protocol::model::{BrokerId, LeaderEpoch, PartitionIndex, TopicId, TopicIdPartition};

use super::view::View;

/// The leaders that an answer names.
pub(super) struct LeaderHints<'a> {
    view: View<'a>,
    brokers: BTreeMap<BrokerId, (&'a Listener, Option<&'a str>)>,
}

impl<'a> LeaderHints<'a> {
    pub(super) fn new(view: View<'a>) -> LeaderHints<'a> {
        LeaderHints {
            view,
            brokers: BTreeMap::new(),
        }
    }

    /// Who leads a partition whose answer is `code`, if that is why. Only then is the topic looked for.
    pub(super) fn of(
        &mut self,
        topic: impl FnOnce(&MetadataImage) -> Option<TopicId>,
        partition: i32,
        code: ErrorCode,
    ) -> Option<(BrokerId, LeaderEpoch)> {
        let is_why = matches!(
            code,
            ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
        );
        let partition = PartitionIndex::from_wire(partition).filter(|_| is_why)?;
        let id = TopicIdPartition {
            topic_id: topic(self.view.image)?,
            partition,
        };
        let state = self.view.image.partition(id.topic_id, partition)?;
        let leader = state.leader.filter(|_| !self.view.is_abandoned(id))?;
        let listener = self.view.image.endpoint(leader, self.view.listener)?;
        let rack = self.view.image.broker(leader)?.rack.as_deref();
        self.brokers.insert(leader, (listener, rack));
        Some((leader, state.leader_epoch))
    }

    /// Where those that were named are.
    pub(super) fn brokers(&self) -> impl Iterator<Item = (BrokerId, &Listener, Option<&str>)> {
        self.brokers
            .iter()
            .map(|(id, (listener, rack))| (*id, *listener, *rack))
    }
}

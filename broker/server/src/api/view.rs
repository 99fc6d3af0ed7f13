//! The image as clients of one listener see it.

use broker_controller::MetadataImage;
use broker_controller::image::PartitionImage;
use protocol::ErrorCode;
use protocol::model::{BrokerId, TopicIdPartition};

use crate::broker::Partitions;

/// An image, and the listener it is told on.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) image: &'a MetadataImage,
    pub(super) listener: &'a str,
    /// What this broker leads.
    pub(super) led: &'a Partitions,
}

impl View<'_> {
    /// A partition's leader, or why there is none. One that this listener cannot reach is no leader to its clients; nor is this broker of what others may lead by now.
    pub(super) fn leader(
        &self,
        id: TopicIdPartition,
        state: &PartitionImage,
    ) -> (ErrorCode, Option<BrokerId>) {
        match state.leader {
            Some(_) if self.is_abandoned(id) => (ErrorCode::LeaderNotAvailable, None),
            Some(id) if self.image.endpoint(id, self.listener).is_some() => {
                (ErrorCode::None, Some(id))
            }
            Some(id) if !self.is_offline(id, state) => (ErrorCode::ListenerNotFound, None),
            _ => (ErrorCode::LeaderNotAvailable, None),
        }
    }

    /// Whether this broker leads a partition as far as it knows, and may have missed that another does.
    pub(super) fn is_abandoned(&self, id: TopicIdPartition) -> bool {
        self.led.get(id).is_some_and(|it| it.is_abandoned())
    }

    /// The replicas whose brokers, or whose directories, are not there.
    pub(super) fn offline_replicas(
        &self,
        state: &PartitionImage,
    ) -> Vec<protocol::messages::BrokerId> {
        let replicas = state.replica_brokers();
        on_wire(replicas.filter(|id| self.is_offline(*id, state)))
    }

    fn is_offline(&self, id: BrokerId, state: &PartitionImage) -> bool {
        !self.image.can_lead(id, state)
    }
}

/// Ids for the wire.
pub(super) fn on_wire(ids: impl Iterator<Item = BrokerId>) -> Vec<protocol::messages::BrokerId> {
    ids.map(|id| id.get().into()).collect()
}

//! A topic and its partitions.

use std::sync::Arc;

use protocol::model::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId};
use rpds::VectorSync;

use crate::DirectoryId;
use crate::record::{PartitionChangeRecord, PartitionRecord, Replica};

/// A topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicImage {
    pub(super) topic_id: TopicId,
    pub(super) name: Arc<str>,
    pub(super) partitions: VectorSync<Arc<PartitionImage>>,
}

impl TopicImage {
    /// Its id.
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many partitions it has.
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    /// A partition.
    pub fn partition(&self, index: PartitionIndex) -> Option<&Arc<PartitionImage>> {
        self.partitions.get(usize::try_from(index.get()).ok()?)
    }

    /// All partitions by number, from 0 without a gap.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionIndex, &Arc<PartitionImage>)> {
        (0..).map(PartitionIndex::new).zip(self.partitions.iter())
    }

    /// The replicas each partition was created with, judged by the first.
    pub fn replication_factor(&self) -> usize {
        self.partitions
            .get(0)
            .map_or(0, |partition| partition.replicas.len())
    }
}

/// A partition's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// The preferred leader first.
    pub replicas: Vec<Replica>,
    /// In sync, and so allowed to lead.
    pub isr: Vec<BrokerId>,
    /// Not in sync, but with all that is committed (KIP-966).
    pub elr: Vec<BrokerId>,
    /// The leader; `None` while no member of the ISR can lead.
    pub leader: Option<BrokerId>,
    /// The number of the leadership. Also counts a leader's lives.
    pub leader_epoch: LeaderEpoch,
    /// The number of this state.
    pub partition_epoch: PartitionEpoch,
}

impl PartitionImage {
    /// The directory of a broker's replica; `None` if it has none.
    pub fn directory_on(&self, broker_id: BrokerId) -> Option<DirectoryId> {
        let replica = self
            .replicas
            .iter()
            .find(|replica| replica.broker_id == broker_id)?;
        Some(replica.directory_id)
    }

    /// The brokers that hold it, the preferred leader first.
    pub fn replica_brokers(&self) -> impl Iterator<Item = BrokerId> {
        self.replicas.iter().map(|replica| replica.broker_id)
    }

    pub(super) fn changed(&self, change: &PartitionChangeRecord) -> PartitionImage {
        PartitionImage {
            replicas: change.replicas.as_ref().unwrap_or(&self.replicas).clone(),
            isr: change.isr.as_ref().unwrap_or(&self.isr).clone(),
            elr: change.elr.as_ref().unwrap_or(&self.elr).clone(),
            leader: change.leader,
            leader_epoch: change.leader_epoch,
            partition_epoch: change.partition_epoch,
        }
    }
}

impl From<&PartitionRecord> for PartitionImage {
    fn from(record: &PartitionRecord) -> Self {
        PartitionImage {
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            elr: record.elr.clone(),
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        }
    }
}

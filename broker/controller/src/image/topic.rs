//! A topic and its partitions.

use std::sync::Arc;

use protocol::model::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId};
use rpds::VectorSync;

use crate::DirectoryId;
use crate::record::{PartitionChangeRecord, PartitionRecord, ReassignmentRecord, Replica};

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

    /// How many replicas a partition is to have, judged by the first.
    pub fn replication_factor(&self) -> usize {
        self.partitions
            .get(0)
            .map_or(0, |it| it.replicas.len() - it.removing.len())
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
    /// Replicas on their way here: members of `replicas` that count when they have been in sync (KIP-455).
    pub adding: Vec<BrokerId>,
    /// Members of `replicas` that go when all of `adding` are in sync.
    pub removing: Vec<BrokerId>,
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

    /// Whether its replicas are on their way from some brokers to others.
    pub fn is_reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// How many members an ISR needs to commit anything, with `min.insync.replicas` as it is configured: at most as many as there are replicas, without those that
    /// are still on their way here.
    pub fn enough_in_sync(&self, min_insync_replicas: usize) -> usize {
        let replicas = self.replicas.len() - self.adding.len();
        min_insync_replicas.clamp(1, replicas.max(1))
    }

    pub(super) fn reassigning(&self, record: &ReassignmentRecord) -> PartitionImage {
        PartitionImage {
            adding: record.adding.clone(),
            removing: record.removing.clone(),
            ..self.clone()
        }
    }

    pub(super) fn changed(&self, change: &PartitionChangeRecord) -> PartitionImage {
        PartitionImage {
            replicas: change.replicas.as_ref().unwrap_or(&self.replicas).clone(),
            isr: change.isr.as_ref().unwrap_or(&self.isr).clone(),
            elr: change.elr.as_ref().unwrap_or(&self.elr).clone(),
            leader: change.leader,
            leader_epoch: change.leader_epoch,
            partition_epoch: change.partition_epoch,
            adding: self.adding.clone(),
            removing: self.removing.clone(),
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
            adding: Vec::new(),
            removing: Vec::new(),
        }
    }
}

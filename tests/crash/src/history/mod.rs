//! What was sent and acknowledged, and whether a log that is read back agrees with it.
//!
//! Every record carries a [`ValueId`] of its own, so that each one read can be told apart. Writers
//! report [`Event`]s; after each restart the whole of every partition is read into a [`ReadBack`]
//! and [`PartitionHistory::check`] names each [`Anomaly`].

mod anomaly;
mod partition;
mod read_back;
mod value;

use std::{collections::BTreeMap, fmt};

use protocol::model::Offset;

pub use anomaly::Anomaly;
pub use partition::PartitionHistory;
pub use read_back::{ReadBack, ReadBatch, ReadValue};
pub use value::{ForeignValue, VALUE_BYTES_MIN, ValueId};

/// A partition by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A batch by what is in it: the values of `writer` from `first` on, `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    /// Who wrote it.
    pub writer: u32,
    /// The number of its first value.
    pub first: u64,
    /// The number of its values.
    pub count: u32,
}

impl BatchId {
    /// Its values, in order.
    pub fn values(self) -> impl Iterator<Item = ValueId> {
        let numbers = self.first..self.first + u64::from(self.count);
        numbers.map(move |number| ValueId {
            writer: self.writer,
            number,
        })
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = ValueId {
            writer: self.writer,
            number: self.first,
        };
        write!(f, "{} values from {first}", self.count)
    }
}

/// What a writer did or was told. A batch that is sent and not acknowledged may or may not be in
/// the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The batch is about to be sent, for the first time or again.
    Sent(BatchId),
    /// The broker answered with no error.
    Acknowledged {
        /// What was sent.
        batch: BatchId,
        /// The offset of its first record, as answered.
        base_offset: Offset,
    },
}

/// What has to be there of what was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    #[default]
    All,
    /// The oldest records may be deleted, as long as so many bytes are left.
    Bytes(u64),
    /// Of the records with one key the last one.
    LastOfKey,
}

/// The histories of all partitions.
#[derive(Debug, Default)]
pub struct History {
    partitions: BTreeMap<TopicPartition, PartitionHistory>,
    kept: Kept,
}

impl History {
    /// Of partitions of which so much is kept.
    pub fn of(kept: Kept) -> History {
        History {
            kept,
            ..History::default()
        }
    }

    /// Adds what a writer reports.
    pub fn record(&mut self, at: &TopicPartition, event: Event) {
        match self.partitions.get_mut(at) {
            Some(partition) => partition.record(event),
            None => self.partition(at).record(event),
        }
    }

    /// One partition's history.
    pub fn partition(&mut self, at: &TopicPartition) -> &mut PartitionHistory {
        let new = || PartitionHistory::of(self.kept);
        self.partitions.entry(at.clone()).or_insert_with(new)
    }

    /// How many acknowledged records were gone when they were last read, since later ones have their keys.
    pub fn compacted_records(&self) -> u64 {
        let partitions = self.partitions.values();
        partitions.map(PartitionHistory::compacted_records).sum()
    }

    /// How many offsets were deleted.
    pub fn deleted_offsets(&self) -> u64 {
        let partitions = self.partitions.values();
        partitions.map(PartitionHistory::deleted_offsets).sum()
    }

    /// How many records were acknowledged.
    pub fn acknowledged_records(&self) -> u64 {
        let partitions = self.partitions.values();
        partitions.map(PartitionHistory::acknowledged_records).sum()
    }
}

#[cfg(test)]
mod tests;

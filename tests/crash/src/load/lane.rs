//! What an idempotent writer knows of one partition.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::model::Sequence;

use crate::history::BatchId;

/// How many batches of one producer and partition a broker tells from new ones (Kafka's
/// `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`), and so how many may be in flight.
pub(super) const BATCHES_IN_FLIGHT_MAX: usize = 5;

/// A batch as it was sent, and is sent again.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) id: BatchId,
    pub(super) bytes: Bytes,
}

/// The state that outlives the broker's crashes: the next sequence, and what has to be sent again.
#[derive(Debug)]
pub(super) struct Lane {
    next_sequence: Sequence,
    /// Sent and not acknowledged, oldest first.
    unresolved: VecDeque<Batch>,
    latest_acknowledged: Option<Batch>,
}

impl Default for Lane {
    fn default() -> Lane {
        Lane {
            next_sequence: Sequence::new(0),
            unresolved: VecDeque::new(),
            latest_acknowledged: None,
        }
    }
}

impl Lane {
    /// The sequence of a new batch.
    pub(super) fn take_sequence(&mut self, records: u32) -> Sequence {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.plus(records.cast_signed());
        sequence
    }

    pub(super) fn on_sent(&mut self, batch: &Batch) {
        self.unresolved.push_back(batch.clone());
    }

    /// An acknowledgement of a batch that was acknowledged before changes nothing.
    pub(super) fn on_acknowledged(&mut self, id: BatchId) {
        if let Some(at) = self.unresolved.iter().position(|batch| batch.id == id) {
            self.latest_acknowledged = self.unresolved.remove(at);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.unresolved.len() < BATCHES_IN_FLIGHT_MAX
    }

    /// The `index`th batch that has to be sent again after a crash.
    pub(super) fn to_resend(&self, index: usize) -> Option<&Batch> {
        self.unresolved.get(index)
    }

    /// A batch that has been acknowledged and that the broker must still recognise.
    pub(super) fn to_duplicate(&self) -> Option<&Batch> {
        let recognised = self.unresolved.len() < BATCHES_IN_FLIGHT_MAX - 1;
        self.latest_acknowledged.as_ref().filter(|_| recognised)
    }
}

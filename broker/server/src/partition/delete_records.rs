//! DeleteRecords: the log begins later.

use std::sync::Arc;

use protocol::ErrorCode;
use protocol::model::Offset;
use storage::journal::{DurableListener, JournalFault, JournalPosition};

use super::{Partition, PartitionsWait};

impl Partition {
    /// Moves the log's start to `before`, or to the high watermark. Kafka's `Partition.deleteRecordsOnLeader`. Tells `wait` when that is
    /// durable, so that no restart brings the records back; at once if the log begins there or later already. Files go with the next look for
    /// segments to delete.
    pub fn delete_records(
        &self,
        before: Option<Offset>,
        wait: &Arc<PartitionsWait>,
        slot: usize,
    ) -> Result<(), ErrorCode> {
        if !self.config.load().cleanup_policy.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let state = self.state.lock();
        if let Some(code) = state.closed {
            return Err(code);
        }
        let before = before.unwrap_or(state.leader.high_watermark());
        if before > state.leader.high_watermark() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let listener = Arc::new(Deleted {
            wait: Arc::clone(wait),
            slot,
        });
        match self.log.advance_start(before, listener) {
            Ok(Some(_)) => {}
            Ok(None) => wait.done(slot, ErrorCode::None),
            Err(fault) => {
                tracing::error!(topic = %self.topic, partition = %self.id.partition, error = %fault, "cannot delete records");
                return Err(ErrorCode::KafkaStorageError);
            }
        }
        Ok(())
    }
}

/// Hears that a new start is durable.
struct Deleted {
    wait: Arc<PartitionsWait>,
    slot: usize,
}

impl DurableListener for Deleted {
    fn on_durable(&self, _: JournalPosition) {
        self.wait.done(self.slot, ErrorCode::None);
    }

    fn on_fault(&self, _: &JournalFault) {
        self.wait.done(self.slot, ErrorCode::KafkaStorageError);
    }
}

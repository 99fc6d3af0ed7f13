//! Batches of idempotent producers that were refused a moment ago, and what that means for those behind them.
//!
//! A producer has several requests under way. When the first is refused for something that passes (the ISR is too small, the partition is led elsewhere) and that has passed when
//! the second arrives, the second is out of order. Kafka says so, and librdkafka takes that for a loss: it begins another epoch for all of its partitions, and
//! what it had sent to others before a connection ended, and does not know to be written, it writes again. So the second is refused for the reason of the first:
//! nothing of it is written, and both come again, in order.

use std::collections::HashMap;

use protocol::ErrorCode;
use protocol::batch::BatchProducer;
use protocol::model::{ProducerEpoch, ProducerId, TopicId};

/// For so long a refusal counts. What was under way when it was sent has arrived long before.
const COUNTS_MS: i64 = 5_000;
/// Partitions and producers of one connection at most.
const REMEMBERED_MAX: usize = 10_000;

type Key = (TopicId, i32, ProducerId);

/// Those of a connection.
#[derive(Debug, Default)]
pub(super) struct RefusedBatches {
    refused: HashMap<Key, Refused>,
    /// Whether the log says already that something did not fit.
    gap_is_told: bool,
}

#[derive(Debug)]
struct Refused {
    epoch: ProducerEpoch,
    code: ErrorCode,
    at_ms: i64,
}

impl RefusedBatches {
    /// Whether `code` is the first of the connection that says that what is before a batch is missing.
    pub(super) fn is_first_gap(&mut self, code: ErrorCode) -> bool {
        is_gap(code) && !std::mem::replace(&mut self.gap_is_told, true)
    }

    /// A batch was taken: what is behind it is in order.
    pub(super) fn on_taken(&mut self, partition: (TopicId, i32), producer: &BatchProducer) {
        if !self.refused.is_empty() {
            self.refused.remove(&key(partition, producer));
        }
    }

    /// A batch was refused with `code`. Returns the code to answer with.
    pub(super) fn on_refused(
        &mut self,
        partition: (TopicId, i32),
        producer: &BatchProducer,
        code: ErrorCode,
        now_ms: i64,
    ) -> ErrorCode {
        let key = key(partition, producer);
        if passes(code) {
            if self.refused.len() >= REMEMBERED_MAX && !self.refused.contains_key(&key) {
                self.refused.retain(|_, it| now_ms - it.at_ms < COUNTS_MS);
            }
            if self.refused.len() < REMEMBERED_MAX {
                let epoch = producer.epoch;
                self.refused.insert(
                    key,
                    Refused {
                        epoch,
                        code,
                        at_ms: now_ms,
                    },
                );
            }
            return code;
        }
        let is_gap = is_gap(code);
        let before = self.refused.get(&key).filter(|before| {
            is_gap && before.epoch == producer.epoch && now_ms - before.at_ms < COUNTS_MS
        });
        before.map_or(code, |before| before.code)
    }
}

fn key((topic, partition): (TopicId, i32), producer: &BatchProducer) -> Key {
    (topic, partition, producer.id)
}

/// Whether what is before a batch is missing.
fn is_gap(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId
    )
}

/// Whether a producer sends a batch again that was refused so, in the same epoch.
fn passes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotEnoughReplicas
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::KafkaStorageError
            | ErrorCode::UnknownTopicOrPartition
    )
}

#[cfg(test)]
mod tests;

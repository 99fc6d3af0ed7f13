//! A client's batch into the log, once all that is asked of it holds.

use protocol::ErrorCode;
use protocol::batch::{BatchError, BatchHeader, set_max_timestamp_and_log_append_time};
use protocol::model::Offset;
use storage::log::Appended;

use super::incoming::Incoming;
use super::waiters::Acks;
use crate::config::TimestampType;

/// A batch that is in the log.
#[derive(Clone, Copy, Debug)]
pub struct ProducedBatch {
    /// Where it is, and what to wait for.
    pub appended: Appended,
    /// The broker's time, where the topic asks for it.
    pub log_append_time: Option<i64>,
}

/// Why a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's code for it.
    pub code: ErrorCode,
    /// A sentence for the client.
    pub message: Option<String>,
    /// The records it is for (KIP-467), as far as they are listed.
    pub records: Vec<RecordRefusal>,
    /// For the answer.
    pub log_start: Option<Offset>,
}

/// Why a record cannot be taken, and its batch neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRefusal {
    /// Its number in the batch, from 0.
    pub index: i32,
    /// A sentence for the client.
    pub message: String,
}

impl Refusal {
    /// With a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal {
            message: Some(message.into()),
            ..code.into()
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal {
            code,
            message: None,
            records: Vec::new(),
            log_start: None,
        }
    }
}

impl From<BatchError> for Refusal {
    fn from(error: BatchError) -> Refusal {
        Refusal::new(error.error_code(), error.to_string())
    }
}

impl Incoming {
    /// Appends the batch, whose records have been looked at if that was due. Done means what it
    /// means for [`Partition::append`](super::Partition::append).
    pub fn append(mut self, acks: Acks, now_ms: i64) -> Result<ProducedBatch, Refusal> {
        assert!(!self.records_are_due(), "records nobody looked at");
        let size = self.batch.len();
        let segment_bytes = self.config.segment_bytes as usize;
        if size > segment_bytes {
            return Err(Refusal::new(
                ErrorCode::RecordListTooLarge,
                format!("a batch of {size} bytes, a segment takes {segment_bytes}"),
            ));
        }
        let mut log_append_time = None;
        if self.config.timestamp_type == TimestampType::LogAppendTime {
            set_max_timestamp_and_log_append_time(&mut self.batch, now_ms);
            self.header = BatchHeader::parse(&self.batch)?;
            log_append_time = Some(now_ms);
        }
        let records_in = u64::try_from(self.header.record_count).unwrap_or(0);
        let Incoming {
            partition,
            batch,
            header,
            hold,
            is_anew,
            ..
        } = self;
        if is_anew {
            partition
                .metrics
                .produce_message_conversions
                .add(records_in);
        }
        let appended = partition.append(acks, batch, &header, now_ms, hold)?;
        match appended.duplicate {
            // What is in the log has the time of the first attempt.
            Some(first) => log_append_time = log_append_time.and(Some(first.timestamp)),
            None => {
                partition.metrics.messages_in.add(records_in);
                partition.metrics.bytes_in.add(size as u64);
            }
        }
        Ok(ProducedBatch {
            appended,
            log_append_time,
        })
    }
}

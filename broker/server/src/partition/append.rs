//! What a produce request brings for one partition: validated, stamped, appended.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::batch::{
    BatchHeader, TimestampType as BatchTimestamps, check_produce_version,
    set_max_timestamp_and_log_append_time, validate_for_append,
};
use protocol::model::Offset;
use storage::log::{Appended, Hold};

use super::Partition;
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
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Kafka's code for it.
    pub code: ErrorCode,
    /// A sentence for the client.
    pub message: Option<String>,
    /// For the answer.
    pub log_start: Option<Offset>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal {
            code,
            message: None,
            log_start: None,
        }
    }
}

impl Partition {
    /// Validates a client's batch as Kafka's `LogValidator` does and appends it. Records are not decoded.
    pub fn produce(
        &self,
        mut records: BytesMut,
        version: i16,
        now_ms: i64,
        hold: Option<Hold>,
    ) -> Result<ProducedBatch, Refusal> {
        let config = self.config.load();
        let refused = |error: protocol::batch::BatchError| Refusal {
            code: error.error_code(),
            message: Some(error.to_string()),
            log_start: None,
        };
        let mut header =
            validate_for_append(&records, config.max_message_bytes).map_err(refused)?;
        check_produce_version(&header, version).map_err(refused)?;
        if header.is_transactional() {
            // Until transactions are supported, and not retriable: Kafka's code for a producer that has no such transaction.
            return Err(Refusal {
                code: ErrorCode::InvalidTxnState,
                message: Some("transactions are not supported by this broker".into()),
                log_start: None,
            });
        }
        let mut log_append_time = None;
        match config.timestamp_type {
            TimestampType::LogAppendTime => {
                set_max_timestamp_and_log_append_time(&mut records, now_ms);
                header = BatchHeader::parse(&records).map_err(refused)?;
                log_append_time = Some(now_ms);
            }
            TimestampType::CreateTime => {
                check_create_time(&header, &config, now_ms)?;
            }
        }
        let records_in = u64::try_from(header.record_count).unwrap_or(0);
        let bytes_in = records.len() as u64;
        let appended = self.append(records, &header, now_ms, hold)?;
        if appended.duplicate.is_none() {
            self.metrics.messages_in.add(records_in);
            self.metrics.bytes_in.add(bytes_in);
        }
        Ok(ProducedBatch {
            appended,
            log_append_time,
        })
    }
}

/// Kafka's `LogValidator.validateTimestamp`, by the header: its greatest timestamp must not be too far ahead, its first not too far back.
fn check_create_time(
    header: &BatchHeader,
    config: &crate::config::TopicConfig,
    now_ms: i64,
) -> Result<(), Refusal> {
    if header.timestamp_type() == BatchTimestamps::LogAppendTime {
        return Err(Refusal {
            code: ErrorCode::InvalidTimestamp,
            message: Some(
                "Invalid timestamp type in message: LogAppendTime; the topic takes CreateTime"
                    .into(),
            ),
            log_start: None,
        });
    }
    let ahead = header.max_timestamp.saturating_sub(now_ms);
    let behind = now_ms.saturating_sub(header.base_timestamp);
    let is_stamped = header.max_timestamp >= 0;
    if is_stamped
        && (ahead > config.timestamp_after_max_ms || behind > config.timestamp_before_max_ms)
    {
        return Err(Refusal {
            code: ErrorCode::InvalidTimestamp,
            message: Some(format!(
                "Timestamps {} to {} of the batch are out of the range that the topic accepts",
                header.base_timestamp, header.max_timestamp
            )),
            log_start: None,
        });
    }
    Ok(())
}

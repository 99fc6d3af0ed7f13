use super::{BatchError, BatchHeader, Compression, header, iter};
use crate::model::Offset;

/// The first Produce version that may carry Zstandard (KIP-110).
const PRODUCE_VERSION_ZSTD_MIN: i16 = 7;

/// Checks the records of one partition of a produce request, without decoding one.
///
/// The rules, in this order, are those of Kafka's `ProduceRequest.validateRecords`,
/// `UnifiedLog.analyzeAndValidateRecords` and `LogValidator.validateBatch`: one batch of magic 2,
/// base offset 0, no larger than `max_message_bytes`, CRC, a record per offset and at least one,
/// no control batch, and a sequence if there is a producer id. Kafka cuts off an incomplete second
/// batch in silence; here it is refused.
pub fn validate_for_append(
    bytes: &[u8],
    max_message_bytes: usize,
) -> Result<BatchHeader, BatchError> {
    if bytes.is_empty() {
        return Err(BatchError::Empty);
    }
    let (header, batch) = iter::first(bytes)?;
    if batch.len() < bytes.len() {
        return Err(BatchError::MoreThanOne {
            excess: bytes.len() - batch.len(),
        });
    }
    if header.base_offset != Offset::ZERO {
        let value = header.base_offset.get();
        return Err(BatchError::Field {
            field: "base offset",
            value,
        });
    }
    if batch.len() > max_message_bytes {
        return Err(BatchError::TooLarge {
            size: batch.len(),
            max: max_message_bytes,
        });
    }
    header::check_crc(batch)?;
    if header.record_count < 1 || header.record_count - 1 != header.last_offset_delta {
        return Err(BatchError::RecordCount {
            record_count: header.record_count,
            last_offset_delta: header.last_offset_delta,
        });
    }
    if header.is_control() {
        return Err(BatchError::Control);
    }
    if let compression @ Compression::Unknown(_) = header.compression() {
        return Err(BatchError::Compression { compression });
    }
    if header
        .producer
        .is_some_and(|producer| producer.base_sequence.is_none())
    {
        return Err(BatchError::Field {
            field: "base sequence",
            value: -1,
        });
    }
    Ok(header)
}

/// Refuses a codec that consumers as old as the Produce version could not read.
pub fn check_produce_version(header: &BatchHeader, version: i16) -> Result<(), BatchError> {
    let compression = header.compression();
    if compression == Compression::Zstd && version < PRODUCE_VERSION_ZSTD_MIN {
        return Err(BatchError::Compression { compression });
    }
    Ok(())
}

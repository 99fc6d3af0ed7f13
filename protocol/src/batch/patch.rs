//! What a leader writes into a batch that it appends. Each function expects a whole batch, as
//! [`validate_for_append`](super::validate_for_append) has seen it, and panics on less.

use super::{at, attribute, header::i16_at};
use crate::model::{LeaderEpoch, Offset};

/// Gives the batch its place in the log. The CRC does not cover it.
pub fn set_base_offset(batch: &mut [u8], base_offset: Offset) {
    put(batch, at::BASE_OFFSET, base_offset.get().to_be_bytes());
}

/// Says which leader appended the batch. The CRC does not cover it.
pub fn set_partition_leader_epoch(batch: &mut [u8], leader_epoch: LeaderEpoch) {
    put(batch, at::LEADER_EPOCH, leader_epoch.get().to_be_bytes());
}

/// Gives all records of the batch the time of the append (`message.timestamp.type=LogAppendTime`),
/// and makes its CRC anew: one pass over the batch, which must hold nothing behind it.
pub fn set_max_timestamp_and_log_append_time(batch: &mut [u8], append_time_ms: i64) {
    let attributes = i16_at(batch, at::ATTRIBUTES) | attribute::LOG_APPEND_TIME;
    put(batch, at::ATTRIBUTES, attributes.to_be_bytes());
    put(batch, at::MAX_TIMESTAMP, append_time_ms.to_be_bytes());
    update_crc(batch);
}

/// Corrects the greatest timestamp of the records, and makes the CRC anew: one pass over the batch,
/// which must hold nothing behind it.
pub fn set_max_timestamp(batch: &mut [u8], max_timestamp: i64) {
    put(batch, at::MAX_TIMESTAMP, max_timestamp.to_be_bytes());
    update_crc(batch);
}

pub(super) fn update_crc(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[at::ATTRIBUTES..]);
    put(batch, at::CRC, crc.to_be_bytes());
}

pub(super) fn put<const N: usize>(batch: &mut [u8], at: usize, field: [u8; N]) {
    batch[at..at + N].copy_from_slice(&field);
}

//! The record batch as it lies in a produce request, in a segment and in a fetch response.
//!
//! A broker does not decode records to produce or fetch, unless a topic's configuration asks
//! something of each of them ([`Unpacked`]): it reads the 61-byte header in place, checks the CRC,
//! and patches the few fields a leader assigns. Format (magic 2, KIP-98), all
//! integers big-endian:
//!
//! | at | bytes | field | |
//! |---|---|---|---|
//! | 0 | 8 | base offset | assigned by the leader, outside the CRC |
//! | 8 | 4 | batch length | of everything after this field |
//! | 12 | 4 | partition leader epoch | assigned by the leader, outside the CRC |
//! | 16 | 1 | magic | 2; the byte lies at the same place in the older formats |
//! | 17 | 4 | CRC-32C | of everything from the attributes to the end |
//! | 21 | 2 | attributes | 0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon |
//! | 23 | 4 | last offset delta | |
//! | 27 | 8 | base timestamp | |
//! | 35 | 8 | max timestamp | |
//! | 43 | 8 | producer id | -1: none |
//! | 51 | 2 | producer epoch | |
//! | 53 | 4 | base sequence | |
//! | 57 | 4 | record count | |
//! | 61 | | records | compressed as a whole |

mod builder;
mod compression;
mod error;
mod header;
mod iter;
mod patch;
mod records;
mod sieve;
mod unpacked;
mod validate;
mod varint;

pub use builder::{BatchBuilder, NewRecord};
pub use compression::{Codec, compress, decompress, records_in};
pub use error::BatchError;
pub use header::{BatchHeader, BatchProducer, Compression, TimestampType, verify_crc};
pub use iter::{Batches, batches};
pub use patch::{
    set_base_offset, set_max_timestamp, set_max_timestamp_and_log_append_time,
    set_partition_leader_epoch,
};
pub use records::{Headers, Record, Records, records};
pub use sieve::{Sieve, Sifted, emptied_batch, empty_batch};
pub use unpacked::{Inspection, RecordFault, RecordRules, RefusedRecord, Unpacked};
pub use validate::{check_produce_version, validate_for_append};

/// The size of the header, and of the smallest batch (Kafka's `RECORD_BATCH_OVERHEAD`).
pub const HEADER_BYTES: usize = 61;
/// The bytes before what the batch length counts (Kafka's `LOG_OVERHEAD`).
pub const LENGTH_END: usize = 12;
/// The only format accepted and written.
pub const MAGIC: i8 = 2;

/// Where the fields lie.
mod at {
    pub(super) const BASE_OFFSET: usize = 0;
    pub(super) const LENGTH: usize = 8;
    pub(super) const LEADER_EPOCH: usize = 12;
    pub(super) const MAGIC: usize = 16;
    pub(super) const CRC: usize = 17;
    pub(super) const ATTRIBUTES: usize = 21;
    pub(super) const LAST_OFFSET_DELTA: usize = 23;
    pub(super) const BASE_TIMESTAMP: usize = 27;
    pub(super) const MAX_TIMESTAMP: usize = 35;
    pub(super) const PRODUCER_ID: usize = 43;
    pub(super) const PRODUCER_EPOCH: usize = 51;
    pub(super) const BASE_SEQUENCE: usize = 53;
    pub(super) const RECORD_COUNT: usize = 57;
}

/// The bits of the attributes.
mod attribute {
    pub(super) const COMPRESSION: i16 = 0b111;
    pub(super) const LOG_APPEND_TIME: i16 = 1 << 3;
    pub(super) const TRANSACTIONAL: i16 = 1 << 4;
    pub(super) const CONTROL: i16 = 1 << 5;
    pub(super) const DELETE_HORIZON: i16 = 1 << 6;
}

#[cfg(test)]
mod tests;

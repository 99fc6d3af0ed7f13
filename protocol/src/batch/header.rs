use super::{BatchError, HEADER_BYTES, LENGTH_END, MAGIC, at, attribute};
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

/// The header of a batch, read in place.
///
/// What it says has been checked for sense, but its CRC has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record. After compaction that record may be gone.
    pub base_offset: Offset,
    /// The whole batch, header included.
    pub size_in_bytes: usize,
    /// The epoch of the leader that appended it; producers send none.
    pub partition_leader_epoch: Option<LeaderEpoch>,
    /// The format, always [`MAGIC`].
    pub magic: i8,
    /// CRC-32C of everything from the attributes to the end.
    pub crc: u32,
    /// The attribute bits.
    pub attributes: i16,
    /// The last offset less the base offset. Compaction keeps it when it removes the last record.
    pub last_offset_delta: i32,
    /// In milliseconds since the epoch: what the records' timestamps are relative to, or the
    /// delete horizon if [`has_delete_horizon`](Self::has_delete_horizon). -1: no timestamp.
    pub base_timestamp: i64,
    /// The greatest timestamp of the records, or the append time of all of them. -1: none.
    pub max_timestamp: i64,
    /// The idempotent producer, if one wrote it.
    pub producer: Option<BatchProducer>,
    /// The number of records.
    pub record_count: i32,
}

/// Who wrote a batch, and where it stands in what they wrote (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchProducer {
    /// The producer.
    pub id: ProducerId,
    /// Its incarnation.
    pub epoch: ProducerEpoch,
    /// The sequence of the first record; control batches have none.
    pub base_sequence: Option<Sequence>,
}

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy, in Xerial's framing.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard (KIP-110).
    Zstd,
    /// A codec that does not exist yet, by its number.
    Unknown(u8),
}

/// What the timestamps of a batch mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// Each record has the one its producer gave it.
    CreateTime,
    /// All records have the batch's max timestamp, given by the broker.
    LogAppendTime,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`, which may end before the records do; compare
    /// [`size_in_bytes`](Self::size_in_bytes), or use [`batches`](super::batches).
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let size_in_bytes = size_in_bytes(bytes)?;
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Incomplete {
                needed: size_in_bytes,
                available: bytes.len(),
            });
        };
        let base_offset = i64_at(header, at::BASE_OFFSET);
        let last_offset_delta = i32_at(header, at::LAST_OFFSET_DELTA);
        let record_count = i32_at(header, at::RECORD_COUNT);
        // The room for the delta keeps `end_offset` from overflowing.
        if base_offset < 0 || base_offset > i64::MAX - i64::from(i32::MAX) - 1 {
            return Err(BatchError::Field {
                field: "base offset",
                value: base_offset,
            });
        }
        if last_offset_delta < 0 {
            let value = i64::from(last_offset_delta);
            return Err(BatchError::Field {
                field: "last offset delta",
                value,
            });
        }
        if record_count < 0 {
            let value = i64::from(record_count);
            return Err(BatchError::Field {
                field: "record count",
                value,
            });
        }
        Ok(BatchHeader {
            base_offset: Offset::new(base_offset),
            size_in_bytes,
            partition_leader_epoch: LeaderEpoch::from_wire(i32_at(header, at::LEADER_EPOCH)),
            magic: header[at::MAGIC].cast_signed(),
            crc: i32_at(header, at::CRC).cast_unsigned(),
            attributes: i16_at(header, at::ATTRIBUTES),
            last_offset_delta,
            base_timestamp: i64_at(header, at::BASE_TIMESTAMP),
            max_timestamp: i64_at(header, at::MAX_TIMESTAMP),
            producer: producer(header)?,
            record_count,
        })
    }

    /// The offset of the last record the batch was written with.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset after the batch.
    pub fn end_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// The codec of the records.
    pub fn compression(&self) -> Compression {
        match self.attributes & attribute::COMPRESSION {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            // Three bits.
            other => Compression::Unknown(other.to_be_bytes()[1]),
        }
    }

    /// What the timestamps mean.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & attribute::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether it is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & attribute::TRANSACTIONAL != 0
    }

    /// Whether it is a marker that consumers must not see.
    pub fn is_control(&self) -> bool {
        self.attributes & attribute::CONTROL != 0
    }

    /// Whether the base timestamp is the time after which its tombstones may go (KIP-534).
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & attribute::DELETE_HORIZON != 0
    }

    /// The sequence of the last record, if the batch has sequences.
    pub fn last_sequence(&self) -> Option<Sequence> {
        let base = self.producer?.base_sequence?;
        Some(base.plus(self.last_offset_delta))
    }
}

/// Whether the CRC of the batch at the front of `bytes` is right. Bytes that are no complete batch
/// have no right CRC.
pub fn verify_crc(bytes: &[u8]) -> bool {
    check_crc(bytes).is_ok()
}

pub(super) fn check_crc(bytes: &[u8]) -> Result<(), BatchError> {
    let size = size_in_bytes(bytes)?;
    let Some(batch) = bytes.get(..size) else {
        return Err(BatchError::Incomplete {
            needed: size,
            available: bytes.len(),
        });
    };
    let stored = i32_at(batch, at::CRC).cast_unsigned();
    let computed = crc32c::crc32c(&batch[at::ATTRIBUTES..]);
    if stored == computed {
        Ok(())
    } else {
        Err(BatchError::Crc { stored, computed })
    }
}

/// The size of the batch at the front of `bytes`, known to be magic 2 and no smaller than a header.
fn size_in_bytes(bytes: &[u8]) -> Result<usize, BatchError> {
    if bytes.len() <= at::MAGIC {
        return Err(BatchError::Incomplete {
            needed: HEADER_BYTES,
            available: bytes.len(),
        });
    }
    // The magic first: what the older formats hold in the other fields is not ours to judge.
    match bytes[at::MAGIC].cast_signed() {
        MAGIC => {}
        magic @ (0 | 1) => return Err(BatchError::OldMagic { magic }),
        magic => return Err(BatchError::UnknownMagic { magic }),
    }
    let length = i32_at(bytes, at::LENGTH);
    match usize::try_from(length) {
        Ok(rest) if rest >= HEADER_BYTES - LENGTH_END => Ok(LENGTH_END + rest),
        _ => Err(BatchError::Length { length }),
    }
}

fn producer(header: &[u8; HEADER_BYTES]) -> Result<Option<BatchProducer>, BatchError> {
    let Some(id) = ProducerId::from_wire(i64_at(header, at::PRODUCER_ID)) else {
        return Ok(None);
    };
    let epoch = i16_at(header, at::PRODUCER_EPOCH);
    let Some(epoch) = ProducerEpoch::from_wire(epoch) else {
        return Err(BatchError::Field {
            field: "producer epoch",
            value: i64::from(epoch),
        });
    };
    let base_sequence = Sequence::from_wire(i32_at(header, at::BASE_SEQUENCE));
    Ok(Some(BatchProducer {
        id,
        epoch,
        base_sequence,
    }))
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

pub(super) fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(bytes_at(bytes, at))
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes_at(bytes, at))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes_at(bytes, at))
}

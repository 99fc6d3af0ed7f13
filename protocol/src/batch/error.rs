use super::Compression;
use crate::ErrorCode;

/// Why bytes are not a batch, or not one that may be appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does: a torn tail, or a cut fetch.
    #[error("the batch needs {needed} bytes, {available} are there")]
    Incomplete {
        /// The size of the batch, or of a header if not even that is there.
        needed: usize,
        /// The bytes given.
        available: usize,
    },
    /// No batch can have this length.
    #[error("batch length {length} is impossible")]
    Length {
        /// The field as it stands.
        length: i32,
    },
    /// A batch in the format of Kafka before 0.11, which is not read.
    #[error("message format {magic} is too old")]
    OldMagic {
        /// 0 or 1.
        magic: i8,
    },
    /// A format of which nothing is known.
    #[error("unknown message format {magic}")]
    UnknownMagic {
        /// The byte as it stands.
        magic: i8,
    },
    /// A field has a value that no writer gives it.
    #[error("{field} is {value}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// The bytes are not those the checksum was made of.
    #[error("checksum mismatch: {stored:#010x} is stored, {computed:#010x} computed")]
    Crc {
        /// The field in the header.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// The header's count is not the number of offsets it spans.
    #[error("{record_count} records cannot span a last offset delta of {last_offset_delta}")]
    RecordCount {
        /// The count in the header.
        record_count: i32,
        /// The last offset delta in the header.
        last_offset_delta: i32,
    },
    /// Larger than the topic's `max.message.bytes`.
    #[error("a batch of {size} bytes, at most {max} are allowed")]
    TooLarge {
        /// The size of the batch.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// There is no batch at all.
    #[error("there is no batch")]
    Empty,
    /// A produce request carries exactly one batch per partition.
    #[error("{excess} bytes follow the only batch")]
    MoreThanOne {
        /// The number of bytes after the first batch.
        excess: usize,
    },
    /// Only brokers write control batches.
    #[error("a client must not write a control batch")]
    Control,
    /// The codec does not exist, or not yet at the version of the request.
    #[error("compression {compression:?} is not supported here")]
    Compression {
        /// The codec in the attributes.
        compression: Compression,
    },
    /// The compressed records are not what their codec writes.
    #[error("malformed {compression:?} data: {reason}")]
    Decompression {
        /// The codec in the attributes.
        compression: Compression,
        /// What the codec found.
        reason: String,
    },
    /// Compressed records that would take more room than the reader has for them.
    #[error("decompressed, the records take more than {max} bytes")]
    DecompressedTooLarge {
        /// The limit.
        max: usize,
    },
    /// A record reaches out of its batch or contradicts its own lengths.
    #[error("record {index} is malformed: {what}")]
    Record {
        /// Its number in the batch, from 0.
        index: i32,
        /// What is wrong.
        what: &'static str,
    },
}

impl BatchError {
    /// The code a producer is answered with, as Kafka's `LogValidator`, `UnifiedLog` and
    /// `ProduceRequest.validateRecords` choose it.
    ///
    /// `CorruptMessage` is retriable: it is for what the network may have done to the bytes. The
    /// rest would fail again, also what a codec cannot read under a CRC that is right
    /// (`UNKNOWN_SERVER_ERROR` in Kafka).
    pub fn error_code(&self) -> ErrorCode {
        match self {
            BatchError::Length { .. }
            | BatchError::UnknownMagic { .. }
            | BatchError::Crc { .. } => ErrorCode::CorruptMessage,
            BatchError::TooLarge { .. } | BatchError::DecompressedTooLarge { .. } => {
                ErrorCode::MessageTooLarge
            }
            BatchError::Compression { .. } => ErrorCode::UnsupportedCompressionType,
            BatchError::Incomplete { .. }
            | BatchError::OldMagic { .. }
            | BatchError::Field { .. }
            | BatchError::RecordCount { .. }
            | BatchError::Empty
            | BatchError::MoreThanOne { .. }
            | BatchError::Control
            | BatchError::Decompression { .. }
            | BatchError::Record { .. } => ErrorCode::InvalidRecord,
        }
    }
}

//! The bytes of a record.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format version, 1 |
//! | 1 | tag, as in the table of this file; never reused |
//! | rest | the record's fields in order, as [postcard](https://postcard.jamesmunns.com/wire-format) writes them |
//!
//! How it evolves: the fields behind a tag never change. A record that needs another field gets a new tag,
//! and the old one stays readable; the version changes only if this framing does. A reader that meets an unknown
//! version or tag must stop: it cannot know what it would miss. Checksums and lengths are the log's.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::MetadataRecord;

/// The version written.
pub const FORMAT_VERSION: u8 = 1;

/// Longer ones are neither written nor read. The longest in use are configurations (32 KiB a value) and
/// registrations.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer broker, or no record at all.
    #[error(
        "metadata record of format version {0}, this broker knows {FORMAT_VERSION}: \
         start a broker as new as the one that wrote it"
    )]
    UnknownVersion(u8),
    /// Written by a newer broker.
    #[error("metadata record of unknown tag {0}: start a broker as new as the one that wrote it")]
    UnknownTag(u8),
    /// Too short, too long, or fields that do not parse.
    #[error("malformed metadata record: {0}")]
    Malformed(&'static str),
    /// Above [`RECORD_BYTES_MAX`].
    #[error("metadata record of {0} bytes, at most {RECORD_BYTES_MAX} are allowed")]
    TooLarge(usize),
}

/// Declares which tag is which record.
macro_rules! tags {
    ($($tag:literal $variant:ident)*) => {
        impl MetadataRecord {
            /// The record's tag in the log.
            pub const fn tag(&self) -> u8 {
                match self {
                    $(MetadataRecord::$variant(_) => $tag,)*
                }
            }

            /// Writes the record behind `out`.
            pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
                let start = out.len();
                out.extend([FORMAT_VERSION, self.tag()]);
                match self {
                    $(MetadataRecord::$variant(record) => encode_fields(record, out),)*
                }
                let bytes = out.len() - start;
                if bytes > RECORD_BYTES_MAX {
                    out.truncate(start);
                    return Err(RecordError::TooLarge(bytes));
                }
                Ok(())
            }

            /// Reads a record that is exactly `bytes`.
            pub fn decode(bytes: &[u8]) -> Result<MetadataRecord, RecordError> {
                if bytes.len() > RECORD_BYTES_MAX {
                    return Err(RecordError::TooLarge(bytes.len()));
                }
                let [version, rest @ ..] = bytes else {
                    return Err(RecordError::Malformed("no bytes"));
                };
                if *version != FORMAT_VERSION {
                    return Err(RecordError::UnknownVersion(*version));
                }
                let [tag, fields @ ..] = rest else {
                    return Err(RecordError::Malformed("no tag"));
                };
                let record = match tag {
                    $($tag => MetadataRecord::$variant(decode_fields(fields)?),)*
                    unknown => return Err(RecordError::UnknownTag(*unknown)),
                };
                record.check_ids()?;
                Ok(record)
            }
        }
    };
}

tags! {
    1 Cluster
    2 RegisterBroker
    3 FenceBroker
    4 UnfenceBroker
    5 Topic
    6 Partition
    7 PartitionChange
    8 RemoveTopic
    9 Config
    10 ProducerIds
    11 FeatureLevel
    12 Reassignment
    13 UnregisterBroker
    14 DirectorySpace
}

fn encode_fields<T: Serialize>(record: &T, out: &mut Vec<u8>) {
    let fields = std::mem::take(out);
    // Writing to memory fails for types of unknown length only, and the records have none.
    *out = postcard::to_extend(record, fields).expect("a record has only sized fields");
}

fn decode_fields<T: DeserializeOwned>(fields: &[u8]) -> Result<T, RecordError> {
    match postcard::take_from_bytes(fields) {
        Ok((record, [])) => Ok(record),
        Ok(_) => Err(RecordError::Malformed("bytes behind the last field")),
        Err(_) => Err(RecordError::Malformed("the fields do not parse")),
    }
}

impl MetadataRecord {
    /// Refuses the sentinels that the typed ids never hold.
    fn check_ids(&self) -> Result<(), RecordError> {
        let topic_id = match self {
            MetadataRecord::Topic(record) => Some(record.topic_id),
            MetadataRecord::Partition(record) => Some(record.topic_id),
            MetadataRecord::PartitionChange(record) => Some(record.topic_id),
            MetadataRecord::RemoveTopic(record) => Some(record.topic_id),
            MetadataRecord::Reassignment(record) => Some(record.topic_id),
            _ => None,
        };
        if topic_id.is_some_and(|id| id.get().is_nil()) {
            return Err(RecordError::Malformed("a topic id of zeros"));
        }
        let negative = match self {
            MetadataRecord::RegisterBroker(record) => record.broker_id.get() < 0,
            MetadataRecord::UnregisterBroker(record) => record.broker_id.get() < 0,
            MetadataRecord::Partition(record) => record.partition.get() < 0,
            MetadataRecord::PartitionChange(record) => record.partition.get() < 0,
            MetadataRecord::Reassignment(record) => record.partition.get() < 0,
            MetadataRecord::ProducerIds(record) => record.next_producer_id < 0,
            MetadataRecord::FeatureLevel(record) => record.level < 0,
            _ => false,
        };
        if negative {
            return Err(RecordError::Malformed("a negative id"));
        }
        Ok(())
    }
}

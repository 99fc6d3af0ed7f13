//! DescribeLogDirs response, versions 1-5. The codec ends at 4; 5 tells of cordoned directories
//! (KIP-1066).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::StrBytes;
use crate::messages::ApiKey;
use crate::wire::WireError;
use crate::wire::body::{BodyReader, MessageBody};
use crate::wire::primitive::{Cursor, put_length, put_string, put_unsigned_varint, take_text};
use crate::wire::versions::supported;

pub use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsTopic,
};

/// The log directories of a broker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DescribeLogDirsResponse {
    /// How long the request was throttled.
    pub throttle_time_ms: i32,
    /// What went wrong with the request as a whole. Since version 3.
    pub error_code: i16,
    /// The directories.
    pub results: Vec<DescribeLogDirsResult>,
}

/// A log directory.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeLogDirsResult {
    /// What went wrong with the directory.
    pub error_code: i16,
    /// Its path.
    pub log_dir: StrBytes,
    /// The partitions in it, by topic.
    pub topics: Vec<DescribeLogDirsTopic>,
    /// The size of its volume; -1: unknown. Since version 4.
    pub total_bytes: i64,
    /// What is free on its volume; -1: unknown. Since version 4.
    pub usable_bytes: i64,
    /// Whether new replicas stay away from it. Since version 5.
    pub is_cordoned: bool,
}

impl Default for DescribeLogDirsResult {
    fn default() -> Self {
        DescribeLogDirsResult {
            error_code: 0,
            log_dir: StrBytes::new(),
            topics: Vec::new(),
            total_bytes: -1,
            usable_bytes: -1,
            is_cordoned: false,
        }
    }
}

const FLEXIBLE_MIN: i16 = 2;
const ERROR_CODE_MIN: i16 = 3;
const VOLUME_MIN: i16 = 4;
const CORDONED_MIN: i16 = 5;
/// A partition without its tagged fields, which it has since version 2.
const PARTITION_BYTES: usize = 4 + 8 + 8 + 1;

impl MessageBody for DescribeLogDirsResponse {
    const API_KEY: ApiKey = ApiKey::DescribeLogDirs;

    fn decode_from(reader: &mut BodyReader, version: i16) -> Result<Self, WireError> {
        let flexible = flexible(version)?;
        let bytes = reader.rest();
        let mut cursor = Cursor::new(&bytes);
        let throttle_time_ms = cursor.i32()?;
        let error_code = if version >= ERROR_CODE_MIN {
            cursor.i16()?
        } else {
            0
        };
        let count = cursor.array_length(flexible, 4)?;
        let mut results = Vec::with_capacity(count);
        for _ in 0..count {
            results.push(decode_result(&mut cursor, &bytes, version, flexible)?);
        }
        if flexible {
            cursor.skip_tagged_fields()?;
        }
        reader.advance(cursor.position());
        Ok(DescribeLogDirsResponse {
            throttle_time_ms,
            error_code,
            results,
        })
    }

    fn encode_body(&self, buf: &mut BytesMut, version: i16) -> Result<(), WireError> {
        let flexible = flexible(version)?;
        buf.put_i32(self.throttle_time_ms);
        if version >= ERROR_CODE_MIN {
            buf.put_i16(self.error_code);
        }
        put_length(buf, flexible, self.results.len())?;
        for result in &self.results {
            encode_result(buf, result, version, flexible)?;
        }
        put_no_tagged_fields(buf, flexible)
    }

    fn body_size(&self, version: i16) -> Result<usize, WireError> {
        let mut buf = BytesMut::new();
        self.encode_body(&mut buf, version)?;
        Ok(buf.len())
    }
}

fn flexible(version: i16) -> Result<bool, WireError> {
    let api = ApiKey::DescribeLogDirs;
    if supported(api).contains(version) {
        Ok(version >= FLEXIBLE_MIN)
    } else {
        Err(WireError::UnknownVersion { api, version })
    }
}

fn decode_result(
    cursor: &mut Cursor<'_>,
    bytes: &Bytes,
    version: i16,
    flexible: bool,
) -> Result<DescribeLogDirsResult, WireError> {
    let error_code = cursor.i16()?;
    let log_dir = take_text(cursor, bytes, flexible)?;
    let count = cursor.array_length(flexible, 2)?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        topics.push(decode_topic(cursor, bytes, flexible)?);
    }
    let (total_bytes, usable_bytes) = if version >= VOLUME_MIN {
        (cursor.i64()?, cursor.i64()?)
    } else {
        (-1, -1)
    };
    let is_cordoned = version >= CORDONED_MIN && cursor.bool()?;
    if flexible {
        cursor.skip_tagged_fields()?;
    }
    Ok(DescribeLogDirsResult {
        error_code,
        log_dir,
        topics,
        total_bytes,
        usable_bytes,
        is_cordoned,
    })
}

fn decode_topic(
    cursor: &mut Cursor<'_>,
    bytes: &Bytes,
    flexible: bool,
) -> Result<DescribeLogDirsTopic, WireError> {
    let name = take_text(cursor, bytes, flexible)?;
    let count = cursor.array_length(flexible, PARTITION_BYTES)?;
    let mut partitions = Vec::with_capacity(count);
    for _ in 0..count {
        partitions.push(
            DescribeLogDirsPartition::default()
                .with_partition_index(cursor.i32()?)
                .with_partition_size(cursor.i64()?)
                .with_offset_lag(cursor.i64()?)
                .with_is_future_key(cursor.bool()?),
        );
        if flexible {
            cursor.skip_tagged_fields()?;
        }
    }
    if flexible {
        cursor.skip_tagged_fields()?;
    }
    Ok(DescribeLogDirsTopic::default()
        .with_name(name.into())
        .with_partitions(partitions))
}

fn encode_result(
    buf: &mut BytesMut,
    result: &DescribeLogDirsResult,
    version: i16,
    flexible: bool,
) -> Result<(), WireError> {
    buf.put_i16(result.error_code);
    put_string(buf, flexible, &result.log_dir)?;
    put_length(buf, flexible, result.topics.len())?;
    for topic in &result.topics {
        put_string(buf, flexible, &topic.name)?;
        put_length(buf, flexible, topic.partitions.len())?;
        for partition in &topic.partitions {
            buf.put_i32(partition.partition_index);
            buf.put_i64(partition.partition_size);
            buf.put_i64(partition.offset_lag);
            buf.put_u8(u8::from(partition.is_future_key));
            put_no_tagged_fields(buf, flexible)?;
        }
        put_no_tagged_fields(buf, flexible)?;
    }
    if version >= VOLUME_MIN {
        buf.put_i64(result.total_bytes);
        buf.put_i64(result.usable_bytes);
    }
    if version >= CORDONED_MIN {
        buf.put_u8(u8::from(result.is_cordoned));
    }
    put_no_tagged_fields(buf, flexible)
}

fn put_no_tagged_fields(buf: &mut BytesMut, flexible: bool) -> Result<(), WireError> {
    if flexible {
        put_unsigned_varint(buf, 0)
    } else {
        Ok(())
    }
}

//! Produce requests, versions 3-13, taken apart without copying the records.
//!
//! The codec's decoder would share the frame as immutable `Bytes`. A leader writes the base offset
//! and its epoch into each batch, so the records of each partition are split off as a `BytesMut` of
//! their own, which nobody else can see.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use uuid::Uuid;

use super::WireError;
use super::primitive::Cursor;
use super::versions::supported;
use crate::messages::ApiKey;

/// The first version with compact lengths and tagged fields.
const FLEXIBLE_MIN: i16 = 9;
/// The first version that names topics by id (KIP-516).
const TOPIC_ID_MIN: i16 = 13;

/// A produce request.
#[derive(Debug)]
pub struct ProduceRequest {
    /// The transactional id, if the producer has one.
    pub transactional_id: Option<Arc<str>>,
    /// 0: no answer; 1: the leader; -1: the ISR. Anything else is not valid, but decoded.
    pub acks: i16,
    /// How long the producer waits for acks of the ISR.
    pub timeout_ms: i32,
    /// The topics.
    pub topics: Vec<ProduceTopic>,
}

/// The records for one topic.
#[derive(Debug)]
pub struct ProduceTopic {
    /// Which topic.
    pub topic: TopicRef,
    /// The records, by partition.
    pub partitions: Vec<ProducePartition>,
}

/// How a request names a topic, as the response has to repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicRef {
    /// By name: Produce and Fetch before version 13.
    Name(Arc<str>),
    /// By id, perhaps the nil one.
    Id(Uuid),
}

/// The records for one partition.
#[derive(Debug)]
pub struct ProducePartition {
    /// The partition's number, as it stands.
    pub partition_index: i32,
    /// What should be one batch. Nothing has been checked.
    pub records: Option<BytesMut>,
}

impl ProduceRequest {
    /// Takes the body of a request apart.
    pub fn decode(body: BytesMut, version: i16) -> Result<ProduceRequest, WireError> {
        let api = ApiKey::Produce;
        if !supported(api).contains(version) {
            return Err(WireError::UnknownVersion { api, version });
        }
        let plan = Plan::read(&body, version)?;
        Ok(plan.split(body))
    }
}

/// The request with the places of the records, in rising order, instead of the records.
struct Plan {
    transactional_id: Option<Arc<str>>,
    acks: i16,
    timeout_ms: i32,
    topics: Vec<PlannedTopic>,
}

type PlannedTopic = (TopicRef, Vec<(i32, Option<Range<usize>>)>);

impl Plan {
    fn read(body: &[u8], version: i16) -> Result<Plan, WireError> {
        let flexible = version >= FLEXIBLE_MIN;
        let mut cursor = Cursor::new(body);
        let transactional_id = cursor.nullable_str(flexible)?.map(Arc::from);
        let acks = cursor.i16()?;
        let timeout_ms = cursor.i32()?;

        // A topic's name or id, its number of partitions and its tagged fields.
        let topic_bytes_min = match version {
            TOPIC_ID_MIN.. => 16 + 1 + 1,
            FLEXIBLE_MIN.. => 1 + 1 + 1,
            _ => 2 + 4,
        };
        let count = cursor.array_length(flexible, topic_bytes_min)?;
        let mut topics = Vec::with_capacity(count);
        for _ in 0..count {
            topics.push(read_topic(&mut cursor, version, flexible)?);
        }
        if flexible {
            cursor.skip_tagged_fields()?;
        }
        match cursor.remaining() {
            0 => Ok(Plan {
                transactional_id,
                acks,
                timeout_ms,
                topics,
            }),
            excess => Err(WireError::TrailingBytes(excess)),
        }
    }

    fn split(self, mut body: BytesMut) -> ProduceRequest {
        let mut consumed = 0;
        let mut split = |range: Range<usize>| {
            body.advance(range.start - consumed);
            consumed = range.end;
            body.split_to(range.len())
        };
        let mut topics = Vec::with_capacity(self.topics.len());
        for (topic, planned) in self.topics {
            let mut partitions = Vec::with_capacity(planned.len());
            for (partition_index, range) in planned {
                let records = range.map(&mut split);
                partitions.push(ProducePartition {
                    partition_index,
                    records,
                });
            }
            topics.push(ProduceTopic { topic, partitions });
        }
        ProduceRequest {
            transactional_id: self.transactional_id,
            acks: self.acks,
            timeout_ms: self.timeout_ms,
            topics,
        }
    }
}

fn read_topic(
    cursor: &mut Cursor<'_>,
    version: i16,
    flexible: bool,
) -> Result<PlannedTopic, WireError> {
    let topic = if version >= TOPIC_ID_MIN {
        TopicRef::Id(cursor.uuid()?)
    } else {
        TopicRef::Name(cursor.string(flexible)?.into())
    };
    // An index, a length and the tagged fields.
    let partition_bytes_min = if flexible { 4 + 1 + 1 } else { 4 + 4 };
    let count = cursor.array_length(flexible, partition_bytes_min)?;
    let mut partitions = Vec::with_capacity(count);
    for _ in 0..count {
        let partition_index = cursor.i32()?;
        let records = cursor.nullable_bytes(flexible)?;
        if flexible {
            cursor.skip_tagged_fields()?;
        }
        partitions.push((partition_index, records));
    }
    if flexible {
        cursor.skip_tagged_fields()?;
    }
    Ok((topic, partitions))
}

#[cfg(test)]
mod tests;

//! Offsets, and record bytes as the broker has them.

use bytes::Bytes;
use protocol::{
    codec::StrBytes,
    messages::{
        ApiKey, FetchRequest, ListOffsetsRequest,
        fetch_request::{FetchPartition, FetchTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
    model::Offset,
};

use crate::{ClientError, Connection, Topic, error::check};

pub(crate) const CONSUMER: i32 = -1;
/// No fetch session: the epoch of a full request that does not ask for one (KIP-227).
pub(crate) const NO_SESSION: i32 = -1;
pub(crate) const UNKNOWN_EPOCH: i32 = -1;

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark, as a consumer that reads uncommitted records sees it.
    Latest,
}

/// Record bytes of a partition.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The end of what may be read.
    pub high_watermark: Offset,
    /// Whole batches, of which the first may begin before the offset asked for, and perhaps a
    /// part of one more.
    pub records: Bytes,
}

impl Connection {
    /// Asks for one end of a partition's log.
    pub fn list_offset(
        &mut self,
        topic: &Topic,
        partition: i32,
        spec: OffsetSpec,
    ) -> Result<Offset, ClientError> {
        let timestamp = match spec {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
        };
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(UNKNOWN_EPOCH)
            .with_timestamp(timestamp);
        let asked = ListOffsetsTopic::default()
            .with_name(topic.wire_name())
            .with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(CONSUMER.into())
            .with_topics(vec![asked]);
        let answer = self.call(&request)?;
        let unrelated = || ClientError::Unrelated(ApiKey::ListOffsets);
        let [topic] = answer.topics.as_slice() else {
            return Err(unrelated());
        };
        let [partition] = topic.partitions.as_slice() else {
            return Err(unrelated());
        };
        check("list offsets", partition.error_code)?;
        Offset::from_wire(partition.offset).ok_or_else(unrelated)
    }

    /// Fetches what is there from `offset` on, without waiting for more.
    pub fn fetch(
        &mut self,
        topic: &Topic,
        partition: i32,
        offset: Offset,
        bytes_max: i32,
    ) -> Result<Fetched, ClientError> {
        let asked = FetchPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(UNKNOWN_EPOCH)
            .with_fetch_offset(offset.get())
            .with_partition_max_bytes(bytes_max);
        let mut asked = FetchTopic::default().with_partitions(vec![asked]);
        if self.version(ApiKey::Fetch)? >= 13 {
            asked.topic_id = topic.id;
        } else {
            asked.topic = topic.wire_name();
        }
        let request = FetchRequest::default()
            .with_replica_id(CONSUMER.into())
            .with_max_wait_ms(0)
            .with_min_bytes(0)
            .with_max_bytes(bytes_max)
            .with_session_epoch(NO_SESSION)
            .with_rack_id(StrBytes::default())
            .with_topics(vec![asked]);
        let answer = self.call(&request)?;
        check("fetch", answer.error_code)?;
        let unrelated = || ClientError::Unrelated(ApiKey::Fetch);
        let [topic] = answer.responses.as_slice() else {
            return Err(unrelated());
        };
        let [partition] = topic.partitions.as_slice() else {
            return Err(unrelated());
        };
        check("fetch a partition", partition.error_code)?;
        Ok(Fetched {
            high_watermark: Offset::from_wire(partition.high_watermark).ok_or_else(unrelated)?,
            records: partition.records.clone().unwrap_or_default(),
        })
    }
}

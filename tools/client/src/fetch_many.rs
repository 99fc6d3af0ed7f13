//! Several partitions of a topic in one fetch, that waits for what is not there yet.

use std::time::Duration;

use bytes::Bytes;
use protocol::{
    ErrorCode,
    codec::StrBytes,
    messages::{
        ApiKey, FetchRequest,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
    },
    model::Offset,
};

use crate::{
    ClientError, Connection, Topic,
    error::{check, error_code},
    fetch::{CONSUMER, NO_SESSION, UNKNOWN_EPOCH},
};

/// Where one partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchAt {
    /// The partition's number.
    pub partition: i32,
    /// From here on.
    pub offset: Offset,
    /// The leadership that is asked; a broker of another refuses. `None`: whichever.
    pub leader_epoch: Option<i32>,
}

/// How much is fetched, and how long the broker may wait for it.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// For so long the broker waits until there is something.
    pub wait_max: Duration,
    /// Bytes of records of one partition, unless its first batch is larger.
    pub partition_bytes_max: i32,
    /// Bytes of all records, with the same exception.
    pub bytes_max: i32,
}

/// What was fetched of a partition.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    /// The partition's number.
    pub partition: i32,
    /// What is wrong; the rest then says nothing.
    pub error: ErrorCode,
    /// The end of what may be read. `None`: the broker does not know.
    pub high_watermark: Option<Offset>,
    /// The first offset that is still there.
    pub log_start_offset: Option<Offset>,
    /// Whole batches, of which the first may begin before the offset asked for, and perhaps a part of one more.
    pub records: Bytes,
}

impl Connection {
    /// Sends one fetch for partitions of a topic; see [`receive_fetched`](Connection::receive_fetched).
    pub fn send_fetch(
        &mut self,
        topic: &Topic,
        at: &[FetchAt],
        limits: FetchLimits,
    ) -> Result<(), ClientError> {
        let partitions = at.iter().map(|at| {
            FetchPartition::default()
                .with_partition(at.partition)
                .with_current_leader_epoch(at.leader_epoch.unwrap_or(UNKNOWN_EPOCH))
                .with_fetch_offset(at.offset.get())
                .with_partition_max_bytes(limits.partition_bytes_max)
        });
        let mut asked = FetchTopic::default().with_partitions(partitions.collect());
        if self.version(ApiKey::Fetch)? >= 13 {
            asked.topic_id = topic.id;
        } else {
            asked.topic = topic.wire_name();
        }
        let wait_ms = i32::try_from(limits.wait_max.as_millis()).unwrap_or(i32::MAX);
        let request = FetchRequest::default()
            .with_replica_id(CONSUMER.into())
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(limits.bytes_max)
            .with_session_epoch(NO_SESSION)
            .with_rack_id(StrBytes::default())
            .with_topics(vec![asked]);
        self.send(&request)
    }

    /// Waits for the answer to the oldest fetch. Partitions come as the broker has them, each at most once, and none that
    /// is not among `at`.
    pub fn receive_fetched(
        &mut self,
        at: &[FetchAt],
    ) -> Result<Vec<FetchedPartition>, ClientError> {
        let answer = self.receive::<FetchRequest>()?;
        check("fetch", answer.error_code)?;
        let mut fetched: Vec<FetchedPartition> = Vec::with_capacity(at.len());
        for it in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            let is_asked = at.iter().any(|at| at.partition == it.partition_index);
            let is_known = fetched
                .iter()
                .any(|known| known.partition == it.partition_index);
            if !is_asked || is_known {
                return Err(ClientError::Unrelated(ApiKey::Fetch));
            }
            fetched.push(partition(it)?);
        }
        Ok(fetched)
    }
}

fn partition(data: &PartitionData) -> Result<FetchedPartition, ClientError> {
    Ok(FetchedPartition {
        partition: data.partition_index,
        error: error_code(data.error_code)?,
        high_watermark: Offset::from_wire(data.high_watermark),
        log_start_offset: Offset::from_wire(data.log_start_offset),
        records: data.records.clone().unwrap_or_default(),
    })
}

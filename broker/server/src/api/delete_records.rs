//! DeleteRecords (key 21), versions 0-2 (KIP-107).
//!
//! Records before an offset are gone for good; -1 stands for the high watermark. A topic whose cleanup policy does not delete is refused with
//! POLICY_VIOLATION, an offset beyond the high watermark with OFFSET_OUT_OF_RANGE.
//!
//! Done means: no restart brings the records back. The answer is the log's start after that. Whole segments leave the disk with
//! the next look for segments to delete.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::delete_records_request::DeleteRecordsPartition;
use protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use protocol::messages::{ApiKey, DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use protocol::model::Offset;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::first_error;
use super::topics::{find_partition, id_of};
use super::{Answer, Api, Call, decode};
use crate::broker::Broker;
use crate::partition::{Partition, PartitionsWait};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DeleteRecords,
    name: "DeleteRecords",
    versions: VersionRange::new(0, 2),
    handle,
};

/// Stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;
/// The start of a log in an answer that is an error.
const NO_LOW_WATERMARK: i64 = -1;

/// A partition with what was asked of it.
type Asked = (i32, Result<Arc<Partition>, ErrorCode>);

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DeleteRecordsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let asked = request.topics.iter().map(|topic| topic.partitions.len());
    let wait = PartitionsWait::new(asked.sum());
    let mut slot = 0;
    let mut topics: Vec<(TopicName, Vec<Asked>)> = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let asked = delete(call.broker, &topic.name, partition, &wait, slot);
            if let Err(code) = asked {
                wait.done(slot, code);
            }
            partitions.push((partition.partition_index, asked));
            slot += 1;
        }
        topics.push((topic.name, partitions));
    }
    let wait_max = u64::try_from(request.timeout_ms).unwrap_or(0);
    Ok(Answer::later(async move {
        // On a timeout the records may still be deleted later, as with Kafka.
        let _ = tokio::time::timeout(Duration::from_millis(wait_max), wait.all()).await;
        let mut codes = wait.codes().into_iter();
        let mut first = ErrorCode::None;
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| {
                let results: Vec<_> = partitions
                    .into_iter()
                    .map(|asked| {
                        let code = codes.next().unwrap_or(ErrorCode::UnknownServerError);
                        result(asked, code)
                    })
                    .collect();
                if first == ErrorCode::None {
                    first = first_error(results.iter().map(|result| result.error_code));
                }
                DeleteRecordsTopicResult::default()
                    .with_name(name)
                    .with_partitions(results)
            })
            .collect();
        head.respond(&DeleteRecordsResponse::default().with_topics(topics), first)
    }))
}

fn delete(
    broker: &Broker,
    topic: &TopicName,
    asked: &DeleteRecordsPartition,
    wait: &Arc<PartitionsWait>,
    slot: usize,
) -> Result<Arc<Partition>, ErrorCode> {
    let id = id_of(broker, topic.as_str())?;
    let partition = find_partition(broker, id, asked.partition_index)?;
    let before = match asked.offset {
        HIGH_WATERMARK => None,
        offset => Some(Offset::from_wire(offset).ok_or(ErrorCode::OffsetOutOfRange)?),
    };
    partition.delete_records(before, wait, slot)?;
    Ok(partition)
}

fn result((index, asked): Asked, code: ErrorCode) -> DeleteRecordsPartitionResult {
    let low_watermark = match (asked, code) {
        (Ok(partition), ErrorCode::None) => partition.offsets().log_start.get(),
        _ => NO_LOW_WATERMARK,
    };
    DeleteRecordsPartitionResult::default()
        .with_partition_index(index)
        .with_low_watermark(low_watermark)
        .with_error_code(code.code())
}

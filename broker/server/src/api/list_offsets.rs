//! ListOffsets (key 2), versions 1-11.
//!
//! | timestamp | answer |
//! |---:|---|
//! | -1 | the high watermark, for `read_committed` the last stable offset |
//! | -2, -4 | the first offset; nothing is tiered, so local and earliest are the same (KIP-405) |
//! | -3 | the first record with the greatest timestamp (KIP-734) |
//! | -5, -6 | none: there is no tier (KIP-1005, KIP-1023) |
//! | 0 and above | the first record at or after that time |
//!
//! Right after an election the high watermark may be behind what consumers have seen: until it is not, its end, and a time that nothing before it has, are not told
//! (KIP-207).
//!
//! A partition that is asked for more than once is refused, and answered once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::batch::{batches, records_in};
use protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use protocol::messages::{ApiKey, ListOffsetsRequest, ListOffsetsResponse};
use protocol::model::{LeaderEpoch, Offset};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;
use storage::log::TimestampedOffset;

use super::controller::first_error;
use super::topics::{find_partition, id_of};
use super::{Answer, Api, Call, Head, Response, decode};
use crate::broker::Broker;
use crate::partition::{Partition, PartitionRead, Reader};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::ListOffsets,
    name: "ListOffsets",
    versions: VersionRange::new(1, 11),
    handle,
};

/// The first version that tells the leader epoch.
const LEADER_EPOCH_MIN: i16 = 4;

/// The first version of OFFSET_NOT_AVAILABLE.
const NOT_AVAILABLE_MIN: i16 = 5;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// The first version with each of the special timestamps.
const fn version_of(timestamp: i64) -> i16 {
    match timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => 1,
    }
}

/// `isolation_level`, from version 2; before, it is that of the default.
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

/// Of a batch that takes more room decompressed, the first offset is the answer.
const DECOMPRESSED_BYTES_MAX: usize = 16 << 20;

struct Found {
    timestamp: i64,
    offset: i64,
    leader_epoch: Option<LeaderEpoch>,
}

const NOTHING: Found = Found {
    timestamp: -1,
    offset: -1,
    leader_epoch: None,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: ListOffsetsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let broker = Arc::clone(call.broker);
    let searches = request
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .any(|partition| partition.timestamp >= 0 || partition.timestamp == MAX_TIMESTAMP);
    if !searches {
        return Ok(Answer::Now(respond(&broker, &head, &request)));
    }
    // A search reads indexes and batches.
    Ok(Answer::later(async move {
        let failed = head.clone();
        // Batches are decompressed one at a time. The buffer grows to at most twice their size.
        let permit = broker.budget.acquire(2 * DECOMPRESSED_BYTES_MAX).await;
        let search = move || {
            let response = respond(&broker, &head, &request);
            drop(permit);
            response
        };
        let answer = tokio::task::spawn_blocking(search).await;
        answer.unwrap_or_else(|_| {
            failed.unanswerable(&WireError::Malformed("the broker is stopping"))
        })
    }))
}

fn respond(broker: &Broker, head: &Head, request: &ListOffsetsRequest) -> Response {
    let mut counts: BTreeMap<(&str, i32), usize> = BTreeMap::new();
    for topic in &request.topics {
        for wanted in &topic.partitions {
            let partition = (topic.name.as_str(), wanted.partition_index);
            *counts.entry(partition).or_default() += 1;
        }
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name = topic.name.as_str();
        let id = id_of(broker, name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let found = match counts.remove(&(name, wanted.partition_index)) {
                None => continue,
                Some(1) => id.and_then(|id| {
                    let partition = find_partition(broker, id, wanted.partition_index)?;
                    partition.check_epoch(LeaderEpoch::from_wire(wanted.current_leader_epoch))?;
                    let end = visible_end(&partition, request.isolation_level)?;
                    // Looked at first: it does not become unsettled again.
                    let is_settled = partition.is_settled();
                    let found = find(&partition, end, wanted.timestamp, head.version)?;
                    match is_settled || is_certain(wanted.timestamp, &found) {
                        true => Ok(found),
                        false => Err(not_available(head.version)),
                    }
                }),
                Some(_) => Err(ErrorCode::InvalidRequest),
            };
            partitions.push(answer(wanted.partition_index, found, head.version));
        }
        let answer = ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions);
        topics.push(answer);
    }
    let codes = topics.iter().flat_map(|topic| &topic.partitions);
    let error = first_error(codes.map(|partition| partition.error_code));
    head.respond(&ListOffsetsResponse::default().with_topics(topics), error)
}

fn answer(
    index: i32,
    found: Result<Found, ErrorCode>,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let (code, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(code) => (code, NOTHING),
    };
    ListOffsetsPartitionResponse::default()
        .with_partition_index(index)
        .with_error_code(code.code())
        .with_timestamp(found.timestamp)
        .with_offset(found.offset)
        .with_leader_epoch(match found.leader_epoch {
            Some(epoch) if version >= LEADER_EPOCH_MIN => epoch.get(),
            _ => -1,
        })
}

/// The end of what a consumer sees.
fn visible_end(partition: &Partition, isolation_level: i8) -> Result<Offset, ErrorCode> {
    let offsets = partition.offsets();
    if partition.is_abandoned() {
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    match isolation_level {
        READ_UNCOMMITTED => Ok(offsets.high_watermark),
        READ_COMMITTED => Ok(offsets.last_stable),
        _ => Err(ErrorCode::InvalidRequest),
    }
}

/// Whether an answer is right whatever else is committed already.
fn is_certain(timestamp: i64, found: &Found) -> bool {
    match timestamp {
        EARLIEST | EARLIEST_LOCAL | LATEST_TIERED | EARLIEST_PENDING_UPLOAD => true,
        LATEST | MAX_TIMESTAMP => false,
        _ => found.offset >= 0,
    }
}

/// Old clients do not know the code.
fn not_available(version: i16) -> ErrorCode {
    match version >= NOT_AVAILABLE_MIN {
        true => ErrorCode::OffsetNotAvailable,
        false => ErrorCode::LeaderNotAvailable,
    }
}

fn find(
    partition: &Partition,
    end: Offset,
    timestamp: i64,
    version: i16,
) -> Result<Found, ErrorCode> {
    if version < version_of(timestamp) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let offsets = partition.offsets();
    let log = partition.log();
    let code = |error: storage::log::ReadError| {
        tracing::error!(?partition, %error, "searching a timestamp failed");
        ErrorCode::KafkaStorageError
    };
    match timestamp {
        LATEST => Ok(Found {
            timestamp: -1,
            offset: end.get(),
            leader_epoch: Some(offsets.leader_epoch),
        }),
        EARLIEST | EARLIEST_LOCAL => Ok(Found {
            timestamp: -1,
            offset: offsets.log_start.get(),
            // Where there is no record yet, the next one is of the leader's epoch.
            leader_epoch: match offsets.log_start < offsets.log_end {
                true => log.epoch_at(offsets.log_start),
                false => Some(offsets.leader_epoch),
            },
        }),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(NOTHING),
        MAX_TIMESTAMP => match log.find_max_timestamp(end).map_err(code)? {
            Some(found) => first_at(partition, found, found.batch_timestamp),
            None => Ok(NOTHING),
        },
        _ if timestamp >= 0 => match log.find_timestamp(timestamp, end).map_err(code)? {
            Some(found) => first_at(partition, found, timestamp),
            None => Ok(NOTHING),
        },
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

/// The first record of a batch at or after a time. Of a batch whose records cannot be read, its
/// first offset: who seeks there misses nothing.
fn first_at(
    partition: &Partition,
    found: TimestampedOffset,
    timestamp: i64,
) -> Result<Found, ErrorCode> {
    let bytes = match partition.read(Reader::Consumer, found.batch_base, 1)? {
        PartitionRead::Batches(batches) => batches,
        PartitionRead::Files => partition.read_files(Reader::Consumer, found.batch_base, 1)?,
    };
    let Some(batch) = bytes.first().and_then(|bytes| batches(bytes).next()) else {
        return Ok(NOTHING);
    };
    let (header, bytes) = batch.map_err(|_| ErrorCode::KafkaStorageError)?;
    let mut at: (Offset, i64) = (header.base_offset, header.max_timestamp);
    let mut scratch = Vec::new();
    if let Ok(records) = records_in(bytes, DECOMPRESSED_BYTES_MAX, &mut scratch) {
        let first = records
            .filter_map(Result::ok)
            .find(|record| record.timestamp >= timestamp);
        if let Some(record) = first {
            at = (record.offset, record.timestamp);
        }
    }
    Ok(Found {
        timestamp: at.1,
        offset: at.0.get(),
        leader_epoch: header.partition_leader_epoch,
    })
}

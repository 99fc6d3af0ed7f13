//! Consuming: every partition of a topic from its start to where it ends when the run begins. Record bytes are counted, not decoded.

use std::time::{Duration, Instant};

use client::Topic;
use protocol::ErrorCode;
use protocol::batch::batches;
use protocol::codec::StrBytes;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::{ApiKey, FetchRequest, FetchResponse, TopicName};
use protocol::wire::{decode_body, encode_request_frame};

use crate::link;
use crate::{BenchError, topic};

/// The newest version that names topics.
const VERSION_MAX: i16 = 12;
const PARTITION_BYTES_MAX: i32 = 1 << 20;
const FETCH_BYTES_MAX: i32 = 50 << 20;
const WAIT_MS_MAX: i32 = 500;

/// What a run gave.
#[derive(Clone, Copy, Debug)]
pub struct Consumed {
    /// Records read.
    pub records: u64,
    /// Bytes of their batches.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Reads `records` records, those that are there first.
pub fn run(bootstrap: &str, topic: &Topic, records: u64) -> Result<Consumed, BenchError> {
    let version = topic::version(bootstrap, ApiKey::Fetch, VERSION_MAX)?;
    let (mut sender, mut receiver) = link::open(bootstrap)?;
    let mut offsets = vec![0; usize::try_from(topic.partitions).unwrap_or_default()];
    let mut read = Consumed {
        records: 0,
        bytes: 0,
        elapsed: Duration::ZERO,
    };
    let start = Instant::now();
    while read.records < records {
        let request = request(topic, &offsets);
        let frame = encode_request_frame(version, 0, Some("holdfast-bench"), &request)?;
        sender.send(&frame)?;
        let (_, body) = receiver.receive()?;
        let body = match ApiKey::Fetch.response_header_version(version) {
            0 => body,
            _ => body.slice(1..),
        };
        let answer: FetchResponse = decode_body(body, version)?;
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        for partition in partitions {
            if partition.error_code != 0 {
                let code = ErrorCode::from_code(partition.error_code);
                let code = code.unwrap_or(ErrorCode::UnknownServerError);
                return Err(BenchError::Refused {
                    doing: "a fetch request",
                    code,
                });
            }
            let bytes = partition.records.as_deref().unwrap_or_default();
            // The last may be cut off.
            for (header, batch) in batches(bytes).map_while(Result::ok) {
                read.records += u64::try_from(header.record_count).unwrap_or(0);
                read.bytes += batch.len() as u64;
                let at = usize::try_from(partition.partition_index).unwrap_or(usize::MAX);
                if let Some(offset) = offsets.get_mut(at) {
                    *offset = header.end_offset().get();
                }
            }
        }
    }
    read.elapsed = start.elapsed();
    Ok(read)
}

fn request(topic: &Topic, offsets: &[i64]) -> FetchRequest {
    let partitions = offsets.iter().zip(0..).map(|(offset, index)| {
        FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(PARTITION_BYTES_MAX)
    });
    let wanted = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(topic.name.clone())))
        .with_partitions(partitions.collect());
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(WAIT_MS_MAX)
        .with_min_bytes(1)
        .with_max_bytes(FETCH_BYTES_MAX)
        .with_session_epoch(-1)
        .with_topics(vec![wanted])
}

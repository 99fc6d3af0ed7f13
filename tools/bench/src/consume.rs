//! Consuming: every partition of a topic from its start to where it ends when the run begins. Record bytes are counted, not decoded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::Topic;
use protocol::ErrorCode;
use protocol::batch::batches;
use protocol::codec::StrBytes;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::{ApiKey, FetchRequest, FetchResponse, TopicName};
use protocol::wire::{decode_body, encode_request_frame};

use crate::link::{self, Receiver, Sender};
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

/// Reads `records` records, those that are there first, from all leaders at once.
pub fn run(bootstrap: &str, topic: &Topic, records: u64) -> Result<Consumed, BenchError> {
    let version = topic::version(bootstrap, ApiKey::Fetch, VERSION_MAX)?;
    let leaders = topic::leaders(bootstrap, &topic.name)?;
    let (read, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    let ends = std::thread::scope(|scope| {
        let readers: Vec<_> = leaders
            .iter()
            .map(|(address, partitions)| {
                let (read, bytes) = (&read, &bytes);
                scope.spawn(move || {
                    let mut reader = Reader::new(address, topic, partitions, version)?;
                    let mut end = start;
                    while read.load(Ordering::Relaxed) < records {
                        let (more_records, more_bytes) = reader.read()?;
                        read.fetch_add(more_records, Ordering::Relaxed);
                        bytes.fetch_add(more_bytes, Ordering::Relaxed);
                        // One that has read all it is to read waits for what others read.
                        if more_records > 0 {
                            end = Instant::now();
                        }
                    }
                    Ok(end)
                })
            })
            .collect();
        let join = |reader: std::thread::ScopedJoinHandle<'_, Result<Instant, BenchError>>| {
            let panicked = BenchError::Unexpected("a consumer panicked");
            reader.join().unwrap_or(Err(panicked))
        };
        readers.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    let end = ends.into_iter().max().unwrap_or(start);
    Ok(Consumed {
        records: read.into_inner(),
        bytes: bytes.into_inner(),
        elapsed: end - start,
    })
}

/// Reads what one broker leads.
struct Reader<'a> {
    topic: &'a Topic,
    version: i16,
    sender: Sender,
    receiver: Receiver,
    /// Where it is, by partition.
    offsets: BTreeMap<i32, i64>,
}

impl<'a> Reader<'a> {
    fn new(
        address: &str,
        topic: &'a Topic,
        partitions: &[i32],
        version: i16,
    ) -> Result<Reader<'a>, BenchError> {
        let (sender, receiver) = link::open(address)?;
        Ok(Reader {
            topic,
            version,
            sender,
            receiver,
            offsets: partitions.iter().map(|partition| (*partition, 0)).collect(),
        })
    }

    /// One fetch: its records, and the bytes of their batches.
    fn read(&mut self) -> Result<(u64, u64), BenchError> {
        let request = request(self.topic, &self.offsets);
        let frame = encode_request_frame(self.version, 0, Some("holdfast-bench"), &request)?;
        self.sender.send(&frame)?;
        let (_, body) = self.receiver.receive()?;
        let body = match ApiKey::Fetch.response_header_version(self.version) {
            0 => body,
            _ => body.slice(1..),
        };
        let answer: FetchResponse = decode_body(body, self.version)?;
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        let (mut records, mut read_bytes) = (0, 0);
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
                records += u64::try_from(header.record_count).unwrap_or(0);
                read_bytes += batch.len() as u64;
                if let Some(offset) = self.offsets.get_mut(&partition.partition_index) {
                    *offset = header.end_offset().get();
                }
            }
        }
        Ok((records, read_bytes))
    }
}

fn request(topic: &Topic, offsets: &BTreeMap<i32, i64>) -> FetchRequest {
    let partitions = offsets.iter().map(|(partition, offset)| {
        FetchPartition::default()
            .with_partition(*partition)
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

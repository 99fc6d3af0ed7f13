//! Consumers that read while it is written: one connection for each group and leader, with a fetch session (KIP-227), so that a fetch names only the
//! partitions that have moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use client::Topic;
use protocol::ErrorCode;
use protocol::batch::batches;
use protocol::codec::StrBytes;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::{ApiKey, FetchRequest, FetchResponse, TopicName};
use protocol::wire::{decode_body, encode_request_frame};

use super::end_to_end::{At, Group};
use super::link::{self, Receiver, Sender};
use crate::BenchError;
use crate::busy::{Busy, thread_cpu};
use crate::course::Course;
use crate::latency::Latency;

const PARTITION_BYTES_MAX: i32 = 1 << 20;
const FETCH_BYTES_MAX: i32 = 50 << 20;
const WAIT_MS_MAX: i32 = 500;
/// A request that begins a session, and one that has none (KIP-227).
const FIRST_EPOCH: i32 = 0;
const NO_SESSION: i32 = 0;

/// Offsets at which partitions begin, for who reads them.
pub type Starts = BTreeMap<At, i64>;

/// A consumer of what one broker leads.
pub(crate) struct Follower<'a> {
    pub(crate) version: i16,
    pub(crate) address: &'a str,
    pub(crate) topics: &'a [Topic],
    pub(crate) partitions: &'a [At],
    pub(crate) course: &'a Course,
    /// Where reading begins; at 0 where it is not said.
    pub(crate) starts: &'a Starts,
    /// Whose latencies are measured.
    pub(crate) group: Option<&'a Group>,
    /// All has been read, or nobody waits for more.
    pub(crate) is_over: &'a AtomicBool,
    /// Told after each fetch how many records it brought.
    pub(crate) on_read: &'a (dyn Fn(u64) + Sync),
}

/// What a consumer says in the end.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// Records that were read.
    pub(crate) records: u64,
    /// Bytes of their batches, as they were sent.
    pub(crate) bytes: u64,
    /// How long fetches took that brought something.
    pub(crate) fetches: Latency,
    /// When each partition had been read to its end for the first time.
    pub(crate) caught_up: Option<Instant>,
    pub(crate) busy: Busy,
}

/// What a consumer knows of a partition.
#[derive(Clone, Copy, Debug)]
struct Position {
    offset: i64,
    high_watermark: i64,
}

struct Session {
    id: i32,
    epoch: i32,
    /// Partitions whose offset the broker does not know.
    moved: BTreeSet<At>,
}

impl Follower<'_> {
    pub(crate) fn run(&self) -> Result<Followed, BenchError> {
        let (mut sender, mut receiver) = link::open(self.address, self.course)?;
        let begin = Instant::now();
        let names: HashMap<&str, usize> = self
            .topics
            .iter()
            .enumerate()
            .map(|(at, topic)| (topic.name.as_str(), at))
            .collect();
        let mut positions: BTreeMap<At, Position> = self
            .partitions
            .iter()
            .map(|at| {
                let position = Position {
                    offset: self.starts.get(at).copied().unwrap_or_default(),
                    high_watermark: 0,
                };
                (*at, position)
            })
            .collect();
        let mut session = Session::new(self.partitions);
        let mut followed = Followed::default();
        let mut behind: BTreeSet<At> = positions.keys().copied().collect();
        while !self.is_over.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let answer = self.fetch(&mut sender, &mut receiver, &mut session, &positions);
            // Who ends a run hangs up.
            if answer.is_err() && self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let answer = answer?;
            let answered = Instant::now();
            match code(answer.error_code) {
                ErrorCode::None => {}
                ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch => {
                    session = Session::new(self.partitions);
                    continue;
                }
                code => return Err(refused(code)),
            }
            session.on_answer(answer.session_id, self.partitions);
            let before = followed.records;
            for topic in &answer.responses {
                let topic_at = names.get(topic.topic.0.as_str()).copied();
                let topic_at =
                    topic_at.ok_or(BenchError::Unexpected("a fetch of another topic"))?;
                for partition in &topic.partitions {
                    match code(partition.error_code) {
                        ErrorCode::None => {}
                        code => return Err(refused(code)),
                    }
                    let at = (topic_at, partition.partition_index);
                    let Some(position) = positions.get_mut(&at) else {
                        continue;
                    };
                    let records = partition.records.as_ref();
                    let offset = self.read(at, records, position.offset, answered, &mut followed);
                    if offset != position.offset {
                        position.offset = offset;
                        session.moved.insert(at);
                    }
                    position.high_watermark = partition.high_watermark;
                    match position.offset < position.high_watermark {
                        true => behind.insert(at),
                        false => behind.remove(&at),
                    };
                }
            }
            if followed.records > before {
                followed.fetches.record(answered - asked);
                (self.on_read)(followed.records - before);
            }
            if behind.is_empty() {
                followed.caught_up.get_or_insert(answered);
            }
        }
        followed.busy = Busy::new(thread_cpu(), begin.elapsed());
        Ok(followed)
    }

    fn fetch(
        &self,
        sender: &mut Sender,
        receiver: &mut Receiver,
        session: &mut Session,
        positions: &BTreeMap<At, Position>,
    ) -> Result<FetchResponse, BenchError> {
        let request = session.request(self.topics, positions);
        let frame = encode_request_frame(self.version, 0, Some("holdfast-bench"), &request)?;
        sender.send(&frame)?;
        let (_, body) = receiver.receive()?;
        let body = match ApiKey::Fetch.response_header_version(self.version) {
            0 => body,
            _ => body.slice(1.min(body.len())..),
        };
        Ok(decode_body(body, self.version)?)
    }

    /// Returns where the next fetch begins.
    fn read(
        &self,
        at: At,
        records: Option<&Bytes>,
        from: i64,
        seen: Instant,
        followed: &mut Followed,
    ) -> i64 {
        let mut offset = from;
        let bytes = records.map_or(&[][..], |records| records);
        // The last may be cut off.
        for (header, batch) in batches(bytes).map_while(Result::ok) {
            if header.end_offset().get() <= from {
                continue;
            }
            followed.records += u64::try_from(header.record_count).unwrap_or(0);
            followed.bytes += batch.len() as u64;
            if let Some(group) = self.group {
                group.on_seen(at, header.base_offset.get(), seen);
            }
            offset = header.end_offset().get();
        }
        offset
    }
}

impl Session {
    fn new(partitions: &[At]) -> Session {
        Session {
            id: NO_SESSION,
            epoch: FIRST_EPOCH,
            moved: partitions.iter().copied().collect(),
        }
    }

    fn request(&mut self, topics: &[Topic], positions: &BTreeMap<At, Position>) -> FetchRequest {
        let mut wanted: BTreeMap<usize, Vec<FetchPartition>> = BTreeMap::new();
        for at in std::mem::take(&mut self.moved) {
            let Some(position) = positions.get(&at) else {
                continue;
            };
            let partition = FetchPartition::default()
                .with_partition(at.1)
                .with_fetch_offset(position.offset)
                .with_partition_max_bytes(PARTITION_BYTES_MAX);
            wanted.entry(at.0).or_default().push(partition);
        }
        let wanted = wanted.into_iter().map(|(topic, partitions)| {
            let name = StrBytes::from_string(topics[topic].name.clone());
            FetchTopic::default()
                .with_topic(TopicName(name))
                .with_partitions(partitions)
        });
        FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_wait_ms(WAIT_MS_MAX)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_BYTES_MAX)
            .with_session_id(self.id)
            .with_session_epoch(self.epoch)
            .with_topics(wanted.collect())
    }

    /// A broker that keeps no session is asked for all of them each time.
    fn on_answer(&mut self, id: i32, partitions: &[At]) {
        self.id = id;
        if id == NO_SESSION {
            self.moved.extend(partitions);
        }
        self.epoch = match (id, self.epoch) {
            (NO_SESSION, _) => FIRST_EPOCH,
            (_, i32::MAX) => FIRST_EPOCH + 1,
            (_, epoch) => epoch + 1,
        };
    }
}

fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
}

fn refused(code: ErrorCode) -> BenchError {
    BenchError::Refused {
        doing: "a fetch request",
        code,
    }
}

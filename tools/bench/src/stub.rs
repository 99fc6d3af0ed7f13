//! A server of known behaviour, which speaks as much of the protocol as a load needs.
//!
//! It answers at once, after a known time, or not for a while, and keeps nothing or all it is given. So it shows two things: whether what this tool
//! measures is true, and how fast the tool is when there is no broker behind the answers (`null-server`).
//!
//! - [`bare`]: connections of a server that does nothing else than acknowledge, or checksum and write before.
//! - [`delayed`]: connections of one that answers later.
//! - [`produced`]: produce requests, read where they lie.
//! - [`file`](mod@file): what batches are written to.

mod bare;
mod delayed;
mod file;
mod produced;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use parking_lot::{Condvar, Mutex};
use protocol::ErrorCode;
use protocol::batch::{BatchHeader, set_base_offset};
use protocol::codec::StrBytes;
use protocol::messages::api_versions_response::ApiVersion;
use protocol::messages::create_topics_response::CreatableTopicResult;
use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use protocol::messages::{
    ApiKey, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, ProduceResponse, TopicName,
};
use protocol::model::{Offset, Uuid};
use protocol::wire::produce::{ProduceRequest, TopicRef};
use protocol::wire::{RequestHeader, WireError, decode_request_body, encode_frame};

pub use self::file::BYTES_MAX as FILE_BYTES_MAX;

use self::file::BatchFile;

/// What a request may be at most.
const REQUEST_BYTES_MAX: usize = 128 << 20;
const NODE: i32 = 1;

/// The versions it speaks.
const APIS: [(ApiKey, i16, i16); 7] = [
    (ApiKey::Produce, 3, 12),
    (ApiKey::Fetch, 4, 12),
    (ApiKey::ListOffsets, 1, 7),
    (ApiKey::Metadata, 1, 12),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
];

/// How it behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behaviour {
    /// A produce request is answered so long after it came.
    pub delay: Duration,
    /// From so long after the first produce request on it answers none, for so long.
    pub stall: Option<(Duration, Duration)>,
    /// It keeps what it is given, for who fetches it.
    pub keeps: bool,
    /// From so long after the first produce request on it refuses them.
    pub refuses: Option<(Duration, ErrorCode)>,
}

impl Behaviour {
    /// Whether it only acknowledges.
    fn is_bare(&self) -> bool {
        let Behaviour {
            delay,
            stall,
            keeps,
            refuses,
        } = self;
        delay.is_zero() && stall.is_none() && !keeps && refuses.is_none()
    }
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Stub {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Stub {
    /// Begins to listen.
    pub fn start(address: &str, behaviour: Behaviour) -> io::Result<Stub> {
        Stub::listen(address, behaviour, None)
    }

    /// The same; batches are checksummed, and appended to a file with plain buffered writes, before they are acknowledged. A batch that is damaged is refused
    /// (CORRUPT_MESSAGE). The file begins anew with each topic that is made, and when it would be longer than 8 GiB.
    pub fn start_writing(address: &str, path: &Path) -> io::Result<Stub> {
        Stub::listen(
            address,
            Behaviour::default(),
            Some(BatchFile::create(path)?),
        )
    }

    fn listen(address: &str, behaviour: Behaviour, file: Option<BatchFile>) -> io::Result<Stub> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let server = Arc::new(Server {
            address,
            behaviour,
            file,
            state: Mutex::default(),
            grown: Condvar::new(),
        });
        let ends = Arc::clone(&is_over);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let server = Arc::clone(&server);
                std::thread::spawn(move || {
                    // What a client does wrong ends its connection.
                    let _ = match server.behaviour.is_bare() {
                        true => bare::serve(&server, stream),
                        false => delayed::serve(&server, stream),
                    };
                });
            }
        });
        Ok(Stub { address, is_over })
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

struct Server {
    address: SocketAddr,
    behaviour: Behaviour,
    /// Where batches are written; only of a server that is bare otherwise.
    file: Option<BatchFile>,
    state: Mutex<State>,
    /// There is more to fetch.
    grown: Condvar,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<Partition>>,
    first_produce: Option<Instant>,
}

#[derive(Clone, Default)]
struct Partition {
    end: i64,
    /// By the offset behind each.
    batches: Vec<(i64, Bytes)>,
}

impl Server {
    fn answer(&self, mut frame: BytesMut) -> Result<(Instant, BytesMut), Failure> {
        let now = Instant::now();
        let header = RequestHeader::decode_mut(&mut frame)?;
        let (api, version) = (header.api_key, header.api_version);
        let put = |body: Result<BytesMut, WireError>| Ok((now, body?));
        let id = header.correlation_id;
        match api {
            ApiKey::Produce => {
                let request = ProduceRequest::decode(frame, version)?;
                let body = self.produce(request);
                Ok((self.due(now), encode_frame(api, version, id, &body)?))
            }
            ApiKey::Fetch => {
                let request = decode_request_body(frame.freeze(), version)?;
                put(encode_frame(api, version, id, &self.fetch(&request)))
            }
            ApiKey::ApiVersions => {
                // A client that asks in a version that is not known is told those that are in the oldest.
                let version = if version > 3 { 0 } else { version };
                put(encode_frame(api, version, id, &api_versions()))
            }
            ApiKey::Metadata => {
                let request = decode_request_body(frame.freeze(), version)?;
                put(encode_frame(api, version, id, &self.metadata(&request)))
            }
            ApiKey::CreateTopics => {
                let request = decode_request_body(frame.freeze(), version)?;
                put(encode_frame(api, version, id, &self.create(&request)))
            }
            ApiKey::DeleteTopics => {
                let request = decode_request_body(frame.freeze(), version)?;
                put(encode_frame(api, version, id, &self.delete(&request)))
            }
            ApiKey::ListOffsets => {
                let request = decode_request_body(frame.freeze(), version)?;
                put(encode_frame(api, version, id, &self.ends(&request)))
            }
            _ => Err(Failure::Unknown),
        }
    }

    /// When a produce request that came now is answered.
    fn due(&self, now: Instant) -> Instant {
        let due = now + self.behaviour.delay;
        let Some((after, length)) = self.behaviour.stall else {
            return due;
        };
        let first = *self.state.lock().first_produce.get_or_insert(now);
        let (begin, end) = (first + after, first + after + length);
        match due >= begin && due < end {
            true => end,
            false => due,
        }
    }

    fn produce(&self, request: ProduceRequest) -> ProduceResponse {
        let mut state = self.state.lock();
        let first = *state.first_produce.get_or_insert_with(Instant::now);
        let refuses = self.behaviour.refuses;
        let refuses = refuses.filter(|(after, _)| first.elapsed() >= *after);
        let mut responses = Vec::new();
        for topic in request.topics {
            let TopicRef::Name(name) = &topic.topic else {
                continue;
            };
            let partitions = topic.partitions.into_iter().map(|sent| {
                let answer = PartitionProduceResponse::default().with_index(sent.partition_index);
                let partition = state.partition(name, sent.partition_index);
                match (refuses, partition, sent.records) {
                    (Some((_, code)), ..) => answer.with_error_code(code.code()),
                    (None, Some(partition), Some(records)) => {
                        answer.with_base_offset(partition.append(records, self.behaviour.keeps))
                    }
                    _ => answer.with_error_code(ErrorCode::UnknownTopicOrPartition.code()),
                }
            });
            let answer = TopicProduceResponse::default()
                .with_name(topic_name(name))
                .with_partition_responses(partitions.collect());
            responses.push(answer);
        }
        drop(state);
        if self.behaviour.keeps {
            self.grown.notify_all();
        }
        ProduceResponse::default().with_responses(responses)
    }

    /// Waits as long as is asked for when there is nothing.
    fn fetch(&self, request: &FetchRequest) -> FetchResponse {
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let deadline = Instant::now() + wait;
        let mut state = self.state.lock();
        loop {
            let (answer, bytes) = state.fetch(request);
            let is_late = bytes > 0
                || request.topics.is_empty()
                || self.grown.wait_until(&mut state, deadline).timed_out();
            if is_late {
                return answer;
            }
        }
    }

    fn metadata(&self, request: &MetadataRequest) -> MetadataResponse {
        let state = self.state.lock();
        let asked = request.topics.as_ref().map(|topics| {
            let names = topics.iter().filter_map(|topic| topic.name.as_ref());
            names.map(|name| name.0.to_string()).collect::<Vec<_>>()
        });
        let asked = asked.unwrap_or_else(|| state.topics.keys().cloned().collect());
        let topics = asked.iter().map(|name| {
            let answer = MetadataResponseTopic::default().with_name(Some(topic_name(name)));
            match state.topics.get(name) {
                None => answer.with_error_code(ErrorCode::UnknownTopicOrPartition.code()),
                Some(partitions) => {
                    let numbers = 0..i32::try_from(partitions.len()).unwrap_or(i32::MAX);
                    answer
                        .with_topic_id(Uuid::from_u128(1))
                        .with_partitions(numbers.map(partition_metadata).collect())
                }
            }
        });
        let broker = MetadataResponseBroker::default()
            .with_node_id(NODE.into())
            .with_host(StrBytes::from_string(self.address.ip().to_string()))
            .with_port(self.address.port().into());
        MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_controller_id(NODE.into())
            .with_topics(topics.collect())
    }

    fn create(&self, request: &CreateTopicsRequest) -> CreateTopicsResponse {
        let mut state = self.state.lock();
        let created = request.topics.iter().map(|topic| {
            let answer = CreatableTopicResult::default().with_name(topic.name.clone());
            let name = topic.name.0.to_string();
            if state.topics.contains_key(&name) {
                return answer.with_error_code(ErrorCode::TopicAlreadyExists.code());
            }
            let count = usize::try_from(topic.num_partitions).unwrap_or(1);
            state.topics.insert(name, vec![Partition::default(); count]);
            match self.file.as_ref().map(BatchFile::empty) {
                Some(Err(_)) => answer.with_error_code(ErrorCode::KafkaStorageError.code()),
                _ => answer,
            }
        });
        let created = created.collect();
        CreateTopicsResponse::default().with_topics(created)
    }

    fn delete(&self, request: &DeleteTopicsRequest) -> DeleteTopicsResponse {
        let mut state = self.state.lock();
        let named = request.topics.iter().filter_map(|topic| topic.name.clone());
        let names = request.topic_names.iter().cloned().chain(named);
        let deleted = names.map(|name| {
            let code = match state.topics.remove(name.0.as_str()) {
                Some(_) => ErrorCode::None,
                None => ErrorCode::UnknownTopicOrPartition,
            };
            DeletableTopicResult::default()
                .with_name(Some(name))
                .with_error_code(code.code())
        });
        let deleted = deleted.collect();
        DeleteTopicsResponse::default().with_responses(deleted)
    }

    fn ends(&self, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let mut state = self.state.lock();
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let answer = ListOffsetsPartitionResponse::default()
                    .with_partition_index(asked.partition_index);
                match state.partition(&topic.name.0, asked.partition_index) {
                    Some(partition) => answer.with_offset(partition.end),
                    None => answer.with_error_code(ErrorCode::UnknownTopicOrPartition.code()),
                }
            });
            let partitions = partitions.collect();
            ListOffsetsTopicResponse::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions)
        });
        let topics = topics.collect();
        ListOffsetsResponse::default().with_topics(topics)
    }
}

impl State {
    fn partition(&mut self, topic: &str, partition: i32) -> Option<&mut Partition> {
        let partitions = self.topics.get_mut(topic)?;
        partitions.get_mut(usize::try_from(partition).ok()?)
    }

    fn fetch(&mut self, request: &FetchRequest) -> (FetchResponse, usize) {
        let mut bytes = 0;
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let answer = PartitionData::default().with_partition_index(asked.partition);
                let Some(partition) = self.partition(&topic.topic.0, asked.partition) else {
                    return answer.with_error_code(ErrorCode::UnknownTopicOrPartition.code());
                };
                let from = partition
                    .batches
                    .partition_point(|(end, _)| *end <= asked.fetch_offset);
                let mut records = BytesMut::new();
                for (_, batch) in &partition.batches[from..] {
                    let max = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
                    if !records.is_empty() && records.len() + batch.len() > max {
                        break;
                    }
                    records.extend_from_slice(batch);
                }
                bytes += records.len();
                answer
                    .with_high_watermark(partition.end)
                    .with_last_stable_offset(partition.end)
                    .with_records(Some(records.freeze()))
            });
            let partitions = partitions.collect();
            FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_partitions(partitions)
        });
        let topics = topics.collect();
        (FetchResponse::default().with_responses(topics), bytes)
    }
}

impl Partition {
    /// So many records more. Returns the offset of the first.
    fn advance(&mut self, count: i32) -> i64 {
        let base_offset = self.end;
        self.end += i64::from(count);
        base_offset
    }

    fn append(&mut self, mut records: BytesMut, keeps: bool) -> i64 {
        let count = BatchHeader::parse(&records).map_or(0, |header| header.record_count);
        let base_offset = self.advance(count);
        if keeps {
            set_base_offset(&mut records, Offset::new(base_offset));
            self.batches.push((self.end, records.freeze()));
        }
        base_offset
    }
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("a request of an API that is not known here")]
    Unknown,
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn partition_metadata(number: i32) -> MetadataResponsePartition {
    MetadataResponsePartition::default()
        .with_partition_index(number)
        .with_leader_id(NODE.into())
        .with_replica_nodes(vec![NODE.into()])
        .with_isr_nodes(vec![NODE.into()])
}

fn api_versions() -> ApiVersionsResponse {
    let versions = APIS.map(|(api, min, max)| {
        ApiVersion::default()
            .with_api_key(api as i16)
            .with_min_version(min)
            .with_max_version(max)
    });
    ApiVersionsResponse::default().with_api_keys(versions.to_vec())
}

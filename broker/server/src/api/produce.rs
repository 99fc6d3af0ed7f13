//! Produce (key 0), versions 3-13; advertised from 0 (KAFKA-18659).
//!
//! Appends the batch of each partition, in the order of arrival, and answers by `acks`: 0 never, all when everything is below the
//! high watermark, 1 when it is on stable media here, if the topic's `acks.floor` allows that: by default it asks for all.
//! Where a topic asks something of the records themselves (`partition/incoming`), they are looked at before, by another thread where that
//! takes long: the connection pauses meanwhile. A batch is refused for one record of it, and the answer lists such records (KIP-467), at
//! most 1000 in one answer.
//! Retries of an idempotent producer are answered with their first offset, once that is durable (KIP-98).
//! Topics by name up to version 12, by id in 13 (KIP-516). Topics that only the broker writes are refused.
//! What is behind a refused batch of an idempotent producer is refused for the same reason ([`super::refused_batches`]), not as out of order as by Kafka.
//! While there is too little space on the disk nothing is taken, with an error that clients retry; and when the disk does not keep up,
//! answers are delayed before the journal is full, so that producers slow down.
//!
//! Not supported: transactional ids and batches; they get an error that is not retriable.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use broker_controller::{DirectoryId, MetadataImage};
use bytes::BytesMut;
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::batch::{BatchHeader, BatchProducer};
use protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use protocol::messages::{ApiKey, ProduceResponse, TopicName};
use protocol::model::TopicId;
use protocol::wire::WireError;
use protocol::wire::produce::{ProducePartition, ProduceRequest, ProduceTopic, TopicRef};
use protocol::wire::versions::VersionRange;
use storage::data_dir::produce_delay;
use storage::log::Hold;

use super::leader_hints::LeaderHints;
use super::refused_batches::RefusedBatches;
use super::topics::{find_partition, id_of, known_id, text};
use super::view::View;
use super::{Answer, Api, Call, Head, Response};
use crate::broker::Broker;
use crate::clock::{monotonic_ms, wall_clock_ms};
use crate::panics;
use crate::partition::{Looked, Partition, PartitionsWait, ProducedBatch, RecordRefusal, Refusal};

/// The first version that names the leader to who asks another (KIP-951).
const LEADER_HINT_MIN: i16 = 10;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::Produce,
    name: "Produce",
    versions: VersionRange::new(3, 13),
    handle,
};

/// Refused records that one answer lists. A compressed batch holds many more in a few bytes.
const RECORDS_LISTED_MAX: usize = 1000;

/// One partition's part of the answer.
struct Outcome {
    index: i32,
    result: Result<ProducedBatch, Refusal>,
    /// Whose batch it was, where it is one of an idempotent producer.
    producer: Option<BatchProducer>,
}

struct TopicOutcome {
    topic: TopicRef,
    partitions: Vec<Outcome>,
}

/// What a request asks of its answer.
#[derive(Clone, Copy)]
struct Asked {
    acks: i16,
    wait_max: Duration,
}

/// Whom an answer goes to.
struct Answering {
    broker: Arc<Broker>,
    /// The listener that it came in through.
    listener: Arc<str>,
    head: Head,
    refused_before: Arc<Mutex<RefusedBatches>>,
}

/// What became of a request's batches.
struct Appended {
    topics: Vec<TopicOutcome>,
    /// How long the answer is held back, to slow the producer down.
    delay: Duration,
}

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request = panics::contained(|| ProduceRequest::decode(body, version))
        .unwrap_or(Err(WireError::Malformed("the decoder failed")))?;
    let asked = Asked {
        acks: request.acks,
        wait_max: Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)),
    };
    // The frame stays in memory as long as a tail holds a batch of it, and so does its place in the budget.
    let hold = call
        .connection
        .take_permit()
        .map(|permit| Arc::new(permit) as Hold);
    let refused_before: &Arc<Mutex<RefusedBatches>> = call.connection.state();
    let refused_before = Arc::clone(refused_before);
    let appends = Appends {
        broker: Arc::clone(call.broker),
        refused_before: Arc::clone(&refused_before),
        refused: refuse_whole(&request),
        peer: call.connection.peer(),
        version,
        acks: asked.acks,
        hold,
        now_ms: wall_clock_ms(),
        listed_max: RECORDS_LISTED_MAX,
        pressed: Pressed::default(),
    };
    let mut appended = Box::pin(appends.all(request.topics));
    let answering = Answering {
        broker: Arc::clone(call.broker),
        listener: Arc::clone(call.connection.listener_name()),
        head: call.head,
        refused_before,
    };
    // Up to here and now the request keeps its place in the order of arrival. It is pending only if records have to be worked on.
    match appended
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(appended) => Ok(answer(answering, asked, appended)),
        Poll::Pending => Ok(Answer::pausing(async move {
            answer(answering, asked, appended.await)
        })),
    }
}

/// Waits, if that is asked for, until what was appended is committed.
fn answer(answering: Answering, asked: Asked, appended: Appended) -> Answer {
    let Asked { acks, wait_max } = asked;
    let Appended {
        topics: outcomes,
        delay,
    } = appended;
    if acks == 0 {
        return match first_error(&outcomes) {
            // The client learns of an error with acks=0 by its connection ending, as Kafka does it.
            Some(code) => Answer::Now(Response {
                bytes: crate::net::ResponseBytes::empty().then_close(crate::net::Close::new(
                    crate::net::CloseReason::Service,
                    format!("produce with acks=0 failed: {code:?}"),
                )),
                error: code,
            }),
            None if delay.is_zero() => Answer::Silent,
            // It holds up what comes after it on the connection, and so the client.
            None => Answer::later(async move {
                tokio::time::sleep(delay).await;
                Response {
                    bytes: crate::net::ResponseBytes::empty(),
                    error: ErrorCode::None,
                }
            }),
        };
    }
    let waiting = outcomes.iter().flat_map(|topic| &topic.partitions);
    let waiting = waiting.filter(|outcome| outcome.result.is_ok()).count();
    if waiting == 0 {
        return Answer::Now(answering.respond(outcomes, Vec::new()));
    }
    let wait = PartitionsWait::new(waiting);
    register(&answering.broker, acks, &outcomes, &wait);
    let journal = Arc::clone(&answering.broker.metrics.journal);
    let appended = Instant::now();
    Answer::later(async move {
        // On a timeout the records may still be committed later, as with Kafka.
        if tokio::time::timeout(wait_max, wait.all()).await.is_ok() {
            journal.on_durable(appended.elapsed());
        }
        if !delay.is_zero() {
            tokio::time::sleep_until((appended + delay).into()).await;
        }
        answering.respond(outcomes, wait.codes())
    })
}

/// How much the directories that records of a request go to are pressed, each looked at once.
#[derive(Default)]
struct Pressed(Vec<(DirectoryId, f64)>);

impl Pressed {
    fn add(&mut self, partition: &Partition) {
        let directory = partition.directory();
        if self.0.iter().all(|(known, _)| *known != directory) {
            self.0.push((directory, partition.data_dir().pressure()));
        }
    }

    /// How long the answer is held back.
    fn delay(&self) -> Duration {
        let delays = self.0.iter().map(|(_, pressure)| produce_delay(*pressure));
        delays.max().unwrap_or_default()
    }
}

/// Why nothing of the request can be taken.
fn refuse_whole(request: &ProduceRequest) -> Option<Refusal> {
    if !(-1..=1).contains(&request.acks) {
        return Some(ErrorCode::InvalidRequiredAcks.into());
    }
    if request.transactional_id.is_some() {
        // Fatal to the producer, as no transaction can ever succeed here.
        return Some(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    None
}

/// What coordinators record is theirs alone.
fn refuse_internal(partition: Arc<Partition>) -> Result<Arc<Partition>, Refusal> {
    if partition.is_internal() {
        let message = format!("Cannot append to internal topic {}", partition.topic());
        return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
    }
    Ok(partition)
}

/// The batches of a request on their way into their partitions.
struct Appends {
    broker: Arc<Broker>,
    /// Nothing is taken, for this reason.
    refused: Option<Refusal>,
    /// By earlier requests of the connection.
    refused_before: Arc<Mutex<RefusedBatches>>,
    /// The other end of the connection.
    peer: SocketAddr,
    version: i16,
    /// As they were asked for.
    acks: i16,
    hold: Option<Hold>,
    now_ms: i64,
    /// How many more refused records the answer may list.
    listed_max: usize,
    pressed: Pressed,
}

impl Appends {
    /// Appends one batch after the other. Waits only where records have to be worked on; what is before that has its place then.
    async fn all(mut self, topics: Vec<ProduceTopic>) -> Appended {
        let mut outcomes = Vec::with_capacity(topics.len());
        for ProduceTopic { topic, partitions } in topics {
            let id = match &topic {
                TopicRef::Name(name) => id_of(&self.broker, name),
                TopicRef::Id(id) => known_id(&self.broker, *id),
            };
            let mut parts = Vec::with_capacity(partitions.len());
            for produced in partitions {
                let index = produced.partition_index;
                let header = produced.records.as_deref().map(BatchHeader::parse);
                let producer = header.and_then(|header| header.ok()?.producer);
                let found = match (&self.refused, id) {
                    (Some(refused), _) => Err(refused.clone()),
                    (None, Err(code)) => Err(code.into()),
                    (None, Ok(id)) => find_partition(&self.broker, id, index)
                        .map_err(Refusal::from)
                        .and_then(refuse_internal),
                };
                let result = match found {
                    Ok(partition) => self.one(&partition, produced).await,
                    Err(refusal) => Err(refusal),
                };
                let result = match (id, &producer) {
                    (Ok(id), Some(producer)) => self.in_order((id, index), producer, result),
                    _ => result,
                };
                parts.push(Outcome {
                    index,
                    result,
                    producer,
                });
            }
            outcomes.push(TopicOutcome {
                topic,
                partitions: parts,
            });
        }
        Appended {
            topics: outcomes,
            delay: self.pressed.delay(),
        }
    }

    async fn one(
        &mut self,
        partition: &Arc<Partition>,
        produced: ProducePartition,
    ) -> Result<ProducedBatch, Refusal> {
        partition.metrics().produce_requests.increment();
        self.pressed.add(partition);
        let records = produced.records.unwrap_or_default();
        let bytes = records.len() as u64;
        let result = self.append(partition, records).await;
        if let Err(refusal) = &result {
            self.listed_max -= refusal.records.len();
            partition.metrics().failed_produce_requests.increment();
            partition.metrics().bytes_rejected.add(bytes);
        }
        result.map_err(|refusal| Refusal {
            log_start: Some(partition.log().offsets().start),
            ..refusal
        })
    }

    /// Notes what became of a batch of an idempotent producer, for those behind it.
    fn in_order(
        &self,
        partition: (TopicId, i32),
        producer: &BatchProducer,
        result: Result<ProducedBatch, Refusal>,
    ) -> Result<ProducedBatch, Refusal> {
        let mut before = self.refused_before.lock();
        match result {
            Ok(produced) => {
                before.on_taken(partition, producer);
                Ok(produced)
            }
            Err(refusal) => {
                let code = before.on_refused(partition, producer, refusal.code, monotonic_ms());
                if before.is_first_gap(code) {
                    tracing::info!(topic = %partition.0, partition = partition.1, ?producer, error = code.name(), peer = %self.peer, "a producer's batch is refused: it does not fit");
                }
                Err(Refusal { code, ..refusal })
            }
        }
    }

    async fn append(
        &self,
        partition: &Arc<Partition>,
        records: BytesMut,
    ) -> Result<ProducedBatch, Refusal> {
        let (hold, listed_max) = (self.hold.clone(), self.listed_max);
        let acks = partition.acks(self.acks);
        let mut batch = partition.receive(records, self.version, self.now_ms, hold, listed_max)?;
        if !batch.records_are_due() {
            return batch.append(acks, self.now_ms);
        }
        let workers = &self.broker.record_workers;
        if workers.look_here(&mut batch, listed_max)? == Looked::Done {
            return batch.append(acks, self.now_ms);
        }
        let batch = workers.look(batch, listed_max).await?;
        batch.append(acks, wall_clock_ms())
    }
}

/// Registers the request with every partition that took a batch of it.
fn register(broker: &Broker, acks: i16, outcomes: &[TopicOutcome], wait: &Arc<PartitionsWait>) {
    let mut slot = 0;
    for topic in outcomes {
        let id = match &topic.topic {
            TopicRef::Name(name) => id_of(broker, name),
            TopicRef::Id(id) => known_id(broker, *id),
        };
        for outcome in &topic.partitions {
            let Ok(produced) = &outcome.result else {
                continue;
            };
            match id.and_then(|id| find_partition(broker, id, outcome.index)) {
                Ok(partition) => {
                    let acks = partition.acks(acks);
                    partition.when_acknowledged(acks, produced.appended.end, wait, slot);
                }
                Err(code) => wait.done(slot, code),
            }
            slot += 1;
        }
    }
}

fn first_error(outcomes: &[TopicOutcome]) -> Option<ErrorCode> {
    outcomes
        .iter()
        .flat_map(|topic| &topic.partitions)
        .find_map(|outcome| outcome.result.as_ref().err().map(|refusal| refusal.code))
}

impl Answering {
    /// Encodes the answer. `codes` are those of the partitions that took a batch, in order.
    fn respond(&self, outcomes: Vec<TopicOutcome>, codes: Vec<ErrorCode>) -> Response {
        let mut codes = codes.into_iter();
        let mut error = ErrorCode::None;
        let image = self.broker.metadata.image();
        let mut hints = LeaderHints::new(View {
            image: &image,
            listener: &self.listener,
            led: &self.broker.partitions,
        });
        let mut responses = Vec::with_capacity(outcomes.len());
        for topic in outcomes {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            let id_in = |image: &MetadataImage| match &topic.topic {
                TopicRef::Name(name) => image.topic_named(name).map(|topic| topic.topic_id()),
                TopicRef::Id(id) => TopicId::new(*id),
            };
            for outcome in topic.partitions {
                let mut part = match outcome.result {
                    Ok(produced) => match codes.next().unwrap_or(ErrorCode::UnknownServerError) {
                        ErrorCode::None => appended(&produced),
                        code => {
                            // It may be cut off by another leader, and this one may lead again.
                            if let (Some(id), Some(producer)) = (id_in(&image), outcome.producer) {
                                let partition = (id, outcome.index);
                                let mut before = self.refused_before.lock();
                                before.on_refused(partition, &producer, code, monotonic_ms());
                            }
                            refused(&code.into())
                        }
                    },
                    Err(refusal) => refused(&refusal),
                };
                let code = ErrorCode::from_code(part.error_code);
                let code = code.unwrap_or(ErrorCode::UnknownServerError);
                if error == ErrorCode::None {
                    error = code;
                }
                if self.head.version >= LEADER_HINT_MIN
                    && let Some((leader, epoch)) = hints.of(id_in, outcome.index, code)
                {
                    part.current_leader = LeaderIdAndEpoch::default()
                        .with_leader_id(leader.get().into())
                        .with_leader_epoch(epoch.get());
                }
                partitions.push(part.with_index(outcome.index));
            }
            let response = TopicProduceResponse::default().with_partition_responses(partitions);
            responses.push(match topic.topic {
                TopicRef::Name(name) => response.with_name(TopicName(text(&*name))),
                TopicRef::Id(id) => response.with_topic_id(id),
            });
        }
        let brokers = hints.brokers().map(|(id, listener, rack)| {
            NodeEndpoint::default()
                .with_node_id(id.get().into())
                .with_host(text(&*listener.host))
                .with_port(listener.port.into())
                .with_rack(rack.map(text))
        });
        let response = ProduceResponse::default()
            .with_responses(responses)
            .with_node_endpoints(brokers.collect());
        self.head.respond(&response, error)
    }
}

fn appended(produced: &ProducedBatch) -> PartitionProduceResponse {
    let appended = &produced.appended;
    PartitionProduceResponse::default()
        .with_base_offset(appended.base.get())
        .with_log_append_time_ms(produced.log_append_time.unwrap_or(-1))
        .with_log_start_offset(appended.log_start.get())
        .with_error_message(None)
}

fn refused(refusal: &Refusal) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_error_code(refusal.code.code())
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(refusal.log_start.map_or(-1, |offset| offset.get()))
        .with_error_message(refusal.message.clone().map(text))
        .with_record_errors(refusal.records.iter().map(record_error).collect())
}

fn record_error(refused: &RecordRefusal) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage::default()
        .with_batch_index(refused.index)
        .with_batch_index_error_message(Some(text(&*refused.message)))
}

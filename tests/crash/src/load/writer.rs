use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use bytes::Bytes;
use protocol::ErrorCode;
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    batches::{Shape, build},
    lane::{BATCHES_IN_FLIGHT_MAX, Batch, Lane},
};
use crate::{
    history::{BatchId, Event, TopicPartition},
    patience::until_answered,
};
use client::{ClientError, Connection, PartitionBatch, ProducerIdAndEpoch, Topic};

/// Longer than a broker on a busy machine is silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// One in so many requests repeats a batch that was acknowledged.
const DUPLICATE_ONE_IN: u32 = 16;
/// Java's `retry.backoff.ms`.
const RETRY_BACKOFF: Duration = Duration::from_millis(100);
const BATCHES_PER_REQUEST_MAX: usize = 4;
const PLAIN_REQUESTS_IN_FLIGHT_MAX: usize = 8;

/// Whether a writer's batches carry a producer id and sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterKind {
    /// They do not. What was in flight when the broker died is left alone.
    Plain,
    /// They do. What was in flight is sent again, the same bytes in the same order.
    Idempotent,
}

/// A producer that lives through the broker's crashes.
#[derive(Debug)]
pub struct Writer {
    id: u32,
    kind: WriterKind,
    random: SmallRng,
    next_number: u64,
    producer: Option<ProducerIdAndEpoch>,
    lanes: BTreeMap<TopicPartition, Lane>,
}

/// What a writer did in one run.
#[derive(Debug)]
pub struct WriterReport {
    /// In the order in which it happened.
    pub events: Vec<(TopicPartition, Event)>,
    /// How many batches of it were sent again.
    pub repeated: u64,
    /// Why it stopped.
    pub ending: Ending,
}

/// Why a writer stopped.
#[derive(Debug)]
pub enum Ending {
    /// It was told to, and everything in flight was answered.
    Told,
    /// The connection broke, or its answers made no sense.
    Failed(ClientError),
    /// A batch was refused.
    Refused {
        /// Where it was sent.
        at: TopicPartition,
        /// What the broker answered.
        code: ErrorCode,
    },
}

/// A request without an answer: what went where.
type Request<'a> = Vec<(&'a Topic, i32, BatchId)>;

/// One run, on one connection.
struct Run<'a> {
    writer: &'a mut Writer,
    connection: Connection,
    topics: &'a [Topic],
    in_flight: VecDeque<Request<'a>>,
    events: Vec<(TopicPartition, Event)>,
    repeated: u64,
    /// What may still be written before batches become as small as they can be.
    bytes_left: usize,
    /// With one, a refusal that clients retry is no reason to stop.
    pulse: Option<&'a Pulse>,
    /// Something was refused, and has to be sent again.
    refused: bool,
}

/// What a writer that is patient lives through, for who watches it.
#[derive(Debug, Default)]
pub struct Pulse {
    acknowledged: AtomicU64,
    refused: AtomicU64,
}

impl Pulse {
    /// Batches acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Batches refused for want of space.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Writer {
    /// A writer of its own random load.
    pub fn new(id: u32, kind: WriterKind, seed: u64) -> Writer {
        Writer {
            id,
            kind,
            random: SmallRng::seed_from_u64(seed ^ u64::from(id).rotate_right(8)),
            next_number: 0,
            producer: None,
            lanes: BTreeMap::new(),
        }
    }

    /// Writes to all partitions of `topics` until it is told to stop or the broker is gone. After
    /// `bytes_max` bytes it goes on with small batches.
    pub fn run(
        &mut self,
        address: &str,
        topics: &[Topic],
        bytes_max: usize,
        stop: &AtomicBool,
    ) -> WriterReport {
        self.run_with(address, topics, bytes_max, stop, None)
    }

    /// The same, but what is refused for want of space is sent again, as clients do it: an idempotent writer sends the same batches
    /// in the same order, a plain one gives them up and goes on.
    pub fn run_patiently(
        &mut self,
        address: &str,
        topics: &[Topic],
        bytes_max: usize,
        stop: &AtomicBool,
        pulse: &Pulse,
    ) -> WriterReport {
        self.run_with(address, topics, bytes_max, stop, Some(pulse))
    }

    fn run_with(
        &mut self,
        address: &str,
        topics: &[Topic],
        bytes_max: usize,
        stop: &AtomicBool,
        pulse: Option<&Pulse>,
    ) -> WriterReport {
        let client_id = format!("writer-{}", self.id);
        let connection = match Connection::connect(address, &client_id, SILENCE_MAX) {
            Ok(connection) => connection,
            Err(error) => {
                return WriterReport {
                    events: Vec::new(),
                    repeated: 0,
                    ending: Ending::Failed(error),
                };
            }
        };
        let mut run = Run {
            writer: self,
            connection,
            topics,
            in_flight: VecDeque::new(),
            events: Vec::new(),
            repeated: 0,
            bytes_left: bytes_max,
            pulse,
            refused: false,
        };
        let ending = match run.until(stop) {
            Ok(()) => Ending::Told,
            Err(ending) => ending,
        };
        WriterReport {
            events: run.events,
            repeated: run.repeated,
            ending,
        }
    }

    fn requests_in_flight_max(&self) -> usize {
        match self.kind {
            WriterKind::Plain => PLAIN_REQUESTS_IN_FLIGHT_MAX,
            WriterKind::Idempotent => BATCHES_IN_FLIGHT_MAX,
        }
    }

    fn new_batch(&mut self, at: &TopicPartition, shape: Shape) -> Batch {
        let id = BatchId {
            writer: self.id,
            first: self.next_number,
            count: shape.records,
        };
        self.next_number += u64::from(shape.records);
        let Some(producer) = self.producer else {
            let bytes = build(id, shape.value_bytes, None);
            return Batch { id, bytes };
        };
        let lane = self.lanes.entry(at.clone()).or_default();
        let sequence = lane.take_sequence(shape.records);
        let bytes = build(id, shape.value_bytes, Some((producer, sequence)));
        let batch = Batch { id, bytes };
        lane.on_sent(&batch);
        batch
    }
}

impl<'a> Run<'a> {
    fn until(&mut self, stop: &AtomicBool) -> Result<(), Ending> {
        if self.writer.kind == WriterKind::Idempotent && self.writer.producer.is_none() {
            let producer = until_answered(|| self.connection.init_producer_id())?;
            self.writer.producer = Some(producer);
        }
        self.send_again()?;
        while !stop.load(Ordering::Relaxed) {
            if self.refused {
                self.back_off()?;
                continue;
            }
            let has_room = self.in_flight.len() < self.writer.requests_in_flight_max();
            let request = if has_room {
                self.next_request()
            } else {
                Vec::new()
            };
            if request.is_empty() {
                self.receive()?;
            } else {
                self.send(request)?;
            }
        }
        self.receive_all()
    }

    /// Waits until everything in flight is answered, and a little, and sends again what was refused. What is refused once more does not
    /// keep the rest from going on.
    fn back_off(&mut self) -> Result<(), Ending> {
        self.receive_all()?;
        thread::sleep(RETRY_BACKOFF);
        self.refused = false;
        self.send_again()?;
        self.receive_all()?;
        for _ in 0..self.writer.requests_in_flight_max() {
            let request = self.next_request();
            if !request.is_empty() {
                self.send(request)?;
            }
        }
        Ok(())
    }

    fn receive_all(&mut self) -> Result<(), Ending> {
        while !self.in_flight.is_empty() {
            self.receive()?;
        }
        Ok(())
    }

    /// What the last run left without an answer: the oldest batch of each partition in one
    /// request, then the second.
    fn send_again(&mut self) -> Result<(), Ending> {
        for index in 0..BATCHES_IN_FLIGHT_MAX {
            let mut request = Vec::new();
            for (topic, partition, at) in partitions(self.topics) {
                let lane = self.writer.lanes.get(&at);
                if let Some(batch) = lane.and_then(|lane| lane.to_resend(index)) {
                    request.push((topic, partition, batch.clone()));
                    self.repeated += 1;
                }
            }
            if !request.is_empty() {
                self.send(request)?;
            }
        }
        Ok(())
    }

    /// Empty if every partition it would go to has as much in flight as it may.
    fn next_request(&mut self) -> Vec<(&'a Topic, i32, Batch)> {
        let all: Vec<_> = partitions(self.topics).collect();
        let most = BATCHES_PER_REQUEST_MAX.min(all.len());
        let wanted = self.writer.random.random_range(1..=most);
        let start = self.writer.random.random_range(0..all.len());
        let mut request = Vec::with_capacity(wanted);
        // Neighbours from a random one on: a request has at most one batch for a partition.
        for index in 0..wanted {
            let (topic, partition, at) = &all[(start + index) % all.len()];
            let duplicate = self.writer.random.random_ratio(1, DUPLICATE_ONE_IN);
            let lane = self.writer.lanes.entry(at.clone()).or_default();
            let batch = match lane.to_duplicate().filter(|_| duplicate) {
                Some(batch) => {
                    self.repeated += 1;
                    batch.clone()
                }
                None if !lane.has_room() => continue,
                None => self.new_batch(at),
            };
            request.push((*topic, *partition, batch));
        }
        request
    }

    fn new_batch(&mut self, at: &TopicPartition) -> Batch {
        let shape = match self.bytes_left {
            0 => Shape::SHORT,
            _ => Shape::draw(&mut self.writer.random),
        };
        let batch = self.writer.new_batch(at, shape);
        self.bytes_left = self.bytes_left.saturating_sub(batch.bytes.len());
        batch
    }

    fn send(&mut self, request: Vec<(&'a Topic, i32, Batch)>) -> Result<(), Ending> {
        for (topic, partition, batch) in &request {
            let at = topic_partition(topic, *partition);
            self.events.push((at, Event::Sent(batch.id)));
        }
        let batches: Vec<_> = request
            .iter()
            .map(|(topic, partition, batch)| PartitionBatch {
                topic,
                partition: *partition,
                batch: Bytes::clone(&batch.bytes),
            })
            .collect();
        self.connection.send_produce(&batches)?;
        let sent = request.into_iter();
        let sent = sent.map(|(topic, partition, batch)| (topic, partition, batch.id));
        self.in_flight.push_back(sent.collect());
        Ok(())
    }

    fn receive(&mut self) -> Result<(), Ending> {
        let Some(request) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let sent: Vec<_> = request
            .iter()
            .map(|(topic, partition, _)| (*topic, *partition))
            .collect();
        let produced = self.connection.receive_produced(&sent)?;
        let mut refused = None;
        for ((topic, partition, batch), produced) in request.into_iter().zip(produced) {
            let at = topic_partition(topic, partition);
            match produced.outcome {
                Ok(base_offset) => {
                    if let Some(lane) = self.writer.lanes.get_mut(&at) {
                        lane.on_acknowledged(batch);
                    }
                    let acknowledged = Event::Acknowledged { batch, base_offset };
                    self.events.push((at, acknowledged));
                    if let Some(pulse) = self.pulse {
                        pulse.acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(code) => match self.pulse {
                    Some(pulse) if self.is_for_want_of_space(code) => {
                        pulse.refused.fetch_add(1, Ordering::Relaxed);
                        self.refused = true;
                    }
                    _ => refused = Some(Ending::Refused { at, code }),
                },
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Behind a batch that was refused, an idempotent writer's next ones come out of order.
    fn is_for_want_of_space(&self, code: ErrorCode) -> bool {
        code == ErrorCode::KafkaStorageError
            || (code == ErrorCode::OutOfOrderSequenceNumber && self.refused)
    }
}

impl From<ClientError> for Ending {
    fn from(error: ClientError) -> Ending {
        Ending::Failed(error)
    }
}

fn partitions(topics: &[Topic]) -> impl Iterator<Item = (&Topic, i32, TopicPartition)> {
    topics.iter().flat_map(|topic| {
        let partitions = 0..topic.partitions;
        partitions.map(move |partition| (topic, partition, topic_partition(topic, partition)))
    })
}

fn topic_partition(topic: &Topic, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.name.clone(),
        partition,
    }
}

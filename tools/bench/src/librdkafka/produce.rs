//! Producers of librdkafka, each with a thread that sends when records are due; its own threads do the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::Topic;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::{ClientContext, Message as _};

use super::record::Stamp;
use super::{config, failed};
use crate::BenchError;
use crate::busy::{Busy, thread_cpu};
use crate::course::Course;
use crate::fault::Watch;
use crate::latency::Latency;
use crate::ledger::Ledger;
use crate::native::Run;
use crate::recorder::{Answer, Recorder};
use crate::workload::keys::{self, PartitionKeys};
use crate::workload::schedule::Schedule;
use crate::workload::{Acks, Workload};

/// A full queue is looked at again after so long: librdkafka does not tell when there is room.
const FULL_WAIT: Duration = Duration::from_millis(1);
/// What is in a queue in the end is waited for.
const FLUSH_MAX: Duration = Duration::from_secs(120);
/// After an interrupt, for so long.
const GRACE: Duration = Duration::from_secs(2);

/// What all producers and consumers know of a run.
#[derive(Debug)]
pub(super) struct Shared {
    /// One for each producer.
    pub(super) recorders: Vec<Recorder>,
    pub(super) ledger: Ledger,
    /// How many records each producer has sent.
    pub(super) sent: Vec<AtomicU64>,
    pub(super) measured_from: Instant,
    /// Of a record's value.
    pub(super) bytes: u64,
    pub(super) errors: Mutex<Errors>,
    /// Where a fault is to happen.
    pub(super) fault: Option<Watch>,
    pub(super) topics: Vec<Topic>,
}

impl Shared {
    /// The number of a partition among those of all topics.
    fn partition(&self, topic: &str, partition: i32) -> Option<usize> {
        let at = self.topics.iter().position(|it| it.name == topic)?;
        let before: i32 = self.topics[..at].iter().map(|it| it.partitions).sum();
        usize::try_from(before + partition).ok()
    }
}

/// Deliveries that failed.
#[derive(Debug, Default)]
pub(super) struct Errors {
    pub(super) count: u64,
    pub(super) first: Option<String>,
}

/// Told by librdkafka what became of records.
pub(super) struct Notes {
    number: usize,
    shared: Arc<Shared>,
}

/// A record that was sent.
pub(super) struct Sent {
    number: u64,
    due: Instant,
}

impl ClientContext for Notes {
    fn error(&self, _: KafkaError, _: &str) {
        if let Some(fault) = &self.shared.fault {
            fault.on_error();
        }
    }
}

impl ProducerContext for Notes {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let answered = Instant::now();
        let message = match (result, &self.shared.fault) {
            (Ok(message), _) => message,
            (Err(_), Some(fault)) => return fault.on_refused(),
            (Err((error, _)), None) => {
                let mut errors = self.shared.errors.lock();
                errors.count += 1;
                errors.first.get_or_insert_with(|| error.to_string());
                return;
            }
        };
        if let Some(fault) = &self.shared.fault
            && let Some(partition) = self.shared.partition(message.topic(), message.partition())
        {
            fault.on_acknowledged(partition, answered);
        }
        self.shared.ledger.on_acknowledged(self.number, sent.number);
        self.shared.recorders[self.number].on_answer(Answer {
            records: 1,
            bytes: self.shared.bytes,
            latency: answered.saturating_duration_since(sent.due),
            weight: 1,
            is_measured: sent.due >= self.shared.measured_from,
        });
    }
}

/// One of them.
pub(super) struct Producer<'a> {
    run: &'a Run<'a>,
    number: usize,
    shared: Arc<Shared>,
    producer: ThreadedProducer<Notes>,
    /// All of them; empty without keys.
    keys: Vec<PartitionKeys>,
}

/// What it says in the end.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) late: Latency,
    pub(super) had_to_wait: u64,
    pub(super) sent_for: Duration,
    pub(super) busy: Busy,
}

impl<'a> Producer<'a> {
    pub(super) fn new(
        run: &'a Run<'a>,
        number: usize,
        shared: &Arc<Shared>,
    ) -> Result<Producer<'a>, BenchError> {
        let workload = run.workload;
        let mut config = config(run);
        let defaults = [
            ("acks", workload.acks.to_string()),
            (
                "enable.idempotence",
                (workload.acks == Acks::All).to_string(),
            ),
            ("linger.ms", workload.linger.0.as_millis().to_string()),
            ("batch.size", workload.batch_bytes.0.to_string()),
            ("compression.type", workload.compression.name().to_owned()),
            // As Kafka's own clients have it.
            ("partitioner", "murmur2_random".to_owned()),
            ("statistics.interval.ms", "0".to_owned()),
        ];
        for (name, value) in defaults {
            // What is said by name counts.
            if !workload.client_configs.contains_key(name) {
                config.set(name, value);
            }
        }
        let notes = Notes {
            number,
            shared: Arc::clone(shared),
        };
        let producer = config.create_with_context(notes);
        Ok(Producer {
            run,
            number,
            shared: Arc::clone(shared),
            producer: producer.map_err(failed("make a producer"))?,
            keys: keys::by_partition(workload.keys, 1)
                .into_iter()
                .flatten()
                .collect(),
        })
    }

    /// Sends until the run is over and all is answered.
    pub(super) fn run(&self, course: &Course) -> Result<Ended, BenchError> {
        let workload = self.run.workload;
        let share = 1.0 / workload.producers as f64;
        let mut schedule = Schedule::new(
            Workload {
                batch_records: 1,
                ..workload.clone()
            }
            .arrivals_of(share),
            workload.seed.wrapping_add(self.number as u64),
        );
        let bytes = workload.bytes.0 as f64 * share;
        let sent_min = (bytes / workload.size.0.max(1) as f64).ceil() as u64;
        let mut values = Values::new(workload, self.number);
        let mut ended = Ended::default();
        let mut sent = 0;
        loop {
            let due = schedule.due().map(|due| course.start + due);
            let is_time = due.unwrap_or_else(Instant::now) >= course.end;
            if (is_time && sent >= sent_min) || !course.sleep_until(due.unwrap_or(course.start)) {
                break;
            }
            let due_or_now = due.unwrap_or_else(Instant::now);
            if course.gives_up(due_or_now) {
                self.give_up(due_or_now);
                sent += 1;
                schedule.advance();
                continue;
            }
            let topic = &self.run.topics[sent as usize % self.run.topics.len()];
            let key = self
                .keys
                .first()
                .map(|keys| keys::key(keys.draw(&mut values.random)));
            let value = values.next(Stamp {
                producer: self.number as u32,
                number: sent,
                due: due_or_now.saturating_duration_since(course.start),
            });
            if let Some(due) = due {
                ended.late.record(due.elapsed());
            }
            let key = key.as_deref();
            self.shared.sent[self.number].store(sent + 1, Ordering::Relaxed);
            if !self.send(topic, key, value, (sent, due_or_now), course, &mut ended)? {
                break;
            }
            sent += 1;
            schedule.advance();
        }
        ended.sent_for = course.start.elapsed();
        let wait = if course.is_stopped() {
            GRACE
        } else {
            FLUSH_MAX
        };
        let flushed = self.producer.flush(wait);
        ended.busy = Busy::new(thread_cpu(), course.start.elapsed());
        let errors = self.shared.errors.lock();
        match (&errors.first, flushed) {
            (Some(first), _) => Err(BenchError::Librdkafka {
                doing: "deliver records",
                reason: format!("{} were not: {first}", errors.count),
            }),
            (None, Err(error)) if !course.is_stopped() => Err(failed("deliver records")(error)),
            (None, _) => Ok(ended),
        }
    }

    fn give_up(&self, due: Instant) {
        if due >= self.shared.measured_from {
            self.shared.recorders[self.number].on_given_up(1, due.elapsed(), 1);
        }
    }

    /// False when the run is over before there is room.
    fn send(
        &self,
        topic: &Topic,
        key: Option<&str>,
        value: &[u8],
        (number, due): (u64, Instant),
        course: &Course,
        ended: &mut Ended,
    ) -> Result<bool, BenchError> {
        let sent = Box::new(Sent { number, due });
        let mut record =
            BaseRecord::<str, [u8], Box<Sent>>::with_opaque_to(&topic.name, sent).payload(value);
        record.key = key;
        let mut had_to_wait = false;
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    ended.had_to_wait += u64::from(had_to_wait);
                    return Ok(true);
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    had_to_wait = true;
                    if !course.sleep_until(Instant::now() + FULL_WAIT) {
                        return Ok(false);
                    }
                }
                Err((error, _)) => return Err(failed("send a record")(error)),
            }
        }
    }
}

/// A value after the other, in one buffer.
struct Values {
    random: SmallRng,
    value: Vec<u8>,
}

impl Values {
    fn new(workload: &Workload, producer: usize) -> Values {
        let seed = workload.seed.wrapping_add(producer as u64);
        let mut random = SmallRng::seed_from_u64(seed);
        let size = usize::try_from(workload.size.0).unwrap_or(usize::MAX);
        let mut value = vec![0; size];
        let random_bytes = (size as f64 * workload.random_share) as usize;
        random.fill_bytes(&mut value[..random_bytes.min(size)]);
        Values { random, value }
    }

    fn next(&mut self, stamp: Stamp) -> &[u8] {
        stamp.put(&mut self.value);
        &self.value
    }
}

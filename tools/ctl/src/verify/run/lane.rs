//! One writer in one partition: a batch, its acknowledgement, and the next.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use bytes::Bytes;
use client::{ClientError, Connection, PartitionBatch, ProducerIdAndEpoch};
use protocol::{
    ErrorCode,
    batch::{BatchBuilder, BatchProducer, NewRecord},
    model::Sequence,
};
use rand::{Rng, rngs::SmallRng};

use super::Run;
use crate::{
    clock::wall_clock_ms,
    leaders::Leader,
    seeds::CLIENT_ID,
    verify::history::{Batch, Event, OFFSET_MAX, Value},
};

/// A broker that takes longer to acknowledge is left, and the batch sent again.
const SILENCE_MAX: Duration = Duration::from_secs(4);
/// After an error so long, and twice as long after each more, up to the greatest.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(320);
/// Records of a batch, at most.
pub(super) const BATCH_RECORDS_MAX: u32 = 8;
/// A leader that did not know yet what there is may say that a sequence is out of order; one that says it again means it.
const OUT_OF_ORDER_MAX: u32 = 3;

/// A writer in a partition.
pub(super) struct Lane<'a> {
    pub run: &'a Run,
    pub writer: u32,
    pub partition: i32,
    /// The writer's next number.
    pub numbers: &'a AtomicU64,
    pub producer: ProducerIdAndEpoch,
    pub random: SmallRng,
    /// From one batch to the next, on average.
    pub interval: Duration,
    pub sequence: Sequence,
    pub connection: Option<(Leader, Connection)>,
}

/// Why a batch has no acknowledgement.
enum Failure {
    /// It is sent again. What is known of the leaders is older than the answer of this number.
    Again { error: String, generation: u64 },
    /// The broker does not know what it acknowledged.
    OutOfOrder { error: String, generation: u64 },
    /// The broker will not have it.
    Refused { error: String },
}

impl Lane<'_> {
    /// Writes until it is enough, and then until its last batch is resolved.
    pub fn write(mut self) {
        let pause = |random: &mut SmallRng, interval: Duration| {
            interval.mul_f64(random.random_range(0.0..2.0))
        };
        while !self.run.stop.wait(pause(&mut self.random, self.interval)) {
            let count = self.random.random_range(1..=BATCH_RECORDS_MAX);
            let first = self.numbers.fetch_add(u64::from(count), Ordering::SeqCst);
            let batch = Batch {
                writer: self.writer,
                first,
                count,
            };
            self.run.recorder.note(Event::Send {
                at_us: self.run.recorder.now_us(),
                partition: self.partition,
                producer: self.producer.id.get(),
                batch,
            });
            match self.resolve(batch) {
                Ok(offset) => self.acknowledged(batch, offset),
                Err(failure) => self.give_up(batch, failure),
            }
        }
    }

    fn acknowledged(&mut self, batch: Batch, offset: Option<i64>) {
        let records = i32::try_from(batch.count).unwrap_or(0);
        self.sequence = self.sequence.plus(records);
        self.run.recorder.note(Event::Ack {
            at_us: self.run.recorder.now_us(),
            partition: self.partition,
            batch,
            offset,
        });
    }

    /// What comes later is of another producer: nobody knows whether the sequence was used.
    fn give_up(&mut self, batch: Batch, failure: Failure) {
        let is_out_of_order = matches!(failure, Failure::OutOfOrder { .. });
        let (Failure::Again { error, .. }
        | Failure::OutOfOrder { error, .. }
        | Failure::Refused { error }) = failure;
        self.run.recorder.note(Event::Unknown {
            at_us: self.run.recorder.now_us(),
            partition: self.partition,
            batch,
            error,
            is_out_of_order,
        });
        while !self.run.is_patience_over() {
            if let Ok(producer) = self.run.new_producer() {
                self.producer = producer;
                self.sequence = Sequence::new(0);
                break;
            }
            thread::sleep(BACKOFF_MAX);
        }
    }

    /// Sends a batch until there is an answer for good.
    fn resolve(&mut self, batch: Batch) -> Result<Option<i64>, Failure> {
        let bytes = self.bytes_of(batch);
        let mut backoff = BACKOFF_MIN;
        let mut out_of_order = 0;
        loop {
            let failure = match self.attempt(&bytes) {
                Ok(offset) => return Ok(offset),
                Err(failure) => failure,
            };
            let (error, generation) = match &failure {
                Failure::Refused { .. } => return Err(failure),
                Failure::OutOfOrder { .. } if out_of_order == OUT_OF_ORDER_MAX => {
                    return Err(failure);
                }
                Failure::OutOfOrder { error, generation } => {
                    out_of_order += 1;
                    (error.clone(), *generation)
                }
                Failure::Again { error, generation } => (error.clone(), *generation),
            };
            if self.run.is_patience_over() {
                return Err(failure);
            }
            thread::sleep(backoff);
            backoff = BACKOFF_MAX.min(backoff * 2);
            // Who cannot be asked now is asked again at the next attempt.
            let _ = self.run.leaders.refresh(generation);
            self.run.recorder.note(Event::Retry {
                at_us: self.run.recorder.now_us(),
                partition: self.partition,
                batch,
                error,
            });
        }
    }

    fn bytes_of(&self, batch: Batch) -> Bytes {
        let mut builder = BatchBuilder::new().producer(BatchProducer {
            id: self.producer.id,
            epoch: self.producer.epoch,
            base_sequence: Some(self.sequence),
        });
        for number in batch.first..batch.first + u64::from(batch.count) {
            let value = Value {
                writer: self.writer,
                number,
            };
            builder.push(&NewRecord {
                timestamp: wall_clock_ms(),
                value: Some(&value.encode(self.run.id)),
                ..NewRecord::default()
            });
        }
        builder.build().freeze()
    }

    fn attempt(&mut self, batch: &Bytes) -> Result<Option<i64>, Failure> {
        let (generation, leader) = self.run.leaders.of(self.partition);
        let again = |error: String| Failure::Again { error, generation };
        let leader = leader.ok_or_else(|| again("nobody leads the partition".to_owned()))?;
        let (leader, mut connection) = match self.connection.take() {
            Some(known) if known.0.address == leader.address => known,
            _ => {
                let made = Connection::connect(&leader.address, CLIENT_ID, SILENCE_MAX);
                let made = made.map_err(|error| again(error.to_string()))?;
                (leader, made)
            }
        };
        let outcome = self.produce(&mut connection, batch);
        // A connection that has an answer outstanding is of no use.
        let outcome = outcome.map_err(|error| again(error.to_string()))?;
        self.connection = Some((leader, connection));
        outcome.or_else(|code| match code {
            ErrorCode::DuplicateSequenceNumber => Ok(None),
            ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId => {
                let error = code.name().to_owned();
                Err(Failure::OutOfOrder { error, generation })
            }
            // It may be anything, and pass.
            ErrorCode::UnknownServerError => Err(again(code.name().to_owned())),
            code if code.is_retriable() => Err(again(code.name().to_owned())),
            code => Err(Failure::Refused {
                error: code.name().to_owned(),
            }),
        })
    }

    fn produce(
        &self,
        connection: &mut Connection,
        batch: &Bytes,
    ) -> Result<Result<Option<i64>, ErrorCode>, ClientError> {
        let (topic, partition) = (&self.run.topic, self.partition);
        connection.send_produce(&[PartitionBatch {
            topic,
            partition,
            batch: batch.clone(),
        }])?;
        let produced = connection.receive_produced(&[(topic, partition)])?;
        let outcome = produced.first().map(|produced| produced.outcome);
        let unrelated = ClientError::Unrelated(protocol::ApiKey::Produce);
        match outcome {
            Some(Ok(offset)) if offset.get() <= OFFSET_MAX => Ok(Ok(Some(offset.get()))),
            Some(Err(code)) => Ok(Err(code)),
            _ => Err(unrelated),
        }
    }
}

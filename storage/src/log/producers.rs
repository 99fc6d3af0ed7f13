//! What a log knows of its idempotent producers (KIP-98): Kafka's `ProducerStateManager` and `ProducerAppendInfo`.

use std::collections::{BTreeMap, VecDeque};

use protocol::batch::{BatchHeader, BatchProducer};
use protocol::model::{Offset, ProducerEpoch, ProducerId, Sequence};

use super::OFFSET_END;

/// Batches remembered per producer, to recognise retries: Java's `max.in.flight.requests.per.connection` limit.
pub const BATCHES_MAX: usize = 5;

/// Bytes of a producer in a `.snapshot`: id 8, epoch 2, last sequence 4, last offset 8, offset delta 4, timestamp 8,
/// coordinator epoch 4, first offset of an open transaction 8.
const SNAPSHOT_LINE: usize = 46;

/// A batch a producer wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    /// Sequence of its first record.
    pub base_sequence: Sequence,
    /// Sequence of its last record.
    pub last_sequence: Sequence,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Its greatest timestamp, in milliseconds.
    pub timestamp: i64,
}

/// What is known of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its latest epoch.
    pub epoch: ProducerEpoch,
    /// Its last batches, oldest first, at most [`BATCHES_MAX`]; all of the latest epoch.
    pub batches: VecDeque<ProducerBatch>,
    /// When it last wrote, in milliseconds, for expiry.
    pub last_used_ms: i64,
}

/// What the sequence of a batch says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceCheck {
    /// It is the producer's next batch, or its first.
    Next,
    /// It was appended before, there.
    Duplicate(ProducerBatch),
}

/// Why a producer's batch may not be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// A newer incarnation of the producer has written.
    #[error("producer epoch {got} is older than {current}")]
    Fenced {
        /// The batch's.
        got: ProducerEpoch,
        /// The newest.
        current: ProducerEpoch,
    },
    /// Batches before this one are missing.
    #[error("sequence {got} does not follow {last:?}")]
    OutOfOrder {
        /// The batch's first sequence.
        got: Sequence,
        /// The last sequence in the log, of this epoch.
        last: Option<Sequence>,
    },
    /// Nothing is known of the producer, yet it does not begin at sequence 0: what it wrote before has expired or was
    /// never here, and whether this is a retry cannot be told.
    #[error("producer {producer} is unknown and does not begin at sequence 0")]
    Unknown {
        /// The producer.
        producer: ProducerId,
    },
}

/// The producers of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    states: BTreeMap<ProducerId, ProducerState>,
}

impl Producers {
    /// The last offset of each producer's last batch.
    pub(super) fn last_offsets(&self) -> impl Iterator<Item = (ProducerId, Offset)> {
        let last = |(id, state): (&ProducerId, &ProducerState)| {
            Some((*id, state.batches.back()?.last_offset))
        };
        self.states.iter().filter_map(last)
    }

    /// Every producer, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ProducerId, &ProducerState)> {
        self.states.iter().map(|(id, state)| (*id, state))
    }

    /// Puts back a state read from a checkpoint.
    pub fn restore(&mut self, id: ProducerId, state: ProducerState) {
        self.states.insert(id, state);
    }

    /// Judges a batch. Changes nothing.
    ///
    /// Kafka accepts any first sequence of an unknown producer; here it must be 0, since otherwise a retry of what has been
    /// forgotten would be written a second time.
    pub fn check(
        &self,
        producer: &BatchProducer,
        last_sequence: Option<Sequence>,
    ) -> Result<SequenceCheck, ProducerError> {
        let (Some(first), Some(last)) = (producer.base_sequence, last_sequence) else {
            return Ok(SequenceCheck::Next);
        };
        let begins = first == Sequence::new(0);
        let Some(state) = self.states.get(&producer.id) else {
            let unknown = ProducerError::Unknown {
                producer: producer.id,
            };
            return if begins {
                Ok(SequenceCheck::Next)
            } else {
                Err(unknown)
            };
        };
        if producer.epoch < state.epoch {
            return Err(ProducerError::Fenced {
                got: producer.epoch,
                current: state.epoch,
            });
        }
        if producer.epoch > state.epoch {
            let error = ProducerError::OutOfOrder {
                got: first,
                last: None,
            };
            return if begins {
                Ok(SequenceCheck::Next)
            } else {
                Err(error)
            };
        }
        let duplicate = state
            .batches
            .iter()
            .find(|batch| batch.base_sequence == first && batch.last_sequence == last);
        if let Some(batch) = duplicate {
            return Ok(SequenceCheck::Duplicate(*batch));
        }
        match state.batches.back() {
            Some(newest) if newest.last_sequence.plus(1) == first => Ok(SequenceCheck::Next),
            None if begins => Ok(SequenceCheck::Next),
            newest => Err(ProducerError::OutOfOrder {
                got: first,
                last: newest.map(|batch| batch.last_sequence),
            }),
        }
    }

    /// Notes a batch that was appended; its header carries its offsets.
    pub fn on_append(&mut self, header: &BatchHeader, now_ms: i64) {
        let Some(producer) = header.producer else {
            return;
        };
        let state = self
            .states
            .entry(producer.id)
            .or_insert_with(|| ProducerState {
                epoch: producer.epoch,
                batches: VecDeque::with_capacity(1),
                last_used_ms: now_ms,
            });
        state.last_used_ms = now_ms;
        if producer.epoch > state.epoch {
            state.epoch = producer.epoch;
            state.batches.clear();
        }
        let (Some(base_sequence), Some(last_sequence)) =
            (producer.base_sequence, header.last_sequence())
        else {
            return;
        };
        if state.batches.len() == BATCHES_MAX {
            state.batches.pop_front();
        }
        state.batches.push_back(ProducerBatch {
            base_sequence,
            last_sequence,
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: header.max_timestamp,
        });
    }

    /// Forgets producers that have not written since `before_ms`.
    pub fn expire(&mut self, before_ms: i64) {
        self.states
            .retain(|_, state| state.last_used_ms >= before_ms);
    }

    /// What is left of these states when the log is cut at `to`, where files say of the producers what `at_end` does. Files know the
    /// last batches for certain, memory knows more of them.
    #[must_use]
    pub fn truncated_to(self, to: Offset, at_end: Producers) -> Producers {
        let mut result = at_end;
        for (id, mut state) in self.states {
            state.batches.retain(|batch| batch.last_offset < to);
            match result.states.get_mut(&id) {
                Some(found) => {
                    found.last_used_ms = found.last_used_ms.max(state.last_used_ms);
                    if found.epoch == state.epoch {
                        let oldest = found.batches.front().map(|batch| batch.base_offset);
                        state
                            .batches
                            .retain(|batch| oldest.is_none_or(|oldest| batch.base_offset < oldest));
                        state.batches.extend(found.batches.drain(..));
                        let surplus = state.batches.len().saturating_sub(BATCHES_MAX);
                        state.batches.drain(..surplus);
                        found.batches = state.batches;
                    }
                }
                None if state.batches.is_empty() => {}
                None => {
                    result.states.insert(id, state);
                }
            }
        }
        result
    }

    /// Reads a `.snapshot`. `None` when it is damaged or of another version.
    pub fn from_snapshot(bytes: &[u8]) -> Option<Producers> {
        let (version, rest) = bytes.split_first_chunk()?;
        let (crc, body) = rest.split_first_chunk()?;
        if i16::from_be_bytes(*version) != 1 || u32::from_be_bytes(*crc) != crc32c::crc32c(body) {
            return None;
        }
        let (count, lines) = body.split_first_chunk()?;
        let (lines, rest) = lines.as_chunks::<SNAPSHOT_LINE>();
        if lines.len() != u32::from_be_bytes(*count) as usize || !rest.is_empty() {
            return None;
        }
        let states = lines.iter().map(snapshot_line).collect::<Option<_>>()?;
        Some(Producers { states })
    }

    /// The bytes of Kafka's `.snapshot` file (`ProducerSnapshot`, version 1): big-endian, with a CRC-32C over what follows
    /// it. Kafka keeps the last batch of a producer only.
    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(4 + self.states.len() * 46);
        body.extend_from_slice(
            &u32::try_from(self.states.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
        for (id, state) in &self.states {
            let last = state.batches.back();
            let delta = last.map_or(0, |batch| batch.last_offset.since(batch.base_offset));
            body.extend_from_slice(&id.get().to_be_bytes());
            body.extend_from_slice(&state.epoch.get().to_be_bytes());
            let sequence = last.map_or(-1, |batch| batch.last_sequence.get());
            body.extend_from_slice(&sequence.to_be_bytes());
            let offset = last.map_or(-1, |batch| batch.last_offset.get());
            body.extend_from_slice(&offset.to_be_bytes());
            body.extend_from_slice(&i32::try_from(delta).unwrap_or(i32::MAX).to_be_bytes());
            body.extend_from_slice(&state.last_used_ms.to_be_bytes());
            // No coordinator has written, no transaction is open.
            body.extend_from_slice(&(-1_i32).to_be_bytes());
            body.extend_from_slice(&(-1_i64).to_be_bytes());
        }
        let mut file = Vec::with_capacity(6 + body.len());
        file.extend_from_slice(&1_i16.to_be_bytes());
        file.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
        file.extend_from_slice(&body);
        file
    }
}

fn snapshot_line(line: &[u8; SNAPSHOT_LINE]) -> Option<(ProducerId, ProducerState)> {
    let (id, line) = line.split_first_chunk()?;
    let (epoch, line) = line.split_first_chunk()?;
    let (sequence, line) = line.split_first_chunk()?;
    let (offset, line) = line.split_first_chunk()?;
    let (delta, line) = line.split_first_chunk()?;
    let (timestamp, _) = line.split_first_chunk()?;
    let last_used_ms = i64::from_be_bytes(*timestamp);
    let delta = i32::from_be_bytes(*delta);
    let last = Sequence::from_wire(i32::from_be_bytes(*sequence));
    let last_offset = Offset::from_wire(i64::from_be_bytes(*offset));
    if last_offset.is_some_and(|offset| offset.get() >= OFFSET_END) {
        return None;
    }
    let batches = match (last, last_offset) {
        (Some(last_sequence), Some(last_offset)) => {
            let records = u32::try_from(delta).ok()?;
            VecDeque::from([ProducerBatch {
                base_sequence: earlier(last_sequence, delta),
                last_sequence,
                base_offset: Offset::from_wire(last_offset.get() - i64::from(records))?,
                last_offset,
                timestamp: last_used_ms,
            }])
        }
        _ => VecDeque::new(),
    };
    let state = ProducerState {
        epoch: ProducerEpoch::from_wire(i16::from_be_bytes(*epoch))?,
        batches,
        last_used_ms,
    };
    Some((ProducerId::from_wire(i64::from_be_bytes(*id))?, state))
}

/// The sequence `records` before, wrapping from 0 to `i32::MAX` (Kafka's `DefaultRecordBatch.decrementSequence`).
fn earlier(sequence: Sequence, records: i32) -> Sequence {
    let records = records.max(0);
    if sequence.get() >= records {
        Sequence::new(sequence.get() - records)
    } else {
        Sequence::new(i32::MAX - (records - sequence.get()) + 1)
    }
}

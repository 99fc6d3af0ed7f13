//! How batches look: from one short record to 200 KB.

use bytes::Bytes;
use protocol::{
    batch::{BatchBuilder, BatchProducer, NewRecord},
    model::Sequence,
};
use rand::{Rng, rngs::SmallRng};

use crate::history::{BatchId, VALUE_BYTES_MIN};
use client::ProducerIdAndEpoch;

const BATCH_BYTES_MAX: usize = 200_000;

/// A batch to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) records: u32,
    pub(super) value_bytes: usize,
}

impl Shape {
    /// One short record: what is sent once a round has written enough.
    pub(super) const SHORT: Shape = Shape {
        records: 1,
        value_bytes: VALUE_BYTES_MIN,
    };

    /// Most are small, as with a producer that does not linger, and some as large as they get.
    pub(super) fn draw(random: &mut SmallRng) -> Shape {
        match random.random_range(0..100) {
            0..50 => Shape {
                records: 1,
                value_bytes: random.random_range(VALUE_BYTES_MIN..300),
            },
            50..85 => Shape {
                records: random.random_range(2..50),
                value_bytes: random.random_range(VALUE_BYTES_MIN..1_000),
            },
            85..95 => {
                let value_bytes = random.random_range(200..4_000);
                let most = (BATCH_BYTES_MAX / value_bytes) as u32;
                Shape {
                    records: random.random_range(1..most),
                    value_bytes,
                }
            }
            _ => Shape {
                records: 1,
                value_bytes: random.random_range(4_000..BATCH_BYTES_MAX),
            },
        }
    }
}

/// The bytes of a batch, with the writer's producer id and a sequence if it is idempotent.
pub(super) fn build(
    id: BatchId,
    value_bytes: usize,
    producer: Option<(ProducerIdAndEpoch, Sequence)>,
) -> Bytes {
    let mut builder = BatchBuilder::new();
    if let Some((producer, sequence)) = producer {
        builder = builder.producer(BatchProducer {
            id: producer.id,
            epoch: producer.epoch,
            base_sequence: Some(sequence),
        });
    }
    for value in id.values() {
        let key = value.key();
        let value = value.encode(value_bytes);
        builder.push(&NewRecord {
            timestamp: -1,
            key: Some(&key),
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    builder.build().freeze()
}

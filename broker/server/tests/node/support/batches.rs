//! Batches to produce, and what is read back.

use bytes::BytesMut;
use protocol::batch::{BatchBuilder, BatchProducer, NewRecord, batches, records_in, verify_crc};
use protocol::model::{ProducerEpoch, ProducerId, Sequence};

use super::Random;

/// Tests send no batch that is larger once decompressed.
const DECOMPRESSED_BYTES_MAX: usize = 8 << 20;
/// Some time in 2025.
pub(crate) const BASE_TIMESTAMP: i64 = 1_750_000_000_000;

/// A batch that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) partition: i32,
    pub(crate) base_offset: i64,
    pub(crate) values: Vec<Vec<u8>>,
}

impl Sent {
    pub(crate) fn end(&self) -> i64 {
        self.base_offset + self.values.len() as i64
    }
}

/// A batch of these values.
pub(crate) fn batch<V: AsRef<[u8]>>(values: &[V]) -> BytesMut {
    fill(BatchBuilder::new(), values)
}

/// A batch of an idempotent producer.
pub(crate) fn idempotent<V: AsRef<[u8]>>(
    id: i64,
    epoch: i16,
    base_sequence: i32,
    values: &[V],
) -> BytesMut {
    let producer = BatchProducer {
        id: ProducerId::new(id),
        epoch: ProducerEpoch::new(epoch),
        base_sequence: Some(Sequence::new(base_sequence)),
    };
    fill(BatchBuilder::new().producer(producer), values)
}

/// Adds a record per value.
pub(crate) fn fill<V: AsRef<[u8]>>(mut builder: BatchBuilder, values: &[V]) -> BytesMut {
    for (timestamp, value) in (BASE_TIMESTAMP..).zip(values) {
        let value = Some(value.as_ref());
        builder.push(&NewRecord {
            timestamp,
            value,
            ..NewRecord::default()
        });
    }
    builder.build()
}

/// `count` values that are found nowhere else: name, number, and noise up to `bytes_max`.
pub(crate) fn noise(
    random: &mut Random,
    name: &str,
    count: usize,
    bytes_max: usize,
) -> Vec<Vec<u8>> {
    let value = |i: usize| {
        let mut value = format!("{name}-{i}-").into_bytes();
        let length = random.below(bytes_max);
        value.extend(random.bytes(length));
        value
    };
    (0..count).map(value).collect()
}

/// Offsets and values in the answer to a fetch. Panics if a batch is not whole or its checksum is
/// wrong: such bytes are never to be served.
#[track_caller]
pub(crate) fn values_of(records: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let mut values = Vec::new();
    let mut scratch = Vec::new();
    for batch in batches(records) {
        let (_, bytes) = batch.expect("whole batches");
        assert!(verify_crc(bytes), "the checksum of what is served is wrong");
        let records = records_in(bytes, DECOMPRESSED_BYTES_MAX, &mut scratch);
        for record in records.expect("records that can be read") {
            let record = record.expect("a well-formed record");
            values.push((
                record.offset.get(),
                record.value.unwrap_or_default().to_vec(),
            ));
        }
    }
    values
}

use bytes::{BufMut, BytesMut};

use super::patch::{put, update_crc};
use super::{BatchProducer, HEADER_BYTES, LENGTH_END, MAGIC, at, attribute, varint};
use crate::model::{LeaderEpoch, Offset};

/// Makes an uncompressed batch: what the broker appends to its own topics, and what tests produce.
#[derive(Clone, Debug, Default)]
pub struct BatchBuilder {
    base_offset: Offset,
    leader_epoch: Option<LeaderEpoch>,
    producer: Option<BatchProducer>,
    attributes: i16,
    base_timestamp: i64,
    max_timestamp: i64,
    record_count: i32,
    records: BytesMut,
    scratch: BytesMut,
}

/// A record to be added to a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// In milliseconds since the epoch. -1: none.
    pub timestamp: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// Names and values, in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

impl BatchBuilder {
    /// A batch at offset 0 of no leader epoch and no producer.
    pub fn new() -> BatchBuilder {
        BatchBuilder::default()
    }

    /// The offset of the first record.
    pub fn base_offset(mut self, base_offset: Offset) -> BatchBuilder {
        self.base_offset = base_offset;
        self
    }

    /// The leader that appends it.
    pub fn leader_epoch(mut self, leader_epoch: LeaderEpoch) -> BatchBuilder {
        self.leader_epoch = Some(leader_epoch);
        self
    }

    /// The idempotent producer.
    pub fn producer(mut self, producer: BatchProducer) -> BatchBuilder {
        self.producer = Some(producer);
        self
    }

    /// Marks it as part of a transaction.
    pub fn transactional(mut self) -> BatchBuilder {
        self.attributes |= attribute::TRANSACTIONAL;
        self
    }

    /// Marks it as a control batch.
    pub fn control(mut self) -> BatchBuilder {
        self.attributes |= attribute::CONTROL;
        self
    }

    /// Adds a record. The base timestamp is that of the first one, as in Kafka's
    /// `MemoryRecordsBuilder`.
    pub fn push(&mut self, record: &NewRecord<'_>) {
        if self.record_count == 0 {
            self.base_timestamp = record.timestamp;
            self.max_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);

        self.scratch.clear();
        self.scratch.put_i8(0);
        varint::put(
            &mut self.scratch,
            record.timestamp.wrapping_sub(self.base_timestamp),
        );
        varint::put(&mut self.scratch, i64::from(self.record_count));
        put_nullable(&mut self.scratch, record.key);
        put_nullable(&mut self.scratch, record.value);
        varint::put(&mut self.scratch, length(record.headers.len()));
        for (name, value) in record.headers {
            put_nullable(&mut self.scratch, Some(name.as_bytes()));
            put_nullable(&mut self.scratch, *value);
        }
        varint::put(&mut self.records, length(self.scratch.len()));
        self.records.extend_from_slice(&self.scratch);
        self.record_count += 1;
    }

    /// The number of records so far.
    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// The size of the batch so far.
    pub fn size_in_bytes(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// The batch.
    ///
    /// # Panics
    /// If it has no record, or is larger than a batch can be.
    pub fn build(self) -> BytesMut {
        assert!(self.record_count > 0, "a batch needs a record");
        let size = self.size_in_bytes();
        let batch_length = i32::try_from(size - LENGTH_END).expect("a batch is at most 2 GiB");
        let leader_epoch = self.leader_epoch.map_or(-1, LeaderEpoch::get);
        let (producer_id, producer_epoch, base_sequence) = match self.producer {
            Some(producer) => (
                producer.id.get(),
                producer.epoch.get(),
                producer.base_sequence.map_or(-1, |sequence| sequence.get()),
            ),
            None => (-1, -1, -1),
        };

        let mut batch = BytesMut::with_capacity(size);
        batch.put_bytes(0, HEADER_BYTES);
        put(
            &mut batch,
            at::BASE_OFFSET,
            self.base_offset.get().to_be_bytes(),
        );
        put(&mut batch, at::LENGTH, batch_length.to_be_bytes());
        put(&mut batch, at::LEADER_EPOCH, leader_epoch.to_be_bytes());
        put(&mut batch, at::MAGIC, MAGIC.to_be_bytes());
        put(&mut batch, at::ATTRIBUTES, self.attributes.to_be_bytes());
        put(
            &mut batch,
            at::LAST_OFFSET_DELTA,
            (self.record_count - 1).to_be_bytes(),
        );
        put(
            &mut batch,
            at::BASE_TIMESTAMP,
            self.base_timestamp.to_be_bytes(),
        );
        put(
            &mut batch,
            at::MAX_TIMESTAMP,
            self.max_timestamp.to_be_bytes(),
        );
        put(&mut batch, at::PRODUCER_ID, producer_id.to_be_bytes());
        put(&mut batch, at::PRODUCER_EPOCH, producer_epoch.to_be_bytes());
        put(&mut batch, at::BASE_SEQUENCE, base_sequence.to_be_bytes());
        put(
            &mut batch,
            at::RECORD_COUNT,
            self.record_count.to_be_bytes(),
        );
        batch.extend_from_slice(&self.records);
        update_crc(&mut batch);
        batch
    }
}

fn put_nullable(buf: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::put(buf, length(bytes.len()));
            buf.extend_from_slice(bytes);
        }
        None => varint::put(buf, -1),
    }
}

fn length(length: usize) -> i64 {
    i64::from(i32::try_from(length).expect("a field of a record is at most 2 GiB"))
}

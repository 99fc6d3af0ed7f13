//! Records in a partition, for tests of what is told about them.

use std::sync::Arc;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::batch::{BatchBuilder, BatchProducer, NewRecord};
use protocol::model::{ProducerEpoch, ProducerId, Sequence, Uuid};

use crate::clock::wall_clock_ms;
use crate::partition::{Acks, Partition, PartitionsWait};
use crate::testing::TestBroker;

/// A batch with records of these timestamps.
pub(super) fn batch(mut builder: BatchBuilder, timestamps: &[i64]) -> BytesMut {
    for timestamp in timestamps {
        builder.push(&NewRecord {
            timestamp: *timestamp,
            value: Some(b"value"),
            ..NewRecord::default()
        });
    }
    builder.build()
}

/// A batch of an idempotent producer.
pub(super) fn idempotent(id: i64, epoch: i16, sequence: i32, timestamps: &[i64]) -> BytesMut {
    let producer = BatchProducer {
        id: ProducerId::new(id),
        epoch: ProducerEpoch::new(epoch),
        base_sequence: Some(Sequence::new(sequence)),
    };
    batch(BatchBuilder::new().producer(producer), timestamps)
}

/// Appends a batch and waits until it is committed.
pub(super) async fn append(broker: &TestBroker, topic: Uuid, index: i32, batch: BytesMut) {
    let partition = partition(broker, topic, index);
    let now_ms = wall_clock_ms();
    let received = partition.receive(batch, 13, now_ms, None, 0);
    let produced = received.and_then(|batch| batch.append(Acks::All, now_ms));
    let end = produced.expect("a good batch").appended.end;
    let wait = PartitionsWait::new(1);
    partition.when_committed(end, &wait, 0);
    wait.all().await;
    assert_eq!(wait.codes(), [ErrorCode::None]);
}

pub(super) fn partition(broker: &TestBroker, topic: Uuid, index: i32) -> Arc<Partition> {
    broker.partition(topic, index).expect("led here")
}

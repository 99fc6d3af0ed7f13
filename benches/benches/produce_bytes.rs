//! What the produce path does with every byte before it reaches the journal: takes the request apart and checks the batch.
//!
//! Sketch: the request is taken apart without a copy, so its cost does not grow with the batch (well under 1 µs). Validation is one CRC-32C pass:
//! at 10-20 GB/s a batch of 1 MiB takes 50-100 µs, one of 1 KiB 0.1 µs.

#![expect(missing_docs, reason = "the macros of criterion make public items")]

use std::hint::black_box;

use bytes::{BufMut, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use protocol::batch::{BatchBuilder, NewRecord, validate_for_append};
use protocol::wire::produce::ProduceRequest;

/// A batch of about `bytes`, of records of 100 bytes.
fn batch(bytes: usize) -> BytesMut {
    let value = [7; 100];
    let mut builder = BatchBuilder::new();
    for timestamp in 0..(bytes / 110).max(1) {
        let timestamp = i64::try_from(timestamp).unwrap_or(0);
        builder.push(&NewRecord {
            timestamp,
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

/// The body of a Produce request, version 8: one topic, one partition.
fn request(batch: &[u8]) -> BytesMut {
    let mut body = BytesMut::with_capacity(64 + batch.len());
    body.put_i16(-1);
    body.put_i16(-1);
    body.put_i32(30_000);
    body.put_i32(1);
    body.put_i16(5);
    body.put_slice(b"topic");
    body.put_i32(1);
    body.put_i32(0);
    body.put_i32(i32::try_from(batch.len()).unwrap_or(i32::MAX));
    body.put_slice(batch);
    body
}

fn produce_bytes(criterion: &mut Criterion) {
    for size in [1 << 10, 16 << 10, 1 << 20] {
        let batch = batch(size);
        let body = request(&batch);
        let mut group = criterion.benchmark_group(format!("{} KiB batch", size >> 10));
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function("take a request apart", |bencher| {
            bencher.iter_batched(
                || body.clone(),
                |body| ProduceRequest::decode(body, 8),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("validate", |bencher| {
            bencher.iter(|| validate_for_append(black_box(&batch), 8 << 20));
        });
        group.finish();
    }
}

criterion_group!(benches, produce_bytes);
criterion_main!(benches);

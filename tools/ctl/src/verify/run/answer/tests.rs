use protocol::{
    batch::{BatchBuilder, Compression, NewRecord, compress},
    model::Offset,
};

use super::*;

const RUN: RunId = RunId(5);

fn value(number: u64) -> Value {
    Value { writer: 2, number }
}

fn batch(base: i64, numbers: &[u64]) -> Vec<u8> {
    let mut builder = BatchBuilder::new().base_offset(Offset::new(base));
    for number in numbers {
        builder.push(&NewRecord {
            value: Some(&value(*number).encode(RUN)),
            ..NewRecord::default()
        });
    }
    builder.build().to_vec()
}

fn run(offset: i64, first: u64, count: u32) -> Seen {
    let batch = Batch {
        writer: 2,
        first,
        count,
    };
    Seen::Run(Run { offset, batch })
}

#[test]
fn values_that_follow_each_other_are_one_run() {
    let bytes = [batch(3, &[7, 8]), batch(5, &[9, 12])].concat();
    let answer = read(RUN, 3, &bytes);
    assert_eq!(answer.records, [run(3, 7, 3), run(6, 12, 1)]);
    assert_eq!(answer.next, Some(7));
}

#[test]
fn the_batch_with_the_offset_counts_from_there_and_one_before_it_as_a_whole() {
    let answer = read(RUN, 4, &batch(3, &[7, 8]));
    assert_eq!(answer.records, [run(4, 8, 1)]);
    let answer = read(RUN, 5, &batch(3, &[7, 8]));
    assert_eq!(answer.records, [run(3, 7, 2)]);
}

#[test]
fn compressed_batches_are_read_too() {
    let bytes = compress(&batch(3, &[7, 8]), Compression::Lz4, 1 << 20).expect("a batch");
    assert_eq!(read(RUN, 3, &bytes).records, [run(3, 7, 2)]);
}

#[test]
fn a_fetch_may_end_within_a_batch() {
    let bytes = [batch(3, &[7, 8]), batch(5, &[9])].concat();
    let answer = read(RUN, 3, &bytes[..bytes.len() - 1]);
    assert_eq!((answer.records, answer.next), (vec![run(3, 7, 2)], Some(5)));
    assert_eq!(read(RUN, 3, &bytes[..20]), Answer::default());
    assert_eq!(read(RUN, 3, b""), Answer::default());
}

#[test]
fn what_is_none_of_ours_is_foreign() {
    let foreign = |bytes: &[u8], what: &str| {
        let answer = read(RUN, 0, bytes);
        let [Seen::Foreign { offset: 0, foreign }] = answer.records.as_slice() else {
            panic!("{what}: {answer:?}");
        };
        assert!(foreign.contains(what), "{foreign}");
    };
    let mut damaged = batch(0, &[7]);
    *damaged.last_mut().expect("a byte") ^= 1;
    foreign(&damaged, "checksum");
    foreign(&[0; 100], "no batch");
    let mut other = BatchBuilder::new();
    other.push(&NewRecord {
        value: Some(b"of somebody"),
        ..NewRecord::default()
    });
    foreign(&other.build(), "not of this run");
}

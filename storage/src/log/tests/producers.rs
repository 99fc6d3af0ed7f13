//! Idempotent producers (KIP-98): what is next, what is a duplicate, what is refused, and that a crash forgets nothing.

use protocol::batch::{BatchHeader, BatchProducer};
use protocol::model::{Offset, ProducerEpoch, ProducerId, Sequence};

use super::small_segments;
use crate::fixture::{Running, append_as, node};
use crate::log::{AppendError, Log, ProducerError, ProducerState, Producers};

fn producer(id: i64, epoch: i16, sequence: i32) -> BatchProducer {
    BatchProducer {
        id: ProducerId::new(id),
        epoch: ProducerEpoch::new(epoch),
        base_sequence: Some(Sequence::new(sequence)),
    }
}

fn refusal(result: Result<crate::log::Appended, AppendError>) -> ProducerError {
    match result {
        Err(AppendError::Producer(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn running() -> (Running, std::sync::Arc<Log>) {
    let node = node();
    let running = node.start();
    let log = running.create("a");
    (running, log)
}

#[test]
fn sequences_follow_each_other() {
    let (_running, log) = running();
    assert!(
        append_as(&log, producer(1, 0, 0), 3)
            .expect("the first")
            .duplicate
            .is_none()
    );
    assert!(
        append_as(&log, producer(1, 0, 3), 2)
            .expect("the next")
            .duplicate
            .is_none()
    );
    let gap = refusal(append_as(&log, producer(1, 0, 6), 1));
    let last = Some(Sequence::new(4));
    assert_eq!(
        gap,
        ProducerError::OutOfOrder {
            got: Sequence::new(6),
            last
        }
    );
    // Another producer has its own.
    append_as(&log, producer(2, 0, 0), 1).expect("the first");
    assert_eq!(log.offsets().end.get(), 6);
}

#[test]
fn the_last_five_batches_are_recognised() {
    let (_running, log) = running();
    for number in 0..7 {
        append_as(&log, producer(1, 0, number * 2), 2).expect("the next");
    }
    for number in 2..7 {
        let again = append_as(&log, producer(1, 0, number * 2), 2).expect("a duplicate");
        let first = again.duplicate.expect("it is one");
        assert_eq!(first.base_offset.get(), i64::from(number) * 2);
        assert_eq!(
            (again.base, again.end),
            (first.base_offset, first.last_offset.plus(1))
        );
    }
    for number in 0..2 {
        refusal(append_as(&log, producer(1, 0, number * 2), 2));
    }
    // Same first sequence, another last one: no duplicate.
    refusal(append_as(&log, producer(1, 0, 12), 1));
    assert_eq!(log.offsets().end.get(), 14);
}

#[test]
fn sequences_wrap() {
    let mut producers = Producers::default();
    let last = i32::MAX;
    let header = |sequence: i32, records: i32, offset: i64| {
        let batch = crate::fixture::batch_at(0, &[b"v"]);
        let mut header = BatchHeader::parse(&batch).expect("a batch");
        header.producer = Some(producer(1, 0, sequence));
        header.base_offset = Offset::new(offset);
        header.last_offset_delta = records - 1;
        header.record_count = records;
        header
    };
    let before = header(last - 2, 5, 0);
    assert_eq!(
        before.last_sequence(),
        Some(Sequence::new(1)),
        "2 before the wrap and 2 behind"
    );
    producers.on_append(&before, 0);
    let next = header(2, 1, 5);
    let check = producers.check(&producer(1, 0, 2), next.last_sequence());
    assert_eq!(check, Ok(crate::log::SequenceCheck::Next));
    let read = Producers::from_snapshot(&producers.to_snapshot()).expect("a snapshot");
    let (_, state) = read.iter().next().expect("the producer");
    assert_eq!(state.batches[0].base_sequence, Sequence::new(last - 2));
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_old_one() {
    let (_running, log) = running();
    append_as(&log, producer(1, 3, 0), 2).expect("the first");
    refusal(append_as(&log, producer(1, 4, 2), 1));
    append_as(&log, producer(1, 4, 0), 1).expect("a new epoch");
    let fenced = refusal(append_as(&log, producer(1, 3, 2), 1));
    let (got, current) = (ProducerEpoch::new(3), ProducerEpoch::new(4));
    assert_eq!(fenced, ProducerError::Fenced { got, current });
}

#[test]
fn an_unknown_producer_begins_at_zero() {
    let (_running, log) = running();
    let unknown = refusal(append_as(&log, producer(1, 0, 5), 1));
    assert_eq!(
        unknown,
        ProducerError::Unknown {
            producer: ProducerId::new(1)
        }
    );
}

#[test]
fn silent_producers_are_forgotten() {
    let (_running, log) = running();
    append_as(&log, producer(1, 0, 0), 1).expect("the first");
    log.expire_producers(1000);
    append_as(&log, producer(1, 0, 1), 1).expect("it wrote at 1000");
    log.expire_producers(1001);
    refusal(append_as(&log, producer(1, 0, 2), 1));
}

fn states(log: &Log) -> Vec<(ProducerId, ProducerState)> {
    log.producers()
        .iter()
        // A recovery puts batches back at its own time: producers expire later for it, never earlier.
        .map(|(id, state)| {
            (
                id,
                ProducerState {
                    last_used_ms: 0,
                    ..state.clone()
                },
            )
        })
        .collect()
}

#[test]
fn a_crash_forgets_no_producer() {
    let node = small_segments();
    let mut running = node.start();
    let mut log = running.create("a");
    let mut next = [0_i32; 4];
    for round in 0..120_i32 {
        let id = (round * 7 % 4) as usize;
        let records = round % 5 + 1;
        append_as(&log, producer(id as i64, 0, next[id]), records as usize).expect("the next");
        next[id] += records;
        running.commit();
        if round % 13 == 0 {
            running.dir.write_behind(i64::MAX).expect("space");
        }
        if round % 29 == 0 {
            running.dir.checkpoint(None).expect("a checkpoint");
        }
        if round % 17 == 0 {
            let before = states(&log);
            running = node.crash(running);
            log = running.log("a");
            assert_eq!(states(&log), before, "round {round}");
        }
    }
    let duplicate = append_as(&log, producer(0, 0, next[0]), 1).expect("the next");
    let again = append_as(&log, producer(0, 0, next[0]), 1).expect("a duplicate");
    assert_eq!(
        again.duplicate.map(|first| first.base_offset),
        Some(duplicate.base)
    );
}

#[test]
fn a_snapshot_is_kafkas() {
    let (_running, log) = running();
    append_as(&log, producer(7, 2, 0), 3).expect("the first");
    append_as(&log, producer(7, 2, 3), 2).expect("the next");
    let bytes = log.producers().to_snapshot();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // version, CRC, count; id, epoch, last sequence, last offset, offset delta, timestamp, coordinator epoch, first offset of
    // the open transaction.
    assert_eq!(
        hex,
        concat!(
            "0001",
            "6c30cc4b",
            "00000001",
            "0000000000000007",
            "0002",
            "00000004",
            "0000000000000004",
            "00000001",
            "00000000000003e8",
            "ffffffff",
            "ffffffffffffffff",
        )
    );
    let read = Producers::from_snapshot(&bytes).expect("it is sound");
    assert_eq!(read.to_snapshot(), bytes);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        assert!(Producers::from_snapshot(&flipped).is_none(), "byte {at}");
    }
    assert!(Producers::from_snapshot(&bytes[..bytes.len() - 1]).is_none());
}

/// The checksum vouches for the writer; what is computed with is checked all the same.
#[test]
fn a_snapshot_of_offsets_that_cannot_be_is_refused() {
    const DELTA: std::ops::Range<usize> = 32..36;
    let (_running, log) = running();
    append_as(&log, producer(7, 2, 0), 3).expect("the first");
    let sound = log.producers().to_snapshot();
    for delta in [-1, i32::MIN, 3, i32::MAX] {
        let mut bytes = sound.clone();
        bytes[DELTA].copy_from_slice(&delta.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[6..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        assert!(Producers::from_snapshot(&bytes).is_none(), "{delta}");
    }
}

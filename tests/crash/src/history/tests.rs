//! Each anomaly, put into a history that is otherwise in order, is found by its name.

use protocol::{
    batch::{BatchBuilder, NewRecord},
    model::Offset,
};

use super::*;

const WRITER: u32 = 7;

fn batch(first: u64, count: u32) -> BatchId {
    BatchId {
        writer: WRITER,
        first,
        count,
    }
}

/// The bytes of a batch as a broker would serve them.
fn bytes_of(base_offset: i64, id: BatchId) -> Vec<u8> {
    let values: Vec<Vec<u8>> = id.values().map(|value| value.encode(40)).collect();
    bytes_with(base_offset, &values)
}

fn bytes_with(base_offset: i64, values: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new().base_offset(Offset::new(base_offset));
    for value in values {
        builder.push(&NewRecord {
            value: Some(value),
            ..NewRecord::default()
        });
    }
    builder.build().to_vec()
}

fn read(batches: &[Vec<u8>]) -> ReadBack {
    let mut read = ReadBack::default();
    read.push_fetched(&batches.concat()).expect("whole batches");
    read.end_offset = read.next_offset();
    read
}

/// 0-2 acknowledged at 0, 3 acknowledged at 3, 4-5 sent only, 6 acknowledged at `last`.
fn history(last: i64) -> PartitionHistory {
    let mut history = PartitionHistory::default();
    for id in [batch(0, 3), batch(3, 1), batch(4, 2), batch(6, 1)] {
        history.record(Event::Sent(id));
    }
    for (id, base_offset) in [(batch(0, 3), 0), (batch(3, 1), 3), (batch(6, 1), last)] {
        history.record(Event::Acknowledged {
            batch: id,
            base_offset: Offset::new(base_offset),
        });
    }
    history
}

fn in_order() -> Vec<Vec<u8>> {
    vec![
        bytes_of(0, batch(0, 3)),
        bytes_of(3, batch(3, 1)),
        bytes_of(4, batch(4, 2)),
        bytes_of(6, batch(6, 1)),
    ]
}

#[track_caller]
fn assert_found(anomalies: &[Anomaly], names: &[&str]) {
    let found: Vec<&str> = anomalies.iter().map(Anomaly::name).collect();
    assert_eq!(found, names, "{anomalies:#?}");
}

#[test]
fn a_log_in_order_has_no_anomaly_with_and_without_what_was_not_acknowledged() {
    assert_found(&history(6).check(&read(&in_order())), &[]);
    let without = [
        bytes_of(0, batch(0, 3)),
        bytes_of(3, batch(3, 1)),
        bytes_of(4, batch(6, 1)),
    ];
    assert_found(&history(4).check(&read(&without)), &[]);
    assert_eq!(history(6).acknowledged_records(), 5);
}

#[test]
fn an_acknowledged_record_that_is_missing_is_lost() {
    let anomalies = history(6).check(&read(&in_order()[..3]));
    let lost = Anomaly::Lost {
        batch: batch(6, 1),
        base_offset: Offset::new(6),
        missing: 1,
    };
    assert_eq!(anomalies, [lost]);
    assert_found(&history(6).check(&ReadBack::default()), &["lost"; 3]);
}

#[test]
fn a_value_at_two_offsets_is_a_duplicate() {
    let mut log = in_order();
    log.push(bytes_of(7, batch(6, 1)));
    assert_found(&history(6).check(&read(&log)), &["duplicate"]);
    let mut log = in_order();
    log.push(bytes_of(7, batch(4, 2)));
    assert_found(&history(6).check(&read(&log)), &["duplicate"; 2]);
}

#[test]
fn a_later_value_before_an_earlier_one_is_reordered() {
    let log = [
        bytes_of(0, batch(0, 3)),
        bytes_of(3, batch(3, 1)),
        bytes_of(4, batch(6, 1)),
        bytes_of(5, batch(4, 2)),
    ];
    assert_found(&history(4).check(&read(&log)), &["reordered"; 2]);
}

#[test]
fn writers_may_interleave() {
    let mut history = history(7);
    let other = BatchId {
        writer: WRITER + 1,
        first: 0,
        count: 1,
    };
    history.record(Event::Sent(other));
    let mut log = in_order();
    log.insert(3, bytes_of(6, other));
    log[4] = bytes_of(7, batch(6, 1));
    assert_found(&history.check(&read(&log)), &[]);
}

#[test]
fn what_was_never_sent_is_foreign() {
    let mut log = in_order();
    log.push(bytes_of(7, batch(7, 1)));
    assert_found(&history(6).check(&read(&log)), &["foreign"]);
    log[4] = bytes_with(7, &[b"not a value".to_vec()]);
    assert_found(&history(6).check(&read(&log)), &["foreign"]);
    let mut value = batch(7, 1).values().next().expect("a value").encode(40);
    value[30] ^= 1;
    log[4] = bytes_with(7, &[value]);
    assert_found(&history(6).check(&read(&log)), &["foreign"]);
}

#[test]
fn other_bytes_at_an_offset_read_before_are_a_change() {
    let mut history = history(6);
    assert_found(&history.check(&read(&in_order())), &[]);
    assert_found(&history.check(&read(&in_order())), &[]);
    let values: Vec<Vec<u8>> = batch(4, 2).values().map(|value| value.encode(41)).collect();
    let mut log = in_order();
    log[2] = bytes_with(4, &values);
    assert_found(&history.check(&read(&log)), &["changed"]);
}

#[test]
fn a_record_that_could_be_read_before_must_stay_though_it_was_not_acknowledged() {
    let mut history = PartitionHistory::default();
    history.record(Event::Sent(batch(0, 1)));
    assert_found(&history.check(&read(&[bytes_of(0, batch(0, 1))])), &[]);
    assert_found(&history.check(&ReadBack::default()), &["vanished"]);
}

#[test]
fn a_record_at_another_offset_than_acknowledged_is_misplaced() {
    let mut history = history(7);
    let misplaced = history.check(&read(&in_order()));
    assert_found(&misplaced, &["misplaced"]);
    // Sent again and acknowledged elsewhere: only one of the two can be true.
    history.record(Event::Acknowledged {
        batch: batch(3, 1),
        base_offset: Offset::new(9),
    });
    let misplaced = history.check(&read(&in_order()));
    assert_found(&misplaced, &["misplaced"; 2]);
}

#[test]
fn a_part_of_a_batch_is_torn() {
    let value = batch(4, 1).values().next().expect("a value");
    let log = [
        bytes_of(0, batch(0, 3)),
        bytes_of(3, batch(3, 1)),
        bytes_with(4, &[value.encode(40)]),
        bytes_of(5, batch(6, 1)),
    ];
    assert_found(&history(5).check(&read(&log)), &["torn"]);
}

#[test]
fn offsets_that_do_not_follow_are_a_gap() {
    let mut log = in_order();
    log[2] = bytes_of(5, batch(4, 2));
    log[3] = bytes_of(7, batch(6, 1));
    assert_found(&history(7).check(&read(&log)), &["gap"]);
    let mut read = read(&in_order());
    read.end_offset = Offset::new(8);
    assert_found(&history(6).check(&read), &["gap"]);
    read.end_offset = Offset::new(7);
    read.log_start_offset = Offset::new(1);
    assert_found(&history(6).check(&read), &["gap"; 2]);
}

#[test]
fn old_records_may_be_deleted_but_not_too_many_and_they_do_not_come_back() {
    let read_from = |start: usize| {
        let mut read = read(&in_order()[start..]);
        read.log_start_offset = read.batches[0].base_offset;
        read
    };
    let history = |kept_bytes_min| {
        let mut deleted = PartitionHistory::of(Kept::Bytes(kept_bytes_min));
        std::mem::swap(&mut deleted.sent, &mut history(6).sent);
        deleted
    };
    let mut deleted = history(1);
    assert_found(&deleted.check(&read_from(0)), &[]);
    assert_found(&deleted.check(&read_from(2)), &[]);
    let anomalies = deleted.check(&read_from(0));
    assert!(
        anomalies.iter().any(|it| it.name() == "gap"),
        "{anomalies:#?}"
    );
    assert_found(&history(1_000).check(&read_from(2)), &["overdeleted"]);
    let mut read = read_from(2);
    read.batches.pop();
    read.end_offset = read.next_offset();
    assert_found(&history(1).check(&read), &["lost"]);
}

#[test]
fn a_batch_with_a_flipped_bit_is_corrupt() {
    let mut log = in_order();
    let last = log[2].len() - 1;
    log[2][last] ^= 0x10;
    assert_found(&history(6).check(&read(&log)), &["corrupt"]);
    let last = log[3].len() - 1;
    log[3][last] ^= 0x10;
    let anomalies = history(6).check(&read(&log));
    assert_found(&anomalies, &["corrupt", "corrupt", "lost"]);
}

#[test]
fn a_fetch_may_end_within_a_batch() {
    let log = in_order().concat();
    let mut read = ReadBack::default();
    assert_eq!(read.push_fetched(&log[..30]), Ok(false));
    assert_eq!(read.push_fetched(&log[..log.len() - 1]), Ok(true));
    assert_eq!(read.next_offset(), Offset::new(6));
}

#[test]
fn of_the_records_with_a_key_the_last_one_is_enough() {
    let of = |kept| {
        let mut partition = PartitionHistory::of(kept);
        // The keys come round after 61 values.
        for first in [0, 61, 122] {
            let batch = BatchId {
                writer: 1,
                first,
                count: 2,
            };
            let base_offset = Offset::new(i64::try_from(first).expect("small"));
            partition.record(Event::Sent(batch));
            partition.record(Event::Acknowledged { batch, base_offset });
        }
        partition
    };
    let batch = |base: i64, end: i64, numbers: &[u64]| ReadBatch {
        base_offset: Offset::new(base),
        end_offset: Offset::new(end),
        bytes: 100,
        fingerprint: 0,
        damage: None,
        values: numbers
            .iter()
            .map(|number| ReadValue {
                offset: Offset::new(i64::try_from(*number).expect("small")),
                value: Ok(ValueId {
                    writer: 1,
                    number: *number,
                }),
            })
            .collect(),
    };
    let read = |batches: Vec<ReadBatch>| ReadBack {
        log_start_offset: Offset::ZERO,
        end_offset: Offset::new(124),
        batches,
    };
    let compacted = read(vec![batch(0, 122, &[]), batch(122, 124, &[122, 123])]);
    let mut last = of(Kept::LastOfKey);
    assert_found(&last.check(&compacted), &[]);
    assert_eq!(last.compacted_records(), 4);
    let all = of(Kept::All).check(&compacted);
    assert!(all.iter().any(|it| it.name() == "lost"), "{all:#?}");
    // The last one of a key is gone.
    let lost = read(vec![batch(0, 122, &[61]), batch(122, 124, &[123])]);
    assert_found(&of(Kept::LastOfKey).check(&lost), &["lost"]);
    let gap = read(vec![batch(0, 60, &[]), batch(122, 124, &[122, 123])]);
    assert_found(&of(Kept::LastOfKey).check(&gap), &["gap"]);
}

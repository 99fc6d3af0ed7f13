use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::{
    BatchBuilder, BatchProducer, NewRecord, compress, records_in,
    set_max_timestamp_and_log_append_time, verify_crc,
};
use super::*;
use crate::model::{ProducerEpoch, ProducerId, Sequence};

const NO_LIMIT: usize = 1 << 30;
const BASE: i64 = 1_750_000_000_000;

/// A record: timestamp, key and value.
type Plain = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// Offset, timestamp, key, value and headers.
type Seen = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, usize);

fn batch_of(records: &[Plain], compression: Compression) -> BytesMut {
    let producer = BatchProducer {
        id: ProducerId::new(9),
        epoch: ProducerEpoch::new(2),
        base_sequence: Some(Sequence::new(5)),
    };
    let mut builder = BatchBuilder::new()
        .base_offset(Offset::new(100))
        .leader_epoch(LeaderEpoch::new(3))
        .producer(producer);
    for (timestamp, key, value) in records {
        builder.push(&NewRecord {
            timestamp: *timestamp,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &[("name", Some(b"header")), ("none", None)],
        });
    }
    let plain = builder.build();
    match compression {
        Compression::None => plain,
        compression => compress(&plain, compression, NO_LIMIT).expect("it is packed"),
    }
}

fn seen(batch: &[u8]) -> Vec<Seen> {
    let mut scratch = Vec::new();
    let records = records_in(batch, NO_LIMIT, &mut scratch).expect("records");
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    records
        .map(|record| record.expect("a record"))
        .map(|it| {
            let headers = it.headers.count();
            (
                it.offset.get(),
                it.timestamp,
                owned(it.key),
                owned(it.value),
                headers,
            )
        })
        .collect()
}

fn header_of(batch: &[u8]) -> BatchHeader {
    BatchHeader::parse(batch).expect("a batch")
}

fn any_record() -> impl Strategy<Value = Plain> {
    let bytes = || option::of(vec(any::<u8>(), 0..40));
    (BASE - 1_000..BASE + 1_000, bytes(), bytes())
}

fn any_codec() -> impl Strategy<Value = Compression> {
    prop::sample::select(vec![
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ])
}

proptest! {
    #[test]
    fn what_stays_is_as_it_was(
        records in vec((any_record(), any::<bool>()), 1..20),
        codec in any_codec(),
        horizon in option::of(BASE..BASE + 1_000_000),
        is_append_time in any::<bool>(),
    ) {
        let kept: Vec<bool> = records.iter().map(|(_, kept)| *kept).collect();
        let plain: Vec<Plain> = records.into_iter().map(|(record, _)| record).collect();
        let mut batch = batch_of(&plain, codec);
        if is_append_time {
            set_max_timestamp_and_log_append_time(&mut batch, BASE + 5_000);
        }
        let before = header_of(&batch);
        let keep = |record: &Record<'_>| {
            let at = usize::try_from(record.offset.get() - 100).expect("one of these");
            kept[at]
        };
        let mut sieve = Sieve::default();
        let sifted = sieve.sift(&batch, NO_LIMIT, horizon, keep).expect("well-formed");
        let all = seen(&batch);
        let expected: Vec<Seen> = all
            .iter()
            .zip(&kept)
            .filter(|(_, kept)| **kept)
            .map(|(record, _)| record.clone())
            .collect();
        let gets_horizon = horizon.is_some() && expected.iter().any(|record| record.3.is_none());
        match sifted {
            Sifted::Nothing => prop_assert!(expected.is_empty()),
            Sifted::Whole => prop_assert!(expected == all && !gets_horizon),
            Sifted::Part(part) => {
                prop_assert!(verify_crc(&part));
                let after = header_of(&part);
                prop_assert_eq!(seen(&part), expected.clone());
                prop_assert_eq!(usize::try_from(after.record_count).ok(), Some(expected.len()));
                prop_assert_eq!(after.base_offset, before.base_offset);
                prop_assert_eq!(after.last_offset(), before.last_offset());
                prop_assert_eq!(after.producer, before.producer);
                prop_assert_eq!(after.partition_leader_epoch, before.partition_leader_epoch);
                prop_assert_eq!(after.compression(), before.compression());
                prop_assert_eq!(after.timestamp_type(), before.timestamp_type());
                let newest = expected.iter().map(|record| record.1).max();
                prop_assert_eq!(Some(after.max_timestamp), newest);
                prop_assert_eq!(after.has_delete_horizon(), gets_horizon);
                if gets_horizon {
                    prop_assert_eq!(Some(after.base_timestamp), horizon);
                    // It has one now, and keeps it.
                    let again = sieve.sift(&part, NO_LIMIT, Some(7), |_| true);
                    prop_assert_eq!(again, Ok(Sifted::Whole));
                }
            }
        }
    }

    #[test]
    fn bytes_of_all_kinds_are_an_error_or_a_batch(bytes in vec(any::<u8>(), 0..300), at in 0usize..300) {
        let mut sieve = Sieve::default();
        let mut batch = batch_of(&[(BASE, Some(vec![1; 30]), None)], Compression::Lz4).to_vec();
        let at = at % batch.len();
        for (to, from) in batch[at..].iter_mut().zip(&bytes) {
            *to = *from;
        }
        drop(sieve.sift(&batch, 1 << 20, Some(1), |_| true));
    }
}

#[test]
fn a_batch_without_records_says_what_there_was() {
    let first = Offset::new(7);
    let batch = empty_batch(first, Offset::new(50), Some(LeaderEpoch::new(4)));
    assert!(verify_crc(&batch));
    let header = header_of(&batch);
    assert_eq!(
        (header.base_offset, header.last_offset()),
        (first, Offset::new(50))
    );
    assert_eq!((header.record_count, header.producer), (0, None));
    assert_eq!(header.partition_leader_epoch, Some(LeaderEpoch::new(4)));
    assert_eq!(header.max_timestamp, -1);
    assert_eq!(seen(&batch), []);

    let full = batch_of(
        &[(BASE, Some(vec![1]), None), (BASE + 9, Some(vec![2]), None)],
        Compression::Zstd,
    );
    let before = header_of(&full);
    let emptied = emptied_batch(full.first_chunk().expect("a header"));
    assert!(verify_crc(&emptied));
    let after = header_of(&emptied);
    assert_eq!(after.producer, before.producer);
    assert_eq!(after.last_sequence(), before.last_sequence());
    assert_eq!(after.last_offset(), before.last_offset());
    assert_eq!(
        (after.record_count, after.compression()),
        (0, Compression::None)
    );
    assert_eq!(after.max_timestamp, BASE + 9);
    assert_eq!(seen(&emptied), []);
}

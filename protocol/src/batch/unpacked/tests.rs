use bytes::BytesMut;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::{
    BatchBuilder, BatchProducer, Compression, NewRecord, compress, records_in,
    set_max_timestamp_and_log_append_time, verify_crc,
};
use super::*;
use crate::ErrorCode;
use crate::model::{Offset, ProducerEpoch, ProducerId, Sequence};

const NO_LIMIT: usize = 1 << 30;
const BASE: i64 = 1_750_000_000_000;

const CODECS: [Codec; 9] = [
    Codec::None,
    Codec::Gzip { level: None },
    Codec::Gzip { level: Some(1) },
    Codec::Gzip { level: Some(9) },
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd { level: 3 },
    Codec::Zstd { level: -131_072 },
    Codec::Zstd { level: 22 },
];

fn any_codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(&CODECS[..])
}

fn no_rules() -> RecordRules {
    RecordRules {
        key: false,
        timestamps: None,
        refused_max: 10,
    }
}

/// A record as it lies in a section, with any offset delta.
#[derive(Clone, Debug)]
struct Raw {
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<Vec<u8>>,
}

impl Raw {
    fn new(timestamp_delta: i64, offset_delta: i64, key: Option<&str>) -> Raw {
        Raw {
            timestamp_delta,
            offset_delta,
            key: key.map(Vec::from),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = vec![0];
        varint::put(&mut body, self.timestamp_delta);
        varint::put(&mut body, self.offset_delta);
        match &self.key {
            Some(key) => {
                varint::put(&mut body, key.len() as i64);
                body.extend_from_slice(key);
            }
            None => varint::put(&mut body, -1),
        }
        varint::put(&mut body, 5);
        body.extend_from_slice(b"value");
        // One header without a value.
        body.extend_from_slice(&[2, 2, b'h', 1]);
        let mut record = Vec::new();
        varint::put(&mut record, body.len() as i64);
        record.extend_from_slice(&body);
        record
    }
}

fn raw() -> impl Strategy<Value = Raw> {
    let timestamp_delta = prop_oneof![-1000i64..1000, any::<i64>()];
    let offset_delta = prop_oneof![0i64..20, any::<i32>().prop_map(i64::from)];
    let key = option::of(vec(any::<u8>(), 0..200));
    (timestamp_delta, offset_delta, key).prop_map(|(timestamp_delta, offset_delta, key)| Raw {
        timestamp_delta,
        offset_delta,
        key,
    })
}

/// A batch whose header says `count` records, over any section.
fn batch_of(section: &[u8], count: i32, codec: Codec) -> BytesMut {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord {
        timestamp: BASE,
        ..NewRecord::default()
    });
    let mut batch = builder.build();
    batch.truncate(HEADER_BYTES);
    batch.extend_from_slice(section);
    let length = i32::try_from(batch.len() - LENGTH_END).unwrap();
    put(&mut batch, at::LENGTH, length.to_be_bytes());
    put(&mut batch, at::RECORD_COUNT, count.to_be_bytes());
    put(&mut batch, at::LAST_OFFSET_DELTA, (count - 1).to_be_bytes());
    update_crc(&mut batch);
    let packed = Unpacked::new(&batch, NO_LIMIT).unwrap();
    packed.pack(codec, NO_LIMIT).unwrap()
}

fn batch(raws: &[Raw], codec: Codec) -> BytesMut {
    let section: Vec<u8> = raws.iter().flat_map(Raw::encode).collect();
    batch_of(&section, i32::try_from(raws.len()).unwrap(), codec)
}

fn inspected(batch: &[u8], rules: &RecordRules) -> Result<Inspection, BatchError> {
    Unpacked::new(batch, NO_LIMIT)?.inspect(rules)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_inspection_sees_every_record(raws in vec(raw(), 1..20), codec in any_codec()) {
        let refused = |rules: &RecordRules| inspected(&batch(&raws, codec), rules).unwrap();
        let stamp = |raw: &Raw| BASE.wrapping_add(raw.timestamp_delta);

        let found = refused(&no_rules());
        let greatest = raws.iter().map(stamp).max().unwrap();
        prop_assert_eq!(found.max_timestamp, greatest.max(-1));
        let is_numbered = (0..).zip(&raws).all(|(index, raw)| raw.offset_delta == index);
        prop_assert_eq!(found.is_numbered, is_numbered);
        prop_assert_eq!((found.refused_count, found.refused.len()), (0, 0));

        let range = BASE - 500..=BASE + 500;
        let rules = RecordRules { key: true, timestamps: Some(range.clone()), refused_max: 3 };
        let found = refused(&rules);
        let faults: Vec<_> = (0..).zip(&raws).filter_map(|(index, raw)| {
            let stamp = stamp(raw);
            let fault = match (&raw.key, range.contains(&stamp) || stamp == -1) {
                (None, _) => RecordFault::NoKey,
                (Some(_), false) => RecordFault::Timestamp(stamp),
                (Some(_), true) => return None,
            };
            Some(RefusedRecord { index, fault })
        }).collect();
        prop_assert_eq!(found.refused_count as usize, faults.len());
        prop_assert_eq!(&found.refused[..], &faults[..faults.len().min(3)]);
        let has_timestamp = faults.iter().any(|it| matches!(it.fault, RecordFault::Timestamp(_)));
        prop_assert_eq!(found.has_refused_timestamp, has_timestamp);
    }

    #[test]
    fn numbering_changes_the_offsets_and_nothing_else(raws in vec(raw(), 1..20), codec in any_codec()) {
        let batch = batch(&raws, codec);
        let mut unpacked = Unpacked::new(&batch, NO_LIMIT).unwrap();
        unpacked.number();
        let numbered: Vec<u8> = (0..)
            .zip(&raws)
            .flat_map(|(index, raw)| Raw { offset_delta: index, ..raw.clone() }.encode())
            .collect();
        prop_assert_eq!(&*unpacked.section, &numbered[..]);
        prop_assert!(unpacked.inspect(&no_rules()).unwrap().is_numbered);
    }

    #[test]
    fn what_is_packed_differs_in_codec_length_and_crc_alone(
        raws in vec(raw(), 1..20),
        from in any_codec(),
        to in any_codec(),
    ) {
        let before = batch(&raws, from);
        let unpacked = Unpacked::new(&before, NO_LIMIT).unwrap();
        let after = unpacked.pack(to, NO_LIMIT).unwrap();
        prop_assert!(verify_crc(&after));
        let header = BatchHeader::parse(&after).unwrap();
        prop_assert_eq!(header.compression(), to.compression());
        prop_assert_eq!(header.size_in_bytes, after.len());
        let expected = BatchHeader {
            size_in_bytes: header.size_in_bytes,
            crc: header.crc,
            attributes: header.attributes,
            ..BatchHeader::parse(&before).unwrap()
        };
        prop_assert_eq!(header, expected);
        let again = Unpacked::new(&after, NO_LIMIT).unwrap();
        prop_assert_eq!(again.section, unpacked.section);
        prop_assert_eq!(after.capacity(), after.len());
    }

    #[test]
    fn no_section_makes_an_inspection_panic(
        section in vec(any::<u8>(), 0..200),
        count in 1..10i32,
        codec in any_codec(),
    ) {
        let batch = batch_of(&section, count, codec);
        let _ = inspected(&batch, &RecordRules { key: true, timestamps: Some(0..=1), refused_max: 2 });
    }
}

#[test]
fn sections_that_do_not_fit_the_header_are_malformed() {
    let good = [
        Raw::new(0, 0, Some("a")),
        Raw::new(5, 1, Some("b")),
        Raw::new(3, 2, None),
    ];
    let section: Vec<u8> = good.iter().flat_map(Raw::encode).collect();
    let trailing = [&section[..], b"zz"].concat();
    let mut longer = section.clone();
    longer[0] += 2;
    let cases = [
        (
            "fewer records than the count",
            &section[..],
            4,
            (3, "no length"),
        ),
        ("more records than the count", &section, 2, (2, EXCESS)),
        ("bytes behind the last", &trailing, 3, (3, EXCESS)),
        ("no records at all", &[], 1, (0, "no length")),
        (
            "the last record cut",
            &section[..section.len() - 1],
            3,
            (2, "it reaches out of the batch"),
        ),
        (
            "a length that takes in some of the next",
            &longer,
            3,
            (0, "bytes follow its last header"),
        ),
    ];
    for codec in CODECS {
        for (what, section, count, (index, reason)) in cases {
            let found = inspected(&batch_of(section, count, codec), &no_rules());
            let expected = BatchError::Record {
                index,
                what: reason,
            };
            assert_eq!(expected.error_code(), ErrorCode::InvalidRecord);
            assert_eq!(found, Err(expected), "{what}, {codec:?}");
        }
    }
}

#[test]
fn a_record_without_a_timestamp_is_in_every_range() {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord {
        timestamp: -1,
        ..NewRecord::default()
    });
    let rules = RecordRules {
        timestamps: Some(BASE..=BASE),
        ..no_rules()
    };
    let found = inspected(&builder.build(), &rules).unwrap();
    assert_eq!((found.refused_count, found.max_timestamp), (0, -1));
}

#[test]
fn producer_and_flags_survive_and_so_does_the_append_time() {
    let mut builder = BatchBuilder::new()
        .transactional()
        .control()
        .producer(BatchProducer {
            id: ProducerId::new(77),
            epoch: ProducerEpoch::new(3),
            base_sequence: Some(Sequence::new(41)),
        });
    builder.push(&NewRecord {
        timestamp: BASE,
        key: Some(b"key"),
        value: None,
        headers: &[("a", Some(b"1")), ("a", None)],
    });
    let mut before = builder.build();
    set_max_timestamp_and_log_append_time(&mut before, BASE + 9);
    for codec in CODECS {
        let unpacked = Unpacked::new(&before, NO_LIMIT).unwrap();
        let after = unpacked.pack(codec, NO_LIMIT).unwrap();
        let header = BatchHeader::parse(&after).unwrap();
        let flags = attribute::TRANSACTIONAL | attribute::CONTROL | attribute::LOG_APPEND_TIME;
        assert_eq!(header.attributes & !attribute::COMPRESSION, flags);
        let mut scratch = Vec::new();
        let records = records_in(&after, NO_LIMIT, &mut scratch).unwrap();
        let records: Vec<_> = records.map(Result::unwrap).collect();
        let [record] = &records[..] else {
            panic!("{records:?}")
        };
        assert_eq!(
            (record.offset, record.timestamp, record.key),
            (Offset::ZERO, BASE + 9, Some(&b"key"[..]))
        );
    }
}

#[test]
fn a_batch_larger_than_asked_for_is_not_packed() {
    let raws = vec![Raw::new(0, 0, Some(&"k".repeat(1000))); 100];
    let plain = batch(&raws, Codec::None);
    for codec in CODECS {
        let unpacked = Unpacked::new(&plain, NO_LIMIT).unwrap();
        let size = unpacked.pack(codec, NO_LIMIT).unwrap().len();
        unpacked.pack(codec, size).unwrap();
        let refused = unpacked.pack(codec, size - 1).unwrap_err();
        let max = size - 1;
        assert_eq!(refused, BatchError::TooLarge { size, max }, "{codec:?}");
        assert_eq!(refused.error_code(), ErrorCode::MessageTooLarge);
    }
}

#[test]
fn a_higher_level_is_smaller() {
    let words: Vec<u8> = (0..200_000u32)
        .flat_map(|n| (n.wrapping_mul(n) / 1000 % 999).to_string().into_bytes())
        .collect();
    let plain = batch(
        &[Raw {
            key: Some(words),
            ..Raw::new(0, 0, None)
        }],
        Codec::None,
    );
    let unpacked = Unpacked::new(&plain, NO_LIMIT).unwrap();
    let size = |codec| unpacked.pack(codec, NO_LIMIT).unwrap().len();
    let gzip = |level| size(Codec::Gzip { level });
    assert!(gzip(Some(9)) < gzip(Some(1)));
    assert_eq!(gzip(None), gzip(Some(6)));
    let zstd = |level| size(Codec::Zstd { level });
    assert!(zstd(19) < zstd(3) && zstd(3) < zstd(-5));
}

#[test]
fn the_default_levels_are_those_of_kafka() {
    let default = |compression| Codec::with_default_level(compression).unwrap();
    assert_eq!(default(Compression::Zstd), Codec::Zstd { level: 3 });
    assert_eq!(default(Compression::Gzip), Codec::Gzip { level: None });
    for codec in CODECS {
        let compression = codec.compression();
        assert_eq!(default(compression).compression(), compression);
        let batch = batch(&[Raw::new(0, 0, None)], codec);
        assert_eq!(
            compress(&batch, compression, NO_LIMIT)
                .unwrap()
                .first_chunk::<8>(),
            batch.first_chunk::<8>()
        );
    }
    let compression = Compression::Unknown(7);
    let refused = Codec::with_default_level(compression);
    assert_eq!(refused, Err(BatchError::Compression { compression }));
}

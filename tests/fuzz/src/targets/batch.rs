//! The record batch: its header, what may be appended, its records, and what a leader writes into it.
//!
//! | bytes | |
//! |---|---|
//! | 1 | what is made right: 1 magic, 2 length, 4 checksum |
//! | 1 | how many fields of the first batch are given another value |
//! | | for each of them its number and the value |
//! | | batches |

use bytes::BytesMut;
use protocol::batch::{
    BatchBuilder, BatchError, BatchHeader, BatchProducer, Compression, HEADER_BYTES, NewRecord,
    Record, TimestampType, batches, check_produce_version, compress, decompress, records,
    records_in, set_base_offset, set_max_timestamp_and_log_append_time, set_partition_leader_epoch,
    validate_for_append, verify_crc,
};
use protocol::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use super::headers::{self, FIELDS};
use crate::Random;
use crate::input::Input;

/// A topic's `max.message.bytes`, as small as the inputs.
const MESSAGE_BYTES_MAX: usize = 4000;
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let made_right = input.u8();
    let fields: Vec<_> = (0..input.below(4))
        .map(|_| (FIELDS[input.below(FIELDS.len())], input.u64()))
        .collect();
    let mut bytes = input.rest().to_vec();
    for (field, value) in fields {
        headers::set_field(&mut bytes, field, value);
    }
    if made_right & 1 != 0 {
        headers::fix_magic(&mut bytes);
    }
    if made_right & 2 != 0 {
        headers::fix_length(&mut bytes);
    }
    if made_right & 4 != 0 {
        headers::fix_crc(&mut bytes);
    }
    iterate(&bytes);
    validate(&bytes);
}

/// Batches lie one behind the other up to the end or the first error.
fn iterate(bytes: &[u8]) {
    let mut iterator = batches(bytes);
    let mut at = 0;
    while let Some(batch) = iterator.next() {
        let (header, batch) = match batch {
            Ok(batch) => batch,
            Err(_) => {
                assert_eq!(iterator.position(), at);
                assert!(iterator.next().is_none(), "it goes on after an error");
                return;
            }
        };
        assert_eq!(batch.len(), header.size_in_bytes);
        assert!(batch.len() >= HEADER_BYTES);
        assert_eq!(BatchHeader::parse(batch), Ok(header));
        assert_eq!(batch, &bytes[at..at + batch.len()]);
        at += batch.len();
        assert_eq!(verify_crc(batch), headers::crc_is_right(batch));
        assert!(header.base_offset <= header.last_offset());
        assert!(header.last_offset() < header.end_offset());
        let _ = header.last_sequence();
        read(batch);
        patch(batch);
    }
    assert_eq!(at, bytes.len());
}

/// All records or an error, and the same records in any codec.
fn read(batch: &[u8]) {
    let header = BatchHeader::parse(batch).expect("a batch");
    let uncompressed = records(batch);
    assert_eq!(
        uncompressed.is_ok(),
        header.compression() == Compression::None,
        "only an uncompressed batch is read as it is"
    );
    let mut scratch = Vec::new();
    let Ok(records) = records_in(batch, DECOMPRESSED_BYTES_MAX, &mut scratch) else {
        return;
    };
    let found: Vec<_> = records.collect();
    if let Ok(uncompressed) = uncompressed {
        assert!(found.iter().eq(uncompressed.collect::<Vec<_>>().iter()));
    }
    let errors = found.iter().filter(|record| record.is_err()).count();
    assert!(errors <= 1 && found.iter().rev().skip(1).all(Result::is_ok));
    let all: Result<Vec<Record<'_>>, BatchError> = found.into_iter().collect();
    let Ok(all) = all else { return };
    let count = usize::try_from(header.record_count).expect("not negative");
    assert_eq!(all.len(), count, "it ends early without an error");
    for record in &all {
        assert!(header.base_offset <= record.offset && record.offset <= header.last_offset());
        assert_eq!(record.headers.clone().count(), record.headers.len());
        if header.timestamp_type() == TimestampType::LogAppendTime {
            assert_eq!(record.timestamp, header.max_timestamp);
        }
    }
    rebuild(&all);
    recompress(batch);
}

type NamedHeader<'a> = (&'a str, Option<&'a [u8]>);

/// The headers, if their names are text.
fn named_headers<'a>(record: &Record<'a>) -> Option<Vec<NamedHeader<'a>>> {
    let headers = record.headers.clone();
    headers
        .map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)))
        .collect()
}

/// Records that were read make a batch in which they are read again.
fn rebuild(all: &[Record<'_>]) {
    let Some(named) = all.iter().map(named_headers).collect::<Option<Vec<_>>>() else {
        return;
    };
    let mut builder = BatchBuilder::new();
    for (record, headers) in all.iter().zip(&named) {
        builder.push(&NewRecord {
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers,
        });
    }
    if all.is_empty() {
        return;
    }
    let size = builder.size_in_bytes();
    let built = builder.build();
    assert_eq!(built.len(), size);
    validate_for_append(&built, usize::MAX).expect("what is built may be appended");
    let read = records(&built).expect("it is not compressed");
    let read: Vec<_> = read.map(|record| record.expect("a record")).collect();
    assert_eq!(read.len(), all.len());
    for (at, (built, from)) in read.iter().zip(all).enumerate() {
        assert_eq!(built.offset.get(), at as i64);
        assert_eq!(built.timestamp, from.timestamp);
        assert_eq!((built.key, built.value), (from.key, from.value));
        assert!(built.headers.clone().eq(from.headers.clone()));
    }
}

fn recompress(batch: &[u8]) {
    let section = decompress(batch, DECOMPRESSED_BYTES_MAX).expect("it was just read");
    for codec in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let compressed = compress(batch, codec, DECOMPRESSED_BYTES_MAX).expect("it was just read");
        assert!(verify_crc(&compressed));
        let header = BatchHeader::parse(&compressed).expect("a batch");
        assert_eq!(header.compression(), codec);
        let again = decompress(&compressed, section.len()).expect("it was just compressed");
        assert_eq!(again, section);
    }
    let unknown = compress(batch, Compression::Unknown(5), DECOMPRESSED_BYTES_MAX);
    assert!(unknown.is_err());
}

/// What a leader writes can be read, and leaves the checksum as right or as wrong as it was.
fn patch(batch: &[u8]) {
    let header = BatchHeader::parse(batch).expect("a batch");
    let mut patched = batch.to_vec();
    set_base_offset(&mut patched, Offset::new(1 << 40));
    set_partition_leader_epoch(&mut patched, LeaderEpoch::new(7));
    let expected = BatchHeader {
        base_offset: Offset::new(1 << 40),
        partition_leader_epoch: Some(LeaderEpoch::new(7)),
        ..header
    };
    assert_eq!(BatchHeader::parse(&patched), Ok(expected));
    assert_eq!(verify_crc(&patched), verify_crc(batch));
    set_max_timestamp_and_log_append_time(&mut patched, 1234);
    let stamped = BatchHeader::parse(&patched).expect("a batch");
    assert_eq!(stamped.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(stamped.max_timestamp, 1234);
    assert!(verify_crc(&patched));
}

/// What is accepted is one whole batch that says of itself what is so.
fn validate(bytes: &[u8]) {
    let Ok(header) = validate_for_append(bytes, MESSAGE_BYTES_MAX) else {
        return;
    };
    assert_eq!(BatchHeader::parse(bytes), Ok(header));
    assert_eq!(header.size_in_bytes, bytes.len());
    assert!(bytes.len() <= MESSAGE_BYTES_MAX);
    assert!(headers::crc_is_right(bytes));
    assert_eq!(header.base_offset, Offset::ZERO);
    assert_eq!(header.end_offset().get(), i64::from(header.record_count));
    assert!(header.record_count >= 1 && !header.is_control());
    assert!(!matches!(header.compression(), Compression::Unknown(_)));
    if let Some(producer) = header.producer {
        assert!(producer.base_sequence.is_some() && header.last_sequence().is_some());
    }
    for version in 3..=13 {
        let refused = check_produce_version(&header, version).is_err();
        assert_eq!(
            refused,
            header.compression() == Compression::Zstd && version < 7
        );
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for batch in examples() {
        for made_right in [0, 7] {
            seeds.push([&[made_right, 0], &batch[..]].concat());
        }
        seeds.push([&[0, 0], &batch[..], &batch[..]].concat());
        for field in 0..FIELDS.len() as u8 {
            seeds.push([&[5, 1, field, 0, 0, 0, 0, 0, 0, 0, 1], &batch[..]].concat());
        }
    }
    seeds
}

/// Batches of all kinds.
pub(super) fn examples() -> Vec<BytesMut> {
    let producer = BatchProducer {
        id: ProducerId::new(4000),
        epoch: ProducerEpoch::new(2),
        base_sequence: Some(Sequence::new(9)),
    };
    let kinds = [
        BatchBuilder::new(),
        BatchBuilder::new().producer(producer),
        BatchBuilder::new().producer(producer).transactional(),
        BatchBuilder::new().control(),
        BatchBuilder::new()
            .base_offset(Offset::new(1 << 33))
            .leader_epoch(LeaderEpoch::new(3)),
    ];
    let mut examples = Vec::new();
    for (kind, mut builder) in kinds.into_iter().enumerate() {
        let mut random = Random::new(kind as u64);
        for at in 0..=kind {
            let noise = random.bytes(8 * at);
            let headers = [("name", Some(&noise[..])), ("", None)];
            builder.push(&NewRecord {
                timestamp: 1_750_000_000_000 + at as i64,
                key: (at % 2 == 0).then_some(&b"key"[..]),
                value: (at % 3 != 2).then_some(&b"value value value value value value"[..]),
                headers: &headers[..at % 3],
            });
        }
        examples.push(builder.build());
    }
    let plain = examples[1].clone();
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        examples.push(compress(&plain, codec, DECOMPRESSED_BYTES_MAX).expect("a batch"));
    }
    examples
}

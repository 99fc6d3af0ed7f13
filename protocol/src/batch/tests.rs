use bytes::{Bytes, BytesMut};
use kafka_protocol::records::RecordBatchDecoder;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::ErrorCode;
use crate::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

const NO_LIMIT: usize = usize::MAX;

#[derive(Clone, Debug)]
struct Sample {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let bytes = || option::of(vec(any::<u8>(), 0..200));
    let headers = vec(("[a-c]{0,3}", bytes()), 0..4);
    (0i64..i64::MAX / 4, bytes(), bytes(), headers).prop_map(|(timestamp, key, value, headers)| {
        Sample {
            timestamp,
            key,
            value,
            headers,
        }
    })
}

fn producer() -> impl Strategy<Value = Option<BatchProducer>> {
    option::of(
        (0i64.., 0i16.., 0i32..).prop_map(|(id, epoch, sequence)| BatchProducer {
            id: ProducerId::new(id),
            epoch: ProducerEpoch::new(epoch),
            base_sequence: Some(Sequence::new(sequence)),
        }),
    )
}

fn push(builder: &mut BatchBuilder, sample: &Sample) {
    let headers: Vec<_> = sample
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_deref()))
        .collect();
    builder.push(&NewRecord {
        timestamp: sample.timestamp,
        key: sample.key.as_deref(),
        value: sample.value.as_deref(),
        headers: &headers,
    });
}

fn build(samples: &[Sample], producer: Option<BatchProducer>) -> BytesMut {
    let mut builder = BatchBuilder::new();
    if let Some(producer) = producer {
        builder = builder.producer(producer);
    }
    for sample in samples {
        push(&mut builder, sample);
    }
    builder.build()
}

fn one_record() -> BytesMut {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord {
        timestamp: 5,
        value: Some(b"value"),
        ..NewRecord::default()
    });
    builder.build()
}

/// `one_record`, changed, with its CRC right again.
fn changed(at: usize, bytes: &[u8]) -> BytesMut {
    let mut batch = one_record();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    patch::update_crc(&mut batch);
    batch
}

fn refused(batch: &[u8]) -> (BatchError, ErrorCode) {
    let error = validate_for_append(batch, NO_LIMIT).expect_err("it is not valid");
    let code = error.error_code();
    (error, code)
}

proptest! {
    #[test]
    fn any_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..300), magic in any::<bool>()) {
        if magic && bytes.len() > at::MAGIC {
            bytes[at::MAGIC] = 2;
            bytes[at::LENGTH..at::LENGTH + 3].fill(0);
        }
        let _ = validate_for_append(&bytes, NO_LIMIT);
        let _ = verify_crc(&bytes);
        for batch in batches(&bytes) {
            let _ = batch;
        }
        if let Ok(records) = records(&bytes) {
            for record in records {
                let _ = record.map(|record| record.headers.count());
            }
        }
    }

    #[test]
    fn damaged_batches_never_panic(
        samples in vec(sample(), 1..5),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut batch = build(&samples, None);
        for (at, byte) in damage {
            let at = at.index(batch.len());
            batch[at] = byte;
        }
        let _ = validate_for_append(&batch, NO_LIMIT);
        for found in batches(&batch) {
            let Ok((_, batch)) = found else { continue };
            for record in records(batch).into_iter().flatten() {
                let _ = record.map(|record| record.headers.count());
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(
        samples in vec(sample(), 1..5),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let batch = build(&samples, None);
        let mut damaged = batch.clone();
        // The base offset and the leader epoch are outside the CRC.
        let at = at::MAGIC + at.index(batch.len() - at::MAGIC);
        damaged[at] ^= 1 << bit;
        prop_assert!(verify_crc(&batch));
        prop_assert!(!verify_crc(&damaged));
    }

    #[test]
    fn built_batches_are_valid_and_read_back(
        samples in vec(sample(), 1..20),
        producer in producer(),
    ) {
        let batch = build(&samples, producer);
        let header = validate_for_append(&batch, batch.len()).unwrap();
        prop_assert_eq!(header.size_in_bytes, batch.len());
        prop_assert_eq!(usize::try_from(header.record_count).unwrap(), samples.len());
        prop_assert_eq!(header.producer, producer);
        prop_assert_eq!(header.end_offset().get(), i64::from(header.record_count));
        let greatest = samples.iter().map(|sample| sample.timestamp).max().unwrap();
        prop_assert_eq!(header.max_timestamp, greatest);

        let mut count = 0;
        for (record, sample) in records(&batch).unwrap().zip(&samples) {
            let record = record.unwrap();
            prop_assert_eq!(record.offset.get(), count);
            prop_assert_eq!(record.timestamp, sample.timestamp);
            prop_assert_eq!(record.key, sample.key.as_deref());
            prop_assert_eq!(record.value, sample.value.as_deref());
            let headers: Vec<_> = record.headers.collect();
            let expected: Vec<_> = sample
                .headers
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_deref()))
                .collect();
            prop_assert_eq!(headers, expected);
            count += 1;
        }
        prop_assert_eq!(usize::try_from(count).unwrap(), samples.len());
    }

    #[test]
    fn the_codec_reads_built_batches_the_same(
        samples in vec(sample(), 1..20),
        producer in producer(),
        base_offset in 0i64..1 << 40,
        leader_epoch in 0i32..,
    ) {
        let mut batch = build(&samples, producer);
        set_base_offset(&mut batch, Offset::new(base_offset));
        set_partition_leader_epoch(&mut batch, LeaderEpoch::new(leader_epoch));
        let header = BatchHeader::parse(&batch).unwrap();
        prop_assert_eq!(header.base_offset.get(), base_offset);
        prop_assert_eq!(header.partition_leader_epoch.map(LeaderEpoch::get), Some(leader_epoch));
        prop_assert!(verify_crc(&batch));

        let theirs = RecordBatchDecoder::decode(&mut Bytes::from(batch.to_vec())).unwrap();
        prop_assert_eq!(theirs.records.len(), samples.len());
        for (ours, theirs) in records(&batch).unwrap().zip(theirs.records) {
            let ours = ours.unwrap();
            prop_assert_eq!(ours.offset.get(), theirs.offset);
            prop_assert_eq!(ours.timestamp, theirs.timestamp);
            prop_assert_eq!(ours.key, theirs.key.as_deref());
            prop_assert_eq!(ours.value, theirs.value.as_deref());
            prop_assert_eq!(theirs.partition_leader_epoch, leader_epoch);
            prop_assert_eq!(theirs.producer_id, producer.map_or(-1, |p| p.id.get()));
            let headers: Vec<_> = ours.headers.collect();
            let expected: Vec<_> = theirs
                .headers
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_deref()))
                .collect();
            prop_assert_eq!(headers, expected);
        }
    }

    #[test]
    fn batches_follow_each_other(
        samples in vec(vec(sample(), 1..4), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut log = BytesMut::new();
        let mut ends = vec![0];
        for samples in &samples {
            log.extend_from_slice(&build(samples, None));
            ends.push(log.len());
        }
        let found: Vec<_> = batches(&log).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(found.len(), samples.len());

        let cut = cut.index(log.len());
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let mut iterator = batches(&log[..cut]);
        let found: Vec<_> = iterator.by_ref().collect();
        prop_assert_eq!(found.iter().filter(|batch| batch.is_ok()).count(), whole);
        prop_assert_eq!(iterator.position(), ends[whole]);
        if ends[whole] < cut {
            let torn = matches!(found.last(), Some(Err(BatchError::Incomplete { .. })));
            prop_assert!(torn, "a torn tail is told from corruption");
        }
    }

    #[test]
    fn varints_are_read_as_written(value in any::<i64>()) {
        let mut buf = BytesMut::new();
        varint::put(&mut buf, value);
        let mut bytes = &buf[..];
        prop_assert_eq!(varint::read_i64(&mut bytes), Some(value));
        prop_assert!(bytes.is_empty());
        prop_assert_eq!(varint::read_i64(&mut &buf[..buf.len() - 1]), None);
    }
}

#[test]
fn header_fields_are_where_kafka_has_them() {
    let mut batch = BytesMut::zeroed(HEADER_BYTES);
    for (at, byte) in batch.iter_mut().enumerate() {
        *byte = u8::try_from(at).unwrap();
    }
    batch[at::MAGIC] = 2;
    let header = BatchHeader::parse(&batch).unwrap();
    assert_eq!(header.base_offset.get(), 0x0001_0203_0405_0607);
    assert_eq!(header.size_in_bytes, 12 + 0x0809_0a0b);
    assert_eq!(
        header.partition_leader_epoch,
        Some(LeaderEpoch::new(0x0c0d_0e0f))
    );
    assert_eq!(header.crc, 0x1112_1314);
    assert_eq!(header.attributes, 0x1516);
    assert_eq!(header.last_offset_delta, 0x1718_191a);
    assert_eq!(header.base_timestamp, 0x1b1c_1d1e_1f20_2122);
    assert_eq!(header.max_timestamp, 0x2324_2526_2728_292a);
    let producer = header.producer.unwrap();
    assert_eq!(producer.id.get(), 0x2b2c_2d2e_2f30_3132);
    assert_eq!(producer.epoch.get(), 0x3334);
    assert_eq!(producer.base_sequence, Some(Sequence::new(0x3536_3738)));
    assert_eq!(header.record_count, 0x393a_3b3c);
}

#[test]
fn attributes_are_told_apart() {
    let header = |attributes: i16| {
        BatchHeader::parse(&changed(at::ATTRIBUTES, &attributes.to_be_bytes())).unwrap()
    };
    let codecs = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
        Compression::Unknown(5),
    ];
    for (attributes, codec) in (0i16..).zip(codecs) {
        assert_eq!(header(attributes).compression(), codec);
    }
    assert_eq!(header(0).timestamp_type(), TimestampType::CreateTime);
    assert_eq!(header(8).timestamp_type(), TimestampType::LogAppendTime);
    assert!(header(16).is_transactional() && !header(!16 & 0x7f).is_transactional());
    assert!(header(32).is_control() && !header(!32 & 0x7f).is_control());
    assert!(header(64).has_delete_horizon() && !header(!64 & 0x7f).has_delete_horizon());
}

#[test]
fn append_time_is_written_under_the_crc() {
    let mut batch = one_record();
    set_max_timestamp_and_log_append_time(&mut batch, 1234);
    let header = validate_for_append(&batch, NO_LIMIT).unwrap();
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((header.base_timestamp, header.max_timestamp), (5, 1234));
    assert_eq!(
        records(&batch).unwrap().next().unwrap().unwrap().timestamp,
        1234
    );
}

#[test]
fn a_last_sequence_wraps() {
    let producer = BatchProducer {
        id: ProducerId::new(1),
        epoch: ProducerEpoch::new(0),
        base_sequence: Some(Sequence::new(i32::MAX)),
    };
    let mut builder = BatchBuilder::new().producer(producer);
    builder.push(&NewRecord::default());
    builder.push(&NewRecord::default());
    let header = BatchHeader::parse(&builder.build()).unwrap();
    assert_eq!(header.last_sequence(), Some(Sequence::new(0)));
}

#[test]
fn old_formats_have_their_own_error() {
    for magic in [0, 1] {
        let (error, code) = refused(&changed(at::MAGIC, &[magic]));
        assert_eq!(
            error,
            BatchError::OldMagic {
                magic: magic.cast_signed()
            }
        );
        assert_eq!(code, ErrorCode::InvalidRecord);
    }
    let (error, code) = refused(&changed(at::MAGIC, &[3]));
    assert_eq!(
        (error, code),
        (
            BatchError::UnknownMagic { magic: 3 },
            ErrorCode::CorruptMessage
        )
    );
}

#[test]
fn produce_takes_exactly_one_whole_batch() {
    assert_eq!(refused(&[]), (BatchError::Empty, ErrorCode::InvalidRecord));
    let mut two = one_record();
    let size = two.len();
    assert_eq!(
        refused(&two[..size - 1]),
        (
            BatchError::Incomplete {
                needed: size,
                available: size - 1
            },
            ErrorCode::InvalidRecord
        ),
    );
    two.extend_from_slice(&one_record());
    assert_eq!(
        refused(&two),
        (
            BatchError::MoreThanOne { excess: size },
            ErrorCode::InvalidRecord
        ),
    );
}

#[test]
fn produce_refuses_what_kafka_refuses() {
    let code = |at: usize, bytes: &[u8]| refused(&changed(at, bytes)).1;
    assert_eq!(
        code(at::BASE_OFFSET, &1i64.to_be_bytes()),
        ErrorCode::InvalidRecord
    );
    assert_eq!(
        code(at::RECORD_COUNT, &0i32.to_be_bytes()),
        ErrorCode::InvalidRecord
    );
    assert_eq!(
        code(at::RECORD_COUNT, &2i32.to_be_bytes()),
        ErrorCode::InvalidRecord
    );
    assert_eq!(
        code(at::RECORD_COUNT, &(-1i32).to_be_bytes()),
        ErrorCode::InvalidRecord
    );
    assert_eq!(
        code(at::LAST_OFFSET_DELTA, &1i32.to_be_bytes()),
        ErrorCode::InvalidRecord
    );
    assert_eq!(
        code(at::ATTRIBUTES, &32i16.to_be_bytes()),
        ErrorCode::InvalidRecord
    );
    assert_eq!(
        code(at::ATTRIBUTES, &7i16.to_be_bytes()),
        ErrorCode::UnsupportedCompressionType
    );
    // A producer id without a sequence.
    let producer = [&7i64.to_be_bytes()[..], &0i16.to_be_bytes()].concat();
    assert_eq!(code(at::PRODUCER_ID, &producer), ErrorCode::InvalidRecord);
    assert_eq!(
        code(at::LENGTH, &48i32.to_be_bytes()),
        ErrorCode::CorruptMessage
    );
    assert_eq!(
        code(at::LENGTH, &(-1i32).to_be_bytes()),
        ErrorCode::CorruptMessage
    );

    let mut batch = one_record();
    batch[at::CRC] ^= 1;
    assert_eq!(refused(&batch).1, ErrorCode::CorruptMessage);

    let batch = one_record();
    assert!(validate_for_append(&batch, batch.len()).is_ok());
    let error = validate_for_append(&batch, batch.len() - 1).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::MessageTooLarge);
}

#[test]
fn zstd_needs_produce_7() {
    let batch = changed(at::ATTRIBUTES, &4i16.to_be_bytes());
    let header = validate_for_append(&batch, NO_LIMIT).unwrap();
    let error = check_produce_version(&header, 6).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::UnsupportedCompressionType);
    assert_eq!(check_produce_version(&header, 7), Ok(()));
}

#[test]
fn more_bytes_than_records_are_an_error() {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::default());
    builder.push(&NewRecord::default());
    let mut batch = builder.build();
    batch[at::RECORD_COUNT..HEADER_BYTES].copy_from_slice(&1i32.to_be_bytes());
    let found: Vec<_> = records(&batch).unwrap().collect();
    assert!(found[0].is_ok());
    assert!(matches!(found[1], Err(BatchError::Record { index: 1, .. })));
    assert_eq!(found.len(), 2);
}

#[test]
fn fewer_bytes_than_records_are_an_error() {
    let batch = changed(at::RECORD_COUNT, &2i32.to_be_bytes());
    let found: Vec<_> = records(&batch).unwrap().collect();
    assert_eq!(found.len(), 2);
    assert!(matches!(found[1], Err(BatchError::Record { index: 1, .. })));
}

mod golden;
mod hostile;

use std::io::Write;

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression as TheirCompression, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::patch::put;
use super::super::{
    BatchBuilder, BatchHeader, LENGTH_END, NewRecord, at, records,
    set_max_timestamp_and_log_append_time, validate_for_append, verify_crc,
};
use super::*;
use crate::ErrorCode;
use crate::model::Offset;

const NO_LIMIT: usize = 1 << 30;

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

fn codec() -> impl Strategy<Value = Compression> {
    prop::sample::select(&CODECS[..])
}

/// Xorshift: bytes that no codec compresses.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Easy and hard to compress, up to several blocks of each codec.
fn section() -> impl Strategy<Value = Vec<u8>> {
    let repeats = (vec(any::<u8>(), 1..100), 1usize..4000).prop_map(|(bytes, n)| bytes.repeat(n));
    let noise = (1u64.., 0usize..100_000).prop_map(|(seed, length)| noise(seed, length));
    vec(prop_oneof![repeats, noise], 0..3).prop_map(|parts| parts.concat())
}

fn batch() -> impl Strategy<Value = BytesMut> {
    let bytes = || option::of(section());
    let record = (
        0i64..i64::MAX / 4,
        bytes(),
        bytes(),
        vec(("[a-c]{0,3}", bytes()), 0..3),
    );
    (vec(record, 1..4), 0i64..1 << 40, any::<bool>()).prop_map(|(records, base, append_time)| {
        let mut builder = BatchBuilder::new().base_offset(Offset::new(base));
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_deref()))
                .collect();
            builder.push(&NewRecord {
                timestamp: *timestamp,
                key: key.as_deref(),
                value: value.as_deref(),
                headers: &headers,
            });
        }
        let mut batch = builder.build();
        if append_time {
            set_max_timestamp_and_log_append_time(&mut batch, 1234);
        }
        batch
    })
}

fn compress_section(compression: Compression, section: &[u8]) -> Vec<u8> {
    let codec = Codec::with_default_level(compression).unwrap();
    let mut out = Vec::new();
    super::compress_section(codec, section, &mut out);
    out
}

fn theirs(compression: Compression) -> TheirCompression {
    match compression {
        Compression::None | Compression::Unknown(_) => TheirCompression::None,
        Compression::Gzip => TheirCompression::Gzip,
        Compression::Snappy => TheirCompression::Snappy,
        Compression::Lz4 => TheirCompression::Lz4,
        Compression::Zstd => TheirCompression::Zstd,
    }
}

/// `section` decompressed, into a buffer that held something else.
fn decompressed(
    compression: Compression,
    section: &[u8],
    max_bytes: usize,
) -> Result<Vec<u8>, BatchError> {
    let mut out = b"what was here before".to_vec();
    decompress_section(compression, section, max_bytes, &mut out).map(|()| out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sections_come_back_and_never_beyond_the_limit(section in section(), codec in codec()) {
        let compressed = compress_section(codec, &section);
        let size = section.len();
        prop_assert_eq!(decompressed(codec, &compressed, NO_LIMIT), Ok(section.clone()));
        prop_assert_eq!(decompressed(codec, &compressed, size), Ok(section));
        for max in [size.checked_sub(1), Some(size / 2), Some(0)].into_iter().flatten() {
            if max < size {
                let found = decompressed(codec, &compressed, max);
                prop_assert_eq!(found, Err(BatchError::DecompressedTooLarge { max }));
            }
        }
    }

    #[test]
    fn batches_come_back(batch in batch(), through in vec(codec(), 1..4)) {
        let mut compressed = batch.clone();
        for codec in through {
            compressed = compress(&compressed, codec, NO_LIMIT).unwrap();
            prop_assert!(verify_crc(&compressed));
            let header = BatchHeader::parse(&compressed).unwrap();
            prop_assert_eq!(header.compression(), codec);
            prop_assert_eq!(header.size_in_bytes, compressed.len());
            let refused = records(&compressed).map(drop);
            prop_assert_eq!(refused, Err(BatchError::Compression { compression: codec }));

            let mut scratch = Vec::new();
            let ours = records_in(&compressed, NO_LIMIT, &mut scratch).unwrap();
            prop_assert!(ours.eq(records(&batch).unwrap()));
        }
        let back = compress(&compressed, Compression::None, NO_LIMIT).unwrap();
        prop_assert_eq!(&back, &batch);
        let mut scratch = Vec::new();
        let ours = records_in(&back, 0, &mut scratch).unwrap();
        prop_assert!(ours.eq(records(&batch).unwrap()));
    }

    #[test]
    fn the_codec_crate_reads_ours_and_we_read_its(batch in batch(), codec in codec()) {
        let compressed = compress(&batch, codec, NO_LIMIT).unwrap();
        let by_them = RecordBatchDecoder::decode(&mut compressed.freeze()).unwrap().records;
        let mut plain = Bytes::from(batch.to_vec());
        let expected = RecordBatchDecoder::decode(&mut plain).unwrap().records;
        prop_assert_eq!(by_them, expected.clone());

        let mut encoded = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: theirs(codec) };
        RecordBatchEncoder::encode(&mut encoded, &expected, &options).unwrap();
        let mut scratch = Vec::new();
        let mut count = 0;
        for found in batches_of(&encoded) {
            for record in records_in(found, NO_LIMIT, &mut scratch).unwrap() {
                let record = record.unwrap();
                let theirs = &expected[count];
                prop_assert_eq!(record.offset.get(), theirs.offset);
                prop_assert_eq!(record.timestamp, theirs.timestamp);
                prop_assert_eq!(record.key, theirs.key.as_deref());
                prop_assert_eq!(record.value, theirs.value.as_deref());
                let headers: Vec<_> = record.headers.collect();
                let expected: Vec<_> = theirs
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), value.as_deref()))
                    .collect();
                prop_assert_eq!(headers, expected);
                count += 1;
            }
        }
        prop_assert_eq!(count, expected.len());
    }

    /// What Kafka does not read either, but other writers' defaults produce.
    #[test]
    fn every_kind_of_lz4_frame_is_read(
        section in section(),
        linked in any::<bool>(),
        checksums in any::<(bool, bool)>(),
        sized in any::<bool>(),
        size in prop::sample::select(&[BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB][..]),
    ) {
        let frame = FrameInfo::new()
            .block_mode(if linked { BlockMode::Linked } else { BlockMode::Independent })
            .block_checksums(checksums.0)
            .content_checksum(checksums.1)
            .content_size(sized.then_some(section.len() as u64))
            .block_size(size);
        let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
        encoder.write_all(&section).unwrap();
        let mut compressed = encoder.finish().unwrap();
        prop_assert_eq!(decompressed(Compression::Lz4, &compressed, section.len()), Ok(section));

        let last = compressed.len() - 1;
        compressed[last] ^= 1;
        prop_assert!(decompressed(Compression::Lz4, &compressed, NO_LIMIT).is_err());
    }

    #[test]
    fn snappy_is_read_without_a_frame(section in section()) {
        let compressed = snap::raw::Encoder::new().compress_vec(&section).unwrap();
        let found = decompressed(Compression::Snappy, &compressed, section.len());
        prop_assert_eq!(found, Ok(section));
    }

    #[test]
    fn streams_one_after_the_other_are_one(a in section(), b in section()) {
        // Not LZ4: Kafka's reader stops after the first frame.
        for codec in [Compression::Gzip, Compression::Snappy, Compression::Zstd] {
            let streams = [compress_section(codec, &a), compress_section(codec, &b)].concat();
            let found = decompressed(codec, &streams, a.len() + b.len());
            prop_assert_eq!(found, Ok([&a[..], &b[..]].concat()), "{:?}", codec);
        }
    }
}

fn batches_of(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    super::super::batches(log).map(|batch| batch.unwrap().1)
}

#[test]
fn a_compressed_batch_may_be_appended() {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::default());
    let batch = builder.build();
    for codec in CODECS {
        let compressed = compress(&batch, codec, NO_LIMIT).unwrap();
        validate_for_append(&compressed, NO_LIMIT).unwrap();
    }
}

#[test]
fn bytes_after_the_batch_are_another_batch() {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::default());
    let batch = builder.build();
    for codec in CODECS {
        let one = compress(&batch, codec, NO_LIMIT).unwrap();
        let mut two = one.clone();
        two.extend_from_slice(&one);
        assert_eq!(decompress(&two, NO_LIMIT), decompress(&one, NO_LIMIT));
        assert_eq!(compress(&two, codec, NO_LIMIT).unwrap(), one);
    }
}

#[test]
fn a_codec_that_does_not_exist_is_refused() {
    let compression = Compression::Unknown(5);
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::default());
    let mut batch = builder.build();
    let refused = BatchError::Compression { compression };
    assert_eq!(
        compress(&batch, compression, NO_LIMIT),
        Err(refused.clone())
    );
    put(&mut batch, at::ATTRIBUTES, 5i16.to_be_bytes());
    assert_eq!(decompress(&batch, NO_LIMIT), Err(refused.clone()));
    let found = records_in(&batch, NO_LIMIT, &mut Vec::new()).map(drop);
    assert_eq!(found, Err(refused));
}

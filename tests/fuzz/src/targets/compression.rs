//! The codecs: bytes that are not theirs, and bytes that become more than anybody has room for.
//!
//! | bytes | |
//! |---|---|
//! | 1 | codec, 0-3; 4: what a codec begins with is put before the rest |
//! | 1 | the limit |
//! | | the compressed section; of an LZ4 frame, the checksum of the header is made right |

use protocol::batch::{
    BatchBuilder, BatchError, Compression, HEADER_BYTES, NewRecord, compress, decompress,
    records_in,
};
use twox_hash::XxHash32;

use super::headers;
use crate::Random;
use crate::input::Input;

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];
const LIMITS: [usize; 8] = [1 << 20, 0, 1, 100, 4096, 65_535, 65_536, 300_000];
/// What a codec takes whatever it is given: its state, the first buffer.
const STATE_BYTES_MAX: u64 = 256 << 10;

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let selector = input.u8();
    let at = usize::from(selector) % CODECS.len();
    let limit = LIMITS[input.below(LIMITS.len())];
    let mut section = Vec::new();
    if selector & 4 != 0 {
        section.extend_from_slice(beginning(CODECS[at]));
    }
    section.extend_from_slice(input.rest());
    if CODECS[at] == Compression::Lz4 {
        fix_lz4_header(&mut section);
    }
    let batch = around(CODECS[at], &section);

    let mut found = Ok(Vec::new());
    let allocated = allocation_counter::measure(|| {
        found = decompress(&batch, limit).map(|section| section.into_owned());
    });
    // Growing holds the old and the new room at once, and the new is at most twice what is needed.
    let allowed = STATE_BYTES_MAX + 4 * (limit + section.len()) as u64;
    assert!(
        allocated.bytes_max <= allowed,
        "{:?}: {} bytes at once for {} and a limit of {limit}",
        CODECS[at],
        allocated.bytes_max,
        section.len()
    );
    let mut scratch = vec![7; 100];
    match (&found, records_in(&batch, limit, &mut scratch)) {
        (Ok(section), Ok(records)) => {
            assert!(section.len() <= limit, "the limit is passed");
            for record in records {
                let _ = record.map(|record| record.headers.count());
            }
            assert_eq!(scratch, *section);
        }
        (Err(error), Err(same)) => {
            assert_eq!(*error, same);
            let possible = matches!(error, BatchError::DecompressedTooLarge { max } if *max == limit)
                || matches!(error, BatchError::Decompression { .. });
            assert!(possible, "{error:?}");
        }
        (found, _) => panic!("{found:?}, and something else the second time"),
    }
    if let Ok(section) = found {
        round_trip(&section);
    }
}

/// Any bytes come back as they were.
fn round_trip(section: &[u8]) {
    let plain = around(Compression::None, section);
    for codec in CODECS {
        let compressed = compress(&plain, codec, 0).expect("it is not compressed");
        let again = decompress(&compressed, section.len());
        assert_eq!(again.as_deref(), Ok(section));
        if let Some(less) = section.len().checked_sub(1) {
            let found = decompress(&compressed, less);
            assert_eq!(found, Err(BatchError::DecompressedTooLarge { max: less }));
        }
    }
}

/// A batch around any section.
fn around(codec: Compression, section: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::default());
    let mut batch = builder.build()[..HEADER_BYTES].to_vec();
    batch.extend_from_slice(section);
    let number = CODECS.iter().position(|known| *known == codec);
    let attributes = number.map_or(0, |number| number as u64 + 1);
    headers::set_field(&mut batch, headers::FIELDS[5], attributes);
    headers::fix_length(&mut batch);
    headers::fix_crc(&mut batch);
    batch
}

fn beginning(codec: Compression) -> &'static [u8] {
    match codec {
        Compression::Gzip => &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff],
        Compression::Snappy => b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01",
        Compression::Lz4 => &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82],
        Compression::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
        Compression::None | Compression::Unknown(_) => &[],
    }
}

fn fix_lz4_header(section: &mut [u8]) {
    let Some(flags) = section.get(4) else { return };
    let end = if flags & 8 == 0 { 6 } else { 14 };
    if section.len() > end {
        section[end] = XxHash32::oneshot(0, &section[4..end]).to_le_bytes()[1];
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let sections = [
        Vec::new(),
        b"a".to_vec(),
        b"a section like any other, with a section in it like any other".to_vec(),
        Random::new(1).bytes(300),
        vec![0; 200_000],
        (0..40_000_u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect(),
    ];
    let mut seeds = Vec::new();
    for section in &sections {
        let plain = around(Compression::None, section);
        for (number, codec) in CODECS.into_iter().enumerate() {
            let compressed = compress(&plain, codec, 0).expect("it is not compressed");
            for limit in [0, 4] {
                let selector = [number as u8, limit];
                seeds.push([&selector, &compressed[HEADER_BYTES..]].concat());
            }
        }
    }
    seeds.retain(|seed| seed.len() <= 4096);
    // LZ4: a frame with its size, checksums of blocks and of the content, in blocks that refer to earlier ones.
    for flags in [0x78, 0x74, 0x4c, 0x40, 0x5c] {
        let mut frame = vec![2, 0, 0x04, 0x22, 0x4d, 0x18, flags, 0x40];
        if flags & 8 != 0 {
            frame.extend_from_slice(&81_u64.to_le_bytes());
        }
        frame.push(0);
        frame.extend_from_slice(&[7, 0, 0, 0, 0x1f, 0, 1, 0, 60, 0x10, 0]);
        frame.extend_from_slice(&[0; 8]);
        seeds.push(frame);
    }
    seeds
}

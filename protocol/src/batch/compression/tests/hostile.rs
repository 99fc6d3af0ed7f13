//! Bytes made to hurt.

use std::io::{self, Write};

use flate2::write::GzEncoder;

use super::*;

const GIB: usize = 1 << 30;
static CHUNK: [u8; 1 << 20] = [0; 1 << 20];
const LIMIT: usize = 4 << 20;

fn write_zeros(to: &mut impl Write) -> io::Result<()> {
    (0..GIB / CHUNK.len()).try_for_each(|_| to.write_all(&CHUNK))
}

/// A GiB of zeros, compressed.
fn bomb(codec: Compression) -> Vec<u8> {
    let mut out = Vec::new();
    match codec {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(&mut out, flate2::Compression::fast());
            write_zeros(&mut encoder).unwrap();
            encoder.finish().unwrap();
        }
        Compression::Snappy => {
            let framed = compress_section(codec, &CHUNK);
            let (header, blocks) = framed.split_at(16);
            out.extend_from_slice(header);
            out.extend_from_slice(&blocks.repeat(GIB / CHUNK.len()));
        }
        Compression::Lz4 => {
            let frame = FrameInfo::new().block_size(BlockSize::Max4MB);
            let mut encoder = FrameEncoder::with_frame_info(frame, &mut out);
            write_zeros(&mut encoder).unwrap();
            encoder.finish().unwrap();
        }
        Compression::Zstd => {
            let mut encoder = ::zstd::Encoder::new(&mut out, 1).unwrap();
            write_zeros(&mut encoder).unwrap();
            encoder.finish().unwrap();
        }
        Compression::None | Compression::Unknown(_) => unreachable!("not among those tested"),
    }
    out
}

#[test]
fn bombs_are_cut_at_the_limit() {
    for codec in CODECS {
        let bomb = bomb(codec);
        let mut out = Vec::new();
        let found = decompress_section(codec, &bomb, LIMIT, &mut out);
        assert_eq!(found, Err(BatchError::DecompressedTooLarge { max: LIMIT }));
        let capacity = out.capacity();
        assert!(
            capacity <= 2 * LIMIT,
            "{codec:?}: {capacity} bytes allocated"
        );
    }
}

#[test]
fn a_large_scratch_does_not_lift_the_limit() {
    for codec in CODECS {
        let compressed = compress_section(codec, &[0; 1000]);
        let mut out = vec![1; 100_000];
        let found = decompress_section(codec, &compressed, 999, &mut out);
        assert_eq!(found, Err(BatchError::DecompressedTooLarge { max: 999 }));
        assert!(out.is_empty());
    }
}

/// Little is allocated for input that claims to become much.
#[test]
fn claims_are_not_believed() {
    let lz4_header = |descriptor: u8, size: u64| {
        let mut frame = 0x184D_2204u32.to_le_bytes().to_vec();
        frame.extend_from_slice(&[0x68, descriptor]);
        frame.extend_from_slice(&size.to_le_bytes());
        let checksum = twox_hash::XxHash32::oneshot(0, &frame[4..]);
        frame.push(checksum.to_le_bytes()[1]);
        frame
    };
    // A block of 7 bytes, which make 81, and the end mark.
    let lz4_block = [7, 0, 0, 0, 0x1f, 0, 1, 0, 60, 0x10, 0, 0, 0, 0, 0];
    let cases: [(&str, Compression, Vec<u8>, &str); 5] = [
        (
            "a raw block of 4 GiB",
            Compression::Snappy,
            vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0],
            "a block claims more than it can hold",
        ),
        (
            "a raw block of 500 MiB",
            Compression::Snappy,
            vec![0x80, 0x80, 0x80, 0xfa, 0x01, 0, 0],
            "a block claims more than it can hold",
        ),
        (
            "a frame of 16 EiB in blocks of 4 MiB",
            Compression::Lz4,
            [&lz4_header(0x70, u64::MAX)[..], &lz4_block].concat(),
            "not of the size it claims",
        ),
        (
            "a block of 2 GiB",
            Compression::Lz4,
            [&lz4_header(0x70, 9)[..], &[0xff; 40]].concat(),
            "the frame is cut",
        ),
        (
            // No single segment, content size of 8 bytes, window of 1 GiB; a last, raw, block.
            "a frame of 8 EiB with a window of 1 GiB",
            Compression::Zstd,
            [
                &[0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0xa0][..],
                &(1u64 << 63).to_le_bytes(),
                &[9, 0, 0, b'x'],
            ]
            .concat(),
            "Data corruption detected",
        ),
    ];
    for (what, codec, section, reason) in cases {
        let mut out = Vec::new();
        let found = decompress_section(codec, &section, NO_LIMIT, &mut out);
        let expected = BatchError::Decompression {
            compression: codec,
            reason: reason.to_owned(),
        };
        assert_eq!(found, Err(expected), "{what}");
        let capacity = out.capacity();
        assert!(capacity <= 64 * 1024, "{what}: {capacity} bytes allocated");
    }
}

/// Of an LZ4 frame, a block boundary is as good a place to be cut as any.
#[test]
fn a_cut_stream_is_noticed() {
    let section: Vec<u8> = (0..200_000u32)
        .flat_map(|n| (n / 7).to_le_bytes())
        .collect();
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let compressed = compress_section(codec, &section);
        let step = (compressed.len() / 500).max(1);
        for end in (1..compressed.len())
            .step_by(step)
            .chain(compressed.len() - 4..compressed.len())
        {
            let found = decompressed(codec, &compressed[..end], NO_LIMIT);
            assert!(
                found.is_err(),
                "{codec:?}: cut at {end} of {}",
                compressed.len()
            );
        }
    }
    let lz4 = compress_section(Compression::Lz4, &section);
    let first = u32::from_le_bytes(lz4[7..11].try_into().unwrap()) as usize;
    assert!(decompressed(Compression::Lz4, &lz4[..11 + first], NO_LIMIT).is_err());
    assert!(decompressed(Compression::Lz4, &lz4[..lz4.len() - 4], NO_LIMIT).is_err());
}

#[test]
fn the_codes_are_those_for_a_producer() {
    let malformed = decompressed(Compression::Gzip, b"not gzip", NO_LIMIT).unwrap_err();
    assert_eq!(malformed.error_code(), ErrorCode::InvalidRecord);
    let large = compress_section(Compression::Gzip, &[0; 100]);
    let large = decompressed(Compression::Gzip, &large, 99).unwrap_err();
    assert_eq!(large.error_code(), ErrorCode::MessageTooLarge);
}

/// Iterates to the end, and says whether all was well.
fn read_all(batch: &[u8], scratch: &mut Vec<u8>) -> bool {
    match records_in(batch, LIMIT, scratch) {
        Ok(records) => {
            let mut records = records.map(|record| record.map(|record| record.headers.count()));
            records.all(|record| record.is_ok())
        }
        Err(_) => false,
    }
}

/// A batch around any section.
fn around(codec: i16, section: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::default());
    let mut batch = builder.build()[..HEADER_BYTES].to_vec();
    batch.extend_from_slice(section);
    let length = i32::try_from(batch.len() - LENGTH_END).unwrap();
    put(&mut batch, at::LENGTH, length.to_be_bytes());
    put(&mut batch, at::ATTRIBUTES, codec.to_be_bytes());
    batch
}

proptest! {
    #[test]
    fn any_bytes_never_panic(section in vec(any::<u8>(), 0..2000), begin in 0usize..12) {
        for (number, codec) in (1..).zip(CODECS) {
            // Past the magic, and sometimes the header, more of the code is reached.
            let valid = compress_section(codec, b"valid");
            let section = [&valid[..begin.min(valid.len())], &section].concat();
            let batch = around(number, &section);
            read_all(&batch, &mut Vec::new());
            if let Ok(out) = decompressed(codec, &section, 1000) {
                prop_assert!(out.len() <= 1000);
            }
            let _ = compress(&batch, Compression::None, LIMIT);
        }
    }

    #[test]
    fn damaged_batches_never_panic(
        batch in batch(),
        codec in codec(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut damaged = compress(&batch, codec, NO_LIMIT).unwrap();
        for (at, byte) in damage {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        let mut scratch = Vec::new();
        read_all(&damaged, &mut scratch);
        prop_assert!(scratch.len() <= LIMIT);
    }

    /// Whatever the codec can notice of it, the records do not come out whole.
    #[test]
    fn a_cut_section_is_an_error(
        batch in batch(),
        codec in codec(),
        cut in any::<prop::sample::Index>(),
    ) {
        let compressed = compress(&batch, codec, NO_LIMIT).unwrap();
        let section = &compressed[HEADER_BYTES..];
        let mut cut_batch = compressed[..HEADER_BYTES + cut.index(section.len())].to_vec();
        let length = i32::try_from(cut_batch.len() - LENGTH_END).unwrap();
        put(&mut cut_batch, at::LENGTH, length.to_be_bytes());
        prop_assert!(!read_all(&cut_batch, &mut Vec::new()));
    }
}

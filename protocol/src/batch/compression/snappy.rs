//! Snappy, in the framing of the Java library by Xerial, or raw.
//!
//! | bytes | field | |
//! |---|---|---|
//! | 8 | magic | `82 53 4e 41 50 50 59 00` |
//! | 4 | version | 1, big-endian |
//! | 4 | least compatible version | 1 |
//! | | blocks | of each a length (4 bytes, big-endian), then raw Snappy |
//!
//! A section without the magic is one raw block: clients other than Java's have written that. As
//! in `SnappyInputStream`, the versions are not looked at, and a header may come again between
//! blocks (streams written one after the other).

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::Failure;

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const FRAME_HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// What Xerial's library cuts its input into.
const BLOCK_BYTES: usize = 32 * 1024;
/// No element of a block yields more per byte: a copy of 64 bytes takes 3, so 64/3, rounded up.
const EXPANSION_MAX: usize = 22;

pub(super) fn decompress(
    section: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    if !section.starts_with(MAGIC) {
        return block(section, max_bytes, out);
    }
    let mut rest = section;
    while !rest.is_empty() {
        if rest.starts_with(MAGIC) {
            rest = rest
                .get(FRAME_HEADER.len()..)
                .ok_or_else(|| Failure::malformed("the header is cut"))?;
            continue;
        }
        let (length, behind) = rest
            .split_first_chunk()
            .ok_or_else(|| Failure::malformed("the length of a block is cut"))?;
        let (compressed, behind) = usize::try_from(i32::from_be_bytes(*length))
            .ok()
            .and_then(|length| behind.split_at_checked(length))
            .ok_or_else(|| Failure::malformed("a block beyond the end"))?;
        block(compressed, max_bytes, out)?;
        rest = behind;
    }
    Ok(())
}

fn block(compressed: &[u8], max_bytes: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
    let claimed = decompress_len(compressed).map_err(Failure::malformed)?;
    if claimed > compressed.len().saturating_mul(EXPANSION_MAX) {
        return Err(Failure::malformed("a block claims more than it can hold"));
    }
    let start = out.len();
    if claimed > max_bytes - start {
        return Err(Failure::TooLarge);
    }
    out.resize(start + claimed, 0);
    Decoder::new()
        .decompress(compressed, &mut out[start..])
        .map_err(Failure::malformed)?;
    Ok(())
}

pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(FRAME_HEADER);
    let mut encoder = Encoder::new();
    for uncompressed in records.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        let start = length_at + size_of::<i32>();
        out.resize(start + max_compress_len(uncompressed.len()), 0);
        let length = encoder
            .compress(uncompressed, &mut out[start..])
            .expect("there is room for the longest result");
        out.truncate(start + length);
        let length = i32::try_from(length).expect("a block is small");
        out[length_at..start].copy_from_slice(&length.to_be_bytes());
    }
}

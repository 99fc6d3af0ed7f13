//! One LZ4 frame, as `Lz4BlockInputStream` reads it: bytes behind it are not looked at. The header
//! checksum is the one of the LZ4 frame format (KIP-57), which all batches of magic 2 have.
//!
//! | bytes | field | |
//! |---|---|---|
//! | 4 | magic | 0x184D2204, like all that follows little-endian |
//! | 1 | flags | 6-7 version (1), 5 blocks independent, 4 block checksums, 3 content size, 2 content checksum, 0 dictionary |
//! | 1 | block descriptor | 4-6 largest block: 4 = 64 KiB, 5 = 256 KiB, 6 = 1 MiB, 7 = 4 MiB |
//! | 0 or 8 | content size | |
//! | 1 | header checksum | second byte of the XXH32 of flags to content size |
//! | | blocks | of each a length (4 bytes; the top bit: stored as it is), the bytes, a checksum if flagged |
//! | 4 | end mark | 0 |
//! | 0 or 4 | content checksum | |
//!
//! Read here rather than by lz4_flex, whose reader allocates by the block size claimed, and takes a
//! frame that is cut between two blocks for a whole one. Unlike Kafka, blocks that refer to the
//! ones before are read.

use std::io::Write;

use lz4_flex::block::{DecompressError, decompress_into_with_dict};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::Failure;

const MAGIC: u32 = 0x184D_2204;
const VERSION: u8 = 1;
const STORED: u32 = 1 << 31;
/// How far back a block may refer.
const WINDOW_BYTES: usize = 64 * 1024;
/// A byte of a block extends a match by no more.
const EXPANSION_MAX: usize = 255;

mod flag {
    pub(super) const INDEPENDENT: u8 = 1 << 5;
    pub(super) const BLOCK_CHECKSUMS: u8 = 1 << 4;
    pub(super) const CONTENT_SIZE: u8 = 1 << 3;
    pub(super) const CONTENT_CHECKSUM: u8 = 1 << 2;
    pub(super) const RESERVED: u8 = 1 << 1;
    pub(super) const DICTIONARY: u8 = 1;
}

struct FrameHeader {
    flags: u8,
    block_bytes_max: usize,
    content_size: Option<u64>,
}

pub(super) fn decompress(
    section: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut rest = section;
    let header = frame_header(&mut rest)?;
    loop {
        let length = u32_le(&mut rest)?;
        if length == 0 {
            break;
        }
        let bytes = take(&mut rest, (length & !STORED) as usize)?;
        if bytes.len() > header.block_bytes_max {
            return Err(Failure::malformed("a block larger than the largest"));
        }
        if header.has(flag::BLOCK_CHECKSUMS) && u32_le(&mut rest)? != xxh32(bytes) {
            return Err(Failure::malformed("checksum mismatch in a block"));
        }
        if length & STORED == 0 {
            block(bytes, &header, max_bytes, out)?;
        } else if bytes.len() <= max_bytes - out.len() {
            out.extend_from_slice(bytes);
        } else {
            return Err(Failure::TooLarge);
        }
    }
    if header.has(flag::CONTENT_CHECKSUM) && u32_le(&mut rest)? != xxh32(out) {
        return Err(Failure::malformed("checksum mismatch of the content"));
    }
    if header
        .content_size
        .is_some_and(|size| size != out.len() as u64)
    {
        return Err(Failure::malformed("not of the size it claims"));
    }
    Ok(())
}

fn frame_header(rest: &mut &[u8]) -> Result<FrameHeader, Failure> {
    if u32_le(rest)? != MAGIC {
        return Err(Failure::malformed("not a frame"));
    }
    let start = *rest;
    let [flags, descriptor] = *take_array(rest)?;
    if flags >> 6 != VERSION || flags & flag::RESERVED != 0 {
        return Err(Failure::malformed("an unknown version of the frame"));
    }
    if flags & flag::DICTIONARY != 0 {
        return Err(Failure::malformed("it needs a dictionary"));
    }
    let block_bytes_max = match descriptor {
        0x40 => 64 << 10,
        0x50 => 256 << 10,
        0x60 => 1 << 20,
        0x70 => 4 << 20,
        _ => return Err(Failure::malformed("an unknown block size")),
    };
    let content_size = if flags & flag::CONTENT_SIZE == 0 {
        None
    } else {
        Some(u64::from_le_bytes(*take_array(rest)?))
    };
    let described = &start[..start.len() - rest.len()];
    let [checksum] = *take_array(rest)?;
    if xxh32(described).to_le_bytes()[1] != checksum {
        return Err(Failure::malformed("checksum mismatch in the header"));
    }
    Ok(FrameHeader {
        flags,
        block_bytes_max,
        content_size,
    })
}

impl FrameHeader {
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn block(
    compressed: &[u8],
    header: &FrameHeader,
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let start = out.len();
    let left = max_bytes - start;
    let possible = header
        .block_bytes_max
        .min(compressed.len().saturating_mul(EXPANSION_MAX));
    out.resize(start + possible.min(left), 0);
    let (before, block) = out.split_at_mut(start);
    let window = if header.has(flag::INDEPENDENT) {
        &[]
    } else {
        &before[start.saturating_sub(WINDOW_BYTES)..]
    };
    match decompress_into_with_dict(compressed, block, window) {
        Ok(length) => {
            out.truncate(start + length);
            Ok(())
        }
        Err(DecompressError::OutputTooSmall { .. }) if left < possible => Err(Failure::TooLarge),
        Err(error) => Err(Failure::malformed(error)),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Failure> {
    rest.split_off(..length).ok_or_else(cut)
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Failure> {
    let (array, behind) = rest.split_first_chunk().ok_or_else(cut)?;
    *rest = behind;
    Ok(array)
}

fn u32_le(rest: &mut &[u8]) -> Result<u32, Failure> {
    take_array(rest).map(|bytes| u32::from_le_bytes(*bytes))
}

fn cut() -> Failure {
    Failure::malformed("the frame is cut")
}

fn xxh32(bytes: &[u8]) -> u32 {
    XxHash32::oneshot(0, bytes)
}

/// With independent blocks of 64 KiB, like Kafka's `Lz4BlockOutputStream`, whose reader accepts no
/// others than independent ones.
pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) {
    let frame = FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(frame, out);
    encoder.write_all(records).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write");
}

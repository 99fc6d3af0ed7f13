//! Zstandard (KIP-110): one frame or several in a row.
//!
//! Decompressed in one call into a buffer that is its own window: the streaming reader would
//! allocate the window that the frame claims, 128 MiB for a few bytes. How much comes out is not
//! known before, so the buffer grows from attempt to attempt; a factor of 4 repeats at most a third
//! of the work.

use ::zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use ::zstd::zstd_safe::{CCtx, DCtx, compress_bound, get_error_name};

use super::Failure;

const FIRST_ATTEMPT_BYTES_MIN: usize = 16 * 1024;
const FIRST_ATTEMPT_EXPANSION: usize = 8;
const GROWTH: usize = 4;

/// How the library encodes an error in a size.
const TOO_SMALL: usize = (ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall as usize).wrapping_neg();

pub(super) fn decompress(
    section: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut context = DCtx::try_create().ok_or_else(|| Failure::malformed("out of memory"))?;
    let mut room = section
        .len()
        .saturating_mul(FIRST_ATTEMPT_EXPANSION)
        .max(FIRST_ATTEMPT_BYTES_MIN);
    loop {
        room = room.min(max_bytes);
        out.resize(room, 0);
        match context.decompress(out.as_mut_slice(), section) {
            Ok(length) => {
                out.truncate(length);
                return Ok(());
            }
            Err(TOO_SMALL) if room == max_bytes => return Err(Failure::TooLarge),
            Err(TOO_SMALL) => room = room.saturating_mul(GROWTH),
            Err(code) => return Err(Failure::malformed(get_error_name(code))),
        }
    }
}

pub(super) fn compress(records: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + compress_bound(records.len()), 0);
    let length = CCtx::create()
        .compress(
            &mut out[start..],
            records,
            ::zstd::DEFAULT_COMPRESSION_LEVEL,
        )
        .expect("there is room for the longest result");
    out.truncate(start + length);
}

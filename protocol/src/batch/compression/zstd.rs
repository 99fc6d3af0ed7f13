//! Zstandard (KIP-110): one frame or several in a row.
//!
//! Decompressed in one call into a buffer that is its own window: the streaming reader would
//! allocate the window that the frame claims, 128 MiB for a few bytes. How much comes out is not
//! known before, so the buffer grows from attempt to attempt; a factor of 4 repeats at most a third
//! of the work.

use ::zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use ::zstd::zstd_safe::{CCtx, CParameter, DCtx, compress_bound, get_error_name};

use super::Failure;

const FIRST_ATTEMPT_BYTES_MIN: usize = 16 * 1024;
const FIRST_ATTEMPT_EXPANSION: usize = 8;
const GROWTH: usize = 4;
/// 2 MiB: how far back a match may lie, as at Kafka's default level.
const WINDOW_LOG_MAX: u32 = 21;

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

/// The window is kept small: at a high level it, and tables that grow with it, would take hundreds
/// of megabytes for a batch of some ten.
pub(super) fn compress(records: &[u8], level: i32, out: &mut Vec<u8>) {
    let mut context = CCtx::create();
    let mut set = |parameter| {
        context
            .set_parameter(parameter)
            .expect("a parameter within its bounds");
    };
    set(CParameter::CompressionLevel(level));
    if records.len() > 1 << WINDOW_LOG_MAX {
        set(CParameter::WindowLog(WINDOW_LOG_MAX));
    }
    let start = out.len();
    out.resize(start + compress_bound(records.len()), 0);
    let length = context
        .compress2(&mut out[start..], records)
        .expect("there is room for the longest result");
    out.truncate(start + length);
}

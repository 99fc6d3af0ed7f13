//! The record section of a compressed batch, out of its codec and back.
//!
//! To produce and fetch, a broker passes compressed bytes through as they are. It looks inside only
//! where an answer depends on single records. Those bytes come from clients and may be made to
//! hurt, so each codec here keeps to three rules: it produces no more than the caller's limit; it
//! allocates in proportion to what it was given or has already produced, never by a size that the
//! bytes claim; and no input makes it panic.

mod codec;
mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::borrow::Cow;

use bytes::BytesMut;

use super::{BatchError, Compression, HEADER_BYTES, Records, Unpacked, iter};

pub use codec::Codec;

/// The record section of the batch at the front of `batch`, decompressed.
///
/// An uncompressed one is borrowed, whatever its size. Of a compressed one at most `max_bytes` are
/// produced; a larger one is [`BatchError::DecompressedTooLarge`]. The CRC is not checked.
pub fn decompress(batch: &[u8], max_bytes: usize) -> Result<Cow<'_, [u8]>, BatchError> {
    let (header, batch) = iter::first(batch)?;
    let section = &batch[HEADER_BYTES..];
    if header.compression() == Compression::None {
        return Ok(Cow::Borrowed(section));
    }
    let mut out = Vec::new();
    decompress_section(header.compression(), section, max_bytes, &mut out)?;
    Ok(Cow::Owned(out))
}

/// The records of the batch at the front of `batch`, whichever codec it has: what
/// [`records`](super::records) is for an uncompressed one.
///
/// A compressed section is decompressed into `scratch`, as [`decompress`] does it, and borrowed
/// from there. What `scratch` held is lost, its capacity is used again; after a large batch it
/// may have grown to twice `max_bytes`.
pub fn records_in<'a>(
    batch: &'a [u8],
    max_bytes: usize,
    scratch: &'a mut Vec<u8>,
) -> Result<Records<'a>, BatchError> {
    let (header, batch) = iter::first(batch)?;
    let section = &batch[HEADER_BYTES..];
    if header.compression() == Compression::None {
        return Ok(Records::of_section(header, section));
    }
    decompress_section(header.compression(), section, max_bytes, scratch)?;
    Ok(Records::of_section(header, scratch))
}

/// The batch at the front of `batch` with its records in another codec, at that codec's default
/// level, or in none. Whatever it was compressed with is undone first, within `max_bytes`.
///
/// All other fields stay; length, attributes and CRC are made to fit. The CRC there was is not
/// checked.
pub fn compress(
    batch: &[u8],
    compression: Compression,
    max_bytes: usize,
) -> Result<BytesMut, BatchError> {
    let codec = Codec::with_default_level(compression)?;
    Unpacked::new(batch, max_bytes)?.pack(codec, usize::MAX)
}

/// Why a codec gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failure {
    /// There is more than the limit.
    TooLarge,
    /// The bytes are not what the codec writes.
    Malformed(String),
}

impl Failure {
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
    fn malformed(what: impl ToString) -> Failure {
        Failure::Malformed(what.to_string())
    }
}

/// Replaces what is in `out`, whose length stays within `max_bytes`.
pub(super) fn decompress_section(
    compression: Compression,
    section: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    out.clear();
    let done = match compression {
        Compression::Gzip => gzip::decompress(section, max_bytes, out),
        Compression::Snappy => snappy::decompress(section, max_bytes, out),
        Compression::Lz4 => lz4::decompress(section, max_bytes, out),
        Compression::Zstd => zstd::decompress(section, max_bytes, out),
        Compression::None | Compression::Unknown(_) => {
            return Err(BatchError::Compression { compression });
        }
    };
    debug_assert!(out.len() <= max_bytes);
    done.map_err(|failure| {
        out.clear();
        match failure {
            Failure::TooLarge => BatchError::DecompressedTooLarge { max: max_bytes },
            Failure::Malformed(reason) => BatchError::Decompression {
                compression,
                reason,
            },
        }
    })
}

/// Appends `records`, compressed, to `out`.
pub(super) fn compress_section(codec: Codec, records: &[u8], out: &mut Vec<u8>) {
    match codec {
        Codec::None => out.extend_from_slice(records),
        Codec::Gzip { level } => gzip::compress(records, level, out),
        Codec::Snappy => snappy::compress(records, out),
        Codec::Lz4 => lz4::compress(records, out),
        Codec::Zstd { level } => zstd::compress(records, level, out),
    }
}

#[cfg(test)]
mod tests;

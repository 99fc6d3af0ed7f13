//! gzip (RFC 1952): one member or several in a row, as Java's `GZIPInputStream` reads them.

use std::io::{Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::Failure;

const CHUNK_BYTES: usize = 16 * 1024;

pub(super) fn decompress(
    section: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut decoder = MultiGzDecoder::new(section);
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let read = decoder.read(&mut chunk).map_err(Failure::malformed)?;
        if read == 0 {
            return Ok(());
        }
        if read > max_bytes - out.len() {
            return Err(Failure::TooLarge);
        }
        out.extend_from_slice(&chunk[..read]);
    }
}

/// `level` is from 1 to 9, the library's own (6) without.
pub(super) fn compress(records: &[u8], level: Option<u32>, out: &mut Vec<u8>) {
    let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
    let mut encoder = GzEncoder::new(out, level);
    encoder
        .write_all(records)
        .and_then(|()| encoder.try_finish())
        .expect("a Vec takes every write");
}

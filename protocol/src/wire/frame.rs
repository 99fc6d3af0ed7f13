//! The size before every request and response: a big-endian `i32`, itself not counted.

use bytes::{Buf, BytesMut};

use super::WireError;

/// The size of the size.
pub const FRAME_SIZE_BYTES: usize = 4;

/// The size of the frame whose first bytes are given; `None` while there are fewer than four.
///
/// A negative size, or one over `size_max`, is an error before anything is allocated for it.
pub fn frame_size(bytes: &[u8], size_max: usize) -> Result<Option<usize>, WireError> {
    let Some(prefix) = bytes.first_chunk::<FRAME_SIZE_BYTES>() else {
        return Ok(None);
    };
    let size = i32::from_be_bytes(*prefix);
    match usize::try_from(size) {
        Ok(bytes) if bytes <= size_max => Ok(Some(bytes)),
        _ => Err(WireError::FrameSize {
            size,
            max: size_max,
        }),
    }
}

/// Takes the first frame off `received`, without its size; `None` while it is not complete.
///
/// The frame is the only owner of its bytes, so it can be patched in place. It shares its
/// allocation with its neighbours, so keeping a part of it keeps them all.
pub fn split_frame(
    received: &mut BytesMut,
    size_max: usize,
) -> Result<Option<BytesMut>, WireError> {
    let Some(size) = frame_size(received, size_max)? else {
        return Ok(None);
    };
    if received.len() - FRAME_SIZE_BYTES < size {
        return Ok(None);
    }
    received.advance(FRAME_SIZE_BYTES);
    Ok(Some(received.split_to(size)))
}

#[cfg(test)]
mod tests;

//! Memory that segments are read into, used again: allocators give a megabyte back to the system when it is freed, and its pages would be cleared anew for
//! every answer.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Smaller reads take their memory from the allocator.
const BYTES_MIN: usize = 64 << 10;
/// Larger buffers are not kept.
const BYTES_MAX: usize = 2 << 20;
/// Buffers kept for later, at most.
const KEPT_MAX: usize = 16;

/// The buffers nobody uses now. Each is initialised as a whole.
#[derive(Debug, Default)]
pub struct ReadBuffers(Mutex<Vec<Vec<u8>>>);

impl ReadBuffers {
    /// A buffer of `len` bytes, whose contents are anything. A small answer that is read slowly does not hold a large one.
    pub fn take(self: &Arc<Self>, len: usize) -> ReadBuffer {
        let mut free = self.0.lock();
        let fitting = free
            .iter()
            .position(|bytes| (len..=len.saturating_mul(2)).contains(&bytes.len()));
        let bytes = fitting.map(|at| free.remove(at));
        drop(free);
        ReadBuffer {
            bytes: bytes.unwrap_or_else(|| vec![0; len]),
            len,
            home: Arc::clone(self),
        }
    }
}

/// A buffer on loan.
#[derive(Debug)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    len: usize,
    home: Arc<ReadBuffers>,
}

impl ReadBuffer {
    /// To be filled.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// Forgets what lies at `len` and beyond.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Its contents. The memory comes back when nobody holds a part of them.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for ReadBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        if !(BYTES_MIN..=BYTES_MAX).contains(&self.bytes.len()) {
            return;
        }
        let mut free = self.home.0.lock();
        if free.len() == KEPT_MAX {
            // Of a size that has not been asked for the longest.
            free.remove(0);
        }
        free.push(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_its_last_part_is_dropped_and_is_used_again() {
        let buffers = Arc::new(ReadBuffers::default());
        let mut buffer = buffers.take(100_000);
        buffer.as_mut_slice().fill(7);
        let address = buffer.as_ref().as_ptr();
        buffer.truncate(90_000);
        let bytes = buffer.freeze();
        assert_eq!(bytes.len(), 90_000);
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_ne!(buffers.take(100_000).as_ref().as_ptr(), address);
        drop(part);
        let again: Vec<ReadBuffer> = (0..2).map(|_| buffers.take(70_000)).collect();
        assert!(again.iter().any(|it| it.as_ref().as_ptr() == address));
        assert!(again.iter().all(|it| it.as_ref().len() == 70_000));
    }

    #[test]
    fn not_much_is_kept() {
        let buffers = Arc::new(ReadBuffers::default());
        drop(buffers.take(BYTES_MAX + 1));
        drop(buffers.take(BYTES_MIN - 1));
        assert!(buffers.0.lock().is_empty());
        drop(buffers.take(BYTES_MAX));
        let small = buffers.take(BYTES_MIN);
        assert_eq!(small.bytes.len(), BYTES_MIN, "a large one is not lent");
        let many: Vec<ReadBuffer> = (0..50).map(|_| buffers.take(BYTES_MIN)).collect();
        drop(many);
        assert_eq!(buffers.0.lock().len(), KEPT_MAX);
    }
}

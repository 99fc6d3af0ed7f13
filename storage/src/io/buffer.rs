//! A growable byte buffer whose contents start at a multiple of [`BLOCK`], as `O_DIRECT` wants.

use super::BLOCK;

/// Bytes at an aligned address, with a fixed capacity in whole blocks.
pub struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    capacity: usize,
    len: usize,
}

impl AlignedBuf {
    /// An empty buffer for at least `capacity` bytes, rounded up to whole blocks.
    pub fn with_capacity(capacity: usize) -> AlignedBuf {
        let capacity = capacity.next_multiple_of(BLOCK);
        let memory = vec![0; capacity + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        AlignedBuf {
            memory,
            start,
            capacity,
            len: 0,
        }
    }

    /// Bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that still fit.
    pub fn remaining(&self) -> usize {
        self.capacity - self.len
    }

    /// Appends bytes; panics when they do not fit.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        assert!(
            bytes.len() <= self.remaining(),
            "{} bytes into {}",
            bytes.len(),
            self.remaining()
        );
        let from = self.start + self.len;
        self.memory[from..from + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Sets the length; what is newly covered holds whatever the memory held before (initialised, but stale).
    pub fn set_len(&mut self, len: usize) {
        assert!(
            len <= self.capacity,
            "length {len} over capacity {}",
            self.capacity
        );
        self.len = len;
    }

    /// Appends zeros up to the next multiple of [`BLOCK`].
    pub fn pad_to_block(&mut self) {
        let padded = self.len.next_multiple_of(BLOCK);
        self.memory[self.start + self.len..self.start + padded].fill(0);
        self.len = padded;
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    /// The bytes, to change.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl std::fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlignedBuf({} of {})", self.len, self.capacity)
    }
}

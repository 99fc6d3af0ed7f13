//! The bytes of a file, and which of its sectors take space.

use super::SECTOR;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
    /// By sector; a hole reads as zeros.
    allocated: Vec<bool>,
    allocated_count: u64,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn allocated_bytes(&self) -> u64 {
        self.allocated_count * SECTOR as u64
    }

    /// The part of `[offset, offset + len)` within the file.
    pub(super) fn slice(&self, offset: u64, len: usize) -> &[u8] {
        let start = offset.min(self.len()) as usize;
        let end = start + len.min(self.bytes.len() - start);
        &self.bytes[start..end]
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let sectors = len.div_ceil(SECTOR as u64) as usize;
        if sectors < self.allocated.len() {
            let cut = self.allocated[sectors..]
                .iter()
                .filter(|taken| **taken)
                .count();
            self.allocated_count -= cut as u64;
        }
        self.bytes.resize(len as usize, 0);
        self.allocated.resize(sectors, false);
    }

    /// Writes within the length; what lies beyond is dropped.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let len = data.len().min(self.len().saturating_sub(offset) as usize);
        if len == 0 {
            return;
        }
        let start = offset as usize;
        self.bytes[start..start + len].copy_from_slice(&data[..len]);
        for taken in &mut self.allocated[start / SECTOR..(start + len).div_ceil(SECTOR)] {
            self.allocated_count += u64::from(!*taken);
            *taken = true;
        }
    }

    /// How many of the `len` bytes at `offset` can be written when `room` more bytes can be
    /// allocated.
    pub(super) fn fitting(&self, offset: u64, len: usize, room: u64) -> usize {
        let mut room = room / SECTOR as u64;
        let end = offset + len as u64;
        for sector in offset / SECTOR as u64..end.div_ceil(SECTOR as u64) {
            if self
                .allocated
                .get(sector as usize)
                .copied()
                .unwrap_or(false)
            {
                continue;
            }
            if room == 0 {
                return (sector * SECTOR as u64).saturating_sub(offset) as usize;
            }
            room -= 1;
        }
        len
    }

    pub(super) fn flip(&mut self, offset: u64, mask: u8) {
        if let Some(byte) = self.bytes.get_mut(offset as usize) {
            *byte ^= mask;
        }
    }
}

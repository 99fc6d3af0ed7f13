//! A page cache that is full before a round, as it is on a machine that has run for a while.
//!
//! Memory that nobody has touched costs more: the kernel hands out pages that a hypervisor has to find first, and a broker
//! that writes files pays for that or not, as chance has it. With a full page cache every page comes from what is there.

use std::fs::File;
use std::io::{Read, Seek};

use crate::BenchError;

/// What stays free for processes.
const LEFT_FREE_BYTES: u64 = 2 << 30;
const PIECE_BYTES: usize = 1 << 20;

/// Fills the page cache with a file that takes no space on the disk.
pub struct PageCache {
    sparse: File,
    bytes: u64,
}

impl PageCache {
    /// As much as is available now, but for a part that processes will need.
    pub fn measure() -> Result<PageCache, BenchError> {
        let failed = BenchError::io("make a file to fill the page cache with");
        let memory =
            std::fs::read_to_string("/proc/meminfo").map_err(BenchError::io("read meminfo"))?;
        let available = available_bytes(&memory);
        let available =
            available.ok_or(BenchError::Unexpected("/proc/meminfo is not understood"))?;
        let bytes = available.saturating_sub(LEFT_FREE_BYTES);
        let sparse = tempfile::tempfile().map_err(&failed)?;
        sparse.set_len(bytes).map_err(&failed)?;
        Ok(PageCache { sparse, bytes })
    }

    /// Reads all of it.
    pub fn fill(&mut self) -> Result<(), BenchError> {
        let failed = BenchError::io("fill the page cache");
        self.sparse.rewind().map_err(&failed)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut left = self.bytes;
        while left > 0 {
            let read = self.sparse.read(&mut piece).map_err(&failed)?;
            if read == 0 {
                break;
            }
            left = left.saturating_sub(read as u64);
        }
        Ok(())
    }
}

fn available_bytes(memory: &str) -> Option<u64> {
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_understood() {
        let text = "MemTotal:  100 kB\nMemAvailable:   64 kB\n";
        assert_eq!(available_bytes(text), Some(64 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
    }
}

//! A page cache that is full before a round, as it is on a machine that has run for a while.
//!
//! Memory that nobody has touched costs more: the kernel hands out pages that a hypervisor has to find first, and a broker
//! that writes files pays for that or not, as chance has it. With a full page cache every page comes from what is there.

use std::fs::File;
use std::io::Read;

use crate::BenchError;

/// What stays free for processes.
const LEFT_FREE_BYTES: u64 = 2 << 30;
const PIECE_BYTES: usize = 1 << 20;

/// Fills the page cache with a file that takes no space on the disk.
///
/// No part of it is read twice: the kernel would take it for something that is in use, and keep it in the place of what a
/// broker writes.
pub struct PageCache {
    sparse: File,
    /// Where it goes on, and the length of the file.
    read_bytes: u64,
}

impl PageCache {
    /// With a file in the temporary directory, of which nothing has been read.
    pub fn new() -> Result<PageCache, BenchError> {
        let sparse = tempfile::tempfile();
        let sparse = sparse.map_err(BenchError::io("make a file to fill the page cache with"))?;
        Ok(PageCache {
            sparse,
            read_bytes: 0,
        })
    }

    /// Reads as much as memory is free, but for a part that processes will need. What is in the page cache stays there, and
    /// goes first when there is no room.
    pub fn fill(&mut self) -> Result<(), BenchError> {
        let memory =
            std::fs::read_to_string("/proc/meminfo").map_err(BenchError::io("read meminfo"))?;
        let free =
            free_bytes(&memory).ok_or(BenchError::Unexpected("/proc/meminfo is not understood"))?;
        self.read(free.saturating_sub(LEFT_FREE_BYTES))
    }

    fn read(&mut self, bytes: u64) -> Result<(), BenchError> {
        let failed = BenchError::io("fill the page cache");
        let end = self.read_bytes + bytes;
        self.sparse.set_len(end).map_err(&failed)?;
        let mut piece = vec![0; PIECE_BYTES];
        while self.read_bytes < end {
            let read = self.sparse.read(&mut piece).map_err(&failed)?;
            if read == 0 {
                break;
            }
            self.read_bytes += read as u64;
        }
        Ok(())
    }
}

fn free_bytes(memory: &str) -> Option<u64> {
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemFree:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;

    #[test]
    fn what_is_free_is_understood() {
        let text = "MemTotal:  100 kB\nMemFree:   64 kB\nMemAvailable:   80 kB\n";
        assert_eq!(free_bytes(text), Some(64 * 1024));
        assert_eq!(free_bytes("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn no_part_is_read_twice() {
        let mut page_cache = PageCache::new().unwrap();
        for bytes in [3 * PIECE_BYTES as u64 + 1, 0, 5] {
            let before = page_cache.read_bytes;
            page_cache.read(bytes).unwrap();
            assert_eq!(page_cache.read_bytes, before + bytes);
            let position = page_cache.sparse.stream_position().unwrap();
            assert_eq!(position, page_cache.read_bytes);
        }
    }
}

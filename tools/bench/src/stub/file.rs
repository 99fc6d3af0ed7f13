//! A file that takes all batches, one after the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// It is emptied rather than made longer than this.
pub const BYTES_MAX: u64 = 8 << 30;

/// Written with plain `write(2)`, into the page cache; nothing is synced.
#[derive(Debug)]
pub(super) struct BatchFile {
    file: File,
    bytes: AtomicU64,
    bytes_max: u64,
}

impl BatchFile {
    /// Empty, whatever was there.
    pub(super) fn create(path: &Path) -> io::Result<BatchFile> {
        // Connections append at once, and the system puts one behind the other.
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let file = BatchFile {
            file,
            bytes: AtomicU64::new(0),
            bytes_max: BYTES_MAX,
        };
        file.empty()?;
        Ok(file)
    }

    /// Gives back its space.
    pub(super) fn empty(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.bytes.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Returns when the system has the bytes; they are on no disk yet.
    pub(super) fn append(&self, batch: &[u8]) -> io::Result<()> {
        let length = batch.len() as u64;
        if self.bytes.fetch_add(length, Ordering::Relaxed) + length > self.bytes_max {
            self.empty()?;
            self.bytes.store(length, Ordering::Relaxed);
        }
        (&self.file).write_all(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_emptied_when_it_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("batches");
        std::fs::write(&path, "before").unwrap();
        let mut file = BatchFile::create(&path).unwrap();
        file.bytes_max = 6;
        for batch in [b"abc", b"def", b"ghi"] {
            file.append(batch).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"ghi");
        file.append(b"jkl").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"ghijkl");
    }
}

//! How large the journal may be on a small disk.

use super::DataDirConfig;

/// The part of a disk that the journal may take: a twentieth. Together with a reserve of the same size that is a tenth.
pub const JOURNAL_DISK_SHARE: u64 = 20;

/// No journal file is made smaller than this, however small the disk.
const FILE_BYTES_MIN: u64 = 4 << 20;

/// Nor are there fewer of them, if so many are asked for: while one is written, one is freed, and one is kept for the next start.
const FILES_MIN: u32 = 4;

const BLOCK: u64 = 4096;

impl DataDirConfig {
    /// Makes the journal small enough for a disk of `disk_bytes` and still large enough for batches of `batch_bytes_max`: its files become smaller, and then
    /// fewer. A configuration that fits stays as it is.
    #[must_use]
    pub fn fit_to_disk(mut self, disk_bytes: u64, batch_bytes_max: u64) -> DataDirConfig {
        let share = disk_bytes / JOURNAL_DISK_SHARE;
        let files = self.journal_files.max(1);
        // A commit of one batch has its header, its tables and its padding besides.
        let needed = batch_bytes_max.saturating_add(64 << 10).max(FILE_BYTES_MIN);
        let even = share / u64::from(files) / BLOCK * BLOCK;
        let bytes = even.max(needed.next_multiple_of(BLOCK));
        if bytes < self.journal_file_bytes {
            self.journal_file_bytes = bytes;
            self.journal_first_file_bytes = self.journal_first_file_bytes.min(bytes);
            let commit = usize::try_from(bytes / 2 / BLOCK * BLOCK).unwrap_or(usize::MAX);
            self.writer.commit_bytes_max = self.writer.commit_bytes_max.min(commit);
        }
        let fitting = u32::try_from(share / self.journal_file_bytes.max(1)).unwrap_or(u32::MAX);
        self.journal_files = files.min(fitting.max(FILES_MIN));
        self
    }
}

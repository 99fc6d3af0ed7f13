//! The journal: one sequence of durable writes for all partitions of a data directory.
//!
//! ```text
//! Log::append ─ JournalQueue ─ JournalWriter ─ one aligned O_DIRECT|O_DSYNC write ─ Log::on_durable
//! ```
//!
//! Entries are queued with a [`JournalPosition`] each, in the order in which they happened. The writer
//! takes what is queued, builds one commit and writes it to the active file; several commits may be in flight, and an
//! entry counts as durable when its commit *and every commit before it* is on stable media.
//!
//! Durability is a position in this journal, never an offset in a log: offsets are used again after a truncation,
//! positions never.

use std::fmt;
use std::path::PathBuf;

pub use entry::{Entry, EntryKind, OpenEntry, StoredEntry};
pub use files::{DiskProgress, JournalFiles, JournalUsage};
pub use queue::{DurableListener, JournalFault, JournalQueue, NobodyWaits, OfflineListener};
pub use scan::{Scan, ScanError, ScanStart, ScannedEntry, scan};
pub use writer::{
    JournalEnd, JournalObserver, JournalWriter, RunStart, Turn, WriterConfig, WriterStep,
    WriterWait,
};

mod entry;
mod files;
pub mod format;
mod queue;
mod scan;
#[cfg(test)]
mod tests;
pub mod verdict;
mod writer;

/// The number of an entry in the journal of a data directory. It grows by one with each entry, is never
/// used twice, and survives restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalPosition(pub u64);

impl JournalPosition {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> JournalPosition {
        JournalPosition(self.0 + 1)
    }
}

impl fmt::Display for JournalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A log's number within its data directory. Never used twice, so that what the journal says of a deleted log
/// cannot touch a log made later under the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u64);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes in a file that were found to be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBytes {
    /// The file.
    pub path: PathBuf,
    /// Where the damaged structure starts.
    pub offset: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for BadBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at byte {}: {}",
            self.path.display(),
            self.offset,
            self.what
        )
    }
}

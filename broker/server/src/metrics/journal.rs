//! Group commits, as the journal reports them.

use std::time::Duration;

use super::exposition::Exposition;
use super::histogram::{BYTES_BOUNDS, COUNT_BOUNDS, Histogram, Unit};

/// Group commits. The journal knows nothing of metrics: whoever starts it passes on what it
/// reports.
#[derive(Debug)]
pub struct JournalMetrics {
    bytes: Histogram,
    entries: Histogram,
    commit: Histogram,
    sync: Histogram,
}

impl Default for JournalMetrics {
    fn default() -> JournalMetrics {
        JournalMetrics {
            bytes: Histogram::new(BYTES_BOUNDS, Unit::Plain),
            entries: Histogram::new(COUNT_BOUNDS, Unit::Plain),
            commit: Histogram::of_latencies(),
            sync: Histogram::of_latencies(),
        }
    }
}

impl JournalMetrics {
    /// A commit became durable: its bytes on disk, its entries, and the nanoseconds its durable
    /// write took.
    pub fn on_commit(&self, bytes: u64, entries: u64, write_ns: u64) {
        self.bytes.observe(bytes);
        self.entries.observe(entries);
        self.sync.observe(write_ns);
    }

    /// Batches that were appended became durable after this time, waiting for their commit
    /// included.
    pub fn on_durable(&self, since_append: Duration) {
        self.commit.observe_duration(since_append);
    }

    /// The durable writes of group commits.
    pub fn sync(&self) -> &Histogram {
        &self.sync
    }

    pub(super) fn expose(&self, out: &mut Exposition) {
        out.histogram(
            "holdfast_journal_commit_bytes",
            "Bytes of a group commit on disk.",
        )
        .distribution(&[], &self.bytes);
        out.histogram(
            "holdfast_journal_commit_entries",
            "Entries of a group commit.",
        )
        .distribution(&[], &self.entries);
        out.histogram(
            "holdfast_journal_commit_seconds",
            "From appending batches to their being durable.",
        )
        .distribution(&[], &self.commit);
        out.histogram(
            "holdfast_journal_sync_seconds",
            "The durable write of a group commit.",
        )
        .distribution(&[], &self.sync);
    }
}

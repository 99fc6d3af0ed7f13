//! What Holdfast's journal wrote during a run, by the broker's own metrics.

use client::metrics::samples;
use serde::{Deserialize, Serialize};

/// What a journal has written since its broker started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JournalTotals {
    /// Group commits.
    pub commits: f64,
    /// Their bytes on disk.
    pub bytes: f64,
    /// Seconds of all their durable writes, which overlap.
    pub write_seconds: f64,
    /// Bytes that the process caused to be written to devices, those of commits included.
    pub written_bytes: u64,
    /// Bytes of batches that were stored in their segments, and are not in commits.
    pub bypassed_bytes: f64,
}

impl JournalTotals {
    /// Of a page of metrics; `None` if it is that of another broker.
    pub fn of_page(page: &str, written_bytes: u64) -> Option<JournalTotals> {
        // Of all data directories.
        let value = |name: &str| {
            let values = samples(page, name).map(|it| it.value);
            values.reduce(|sum, one| sum + one)
        };
        Some(JournalTotals {
            commits: value("holdfast_journal_commit_bytes_count")?,
            bytes: value("holdfast_journal_commit_bytes_sum")?,
            write_seconds: value("holdfast_journal_sync_seconds_sum")?,
            written_bytes,
            // Builds from before there was such a thing do not have it.
            bypassed_bytes: value("holdfast_journal_bypassed_bytes_total").unwrap_or(0.0),
        })
    }
}

/// What it wrote during a run, warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalRound {
    /// Bytes of a group commit, on average.
    pub commit_bytes: f64,
    /// Commits in flight, on average over the run.
    pub in_flight: f64,
    /// Bytes of commits per second.
    pub bytes_per_second: f64,
    /// Bytes per second that the broker caused to be written to devices in all: commits, and segments behind them.
    pub written_bytes_per_second: f64,
    /// Bytes per second of batches that were stored in their segments, and are not in commits.
    #[serde(default)]
    pub bypassed_bytes_per_second: f64,
}

impl JournalRound {
    /// From before a run to right after it, which took so many seconds. `None` if nothing was committed.
    pub fn between(
        before: JournalTotals,
        after: JournalTotals,
        seconds: f64,
    ) -> Option<JournalRound> {
        let commits = after.commits - before.commits;
        if commits <= 0.0 || seconds <= 0.0 {
            return None;
        }
        let bytes = after.bytes - before.bytes;
        let written = after.written_bytes.saturating_sub(before.written_bytes);
        Some(JournalRound {
            commit_bytes: bytes / commits,
            in_flight: (after.write_seconds - before.write_seconds) / seconds,
            bytes_per_second: bytes / seconds,
            written_bytes_per_second: written as f64 / seconds,
            bypassed_bytes_per_second: (after.bypassed_bytes - before.bypassed_bytes) / seconds,
        })
    }

    /// Bytes per second that were synced before they were acknowledged, in commits and past them.
    pub fn synced_bytes_per_second(&self) -> f64 {
        self.bytes_per_second + self.bypassed_bytes_per_second
    }

    /// Whether most of that bypassed the journal.
    pub fn is_bypassed(&self) -> bool {
        self.bypassed_bytes_per_second > self.bytes_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP holdfast_journal_commit_bytes Bytes of a group commit on disk.\n\
        # TYPE holdfast_journal_commit_bytes histogram\n\
        holdfast_journal_commit_bytes_bucket{le=\"+Inf\"} 4\n\
        holdfast_journal_commit_bytes_sum 409600\n\
        holdfast_journal_commit_bytes_count 4\n\
        holdfast_journal_sync_seconds_sum 0.5\n\
        holdfast_journal_sync_seconds_count 4\n\
        holdfast_journal_bypassed_bytes_total{directory=\"/a\"} 819000\n\
        holdfast_journal_bypassed_bytes_total{directory=\"/b c\"} 200\n\
        holdfast_journal_bypassed_bytes_total_of_another 1\n";

    #[test]
    fn a_page_is_read() {
        let totals = JournalTotals::of_page(PAGE, 7).unwrap();
        let expected = JournalTotals {
            commits: 4.0,
            bytes: 409_600.0,
            write_seconds: 0.5,
            written_bytes: 7,
            bypassed_bytes: 819_200.0,
        };
        assert_eq!(totals, expected);
        assert_eq!(JournalTotals::of_page("kafka_server_up 1\n", 7), None);
    }

    #[test]
    fn a_round_is_what_came_between() {
        let before = JournalTotals {
            written_bytes: 1_000,
            ..JournalTotals::default()
        };
        let after = JournalTotals::of_page(PAGE, 801_000).unwrap();
        let expected = JournalRound {
            commit_bytes: 102_400.0,
            in_flight: 0.25,
            bytes_per_second: 204_800.0,
            written_bytes_per_second: 400_000.0,
            bypassed_bytes_per_second: 409_600.0,
        };
        let round = JournalRound::between(before, after, 2.0);
        assert_eq!(round, Some(expected));
        assert!(expected.is_bypassed());
        assert_eq!(expected.synced_bytes_per_second(), 614_400.0);
        assert_eq!(JournalRound::between(after, after, 2.0), None);
    }
}

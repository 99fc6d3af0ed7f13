//! Compaction for all logs of a directory: the dirtiest first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::DataDir;
use crate::journal::LogId;
use crate::log::{CompactError, Compacted, Dirtiness, Log, Pace, Pass, ReadError, is_disk_full};

/// `log.cleaner.*`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionSettings {
    /// `log.cleaner.enable`.
    pub is_enabled: bool,
    /// `log.cleaner.backoff.ms`: between two looks for dirty logs.
    pub backoff_ms: i64,
    /// `log.cleaner.dedupe.buffer.size`: memory for keys, in bytes.
    pub map_bytes_max: usize,
    /// `log.cleaner.io.max.bytes.per.second`, reading and writing together; infinite for no bound.
    pub bytes_per_second_max: f64,
}

impl Default for CompactionSettings {
    /// Kafka's.
    fn default() -> CompactionSettings {
        CompactionSettings {
            is_enabled: true,
            backoff_ms: 15_000,
            map_bytes_max: 128 << 20,
            bytes_per_second_max: f64::INFINITY,
        }
    }
}

/// What compaction has done since the start, and has before it.
#[derive(Debug, Default)]
pub struct CompactionStatus {
    passes: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    records_removed: AtomicU64,
    dirtiest_ppm: AtomicU32,
    dirty_bytes: AtomicU64,
    uncleanable: AtomicUsize,
    is_running: AtomicU64,
    /// Logs that are left alone, since a pass failed on what they hold.
    left_alone: Mutex<BTreeSet<LogId>>,
}

/// A reading of [`CompactionStatus`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactionProgress {
    /// Passes that came to their end.
    pub passes: u64,
    /// Bytes of segments read.
    pub bytes_read: u64,
    /// Bytes of segments written.
    pub bytes_written: u64,
    /// Records left out.
    pub records_removed: u64,
    /// The greatest dirty share of a log at the last look, in millionths.
    pub dirtiest_ppm: u32,
    /// Bytes that could be compacted at the last look.
    pub dirty_bytes: u64,
    /// Logs that are left alone since they are damaged, or their records cannot be read.
    pub uncleanable_logs: usize,
    /// Bytes that the pass under way has read and written; 0 between passes.
    pub bytes_under_way: u64,
}

impl CompactionStatus {
    /// What there is to know.
    pub fn progress(&self) -> CompactionProgress {
        CompactionProgress {
            passes: self.passes.load(Ordering::Relaxed),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bytes_written: self.bytes_written.load(Ordering::Relaxed),
            records_removed: self.records_removed.load(Ordering::Relaxed),
            dirtiest_ppm: self.dirtiest_ppm.load(Ordering::Relaxed),
            dirty_bytes: self.dirty_bytes.load(Ordering::Relaxed),
            uncleanable_logs: self.uncleanable.load(Ordering::Relaxed),
            bytes_under_way: self.is_running.load(Ordering::Relaxed),
        }
    }

    fn note(&self, done: &Compacted) {
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.bytes_read
            .fetch_add(done.bytes_read, Ordering::Relaxed);
        let written = &self.bytes_written;
        written.fetch_add(done.bytes_written, Ordering::Relaxed);
        let removed = &self.records_removed;
        removed.fetch_add(done.records_removed, Ordering::Relaxed);
    }

    fn leave_alone(&self, log: LogId) {
        self.left_alone.lock().insert(log);
    }
}

/// A log that is worth a pass.
struct Candidate {
    log: Arc<Log>,
    dirtiness: Dirtiness,
}

impl DataDir {
    /// What compaction has done.
    pub fn compaction(&self) -> &CompactionStatus {
        &self.compaction
    }

    /// The settings compaction goes by.
    pub fn compaction_settings(&self) -> CompactionSettings {
        *self.compaction_settings.lock()
    }

    /// Changes them.
    pub fn set_compaction_settings(&self, settings: CompactionSettings) {
        *self.compaction_settings.lock() = settings;
    }

    /// Looks for the dirtiest log and compacts it. `None` where none is dirty enough, or the pass did not come to its end. `wall_ms` is the time in milliseconds
    /// since the epoch, if it is to be trusted. Blocks for long.
    pub fn compact_dirtiest(&self, wall_ms: Option<i64>, pace: Pace<'_>) -> Option<Compacted> {
        let settings = self.compaction_settings();
        if !settings.is_enabled || self.fault().is_some() {
            return None;
        }
        let Candidate { log, dirtiness } = self.dirtiest(wall_ms)?;
        let bytes = (dirtiness.clean_bytes + dirtiness.dirty_bytes).min(log.segment_bytes());
        if !self.has_spare(bytes) {
            tracing::warn!(
                ?log,
                bytes,
                "too little space on the disk to compact a partition"
            );
            return None;
        }
        let pass = Pass {
            now_ms: wall_ms,
            map_bytes_max: settings.map_bytes_max,
            hash_key: self.config.compaction_hash_key,
        };
        let status = &self.compaction;
        let outcome = log.compact(&pass, &mut |bytes| {
            status.is_running.fetch_add(bytes, Ordering::Relaxed);
            pace(bytes) && self.fault().is_none()
        });
        status.is_running.store(0, Ordering::Relaxed);
        match outcome {
            Ok(done) => {
                let done = done?;
                status.note(&done);
                tracing::info!(
                    topic = log.topic(),
                    partition = %log.partition().partition,
                    keys = done.keys,
                    records_removed = done.records_removed,
                    bytes_read = done.bytes_read,
                    bytes_written = done.bytes_written,
                    segments_replaced = done.segments_replaced,
                    segments_written = done.segments_written,
                    end = %done.end,
                    "compacted"
                );
                Some(done)
            }
            Err(error) => {
                self.on_compact_error(&log, error);
                None
            }
        }
    }

    fn on_compact_error(&self, log: &Arc<Log>, error: CompactError) {
        match error {
            CompactError::Stopped | CompactError::Changed => {}
            error if error.is_final() => {
                tracing::error!(%error, ?log, "a partition cannot be compacted, and grows");
                self.compaction.leave_alone(log.id());
            }
            CompactError::Write(error) if is_disk_full(&error) => {
                tracing::warn!(%error, ?log, "the disk is too full to compact a partition");
            }
            CompactError::Write(error) => {
                let failed: std::io::Result<()> = Err(error);
                // Nothing is acknowledged by a directory whose files cannot be written.
                let _ = self.settle("compacting", failed);
            }
            error => tracing::warn!(%error, ?log, "a pass of compaction has failed"),
        }
    }

    fn dirtiest(&self, wall_ms: Option<i64>) -> Option<Candidate> {
        let (mut best, mut dirtiest_ppm, mut dirty_bytes): (Option<Candidate>, _, _) = (None, 0, 0);
        let logs = self.logs();
        {
            let mut left_alone = self.compaction.left_alone.lock();
            left_alone.retain(|id| logs.iter().any(|log| log.id() == *id));
        }
        let mut damaged = 0;
        for log in logs {
            let Some(compaction) = log.compaction() else {
                continue;
            };
            if self.compaction.left_alone.lock().contains(&log.id()) {
                continue;
            }
            damaged += usize::from(!log.damaged().is_empty());
            let dirtiness = match log.dirtiness(wall_ms) {
                Ok(Some(dirtiness)) => dirtiness,
                Ok(None) => continue,
                Err(error) => {
                    if matches!(error, ReadError::Damaged(_)) {
                        self.compaction.leave_alone(log.id());
                    }
                    tracing::warn!(%error, ?log, "cannot look for records to compact");
                    continue;
                }
            };
            // The first look opens every log.
            let bounded = self.bound_unsynced_files();
            if self.settle("syncing partition files", bounded).is_err() {
                return None;
            }
            dirtiest_ppm = dirtiness.ppm().max(dirtiest_ppm);
            dirty_bytes += dirtiness.dirty_bytes;
            if dirtiness.uncovered_bytes > 0 && dirtiness.covered_ppm() > compaction.min_dirty_ppm {
                // It may be long until the journal needs one.
                self.wish_checkpoint();
            }
            let is_due = dirtiness.is_overdue || dirtiness.ppm() > compaction.min_dirty_ppm;
            if dirtiness.dirty_bytes == 0 || !is_due {
                continue;
            }
            let rank = |dirtiness: &Dirtiness| (dirtiness.is_overdue, dirtiness.ppm());
            let is_better = best
                .as_ref()
                .is_none_or(|best| rank(&dirtiness) > rank(&best.dirtiness));
            if is_better {
                best = Some(Candidate { log, dirtiness });
            }
        }
        let status = &self.compaction;
        status.dirtiest_ppm.store(dirtiest_ppm, Ordering::Relaxed);
        status.dirty_bytes.store(dirty_bytes, Ordering::Relaxed);
        let uncleanable = status.left_alone.lock().len() + damaged;
        status.uncleanable.store(uncleanable, Ordering::Relaxed);
        best
    }
}

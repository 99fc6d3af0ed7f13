//! From the journal to the partition files: write-behind, syncs, and checkpoints.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Checkpoint, DataDir, meta};
use crate::journal::{JournalEnd, LogId};
use crate::log::{Log, SyncFailed, Unsynced, is_disk_full};

/// Over so many files that are not synced, the whole file system is.
const SINGLE_SYNCS_MAX: usize = 256;

impl DataDir {
    /// Writes behind what is old enough or worth a write, and more when tails hold too much. Returns the bytes moved.
    ///
    /// A full disk ([`is_disk_full`]) may be tried again later. Any other error takes the directory offline.
    pub fn write_behind(&self, now_ms: i64) -> io::Result<usize> {
        self.seen_ms.store(now_ms, Ordering::Relaxed);
        let mut waiting = self.environment.waiting.take();
        let moved = self.check_online().and_then(|()| {
            let moved = self.with_reserve(|| {
                let moved = self.write_waiting(&waiting, now_ms)?;
                self.bound_unsynced_files()?;
                Ok(moved)
            });
            if moved.as_ref().is_ok_and(|moved| *moved > 0) {
                self.space.on_written();
            }
            self.settle("writing partition files", moved)
        });
        waiting.retain(|id| {
            self.logs
                .read()
                .by_id
                .get(id)
                .is_some_and(|log| !log.stops_waiting())
        });
        self.environment.waiting.put_back(waiting);
        moved
    }

    fn write_waiting(&self, waiting: &[LogId], now_ms: i64) -> io::Result<usize> {
        let mut young: Vec<Arc<Log>> = Vec::new();
        let mut moved = 0;
        for id in waiting {
            let Some(log) = self.logs.read().by_id.get(id).cloned() else {
                continue;
            };
            if log.is_due(now_ms, self.config.write_behind_ms) {
                moved += self.write_log(&log)?;
            } else {
                young.push(log);
            }
        }
        let is_enough = || self.environment.tails.bytes() <= self.config.tail_bytes_max / 2;
        if is_enough() {
            return Ok(moved);
        }
        young.sort_by_cached_key(|log| std::cmp::Reverse(log.tail_bytes()));
        for log in young {
            // Down to half, so that the next append does not begin the next round.
            if is_enough() {
                break;
            }
            moved += self.write_log(&log)?;
        }
        Ok(moved)
    }

    /// Has the kernel begin to write what a log has in the page cache.
    pub(super) fn begin_writeback(&self, id: LogId) -> io::Result<()> {
        self.check_online()?;
        let log = self.logs.read().by_id.get(&id).cloned();
        match log.map_or(Ok(()), |log| log.begin_writeback()) {
            // Who writes or syncs it finds out.
            Err(error) if is_disk_full(&error) => Ok(()),
            begun => self.settle("writing partition files", begun),
        }
    }

    /// The logs of which something is to be begun.
    pub(super) fn take_unwritten(&self) -> Vec<LogId> {
        self.environment.unwritten.take()
    }

    fn write_log(&self, log: &Log) -> io::Result<usize> {
        let moved = log.write_behind(usize::MAX)?;
        self.bound_unsynced_files()?;
        Ok(moved)
    }

    /// Files that were written, or opened after a crash, keep their descriptors until they are synced: when there are too many, they are.
    pub(super) fn bound_unsynced_files(&self) -> io::Result<()> {
        if !self.environment.dirty.is_over() {
            return Ok(());
        }
        let logs = self.logs();
        let mut unsynced = Vec::new();
        for log in &logs {
            unsynced.extend(log.take_unsynced()?);
        }
        self.sync(unsynced)
    }

    /// Files that are not synced.
    pub fn unsynced_files(&self) -> usize {
        self.environment.dirty.get()
    }

    /// Makes durable what logs have written. Over some number of files one sync of the file system is cheaper than
    /// thousands of single ones.
    fn sync(&self, unsynced: Vec<Unsynced<'_>>) -> io::Result<()> {
        let failed = |error| io::Error::other(SyncFailed(error));
        let directories = unsynced.iter().filter(|log| log.names_changed()).count();
        let all_at_once = self.environment.dirty.get() + directories > SINGLE_SYNCS_MAX
            && self.io.sync_file_system(&self.any_file).map_err(failed)?;
        if !all_at_once {
            for log in &unsynced {
                log.sync()?;
            }
            if unsynced.iter().any(Unsynced::names_changed) {
                self.io.sync_dir(&self.path).map_err(failed)?;
            }
        }
        unsynced.into_iter().for_each(Unsynced::done);
        Ok(())
    }

    /// Writes behind everything durable, syncs it, writes a checkpoint and releases journal files. Returns how many were released.
    ///
    /// Appends and reads go on meanwhile; what they add is left to the next one. A full disk ([`is_disk_full`]) may be tried
    /// again later. Any other error takes the directory offline: a sync that failed is never repeated.
    pub fn checkpoint(&self, clean_end: Option<JournalEnd>) -> io::Result<usize> {
        let _checkpointing = self.checkpointing.lock();
        self.check_online()?;
        let released = self.with_reserve(|| self.write_checkpoint(clean_end));
        if released.is_ok() {
            self.space.on_written();
        }
        self.settle("writing a checkpoint", released)
    }

    /// Does what may find the disk full, and does it once more if giving up the reserve makes room.
    pub(super) fn with_reserve<T>(&self, attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let outcome = attempt();
        match &outcome {
            Err(error) if is_disk_full(error) => {
                self.space.on_full(&self.path, error);
                if self.reserve.release() {
                    return attempt();
                }
                outcome
            }
            _ => outcome,
        }
    }

    fn write_checkpoint(&self, clean_end: Option<JournalEnd>) -> io::Result<usize> {
        let number = self.environment.checkpoints.begin();
        // A log that is not in this list is opened at `position` or later, so its entries are kept.
        let (logs, position, next_log_id) = {
            let logs = self.logs.read();
            let position = self.environment.journal.next_position();
            (
                logs.by_id.values().cloned().collect::<Vec<_>>(),
                position,
                logs.next_id,
            )
        };
        let mut needed_from = position;
        self.environment.page_cache.begin_checkpoint();
        let mut lines = Vec::with_capacity(logs.len());
        let mut unsynced = Vec::new();
        for log in &logs {
            log.write_behind(usize::MAX)?;
            if let Some((line, written)) = log.checkpoint(clean_end.is_some())? {
                needed_from = needed_from.min(line.position);
                lines.push(line);
                unsynced.push(written);
            }
            if self.environment.dirty.is_over() {
                self.sync(std::mem::take(&mut unsynced))?;
                // Those of logs that this checkpoint has not come to, or has passed, should they be what there is too much of.
                self.bound_unsynced_files()?;
            }
        }
        self.sync(unsynced)?;
        let checkpoint = Checkpoint {
            generation: self.journal_files.generation_of(needed_from),
            clean_end,
            journal_files: self.journal_files.made(),
            written_ms: Some(self.seen_ms.load(Ordering::Relaxed)),
            next_log_id,
            logs: lines,
        };
        meta::write_durably(
            self.io.as_ref(),
            &Checkpoint::path(&self.path),
            &checkpoint.encode(),
        )?;
        self.environment.checkpoints.end(number);
        let released = self.journal_files.release_before(needed_from);
        if released > 0 {
            self.environment.journal.wake();
        }
        Ok(released)
    }
}

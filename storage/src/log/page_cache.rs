//! Logs that are stored in the page cache ([`Durability::Os`](super::Durability)): their records go to the segments at once, and count as stored when
//! they are written. `flush.messages` and `flush.ms` sync them as in Apache Kafka.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::disk::{DirtySegment, Disk, SyncFailed};
use super::{Durability, Log, LogConfig, WaitingLogs};
use crate::journal::{JournalFault, LogId};

/// What such logs of a data directory have to write, and who writes it.
#[derive(Debug, Default)]
pub struct PageCache {
    waiting: WaitingLogs,
    /// Bytes written since the last checkpoint: what a recovery has to look at.
    unsynced_bytes: AtomicU64,
    asked: Mutex<bool>,
    asks: Condvar,
}

impl PageCache {
    pub(super) fn push(&self, log: LogId) {
        self.waiting.push(log);
        self.wake();
    }

    /// Wakes the writer.
    pub fn wake(&self) {
        let mut asked = self.asked.lock();
        if !std::mem::replace(&mut *asked, true) {
            self.asks.notify_one();
        }
    }

    /// Waits until there is something to write, at most for `limit`, and takes it.
    pub fn wait(&self, limit: Duration) -> Vec<LogId> {
        let mut asked = self.asked.lock();
        if !*asked {
            self.asks.wait_for(&mut asked, limit);
        }
        *asked = false;
        drop(asked);
        self.waiting.take()
    }

    /// Takes what there is to write.
    pub fn take(&self) -> Vec<LogId> {
        self.waiting.take()
    }

    /// Puts back what could not be written.
    pub fn put_back(&self, logs: Vec<LogId>) {
        self.waiting.put_back(logs);
    }

    pub(super) fn add_unsynced(&self, bytes: usize) {
        self.unsynced_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes written since the last checkpoint began.
    pub fn unsynced_bytes(&self) -> u64 {
        self.unsynced_bytes.load(Ordering::Relaxed)
    }

    /// A checkpoint begins.
    pub fn begin_checkpoint(&self) {
        self.unsynced_bytes.store(0, Ordering::Relaxed);
    }
}

impl Log {
    /// Whether a recovery might not know of the log yet: what is written to its files would not be found.
    pub(super) fn is_too_early(&self) -> bool {
        let state = self.state();
        state
            .open_position
            .is_some_and(|opened| state.durable_through < Some(opened))
    }

    /// Syncs what was written if `flush.messages` asks for it, and tells that it is stored.
    pub(super) fn after_page_cache_write(
        &self,
        mut disk: MutexGuard<'_, Disk>,
        bytes: usize,
    ) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let page_cache = &self.environment.page_cache;
        page_cache.add_unsynced(bytes);
        let flush_messages = self.config.lock().flush_messages;
        if flush_messages.is_some_and(|records| disk.unsynced_records >= records) {
            self.flush(&mut disk)?;
        }
        drop(disk);
        let durable_end = self.state().offsets.durable_end;
        if let Some(listener) = self.listener() {
            listener.on_durable(durable_end);
        }
        Ok(())
    }

    /// Syncs what was written if `flush.ms` asks for it. True when it will ask later.
    pub fn flush_aged(&self, now_ms: i64) -> io::Result<bool> {
        let Some(flush_ms) = self.config.lock().flush_ms else {
            return Ok(false);
        };
        let mut disk = self.disk.lock();
        if disk.dropped || disk.unsynced_records == 0 {
            return Ok(false);
        }
        let since_ms = *disk.unsynced_since_ms.get_or_insert(now_ms);
        let is_due = now_ms.saturating_sub(since_ms) >= flush_ms;
        if is_due {
            self.flush(&mut disk)?;
        }
        Ok(!is_due)
    }

    /// Makes what was written durable, names included: a recovery finds it also after a power loss.
    fn flush(&self, disk: &mut Disk) -> io::Result<()> {
        for segment in &disk.unflushed {
            segment.sync()?;
        }
        self.sync_names(disk)?;
        disk.unflushed.clear();
        disk.unsynced_records = 0;
        disk.unsynced_since_ms = None;
        Ok(())
    }

    /// Makes names durable, the log's own and those in it.
    pub(super) fn sync_names(&self, disk: &mut Disk) -> io::Result<()> {
        if disk.names_unflushed {
            let io = self.environment.files.io();
            for dir in [Some(self.dir.as_path()), self.dir.parent()] {
                let synced = dir.map_or(Ok(()), |dir| io.sync_dir(dir));
                synced.map_err(|error| io::Error::other(SyncFailed(error)))?;
            }
        }
        disk.names_unflushed = false;
        Ok(())
    }

    /// Notes a segment that is about to be written, if it will have to be flushed.
    pub(super) fn to_flush(
        &self,
        disk: &mut Disk,
        config: &LogConfig,
        segment: &Arc<DirtySegment>,
    ) {
        let flushes = config.flush_messages.is_some() || config.flush_ms.is_some();
        if self.durability == Durability::Os && !flushes {
            return;
        }
        if disk
            .unflushed
            .iter()
            .all(|known| !Arc::ptr_eq(known, segment))
        {
            disk.unflushed.push(Arc::clone(segment));
        }
    }

    /// The data directory is offline: what waits will never be stored. Logs in the journal are told by the journal.
    pub(crate) fn fail_unjournaled(&self, fault: &JournalFault) {
        let is_unjournaled =
            self.durability == Durability::Os || self.state().unjournaled_from.is_some();
        if is_unjournaled && let Some(listener) = self.listener() {
            listener.on_fault(fault);
        }
    }
}

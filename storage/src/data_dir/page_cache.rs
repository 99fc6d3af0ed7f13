//! The logs that are stored in the page cache, for a whole directory.

use std::io;

use super::DataDir;
use crate::journal::{JournalFault, LogId};

impl DataDir {
    /// Bytes that such logs have written since the last checkpoint.
    pub fn unsynced_page_cache_bytes(&self) -> u64 {
        self.environment.page_cache.unsynced_bytes()
    }

    /// Writes what waits in these logs, and syncs what is due. An error leaves the rest waiting.
    ///
    /// A full disk may be tried again later. Any other error takes the directory offline; when it is offline, whoever waits for
    /// these logs is told.
    pub fn write_page_cache(&self, waiting: Vec<LogId>, now_ms: i64) -> io::Result<()> {
        if let Some(fault) = self.fault() {
            self.fail_unjournaled(&fault);
            return Err(io::Error::other(fault));
        }
        let mut waiting = waiting;
        waiting.sort_unstable();
        waiting.dedup();
        let mut later = Vec::new();
        let written = self.write_logs(&waiting, now_ms, &mut later);
        waiting.retain(|id| {
            let log = self.logs.read().by_id.get(id).cloned();
            log.is_some_and(|log| !log.stops_waiting())
        });
        waiting.append(&mut later);
        self.environment.page_cache.put_back(waiting);
        self.settle("writing partition files", written)
    }

    /// Takes what waits, for who drives the directory by hand.
    pub fn write_waiting_page_cache(&self, now_ms: i64) -> io::Result<()> {
        let waiting = self.environment.page_cache.take();
        self.write_page_cache(waiting, now_ms)
    }

    /// `later` gets the logs that are to be synced later.
    fn write_logs(&self, ids: &[LogId], now_ms: i64, later: &mut Vec<LogId>) -> io::Result<()> {
        for id in ids {
            let Some(log) = self.logs.read().by_id.get(id).cloned() else {
                continue;
            };
            log.write_behind(usize::MAX)?;
            if log.flush_aged(now_ms)? {
                later.push(*id);
            }
        }
        Ok(())
    }

    pub(super) fn fail_unjournaled(&self, fault: &JournalFault) {
        for log in self.logs() {
            log.fail_unjournaled(fault);
        }
    }
}

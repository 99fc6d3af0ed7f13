//! What bypasses the journal, for a whole directory.

use std::io;

use super::DataDir;
use crate::journal::LogId;
use crate::log::is_disk_full;

impl DataDir {
    /// Bytes of batches that were written once, past the journal, since the start.
    pub fn bypassed_bytes(&self) -> u64 {
        self.environment.bypass.stored_bytes()
    }

    /// Stores what bypasses the journal of one log. On a full disk it goes into the journal after all, whose space is there. Any
    /// other error takes the directory offline.
    pub fn store_bypassing(&self, id: LogId) -> io::Result<()> {
        self.check_online()?;
        let Some(log) = self.logs.read().by_id.get(&id).cloned() else {
            return Ok(());
        };
        let stored = match log.store_bypassing() {
            Err(error) if is_disk_full(&error) => {
                self.space.on_full(&self.path, &error);
                log.bypass_no_more().map_err(io::Error::other)
            }
            stored => stored,
        };
        self.settle("writing partition files", stored)
    }

    /// Stores what there is, for who drives the directory by hand.
    pub fn store_all_bypassing(&self) -> io::Result<()> {
        for _ in 0..self.environment.bypass.waiting() {
            if let Some(log) = self.environment.bypass.take() {
                self.store_bypassing(log)?;
            }
        }
        Ok(())
    }

    /// Has everything go into the journal that has bypassed it until now.
    pub fn bypass_no_more(&self) -> io::Result<()> {
        for log in self.logs() {
            log.bypass_no_more().map_err(io::Error::other)?;
        }
        Ok(())
    }
}

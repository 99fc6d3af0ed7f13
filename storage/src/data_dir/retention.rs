//! Retention for all logs of a directory.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{DataDir, SpaceState};
use crate::log::{Retained, RetentionTime};

/// What retention has done since the start.
#[derive(Debug, Default)]
pub struct RetentionStatus {
    segments: AtomicU64,
    bytes: AtomicU64,
    is_paused: AtomicBool,
    has_looked: AtomicBool,
}

impl RetentionStatus {
    /// Segments and bytes deleted.
    pub fn deleted(&self) -> Retained {
        Retained {
            segments: self.segments.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Whether nothing is deleted for its age, since the wall clock has jumped.
    pub fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    /// Whether the wall clock was where it should be when it was last looked at; not before it was.
    pub fn trusts_clock(&self) -> bool {
        self.has_looked.load(Ordering::Relaxed) && !self.is_paused()
    }
}

impl DataDir {
    /// What retention has done.
    pub fn retention(&self) -> &RetentionStatus {
        &self.retention
    }

    /// Deletes the segments of all logs that are no longer wanted. Their files are removed later: see [`DataDir::remove_condemned`]. Forgets
    /// idempotent producers that have been silent for too long.
    ///
    /// A log that cannot be looked at is left as it is, and the others go on.
    pub fn retain(&self, now: RetentionTime) -> Retained {
        let mut sum = Retained::default();
        for log in self.logs() {
            if self.fault().is_some() {
                break;
            }
            match log.retain(now) {
                Ok(retained) => {
                    sum.segments += retained.segments;
                    sum.bytes += retained.bytes;
                }
                Err(error) => {
                    tracing::warn!(%error, ?log, "cannot look for segments to delete");
                }
            }
            // The first look opens every log.
            let bounded = self.bound_unsynced_files();
            if self.settle("syncing partition files", bounded).is_err() {
                break;
            }
            if let Some(now_ms) = now.wall_ms {
                log.expire_producers(now_ms.saturating_sub(self.producer_expiration_ms()));
            }
        }
        let status = &self.retention;
        status.segments.fetch_add(sum.segments, Ordering::Relaxed);
        status.bytes.fetch_add(sum.bytes, Ordering::Relaxed);
        let is_paused = now.wall_ms.is_none();
        status.is_paused.store(is_paused, Ordering::Relaxed);
        status.has_looked.store(true, Ordering::Relaxed);
        if sum.segments > 0 {
            // Their files wait for it.
            self.wish_checkpoint();
        }
        sum
    }

    /// Removes the files of deleted segments: after their delay, or as soon as it is safe while there is too little space. The first error ends it; what is
    /// left is tried again the next time.
    pub fn remove_condemned(&self, monotonic_ms: i64) -> io::Result<()> {
        let hurry = self.space_state() != SpaceState::Enough;
        let waiting = self.environment.condemned.take();
        let mut result = Ok(());
        let mut left = Vec::new();
        for id in waiting {
            let log = self.logs.read().by_id.get(&id).cloned();
            let Some(log) = log else { continue };
            if result.is_ok() {
                match log.remove_condemned(monotonic_ms, hurry) {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => result = Err(error),
                }
            }
            left.push(id);
        }
        left.dedup();
        self.environment.condemned.put_back(left);
        result
    }

    /// There is a reason for a checkpoint, however empty the journal.
    pub(super) fn wish_checkpoint(&self) {
        self.checkpoint_wanted.store(true, Ordering::Release);
    }

    /// Whether somebody waits for a checkpoint; asked once.
    pub(super) fn takes_checkpoint_wish(&self) -> bool {
        self.checkpoint_wanted.swap(false, Ordering::AcqRel)
    }
}

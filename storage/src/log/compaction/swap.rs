//! A new segment takes the place of old ones.

use std::io;
use std::sync::Arc;

use super::super::Log;
use super::super::disk::{SyncFailed, is_disk_full};
use super::super::segment::Segment;
use super::writer::{CleanedSegment, cleaned_path};

impl Log {
    /// Whether a segment is one of the log's.
    pub(in crate::log) fn has_segment(&self, segment: &Arc<Segment>) -> bool {
        let state = self.state();
        state.segments.iter().any(|it| Arc::ptr_eq(it, segment))
    }

    /// Puts a segment in the place of neighbours. False, and nothing is done, when they are not the log's any more, or not all.
    pub(super) fn swap_segments(
        &self,
        old: &[Arc<Segment>],
        cleaned: &CleanedSegment,
    ) -> io::Result<bool> {
        let mut disk = self.disk.lock();
        if disk.dropped || disk.cut.is_some() || !old.iter().all(|it| self.has_segment(it)) {
            return Ok(false);
        }
        // A start takes nothing for replaced that begins before the log does (`without_replaced`).
        let start = self.offsets().start;
        if old.get(1).is_some_and(|second| second.base() <= start) {
            return Ok(false);
        }
        let io = self.environment.files.io();
        let first = &old[0];
        let new = Arc::new(first.replaced(cleaned.bytes));
        // Those of the old segment must not be found beside the new one.
        for extension in ["index", "timeindex"] {
            match io.remove_file(&first.path(extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let synced = io.sync_dir(&self.dir);
        synced.map_err(|error| io::Error::other(SyncFailed(error)))?;

        // From here on a reader of the old segment may find the new file under its name.
        self.state().is_swapping = true;
        let path = cleaned_path(self, cleaned.base, "log");
        let renamed = io.rename(&path, &new.path("log"));
        {
            let mut state = self.state();
            state.is_swapping = false;
            if renamed.is_ok() {
                let at = state.segments.iter().position(|it| Arc::ptr_eq(it, first));
                let at = at.unwrap_or(state.segments.len());
                let end = (at + old.len()).min(state.segments.len());
                state.segments.splice(at..end, [Arc::clone(&new)]);
                state.cuts += 1;
            }
        }
        renamed?;
        // What fails from here on leaves names that must not come back: as bad as a sync that fails.
        let finish = || -> io::Result<()> {
            for extension in ["index", "timeindex"] {
                let path = cleaned_path(self, cleaned.base, extension);
                match io.rename(&path, &new.path(extension)) {
                    // It is built again when somebody looks for it.
                    Err(error) if is_disk_full(&error) => {}
                    renamed => renamed?,
                }
            }
            io.sync_dir(&self.dir)?;
            first.forget_files();
            for segment in &old[1..] {
                segment.remove()?;
            }
            match old.len() > 1 {
                // Should one come back, records would be in it that have been left out since.
                true => io.sync_dir(&self.dir),
                false => Ok(()),
            }
        };
        let is_other = |segment: &Arc<Segment>| !old.iter().any(|it| Arc::ptr_eq(it, segment));
        disk.dirty.retain(|dirty| is_other(&dirty.segment));
        disk.unflushed.retain(|dirty| is_other(&dirty.segment));
        disk.names_changed = true;
        finish().map_err(|error| io::Error::other(SyncFailed(error)))?;
        Ok(true)
    }
}

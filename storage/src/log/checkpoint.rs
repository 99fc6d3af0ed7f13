//! A log's part in a checkpoint: what was written behind and must be synced, and what a recovery will find then.

use std::io;
use std::sync::Arc;

use protocol::model::Offset;

use super::disk::{ActiveSegment, Directory, DirtySegment, Disk, SyncFailed, write_note};
use super::restore::CheckpointedLog;
use super::segment::Segment;
use super::{Durability, Log};

/// What was written and is not synced yet, with its descriptors. When it is dropped before it is [`Unsynced::done`], it is the log's
/// again, for the next checkpoint: an error elsewhere, such as a full disk, must not leave it unsynced.
pub struct Unsynced<'a> {
    log: &'a Log,
    segments: Vec<Arc<DirtySegment>>,
    names_changed: bool,
}

impl Drop for Unsynced<'_> {
    fn drop(&mut self) {
        if self.segments.is_empty() && !self.names_changed {
            return;
        }
        let mut disk = self.log.disk.lock();
        if !disk.dropped {
            disk.dirty.append(&mut self.segments);
            disk.names_changed |= self.names_changed;
        }
    }
}

impl Unsynced<'_> {
    /// It has been synced.
    pub fn done(mut self) {
        if !self.segments.is_empty() {
            let is_synced = |known: &Arc<DirtySegment>| {
                self.segments
                    .iter()
                    .any(|segment| Arc::ptr_eq(segment, known))
            };
            let mut disk = self.log.disk.lock();
            disk.unflushed.retain(|known| !is_synced(known));
        }
        self.segments.clear();
        self.names_changed = false;
    }

    /// Whether names in the log's directory, or the directory's own, wait to be durable.
    pub fn names_changed(&self) -> bool {
        self.names_changed
    }

    /// Makes contents and names durable, but for the name of the log's directory.
    pub fn sync(&self) -> io::Result<()> {
        for segment in &self.segments {
            segment.sync()?;
        }
        if self.names_changed {
            match self.log.environment.files.io().sync_dir(&self.log.dir) {
                // Deleted and renamed meanwhile.
                Err(_) if self.log.state().dropped => {}
                synced => synced.map_err(|error| io::Error::other(SyncFailed(error)))?,
            }
        }
        Ok(())
    }
}

impl Log {
    /// Says what a recovery will find once what comes with it is synced: one line of a checkpoint. `None` for a log that was dropped.
    ///
    /// What is written from now on is left to the next checkpoint.
    pub fn checkpoint(&self, closing: bool) -> io::Result<Option<(CheckpointedLog, Unsynced<'_>)>> {
        let mut disk = self.disk.lock();
        if disk.dropped {
            return Ok(None);
        }
        if closing {
            disk.close_time_index(&self.environment.dirty)?;
        }
        if !matches!(disk.directory, Directory::Open) {
            if let Some(line) = self.checkpoint_line(&disk) {
                self.note_covered(&mut disk, &line);
                return Ok(Some((line, self.take_unsynced_of(&mut disk)?)));
            }
            // How many bytes it has from its new start on is not known before it is opened.
            self.make_ready(&mut disk)?;
        }
        let unsynced = self.take_unsynced_of(&mut disk)?;
        let line = self.checkpoint_line(&disk);
        if let Some(line) = &line {
            self.note_covered(&mut disk, line);
        }
        Ok(line.map(|line| (line, unsynced)))
    }

    fn note_covered(&self, disk: &mut Disk, line: &CheckpointedLog) {
        if let Some(active) = line.active {
            let checkpoints = &self.environment.checkpoints;
            disk.note_covered(checkpoints.begun(), active.base, checkpoints);
        }
    }

    /// Takes what is not synced, for who syncs it at once.
    pub fn take_unsynced(&self) -> io::Result<Option<Unsynced<'_>>> {
        let mut disk = self.disk.lock();
        let has_any = !disk.dropped && !disk.dirty.is_empty();
        if has_any {
            self.take_unsynced_of(&mut disk).map(Some)
        } else {
            Ok(None)
        }
    }

    fn take_unsynced_of(&self, disk: &mut Disk) -> io::Result<Unsynced<'_>> {
        disk.flush_indexes(&self.environment.dirty)?;
        if disk.epochs_changed {
            let text = disk.leader_epochs.to_text();
            let path = self.dir.join("leader-epoch-checkpoint");
            disk.names_changed = true;
            write_note(self.environment.files.io().as_ref(), &path, text.as_bytes())?;
            disk.epochs_changed = false;
        }
        Ok(Unsynced {
            log: self,
            segments: std::mem::take(&mut disk.dirty),
            names_changed: std::mem::take(&mut disk.names_changed),
        })
    }

    /// `None` for a log that has not been opened and begins later than when it was restored.
    fn checkpoint_line(&self, disk: &Disk) -> Option<CheckpointedLog> {
        let state = self.state();
        let (active, closed_bytes) = match &disk.directory {
            Directory::Unopened {
                active: None,
                closed_bytes,
                ..
            } => (None, *closed_bytes),
            Directory::Unopened { start, .. } if *start != state.offsets.start => return None,
            Directory::Unopened {
                active,
                closed_bytes,
                ..
            } => (*active, *closed_bytes),
            Directory::Unmade => (None, 0),
            Directory::Open => {
                let active = match (&disk.active, state.segments.last()) {
                    (Some(active), _) => Some(ActiveSegment {
                        base: active.segment.base(),
                        bytes: active.segment.bytes(),
                        index_bytes: active.index_bytes,
                        time_index_bytes: active.time_index_bytes,
                    }),
                    // Damaged: it takes no more batches, and its indexes are not believed.
                    (None, Some(last)) => Some(ActiveSegment {
                        base: last.base(),
                        bytes: last.bytes(),
                        index_bytes: 0,
                        time_index_bytes: 0,
                    }),
                    (None, None) => None,
                };
                let start = state.offsets.start;
                (active, closed_bytes_from(start, &state.segments))
            }
        };
        let oldest_journaled = match self.durability {
            // What the files hold beside is not to be replayed.
            Durability::Fsync => state.tail.from(disk.end).next(),
            Durability::Os => None,
        };
        let position = match (&disk.cut, oldest_journaled) {
            (Some(cut), _) => cut.replay_from,
            (None, Some(oldest)) => oldest.position,
            (None, None) => self.environment.journal.next_position(),
        };
        let replayed_end = disk.cut.as_ref().map_or(disk.end, |cut| cut.to);
        Some(CheckpointedLog {
            id: self.id,
            partition: self.partition,
            topic: self.topic.clone(),
            durability: self.durability,
            position,
            // A start beyond is in the journal behind what moved the end there, and is replayed with it.
            start: state.offsets.start.min(replayed_end),
            written_end: disk.end,
            high_watermark: self.high_watermark(),
            active,
            closed_bytes,
            damaged: state.damaged.clone(),
            leader_epochs: disk.leader_epochs.clone(),
            producers: disk.producers.clone(),
        })
    }
}

/// Bytes of all segments but the last that have records from `start` on.
pub(super) fn closed_bytes_from(start: Offset, segments: &[Arc<Segment>]) -> u64 {
    segments
        .windows(2)
        .filter(|pair| pair[1].base() > start)
        .map(|pair| pair[0].bytes())
        .sum()
}

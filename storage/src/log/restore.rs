//! A log's line in a checkpoint, and its way back: restore, then replay what the journal holds beyond.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::batch::BatchHeader;
use protocol::model::{LeaderEpoch, Offset, TopicIdPartition};

use super::disk::{ActiveSegment, Directory, Disk};
use super::tail::{BATCH_MEMORY, BatchBytes, TailBatch};
use super::{
    DamagedRange, Durability, LeaderEpochs, Log, LogConfig, LogEnvironment, NewLog, Producers,
};
use crate::journal::{BadBytes, JournalPosition, LogId};

/// What a checkpoint says of a log: what its files hold, synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointedLog {
    /// The log's number.
    pub id: LogId,
    /// Topic id and partition.
    pub partition: TopicIdPartition,
    /// The topic's name.
    pub topic: String,
    /// When its records count as stored.
    pub durability: Durability,
    /// Journal entries of this log before this position are in the files; the others are replayed.
    pub position: JournalPosition,
    /// The log's first offset.
    pub start: Offset,
    /// The end of what the files hold.
    pub written_end: Offset,
    /// The high watermark last noted.
    pub high_watermark: Offset,
    /// The active segment. `None` when nothing was ever written.
    pub active: Option<ActiveSegment>,
    /// Bytes of all other segments.
    pub closed_bytes: u64,
    /// Offsets known to be unreadable.
    pub damaged: Vec<DamagedRange>,
    /// Leader epochs up to `written_end`.
    pub leader_epochs: LeaderEpochs,
    /// Producers as of `written_end`.
    pub producers: Producers,
}

/// A journal entry that does not fit its log.
#[derive(Debug, thiserror::Error)]
#[error(
    "entry at journal position {position} begins at offset {got} of leader epoch {epoch:?}, but the log ends at {end} of {latest:?}"
)]
pub struct ReplayError {
    /// The entry's position.
    pub position: JournalPosition,
    /// Its offset.
    pub got: Offset,
    /// Its leader epoch.
    pub epoch: Option<LeaderEpoch>,
    /// The log's end.
    pub end: Offset,
    /// The log's leader epoch.
    pub latest: Option<LeaderEpoch>,
}

impl Log {
    /// The log as the checkpoint left it. Its files are not touched before somebody reads or writes.
    pub fn restore(
        line: CheckpointedLog,
        dir: &Path,
        config: LogConfig,
        environment: LogEnvironment,
    ) -> Log {
        let new = NewLog {
            id: line.id,
            partition: line.partition,
            topic: &line.topic,
            durability: line.durability,
            start: line.start,
        };
        let log = Log::new(new, dir, config, environment);
        {
            let mut state = log.state();
            state.offsets.start = line.start;
            state.offsets.written_end = line.written_end;
            state.offsets.durable_end = line.written_end;
            state.offsets.end = line.written_end;
            state.leader_epochs = line.leader_epochs.clone();
            state.producers = line.producers.clone();
            state.damaged = line.damaged;
            // Reads go by the order. A checkpoint of ours has it.
            state.damaged.sort_by_key(|range| range.from);
            // Epochs are those of the files, which may begin before it.
            state
                .leader_epochs
                .start_at(line.start.min(line.written_end));
            // What lies beyond, the replay finds again.
            state.damaged.retain(|range| range.from < line.written_end);
            for range in &mut state.damaged {
                range.to = range.to.min(line.written_end);
            }
        }
        let bytes = line.closed_bytes + line.active.map_or(0, |active| active.bytes);
        log.unopened_bytes.store(bytes, Ordering::Relaxed);
        let mut disk = Disk::restored(
            Directory::Unopened {
                active: line.active,
                closed_bytes: line.closed_bytes,
                start: line.start,
            },
            line.written_end,
            line.leader_epochs,
            line.producers,
        );
        if let Some(active) = line.active {
            // The checkpoint that has been read is durable.
            disk.note_covered(0, active.base, &log.environment.checkpoints);
        }
        *log.disk.lock() = disk;
        log.set_high_watermark(line.high_watermark);
        log
    }

    /// Puts a replayed batch at the end of the log: durable, still in the journal.
    pub(crate) fn replay_append(
        self: &Arc<Self>,
        position: JournalPosition,
        header: BatchHeader,
        bytes: BatchBytes,
        now_ms: i64,
    ) -> Result<(), ReplayError> {
        let mut state = self.state();
        let latest = state.leader_epochs.latest();
        let epoch = header.partition_leader_epoch;
        if header.base_offset != state.offsets.end || (epoch.is_some() && epoch < latest) {
            let error = ReplayError {
                position,
                got: header.base_offset,
                epoch,
                end: state.offsets.end,
                latest,
            };
            return Err(error);
        }
        if let Some(epoch) = header.partition_leader_epoch {
            state.leader_epochs.on_append(epoch, header.base_offset);
        }
        state.producers.on_append(&header, now_ms);
        self.environment
            .tails
            .add(header.size_in_bytes + BATCH_MEMORY);
        state.oldest_tail_ms.get_or_insert(now_ms);
        self.list(&mut state);
        let end = header.end_offset();
        state.tail.push(TailBatch {
            header,
            position,
            appended_ms: now_ms,
            bytes,
        });
        state.offsets.end = end;
        state.offsets.durable_end = end;
        state.check();
        Ok(())
    }

    /// Leaves a hole where a batch was acknowledged but cannot be read.
    pub(crate) fn replay_damaged(&self, from: Offset, to: Offset, bad: BadBytes) {
        let mut disk = self.disk.lock();
        let mut state = self.state();
        let from = from.max(state.offsets.end);
        if to <= from {
            return;
        }
        self.add_damage(&mut state, DamagedRange { from, to, bad });
        state.offsets.end = to;
        state.offsets.durable_end = to;
        if state.tail.front().is_none() && disk.cut.is_none() {
            // Nothing will be written there that could move the end of the files behind the hole.
            state.offsets.written_end = to;
            disk.end = to;
        }
    }

    pub(crate) fn replay_start(&self, start: Offset) {
        let mut state = self.state();
        // Of a log that is not in the journal, what followed may be lost: see `Log::salvage`.
        let is_there = start <= state.offsets.end || self.durability == Durability::Os;
        if start > state.offsets.start && is_there {
            state.set_start(start);
        }
    }
}

//! Compaction (`cleanup.policy=compact`, Kafka's `Cleaner`): of the records with one key the last one stays.
//!
//! A pass maps the keys of the dirty part of the log to their last offsets, as many as memory holds, and writes the segments up to there again without the records that
//! the map knows a later one of. What it writes is whole segments, a few old ones to a new one. Offsets never change: a batch of which records are left keeps
//! its first and last offset, and batches of which none is left are followed up by an empty one that spans them. So a segment has no gaps.
//!
//! Tombstones stay for `delete.retention.ms` from the pass on in which they were seen first, since what they delete may have been read before. The time is in their batch
//! (KIP-534).
//!
//! | | what a crash finds |
//! |---|---|
//! | the new segment is written beside the old ones, and synced | the old ones; what is beside them is removed |
//! | the old one's indexes are removed, it gets the new file under its name | the one or the other; indexes that are missing are built again |
//! | the other old ones are removed | some of them: the new segment ends where the first of them begins |
//! | the directory is synced | |
//!
//! Only segments are written again that a durable checkpoint counts among those that do not change any more: a recovery does not look into them.

mod clean;
mod offset_map;
mod plan;
mod swap;
mod writer;

use std::io;

pub use offset_map::{HashKey, OffsetMap};
pub(super) use plan::CHECKPOINT_FILE;
pub use plan::Dirtiness;
pub(super) use writer::CLEANED;

use protocol::batch::BatchError;
use protocol::model::Offset;

use super::read::ReadError;
use super::segment::SegmentError;

/// What the compaction of a log goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// `min.cleanable.dirty.ratio`, in millionths: the share of the log that has to be dirty.
    pub min_dirty_ppm: u32,
    /// `min.compaction.lag.ms`: records stay for so long.
    pub min_lag_ms: i64,
    /// `max.compaction.lag.ms`: records are not left dirty for longer, whatever the share.
    pub max_lag_ms: i64,
    /// `delete.retention.ms`: tombstones stay for so long.
    pub delete_retention_ms: i64,
}

/// The settings of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The time, in milliseconds since the epoch; `None` while the clock is not to be trusted: then tombstones stay.
    pub now_ms: Option<i64>,
    /// `log.cleaner.dedupe.buffer.size`: memory for the keys.
    pub map_bytes_max: usize,
    /// What the keys' hashes depend on.
    pub hash_key: HashKey,
}

/// What a pass has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of segments read: once for the keys, once to write them again.
    pub bytes_read: u64,
    /// Bytes of segments written.
    pub bytes_written: u64,
    /// Records that were left out.
    pub records_removed: u64,
    /// Keys in the map.
    pub keys: u64,
    /// Segments that were replaced.
    pub segments_replaced: u64,
    /// By so many.
    pub segments_written: u64,
    /// The log is compacted up to here.
    pub end: Offset,
}

/// Why a pass came to no end. The log is as it was, or in part compacted.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
    /// The log was truncated, or segments were deleted. The next pass begins anew.
    #[error("the log has changed meanwhile")]
    Changed,
    /// A segment is damaged. It is left as it is.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Records cannot be read.
    #[error("the batch at offset {at}: {error}")]
    Batch {
        /// Where.
        at: Offset,
        /// What is wrong with it.
        error: BatchError,
    },
    /// The keys of one batch take more memory than there is (`log.cleaner.dedupe.buffer.size`).
    #[error("there is too little memory for the keys of the batch at offset {0}")]
    MapTooSmall(Offset),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl CompactError {
    /// Whether the log is left alone from now on: the next pass would find the same.
    pub fn is_final(&self) -> bool {
        match self {
            CompactError::Read(ReadError::Damaged(_))
            | CompactError::Batch { .. }
            | CompactError::MapTooSmall(_) => true,
            CompactError::Stopped
            | CompactError::Changed
            | CompactError::Read(_)
            | CompactError::Write(_) => false,
        }
    }
}

impl From<SegmentError> for CompactError {
    fn from(error: SegmentError) -> CompactError {
        CompactError::Read(error.into())
    }
}

/// Is told how many bytes were read or written, and may take its time. False: stop.
pub type Pace<'a> = &'a mut dyn FnMut(u64) -> bool;

#[cfg(test)]
mod tests;

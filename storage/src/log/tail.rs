//! The newest batches of a log: appended, not yet in a segment.
//!
//! They are in memory, as slices of the frames they arrived in, or (after a recovery) still in the journal. Reads at the
//! end of the log are served from here; write-behind takes them from the front, in large pieces.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use protocol::batch::BatchHeader;
use protocol::model::Offset;

use crate::io::IoFile;
use crate::journal::JournalPosition;

/// Where the bytes of a batch are.
#[derive(Clone, Debug)]
pub enum BatchBytes {
    /// In memory. Whatever the bytes pin is released when the batch has been written behind.
    Memory(Bytes),
    /// In a journal file, at this byte, since a recovery.
    Journal {
        /// The file.
        file: Arc<dyn IoFile>,
        /// The first byte of the batch.
        at: u64,
    },
}

/// A batch with its place.
#[derive(Clone, Debug)]
pub struct TailBatch {
    /// Its header, offsets assigned.
    pub header: BatchHeader,
    /// The journal entry that carries it; for one that is not in the journal, one that is not after what will say that it is stored.
    pub position: JournalPosition,
    /// When it was appended, in milliseconds: what producer expiry goes by.
    pub appended_ms: i64,
    /// Its bytes.
    pub bytes: BatchBytes,
}

/// What a batch takes beside its bytes, about: itself, and what holds the frame.
pub const BATCH_MEMORY: usize = size_of::<TailBatch>() + 192;

/// The tail of one log, oldest batch first, offsets growing.
#[derive(Debug, Default)]
pub struct Tail {
    batches: VecDeque<TailBatch>,
    bytes: usize,
}

impl Tail {
    /// Bytes of all batches, wherever they are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory of all batches, as if their bytes were there.
    pub fn memory(&self) -> usize {
        self.bytes + self.batches.len() * BATCH_MEMORY
    }

    /// The oldest batch.
    pub fn front(&self) -> Option<&TailBatch> {
        self.batches.front()
    }

    /// Adds the newest batch.
    pub fn push(&mut self, batch: TailBatch) {
        assert!(
            self.batches
                .back()
                .is_none_or(|last| last.header.end_offset() <= batch.header.base_offset),
            "offsets of a tail grow"
        );
        self.bytes += batch.header.size_in_bytes;
        self.batches.push_back(batch);
    }

    /// Removes the batches that end at or before `end`, and returns their memory.
    pub fn remove_before(&mut self, end: Offset) -> usize {
        let before = self.memory();
        while let Some(front) = self.batches.front() {
            if front.header.end_offset() > end {
                break;
            }
            self.bytes -= front.header.size_in_bytes;
            self.batches.pop_front();
        }
        before - self.memory()
    }

    /// Removes the batches that begin at or after `end`, and returns their memory.
    pub fn remove_from(&mut self, end: Offset) -> usize {
        let before = self.memory();
        while let Some(back) = self.batches.back() {
            if back.header.base_offset < end {
                break;
            }
            self.bytes -= back.header.size_in_bytes;
            self.batches.pop_back();
        }
        before - self.memory()
    }

    /// All batches, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &TailBatch> {
        self.batches.iter()
    }

    /// The batches that begin at or after `offset`.
    pub fn beginning_from(&mut self, offset: Offset) -> impl Iterator<Item = &mut TailBatch> {
        let at = self
            .batches
            .partition_point(|batch| batch.header.base_offset < offset);
        self.batches.range_mut(at..)
    }

    /// The batches from the one that holds `offset` (or the first after it) on.
    pub fn from(&self, offset: Offset) -> impl Iterator<Item = &TailBatch> {
        let at = self
            .batches
            .partition_point(|batch| batch.header.end_offset() <= offset);
        self.batches.range(at..)
    }

    /// Bytes of the batches from the one that holds `offset` (or the first after it) on.
    pub fn bytes_from(&self, offset: Offset) -> usize {
        let batches = self.from(offset);
        batches.map(|batch| batch.header.size_in_bytes).sum()
    }
}

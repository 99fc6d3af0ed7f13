//! Consumers that read from a replica that follows (KIP-392): what it knows to be committed, and nothing beyond.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::model::{LeaderEpoch, Offset};
use storage::log::{ReadError, Region, TailRead};

use super::{Followed, State, Stopped};
use crate::metrics::TopicMetrics;
use crate::partition::{FetchWait, PartitionOffsets, PartitionRead, check_epoch, read_code};

/// The leader is asked to say at once what is committed for so long after a consumer has asked.
const READ_MS: i64 = 10_000;

impl Followed {
    /// The topic's counters.
    pub fn metrics(&self) -> &TopicMetrics {
        &self.metrics
    }

    /// A consumer has asked.
    pub fn on_asked(&self, now_ms: i64) {
        self.asked_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// Where it stands, for answers.
    pub fn offsets(&self) -> PartitionOffsets {
        let (leader_epoch, high_watermark) = {
            let state = self.state.lock();
            (state.leader_epoch, state.committed)
        };
        // The log's end is read second, so that it is never behind the high watermark.
        let log = self.log.offsets();
        PartitionOffsets {
            log_start: log.start,
            high_watermark,
            // No transaction is ever open here.
            last_stable: high_watermark,
            log_end: log.end,
            leader_epoch,
        }
    }

    /// Checks the leader epoch a client believes in (KIP-320).
    pub fn check_epoch(&self, current: Option<LeaderEpoch>) -> Result<(), ErrorCode> {
        check_epoch(self.state.lock().leader_epoch, current)
    }

    /// Whether it hears from a leader that counts on it: else there may be more that is committed, and nobody tells it.
    pub fn is_in_sync(&self) -> bool {
        let state = self.state.lock();
        state.in_sync && state.leader.is_some() && state.stopped.is_none()
    }

    /// Tells `wait` once when the high watermark moves beyond `seen`, or nothing more is to be had here.
    pub fn when_readable(&self, seen: Offset, wait: &Arc<FetchWait>) {
        let mut state = self.state.lock();
        if state.stopped.is_some() || state.committed > seen {
            wait.wake();
        } else {
            state.readers.push(Arc::clone(wait));
        }
    }

    /// Forgets a fetch that gave up waiting.
    pub fn forget_fetch(&self, wait: &Arc<FetchWait>) {
        let mut state = self.state.lock();
        state.readers.retain(|other| !Arc::ptr_eq(other, wait));
    }

    /// Reads committed batches from `offset` on, from memory. Never blocks.
    pub fn read(&self, offset: Offset, max_bytes: usize) -> Result<PartitionRead, ErrorCode> {
        let end = self.readable_end()?;
        match self.log.read_tail(offset, end, max_bytes) {
            Ok(TailRead::Batches(batches)) => Ok(PartitionRead::Batches(batches)),
            Ok(TailRead::Files) => Ok(PartitionRead::Files),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The same from files. Blocks on the disk.
    pub fn read_files(&self, offset: Offset, max_bytes: usize) -> Result<Vec<Bytes>, ErrorCode> {
        let end = self.readable_end()?;
        let read = self.log.read_files(offset, end, max_bytes);
        read.map_err(|error| self.failed(&error))
    }

    /// Where committed batches from `offset` on lie that may be sent as they are; [`storage::log::Log::find_trusted`] says which. Blocks on the disk.
    pub fn find_trusted(
        &self,
        offset: Offset,
        bytes: Range<u64>,
    ) -> Result<Option<Region>, ErrorCode> {
        let end = self.readable_end()?;
        let found = self.log.find_trusted(offset, end, bytes);
        found.map_err(|error| self.failed(&error))
    }

    /// What bounds a read: what is certainly committed. No truncation goes below.
    fn readable_end(&self) -> Result<Offset, ErrorCode> {
        let state = self.state.lock();
        match &state.stopped {
            None => Ok(state.committed),
            Some(stopped) => Err(stopped.code()),
        }
    }

    /// A log may be deleted while it is read.
    fn failed(&self, error: &ReadError) -> ErrorCode {
        match &self.state.lock().stopped {
            None => read_code(error),
            Some(stopped) => stopped.code(),
        }
    }

    /// So much is committed.
    pub(super) fn commit(&self, state: &mut State, high_watermark: Offset) {
        self.log.raise_high_watermark(high_watermark);
        if high_watermark > state.committed {
            state.committed = high_watermark;
            state.wake_readers();
        }
    }

    /// Whether consumers read here.
    pub(super) fn is_read(&self, state: &State, now_ms: i64) -> bool {
        let asked_ms = self.asked_ms.load(Ordering::Relaxed);
        !state.readers.is_empty() || now_ms.saturating_sub(asked_ms) < READ_MS
    }
}

impl State {
    pub(super) fn wake_readers(&mut self) {
        for wait in self.readers.drain(..) {
            wait.wake();
        }
    }
}

impl Stopped {
    /// What a consumer is told.
    fn code(&self) -> ErrorCode {
        match self {
            Stopped::Offline => ErrorCode::KafkaStorageError,
            Stopped::Over | Stopped::Alarm(_) | Stopped::BeginAt(_) => {
                ErrorCode::NotLeaderOrFollower
            }
        }
    }
}

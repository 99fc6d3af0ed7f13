//! Large batches while the journal is busy: they are written once, to their segment, which is synced before an entry of the journal says so.
//!
//! By way of the journal every byte is written twice, and synced twice: at once in the journal, for the latency, and with a checkpoint in its segment. A disk that has
//! more to do than it can is served better by writing it once. One sync is worth as many bytes as wait for it, so this is for batches that are large, for times when there are
//! many, and for logs of which each has many.
//!
//! | a batch | while nothing waits to bypass | while something of its log does |
//! |---|---|---|
//! | small, or the journal has little to do, or little of the log waits | the journal | behind that |
//! | large, with which the journal has much to do | bypasses | behind that |
//!
//! What is stored is in the order of the log, therefore, and an entry ([`EntryKind::Stored`]) covers all that its files hold, that which is in the journal too. It is the
//! log's line in a checkpoint, written between two of them: a recovery goes by the last one.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};
use protocol::batch::{BatchHeader, HEADER_BYTES};
use protocol::model::Offset;

use super::checkpoint::closed_bytes_from;
use super::disk::{ActiveSegment, Directory, Disk};
use super::restore::ReplayError;
use super::tail::BatchBytes;
use super::write_behind::Ready;
use super::{Durability, Log, Pending, State};
use crate::journal::{
    DurableListener, Entry, EntryKind, JournalFault, JournalPosition, LogId, StoredEntry,
};

/// Of a log with more to write, others have their turn after so many bytes.
const TURN_BYTES: usize = 16 << 20;

/// When batches bypass the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BypassConfig {
    /// Bytes of a batch at least; `None`: all go through the journal.
    pub batch_bytes_min: Option<usize>,
    /// Bytes that are on their way to the disk, with the batch, at least: into the journal, or past it.
    pub backlog_bytes_min: usize,
    /// Bytes of the log that are not stored yet, with the batch, at least, or that were stored with the last sync: a sync of its own is for them. A journal does better with
    /// what many logs have a little of.
    pub sync_bytes_min: usize,
}

impl BypassConfig {
    /// Everything goes through the journal.
    pub const NEVER: BypassConfig = BypassConfig {
        batch_bytes_min: None,
        backlog_bytes_min: 0,
        sync_bytes_min: 0,
    };
}

/// The logs that have batches on their way past the journal, and who stores them.
#[derive(Debug)]
pub struct Bypass {
    config: BypassConfig,
    queue: Mutex<Queue>,
    /// Bytes of batches that are on their way past the journal, of all logs.
    bytes: AtomicUsize,
    /// Bytes of those that were stored.
    stored_bytes: AtomicU64,
    wakes: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<LogId>,
    /// Nobody is to wait any more.
    is_closed: bool,
    /// Logs that are being stored.
    storing: usize,
    /// Those that were.
    stored: u64,
    /// What that was at the last look.
    seen_stored: u64,
}

/// A log is being stored.
pub(super) struct Storing<'a>(&'a Bypass);

impl Drop for Storing<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.storing -= 1;
        queue.stored += 1;
    }
}

impl Bypass {
    /// Nothing yet.
    pub fn new(config: BypassConfig) -> Bypass {
        Bypass {
            config,
            queue: Mutex::default(),
            bytes: AtomicUsize::new(0),
            stored_bytes: AtomicU64::new(0),
            wakes: Condvar::new(),
        }
    }

    /// Whether a batch may bypass a journal with so much to do.
    fn takes(&self, batch_bytes: usize, journal_bytes: usize) -> bool {
        let bytes_min = self.config.batch_bytes_min;
        let backlog_bytes = journal_bytes + self.bytes() + batch_bytes;
        bytes_min.is_some_and(|bytes| batch_bytes >= bytes)
            && backlog_bytes >= self.config.backlog_bytes_min
    }

    /// Bytes of batches that are on their way past the journal.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of batches that were stored without the journal's having them, since the start.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes.load(Ordering::Relaxed)
    }

    fn push(&self, log: LogId) {
        self.queue.lock().waiting.push_back(log);
        self.wakes.notify_one();
    }

    /// The log that has waited longest; waits for one. `None` when it is closed, and no log is left.
    pub fn wait(&self) -> Option<LogId> {
        let mut queue = self.queue.lock();
        while queue.waiting.is_empty() && !queue.is_closed {
            self.wakes.wait(&mut queue);
        }
        queue.waiting.pop_front()
    }

    /// The same, without waiting.
    pub fn take(&self) -> Option<LogId> {
        self.queue.lock().waiting.pop_front()
    }

    pub(super) fn begin(&self) -> Storing<'_> {
        self.queue.lock().storing += 1;
        Storing(self)
    }

    /// Whether something was being stored at the last look, and no log has been since.
    pub(crate) fn is_stuck(&self) -> bool {
        let mut queue = self.queue.lock();
        let is_same = queue.seen_stored == queue.stored;
        queue.seen_stored = queue.stored;
        queue.storing > 0 && is_same
    }

    /// How many logs wait.
    pub fn waiting(&self) -> usize {
        self.queue.lock().waiting.len()
    }

    /// Ends all waits, once and for all.
    pub fn close(&self) {
        self.queue.lock().is_closed = true;
        self.wakes.notify_all();
    }
}

impl Log {
    /// Whether a batch of so many bytes is not to go into the journal.
    pub(super) fn bypasses(&self, state: &State, batch_bytes: usize) -> bool {
        match self.durability {
            Durability::Os => true,
            Durability::Fsync => {
                let (bypass, journal) = (&self.environment.bypass, &self.environment.journal);
                let sync_bytes = || {
                    let waiting = state.bytes_not_stored() + batch_bytes;
                    waiting.max(state.bypass_sync_bytes)
                };
                state.unjournaled_from.is_some()
                    || bypass.takes(batch_bytes, journal.backlog_bytes())
                        && sync_bytes() >= bypass.config.sync_bytes_min
            }
        }
    }

    /// Whether something is on its way past the journal.
    pub fn bypasses_now(&self) -> bool {
        self.state().unjournaled_from.is_some()
    }

    /// Notes that a batch of so many bytes, the newest of the log, bypasses the journal.
    pub(super) fn on_bypassing(&self, state: &mut State, base: Offset, bytes: usize) {
        state.unjournaled_from.get_or_insert(base);
        state.unjournaled_bytes += bytes;
        self.environment
            .bypass
            .bytes
            .fetch_add(bytes, Ordering::Relaxed);
        self.list_bypassing(state);
    }

    /// What bypasses the journal begins here now.
    pub(super) fn set_unjournaled(&self, state: &mut State, from: Option<Offset>) {
        let bytes = from.map_or(0, |from| state.tail.bytes_from(from));
        let all = &self.environment.bypass.bytes;
        all.fetch_add(bytes, Ordering::Relaxed);
        all.fetch_sub(state.unjournaled_bytes, Ordering::Relaxed);
        state.unjournaled_from = from;
        state.unjournaled_bytes = bytes;
    }

    /// Has somebody store what bypasses the journal.
    pub(super) fn list_bypassing(&self, state: &mut State) {
        if state.unjournaled_from.is_some() && !state.bypass_listed {
            state.bypass_listed = true;
            self.environment.bypass.push(self.id);
        }
    }

    /// Stores what bypasses the journal, and whatever is before it: written, synced, and an entry about it queued for the journal. Nothing while the log's files
    /// have to wait for the journal; it is listed again when they need not.
    pub fn store_bypassing(self: &Arc<Self>) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.state().bypass_listed = false;
        if disk.dropped || self.is_too_early() || !self.cut_if_durable(&mut disk)? {
            return Ok(());
        }
        let Some(unjournaled) = self.state().unjournaled_from else {
            return Ok(());
        };
        let _storing = self.environment.bypass.begin();
        let (mut headers, mut bytes, mut unjournaled_bytes) = (Vec::new(), 0, 0);
        while bytes < TURN_BYTES {
            let run = self.take_run(&disk, TURN_BYTES - bytes, Ready::Appended);
            if run.is_empty() {
                break;
            }
            self.make_ready(&mut disk)?;
            for batch in &run {
                bytes += batch.header.size_in_bytes;
                match &batch.bytes {
                    BatchBytes::Memory(bytes) if batch.header.base_offset >= unjournaled => {
                        headers.extend_from_slice(&bytes[..HEADER_BYTES]);
                        unjournaled_bytes += bytes.len() as u64;
                    }
                    // The journal has it.
                    _ => {}
                }
            }
            self.write_run(&mut disk, run, Ready::Appended)?;
        }
        if bytes > 0 {
            self.sync_data(&mut disk)?;
            self.environment.page_cache.add_unsynced(bytes);
            let stored_bytes = &self.environment.bypass.stored_bytes;
            stored_bytes.fetch_add(unjournaled_bytes, Ordering::Relaxed);
        }
        let mut state = self.state();
        state.bypass_sync_bytes = bytes;
        if !headers.is_empty()
            && let Some(entry) = self.stored_entry(&disk, &state, unjournaled, headers)
        {
            let end = entry.end;
            let listener: Arc<dyn DurableListener> = Arc::clone(self) as _;
            let pushed = self.environment.journal.push(entry, listener);
            let position = pushed.map_err(io::Error::other)?;
            state.pending.push_back(Pending {
                position,
                end,
                is_stored: true,
            });
        }
        let rest = disk.end.max(unjournaled);
        let rest = (rest < state.offsets.end).then_some(rest);
        self.set_unjournaled(&mut state, rest);
        self.list_bypassing(&mut state);
        Ok(())
    }

    /// What the journal is to say of the files, in which there are batches with these headers that it does not have, from `from` on.
    fn stored_entry(
        &self,
        disk: &Disk,
        state: &State,
        from: Offset,
        headers: Vec<u8>,
    ) -> Option<Entry> {
        let active = disk.active.as_ref()?;
        let start = state.offsets.start;
        let stored = StoredEntry {
            start,
            closed_bytes: closed_bytes_from(start, &state.segments),
            base: active.segment.base(),
            bytes: active.segment.bytes(),
            index_bytes: active.index_bytes,
            time_index_bytes: active.time_index_bytes,
            headers: headers.into(),
        };
        Some(Entry {
            kind: EntryKind::Stored,
            log_id: self.id,
            leader_epoch: None,
            offset: from,
            end: disk.end,
            payload: stored.encode(),
        })
    }

    /// Has what bypasses the journal go into it after all, since the files cannot be written now.
    pub fn bypass_no_more(self: &Arc<Self>) -> Result<(), JournalFault> {
        let mut state = self.state();
        let state = &mut *state;
        let Some(from) = state.unjournaled_from else {
            return Ok(());
        };
        self.set_unjournaled(state, None);
        for batch in state.tail.beginning_from(from) {
            let BatchBytes::Memory(payload) = &batch.bytes else {
                continue;
            };
            let end = batch.header.end_offset();
            let entry = Entry {
                kind: EntryKind::Append,
                log_id: self.id,
                leader_epoch: batch.header.partition_leader_epoch,
                offset: batch.header.base_offset,
                end,
                payload: payload.clone(),
            };
            let listener: Arc<dyn DurableListener> = Arc::clone(self) as _;
            batch.position = self.environment.journal.push(entry, listener)?;
            state.pending.push_back(Pending {
                position: batch.position,
                end,
                is_stored: false,
            });
        }
        Ok(())
    }

    /// Makes what the segments hold durable, and their names: not the indexes, which can be built again.
    fn sync_data(&self, disk: &mut Disk) -> io::Result<()> {
        for segment in &disk.unflushed {
            segment.sync_log()?;
        }
        self.sync_names(disk)?;
        disk.unflushed.clear();
        Ok(())
    }

    /// Puts back that the files hold everything up to `end`: what was replayed of it, and batches from `from` on that the journal does not have.
    pub(crate) fn replay_stored(
        &self,
        position: JournalPosition,
        (from, end): (Offset, Offset),
        stored: &StoredEntry,
        now_ms: i64,
    ) -> Result<(), ReplayError> {
        let mut disk = self.disk.lock();
        let mut state = self.state();
        if end <= disk.files_end() {
            // A checkpoint had it.
            return Ok(());
        }
        let headers = stored.headers().unwrap_or_default();
        let is_whole = headers
            .first()
            .is_some_and(|first| first.base_offset == from)
            && headers.last().is_some_and(|last| last.end_offset() == end);
        if !is_whole || from > state.offsets.end {
            return Err(ReplayError {
                position,
                got: from,
                epoch: headers
                    .first()
                    .and_then(|first| first.partition_leader_epoch),
                end: state.offsets.end,
                latest: state.leader_epochs.latest(),
            });
        }
        if let Some(cut) = disk.cut.take() {
            // It was done before.
            disk.leader_epochs.truncate_to(cut.to);
            disk.producers = cut.producers;
            disk.end = cut.to;
        }
        let known_end = state.offsets.end;
        let tail: Vec<BatchHeader> = state.tail.iter().map(|batch| batch.header).collect();
        let new = headers
            .iter()
            .filter(|header| header.base_offset >= known_end);
        for header in new.clone() {
            if let Some(epoch) = header.partition_leader_epoch {
                state.leader_epochs.on_append(epoch, header.base_offset);
            }
            state.producers.on_append(header, now_ms);
        }
        for header in tail.iter().chain(new) {
            if let Some(epoch) = header.partition_leader_epoch {
                disk.leader_epochs.on_append(epoch, header.base_offset);
            }
            disk.producers.on_append(header, now_ms);
        }
        let freed = state.tail.remove_from(Offset::ZERO);
        self.environment.tails.remove(freed);
        state.oldest_tail_ms = None;
        state.offsets.written_end = end;
        state.offsets.durable_end = end;
        state.offsets.end = end;
        state.check();
        disk.end = end;
        disk.directory = Directory::Unopened {
            active: Some(ActiveSegment {
                base: stored.base,
                bytes: stored.bytes,
                index_bytes: stored.index_bytes,
                time_index_bytes: stored.time_index_bytes,
            }),
            closed_bytes: stored.closed_bytes,
            start: stored.start,
        };
        let bytes = stored.closed_bytes + stored.bytes;
        self.unopened_bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }
}

//! The Raft log and what else a voter must not forget: entries are batches of the log `__cluster_metadata-0`, durable as all logs are; the vote
//! and what was purged are in the file `raft-state`.
//!
//! An entry's offset is its index, less a number that is fixed while the log is not empty. (A snapshot may begin anywhere behind the log's end.)
//! All entries that are not purged are in memory too: snapshots bound them.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader, StorageIOError};
use parking_lot::Mutex;
use protocol::batch::{BatchBuilder, BatchHeader, NewRecord, batches, records};
use protocol::model::{LeaderEpoch, Offset, PartitionIndex, TopicId, TopicIdPartition, Uuid};
use serde::{Deserialize, Serialize};
use storage::data_dir::DataDir;
use storage::journal::{JournalFault, NobodyWaits};
use storage::log::{Durability, Log, LogConfig, LogListener, TailRead, is_disk_full};

use super::entry::{decode, encode};
use super::types::{Entry, LogId, RaftTypes, StorageError, Vote};
use crate::quorum::QuorumError;

/// Kafka's name for the topic.
pub const METADATA_TOPIC: &str = "__cluster_metadata";

const STATE_FILE: &str = "raft-state";
const STATE_VERSION: u8 = 1;

/// Between two attempts on a disk that is full.
const SPACE_LOOK: Duration = Duration::from_millis(100);

/// Bytes read at once while loading.
const LOAD_BYTES: usize = 1 << 20;

/// The log of the metadata: Kafka's reserved topic id, partition 0.
pub fn metadata_partition() -> TopicIdPartition {
    let Some(topic_id) = TopicId::new(Uuid::from_u128(1)) else {
        unreachable!("the reserved id is not zero");
    };
    TopicIdPartition {
        topic_id,
        partition: PartitionIndex::new(0),
    }
}

/// What the file holds, behind a byte of its version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct HardState {
    vote: Option<Vote>,
    /// The last entry that is not needed any more.
    purged: Option<LogId>,
}

/// The storage of one voter's log.
#[derive(Clone)]
pub struct RaftLog {
    shared: Arc<Shared>,
}

struct Shared {
    data_dir: Arc<DataDir>,
    log: Arc<Log>,
    now_ms: fn() -> i64,
    state: Mutex<State>,
    is_stopping: AtomicBool,
}

#[derive(Default)]
struct State {
    hard: HardState,
    /// Without gaps.
    entries: VecDeque<Entry>,
    /// The offset of the first of them.
    first_offset: Offset,
    /// Who waits until the log is durable so far.
    waiting: VecDeque<(Offset, LogFlushed<RaftTypes>)>,
}

impl State {
    fn last(&self) -> Option<LogId> {
        self.entries.back().map(|it| it.log_id).or(self.hard.purged)
    }

    /// Where in the queue an index is.
    fn position(&self, index: u64) -> Option<usize> {
        let first = self.entries.front()?.log_id.index;
        usize::try_from(index.checked_sub(first)?).ok()
    }

    fn offset_of(&self, position: usize) -> Offset {
        self.first_offset
            .plus(i64::try_from(position).unwrap_or(i64::MAX))
    }
}

/// Tells those who wait what the journal says.
struct Progress(std::sync::Weak<Shared>);

impl LogListener for Progress {
    fn on_durable(&self, durable_end: Offset) {
        let Some(shared) = self.0.upgrade() else {
            return;
        };
        let mut durable = Vec::new();
        {
            let mut state = shared.state.lock();
            while state
                .waiting
                .front()
                .is_some_and(|(end, _)| *end <= durable_end)
            {
                durable.extend(state.waiting.pop_front());
            }
        }
        for (_, flushed) in durable {
            flushed.log_io_completed(Ok(()));
        }
    }

    fn on_fault(&self, fault: &JournalFault) {
        let Some(shared) = self.0.upgrade() else {
            return;
        };
        let waiting = std::mem::take(&mut shared.state.lock().waiting);
        for (_, flushed) in waiting {
            flushed.log_io_completed(Err(io::Error::other(fault.to_string())));
        }
    }
}

impl RaftLog {
    /// Over a data directory. A missing log is made only where `may_create` says that there is no other one either, in any directory: partitions
    /// without metadata mean that something was lost.
    pub fn open(
        data_dir: &Arc<DataDir>,
        may_create: bool,
        now_ms: fn() -> i64,
    ) -> Result<RaftLog, QuorumError> {
        let failed = |error: &dyn std::fmt::Display| QuorumError::Failed(error.to_string());
        let hard = read_state(data_dir).map_err(|error| failed(&error))?;
        let log = match (data_dir.log(metadata_partition()), &hard) {
            (Some(log), Some(_)) => log,
            // It may have voted, and would again.
            (Some(_), None) => {
                return Err(QuorumError::Failed(format!(
                    "{} holds a metadata log, but no {STATE_FILE}: restore the file, or empty the directory so that this node is another voter",
                    data_dir.path().display()
                )));
            }
            (None, _) if may_create => {
                write_state(data_dir, &HardState::default()).map_err(|error| failed(&error))?;
                data_dir
                    .create_log(
                        metadata_partition(),
                        METADATA_TOPIC,
                        Durability::Fsync,
                        LogConfig::default(),
                    )
                    .map_err(|error| failed(&error))?
            }
            (None, _) => {
                return Err(QuorumError::Failed(format!(
                    "{} holds no metadata log, but there are partitions: restore it, set metadata.log.dir to where it is, or point --data-dir at an empty directory",
                    data_dir.path().display()
                )));
            }
        };
        let (first_offset, mut entries) = load(&log).map_err(|error| {
            QuorumError::Failed(format!("the metadata log cannot be read: {error}"))
        })?;
        let hard = hard.unwrap_or_default();
        // A purge that a crash has interrupted.
        let purged = hard.purged.map_or(0, |id| id.index + 1);
        let gone = entries
            .iter()
            .take_while(|entry| entry.log_id.index < purged)
            .count();
        entries.drain(..gone);
        let first_offset = first_offset.plus(i64::try_from(gone).unwrap_or(i64::MAX));
        let shared = Arc::new(Shared {
            data_dir: Arc::clone(data_dir),
            log: Arc::clone(&log),
            now_ms,
            state: Mutex::new(State {
                hard,
                entries,
                first_offset,
                waiting: VecDeque::new(),
            }),
            is_stopping: AtomicBool::new(false),
        });
        log.set_listener(Arc::new(Progress(Arc::downgrade(&shared))));
        Ok(RaftLog { shared })
    }

    /// The last entry known committed when the log was opened, as far as it is known: others may have been.
    pub fn committed(&self) -> Option<LogId> {
        let high_watermark = self.shared.log.high_watermark();
        let state = self.shared.state.lock();
        let count = high_watermark.get() - state.first_offset.get();
        let position = usize::try_from(count).ok()?.checked_sub(1)?;
        let last = state.entries.len().checked_sub(1)?;
        Some(state.entries[position.min(last)].log_id)
    }

    /// The last entry that is there.
    pub fn last(&self) -> Option<LogId> {
        self.shared.state.lock().last()
    }

    /// All entries that are there.
    pub fn entries(&self) -> Vec<Entry> {
        self.shared.state.lock().entries.iter().cloned().collect()
    }

    /// Everything up to an entry is committed.
    pub fn set_committed(&self, index: u64) {
        let state = self.shared.state.lock();
        if let Some(position) = state.position(index) {
            let offset = state.offset_of(position).plus(1);
            self.shared.log.set_high_watermark(offset);
        }
    }

    /// Does what blocks on the disk, and again for as long as that is full and this is not to stop: Raft ends with an error of its storage, and this voter would be none before its next
    /// start.
    pub(super) async fn when_there_is_space<T: Send + 'static>(
        &self,
        work: impl Fn() -> io::Result<T> + Clone + Send + 'static,
    ) -> io::Result<T> {
        loop {
            let outcome = blocking(work.clone()).await;
            let is_full = outcome.as_ref().is_err_and(is_disk_full);
            if !is_full || self.shared.is_stopping.load(Ordering::Relaxed) {
                return outcome;
            }
            tokio::time::sleep(SPACE_LOOK).await;
        }
    }

    /// Has nobody wait for space any more.
    pub(super) fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
    }

    fn write_state(&self) -> Result<(), io::Error> {
        let hard = self.shared.state.lock().hard.clone();
        write_state(&self.shared.data_dir, &hard)
    }

    fn append_one(&self, entry: Entry) -> Result<Offset, io::Error> {
        let failed = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
        let now_ms = (self.shared.now_ms)();
        let value = encode(&entry);
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord {
            timestamp: now_ms,
            value: Some(&value),
            ..NewRecord::default()
        });
        let batch = builder.build();
        let header = BatchHeader::parse(&batch).map_err(|error| failed(&error))?;
        let term = i32::try_from(entry.log_id.leader_id.term).map_err(|error| failed(&error))?;
        // The lock is held, so that what is appended is in the order of the queue.
        let mut state = self.shared.state.lock();
        let log = &self.shared.log;
        let appended = log
            .append(batch, &header, LeaderEpoch::new(term), now_ms, None)
            .map_err(|error| failed(&error))?;
        match state.entries.back() {
            Some(last) => assert_eq!(
                last.log_id.index + 1,
                entry.log_id.index,
                "a gap in the log"
            ),
            None => state.first_offset = appended.base,
        }
        state.entries.push_back(entry);
        Ok(appended.end)
    }

    fn truncate_from(&self, index: u64) -> Result<(), io::Error> {
        let mut state = self.shared.state.lock();
        let Some(position) = state.position(index) else {
            return Ok(());
        };
        if position >= state.entries.len() {
            return Ok(());
        }
        let offset = state.offset_of(position);
        state.entries.truncate(position);
        // Nobody waits for what is taken back: it is another's turn to write.
        state.waiting.retain(|(end, _)| *end <= offset);
        drop(state);
        let end = self.shared.log.truncate(offset).map_err(io::Error::other)?;
        assert_eq!(end, offset, "an entry is a batch");
        Ok(())
    }

    fn purge_through(&self, log_id: LogId) -> Result<(), io::Error> {
        self.shared.state.lock().hard.purged = Some(log_id);
        self.write_state()?;
        let mut state = self.shared.state.lock();
        let gone = state.position(log_id.index + 1).unwrap_or(0);
        if gone > state.entries.len() || state.entries.is_empty() {
            // A snapshot from behind the end: the log begins anew.
            let start = state.first_offset;
            state.entries.clear();
            drop(state);
            return self
                .shared
                .log
                .truncate(start)
                .map(drop)
                .map_err(io::Error::other);
        }
        let start = state.offset_of(gone);
        state.entries.drain(..gone);
        state.first_offset = start;
        drop(state);
        let log = &self.shared.log;
        let started = log.advance_start(start, Arc::new(NobodyWaits));
        started
            .map(drop)
            .map_err(|fault| io::Error::other(fault.to_string()))
    }
}

fn write_state(data_dir: &DataDir, state: &HardState) -> io::Result<()> {
    let bytes = postcard::to_extend(state, vec![STATE_VERSION]).map_err(io::Error::other)?;
    data_dir.write_side_file(STATE_FILE, &bytes)
}

fn read_state(data_dir: &DataDir) -> io::Result<Option<HardState>> {
    let Some(bytes) = data_dir.read_side_file(STATE_FILE)? else {
        return Ok(None);
    };
    match bytes.split_first() {
        Some((&STATE_VERSION, fields)) => {
            let state = postcard::from_bytes(fields).map_err(io::Error::other)?;
            Ok(Some(state))
        }
        Some((version, _)) => Err(io::Error::other(format!(
            "{STATE_FILE} has version {version}, this broker knows {STATE_VERSION}: start a broker as new as the one that wrote it"
        ))),
        None => Err(io::Error::other(format!("{STATE_FILE} is empty"))),
    }
}

/// All entries that are durable, and the offset of the first.
fn load(log: &Arc<Log>) -> Result<(Offset, VecDeque<Entry>), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let offsets = log.offsets();
    let mut entries = VecDeque::new();
    let mut at = offsets.start;
    while at < offsets.durable_end {
        let read = log
            .read_tail(at, offsets.durable_end, LOAD_BYTES)
            .map_err(|error| failed(&error))?;
        let chunks: Vec<Bytes> = match read {
            TailRead::Batches(batches) => batches,
            TailRead::Files => log
                .read_files(at, offsets.durable_end, LOAD_BYTES)
                .map_err(|error| failed(&error))?,
        };
        let before = at;
        for chunk in &chunks {
            for batch in batches(chunk) {
                let (header, bytes) = batch.map_err(|error| failed(&error))?;
                for record in records(bytes).map_err(|error| failed(&error))? {
                    let record = record.map_err(|error| failed(&error))?;
                    let value = Bytes::copy_from_slice(record.value.unwrap_or_default());
                    entries.push_back(decode(value).map_err(|error| failed(&error))?);
                }
                at = header.end_offset();
            }
        }
        if at == before {
            return Err(format!("nothing at offset {at}"));
        }
    }
    Ok((offsets.start, entries))
}

impl RaftLogReader<RaftTypes> for RaftLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let state = self.shared.state.lock();
        let Some(first) = state.entries.front().map(|it| it.log_id.index) else {
            return Ok(Vec::new());
        };
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let position =
            |index: u64| usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
        let end = position(end).min(state.entries.len());
        let start = position(start).min(end);
        Ok(state.entries.range(start..end).cloned().collect())
    }
}

impl RaftLogStorage<RaftTypes> for RaftLog {
    type LogReader = RaftLog;

    async fn get_log_state(&mut self) -> Result<LogState<RaftTypes>, StorageError> {
        let state = self.shared.state.lock();
        Ok(LogState {
            last_purged_log_id: state.hard.purged,
            last_log_id: state.last(),
        })
    }

    async fn get_log_reader(&mut self) -> RaftLog {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.shared.state.lock().hard.vote = Some(*vote);
        let log = self.clone();
        self.when_there_is_space(move || log.write_state())
            .await
            .map_err(|error| StorageIOError::write_vote(&error).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.shared.state.lock().hard.vote)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<RaftTypes>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut end = None;
        for entry in entries {
            let appended = self.append_one(entry);
            end = Some(appended.map_err(|error| StorageIOError::write_logs(&error))?);
        }
        let Some(end) = end else {
            callback.log_io_completed(Ok(()));
            return Ok(());
        };
        let mut state = self.shared.state.lock();
        // Under the lock that the listener takes first: either it finds who waits, or it has been there.
        if self.shared.log.offsets().durable_end >= end {
            drop(state);
            callback.log_io_completed(Ok(()));
        } else if let Some(fault) = self.shared.data_dir.fault() {
            drop(state);
            callback.log_io_completed(Err(io::Error::other(fault.to_string())));
        } else {
            state.waiting.push_back((end, callback));
        }
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let log = self.clone();
        blocking(move || log.truncate_from(log_id.index))
            .await
            .map_err(|error| StorageIOError::write_logs(&error).into())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let log = self.clone();
        self.when_there_is_space(move || log.purge_through(log_id))
            .await
            .map_err(|error| StorageIOError::write_logs(&error).into())
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?
}

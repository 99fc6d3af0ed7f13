//! A partition on this broker: its log, its high watermark, and who waits for what.
//!
//! Appends go to the log at once and in order; whoever wants an acknowledgement waits for the high watermark to pass
//! the batch. Fetches read below the high watermark; one that finds too little waits for it to move.
//!
//! How far that is, and who is in sync, `broker_replication` decides. With a single replica the in-sync set is this broker, and the high watermark is the durable end of
//! its log.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use broker_controller::{DirectoryId, topic_name};
use broker_replication::{
    Effect, FollowerReport, Leader, LogEnds, PartitionView, ProposedIsr, ReportError,
};
use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use protocol::ErrorCode;
use protocol::batch::BatchHeader;
use protocol::model::{BrokerId, LeaderEpoch, Offset, TopicIdPartition};
use storage::data_dir::DataDir;
use storage::journal::JournalFault;
use storage::log::{
    AppendError, Appended, Compaction, Hold, Log, LogListener, ProducerError, ReadError, Region,
    Retention, TailRead,
};

use crate::config::{AcksFloor, TopicConfig};
use crate::liveness::Contact;
use crate::metrics::{ClusterMetrics, TopicMetrics};
use waiters::{Told, Waiters};

pub use waiters::{Acks, FetchWait, PartitionsWait};

mod append;
mod delete_records;
mod followers;
mod in_sync;
mod incoming;
mod record_workers;
mod records;
mod waiters;

pub use append::{ProducedBatch, RecordRefusal, Refusal};
pub use followers::{FollowerLag, InSyncFollower};
pub use in_sync::InSyncChanges;
pub use incoming::{Incoming, Looked};
pub use record_workers::RecordWorkers;
pub use records::Records;

/// Where a partition stands, for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionOffsets {
    /// The first offset there is.
    pub log_start: Offset,
    /// The end of what consumers may read.
    pub high_watermark: Offset,
    /// The end of what `read_committed` consumers may read.
    pub last_stable: Offset,
    /// The end of the log.
    pub log_end: Offset,
    /// The epoch of the leadership.
    pub leader_epoch: LeaderEpoch,
}

/// What a read gave.
#[derive(Debug)]
pub enum PartitionRead {
    /// Batches, perhaps none.
    Batches(Vec<Bytes>),
    /// They are in files: [`Partition::read_files`] gets them, where blocking is allowed.
    Files,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// What is committed.
    Consumer,
    /// All there is; also for a coordinator that is loaded, whose answers wait until that is committed.
    Follower,
}

struct State {
    leader: Leader,
    waiters: Waiters,
    /// Set once: nothing more will be acknowledged here, and this is what to answer.
    closed: Option<ErrorCode>,
    /// [`Leader::is_abandoned`], as of the last tick.
    is_abandoned: bool,
    /// Where the logs of followers begin, as far as they have said in this leadership.
    follower_starts: BTreeMap<BrokerId, Offset>,
}

/// Takes what leaders propose to the controller.
pub trait IsrProposals: Send + Sync {
    /// Takes a proposal, and does not wait. What becomes of it is told to [`Partition::set_view`] or [`Partition::on_refused`].
    fn propose(&self, partition: TopicIdPartition, proposal: ProposedIsr);
}

/// What every leadership of this broker goes by.
#[derive(Clone)]
pub struct Leading {
    /// This broker.
    pub id: BrokerId,
    /// `replica.lag.time.max.ms`.
    pub lag_ms_max: i64,
    /// How long the controller, and the ISR, may be silent before others may lead: the session's time.
    pub silence_ms_max: i64,
    /// Who takes proposals.
    pub proposals: Arc<dyn IsrProposals>,
    /// Monotonic milliseconds.
    pub now_ms: fn() -> i64,
    /// What is counted of all leaderships.
    pub metrics: Arc<ClusterMetrics>,
}

/// Where a partition's records are.
pub struct Home {
    /// The directory.
    pub data_dir: Arc<DataDir>,
    /// The log in it.
    pub log: Arc<Log>,
}

/// A partition that this broker leads.
pub struct Partition {
    id: TopicIdPartition,
    topic: Arc<str>,
    is_internal: bool,
    data_dir: Arc<DataDir>,
    log: Arc<Log>,
    metrics: Arc<TopicMetrics>,
    config: ArcSwap<TopicConfig>,
    leading: Leading,
    state: Mutex<State>,
}

impl std::fmt::Debug for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Partition({}-{})", self.topic, self.id.partition)
    }
}

impl Partition {
    /// Takes the lead of a partition over its recovered log, of which what the log says is committed.
    pub fn lead(
        id: TopicIdPartition,
        topic: Arc<str>,
        leading: Leading,
        view: PartitionView,
        home: Home,
        config: Arc<TopicConfig>,
        metrics: Arc<TopicMetrics>,
    ) -> Arc<Partition> {
        let Home { data_dir, log } = home;
        let mut effects = Vec::new();
        let leader = begin(&leading, view, &log, log.high_watermark(), &mut effects);
        let partition = Arc::new(Partition {
            id,
            is_internal: topic_name::is_internal(&topic),
            topic,
            data_dir,
            log: Arc::clone(&log),
            metrics,
            config: ArcSwap::new(config),
            leading,
            state: Mutex::new(State {
                leader,
                waiters: Waiters::default(),
                closed: None,
                is_abandoned: false,
                follower_starts: BTreeMap::new(),
            }),
        });
        partition.carry_out(effects);
        log.set_listener(Arc::new(Progress(Arc::downgrade(&partition))));
        // What became durable before anybody listened.
        partition.on_durable(log.offsets().durable_end);
        partition
    }

    /// Topic id and number.
    pub fn id(&self) -> TopicIdPartition {
        self.id
    }

    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// Whether only the broker writes it.
    pub fn is_internal(&self) -> bool {
        self.is_internal
    }

    /// Its log.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The directory it is in.
    pub fn directory(&self) -> DirectoryId {
        DirectoryId::new(self.data_dir.meta().directory_id)
    }

    /// What is in that directory.
    pub fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// The topic's counters.
    pub fn metrics(&self) -> &TopicMetrics {
        &self.metrics
    }

    /// The topic's configuration.
    pub fn config(&self) -> Arc<TopicConfig> {
        self.config.load_full()
    }

    /// Changes the topic's configuration.
    pub fn set_config(&self, config: Arc<TopicConfig>) {
        self.log.set_config(log_config(&config));
        self.config.store(config);
    }

    /// The metadata says something new of it, perhaps another epoch of the same leader. Who is in sync now and was not, or the other way round, is noted.
    pub fn set_view(&self, view: PartitionView, changes: &mut InSyncChanges) {
        let mut effects = Vec::new();
        let told = {
            let mut state = self.state.lock();
            let before = state.leader.view().leader_epoch;
            assert!(before <= view.leader_epoch, "a leader epoch decreases");
            let isr_before = &state.leader.view().isr;
            changes.note((&self.topic, self.id.partition), isr_before, &view);
            match view.isr.len().cmp(&isr_before.len()) {
                Ordering::Less => self.leading.metrics.isr_shrinks.increment(),
                Ordering::Equal => {}
                Ordering::Greater => self.leading.metrics.isr_expands.increment(),
            }
            if before == view.leader_epoch {
                state.leader.on_view(view, &mut effects);
            } else {
                let committed = state.leader.high_watermark();
                state.follower_starts.clear();
                state.leader = begin(&self.leading, view, &self.log, committed, &mut effects);
            }
            let mut told = state.commit(&effects);
            // The new leadership knows how far the log is durable: nobody says so again.
            let durable_end = state.leader.durable_end();
            told.0.append(&mut state.waiters.on_durable(durable_end));
            told
        };
        self.tell(told, &effects);
    }

    /// Another epoch of the same leader, alone.
    #[cfg(test)]
    pub(crate) fn lead_on(&self, leader_epoch: LeaderEpoch) {
        let view = self.state.lock().leader.view().clone();
        let view = PartitionView {
            leader_epoch,
            ..view
        };
        self.set_view(view, &mut InSyncChanges::default());
    }

    /// The same, with another broker in the ISR.
    #[cfg(test)]
    pub(crate) fn lead_with(&self, leader_epoch: LeaderEpoch, other: BrokerId) {
        let mut view = self.state.lock().leader.view().clone();
        view.leader_epoch = leader_epoch;
        view.isr = vec![self.leading.id, other];
        view.has_others = true;
        view.live
            .insert(other, protocol::model::BrokerEpoch::new(0));
        self.set_view(view, &mut InSyncChanges::default());
    }

    /// The same, with more in-sync replicas required than there are.
    #[cfg(test)]
    pub(crate) fn require(&self, leader_epoch: LeaderEpoch, min_insync_replicas: usize) {
        let view = self.state.lock().leader.view().clone();
        let view = PartitionView {
            leader_epoch,
            min_insync_replicas,
            ..view
        };
        self.set_view(view, &mut InSyncChanges::default());
    }

    /// The controller has refused a proposal.
    pub fn on_refused(&self, refused: &ProposedIsr) {
        self.state.lock().leader.on_refused(refused);
    }

    /// Time has passed: followers that are behind for too long are to leave the ISR. Who waits at a leader that is [abandoned](Leader::is_abandoned), or hands its
    /// leaderships on, is told to look for another.
    pub fn on_tick(&self, contact: &Contact) {
        let mut effects = Vec::new();
        let now_ms = (self.leading.now_ms)();
        let abandoned_by = {
            let mut state = self.state.lock();
            state.leader.on_tick(now_ms, &mut effects);
            let leader = &state.leader;
            let silence_ms_max = self.leading.silence_ms_max;
            let is_abandoned = contact.hands_on()
                || leader.is_abandoned(now_ms, contact.answered_ms(), silence_ms_max);
            let was_abandoned = std::mem::replace(&mut state.is_abandoned, is_abandoned);
            let begins = is_abandoned && !was_abandoned;
            begins.then(|| state.waiters.take_all())
        };
        self.tell(Told::default(), &effects);
        if let Some(told) = abandoned_by {
            let hands_on = contact.hands_on();
            tracing::warn!(partition = ?self, hands_on, "another may lead: neither the controller nor the in-sync replicas are heard, or the disk hangs");
            end_wait(told, ErrorCode::NotLeaderOrFollower);
        }
    }

    /// Whether another broker may lead, of which this one cannot hear.
    pub fn is_abandoned(&self) -> bool {
        self.state.lock().is_abandoned
    }

    /// A follower of this leadership, whose log agrees with this one, says how far it is durable.
    pub fn on_report(
        &self,
        leader_epoch: LeaderEpoch,
        report: FollowerReport,
    ) -> Result<(), ReportError> {
        let mut effects = Vec::new();
        let now_ms = (self.leading.now_ms)();
        let told = {
            let mut state = self.state.lock();
            if state.leader.view().leader_epoch != leader_epoch || state.closed.is_some() {
                return Err(ReportError::OtherLeadership);
            }
            state.leader.on_report(now_ms, report, &mut effects)?;
            state.commit(&effects)
        };
        self.tell(told, &effects);
        Ok(())
    }

    /// Whether the high watermark is not behind that of the leader before.
    pub fn is_settled(&self) -> bool {
        self.state.lock().leader.is_settled()
    }

    /// How many replicas are in sync, and with how many nothing is refused.
    pub fn in_sync(&self) -> (usize, usize) {
        let state = self.state.lock();
        let view = state.leader.view();
        (view.isr.len(), view.min_insync_replicas)
    }

    /// Whether the ISR is large enough to commit anything.
    pub fn can_commit(&self) -> bool {
        self.state.lock().leader.can_commit()
    }

    /// Where it stands.
    pub fn offsets(&self) -> PartitionOffsets {
        // The log's end is read second, so that it is never behind the high watermark.
        let (leader_epoch, high_watermark) = {
            let state = self.state.lock();
            (
                state.leader.view().leader_epoch,
                state.leader.high_watermark(),
            )
        };
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
        check_epoch(self.state.lock().leader.view().leader_epoch, current)
    }

    /// What a producer waits for that asks for `acks` as they are on the wire, 0, 1 or -1 for all.
    pub fn acks(&self, asked: i16) -> Acks {
        match (asked, self.config.load().acks_floor) {
            (0, AcksFloor::None) | (1, AcksFloor::None | AcksFloor::Leader) => Acks::Leader,
            _ => Acks::All,
        }
    }

    /// Whether what is appended now can be acknowledged, as far as is known; else why not.
    pub fn check_writable(&self, acks: Acks) -> Result<(), ErrorCode> {
        self.state.lock().check_writable(acks)
    }

    /// Appends a client's validated batch. Done means: it has its place in the log; acknowledged when `wait` hears so.
    pub fn append(
        &self,
        acks: Acks,
        batch: BytesMut,
        header: &BatchHeader,
        now_ms: i64,
        hold: Option<Hold>,
    ) -> Result<Appended, ErrorCode> {
        let state = self.state.lock();
        state.check_writable(acks)?;
        self.append_to(state, batch, header, now_ms, hold)
    }

    /// The same for a coordinator, whose state goes by its log: it is appended even while nothing can be committed.
    pub fn append_decided(
        &self,
        batch: BytesMut,
        header: &BatchHeader,
        now_ms: i64,
    ) -> Result<Appended, ErrorCode> {
        let state = self.state.lock();
        match state.closed {
            Some(code) => Err(code),
            None => self.append_to(state, batch, header, now_ms, None),
        }
    }

    /// The lock is held across the append, so that no batch is stamped with an epoch older than the one before it.
    fn append_to(
        &self,
        mut state: MutexGuard<'_, State>,
        batch: BytesMut,
        header: &BatchHeader,
        now_ms: i64,
        hold: Option<Hold>,
    ) -> Result<Appended, ErrorCode> {
        let leader_epoch = state.leader.view().leader_epoch;
        let appended = self.log.append(batch, header, leader_epoch, now_ms, hold);
        if let Ok(appended) = &appended
            && appended.duplicate.is_none()
        {
            state.leader.on_append(appended.end);
            for wait in state.waiters.on_append() {
                wait.wake();
            }
        }
        if let Err(AppendError::Producer(error)) = &appended {
            tracing::debug!(partition = ?self, %leader_epoch, %error, "a producer's batch does not fit");
        }
        appended.map_err(|error| match error {
            AppendError::Producer(ProducerError::Fenced { .. }) => ErrorCode::InvalidProducerEpoch,
            // What is before it the producer has sent to the leader before, which does not answer, and sends again here. librdkafka does not wait for that, takes
            // the gap for a loss, begins another epoch, and writes again what it does not know to be written.
            AppendError::Producer(
                ProducerError::OutOfOrder { .. } | ProducerError::Unknown { .. },
            ) if state.leader.is_successor((self.leading.now_ms)()) => {
                ErrorCode::NotLeaderOrFollower
            }
            AppendError::Producer(ProducerError::OutOfOrder { .. }) => {
                ErrorCode::OutOfOrderSequenceNumber
            }
            AppendError::Producer(ProducerError::Unknown { .. }) => ErrorCode::UnknownProducerId,
            AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendError::Offline(_) => ErrorCode::KafkaStorageError,
        })
    }

    /// Tells `wait` when everything before `end` is committed; at once if it is. `slot` is the waiter's name for this partition.
    pub fn when_committed(&self, end: Offset, wait: &Arc<PartitionsWait>, slot: usize) {
        self.when_acknowledged(Acks::All, end, wait, slot);
    }

    /// The same for what a producer waits for.
    pub fn when_acknowledged(
        &self,
        acks: Acks,
        end: Offset,
        wait: &Arc<PartitionsWait>,
        slot: usize,
    ) {
        let outcome = {
            let mut state = self.state.lock();
            let reached = match acks {
                Acks::All => state.leader.high_watermark(),
                Acks::Leader => state.leader.durable_end(),
            };
            match state.closed {
                Some(code) => Some(code),
                None if reached >= end => Some(ErrorCode::None),
                None if state.is_abandoned => Some(ErrorCode::NotLeaderOrFollower),
                None => {
                    let wait = Arc::clone(wait);
                    state.waiters.add_produce(acks, end, wait, slot);
                    None
                }
            }
        };
        if let Some(code) = outcome {
            wait.done(slot, code);
        }
    }

    /// Tells `wait` once when the high watermark moves beyond `seen`.
    pub fn when_readable(&self, seen: Offset, wait: &Arc<FetchWait>) {
        let moved = {
            let mut state = self.state.lock();
            let moved = state.closed.is_some() || state.leader.high_watermark() > seen;
            if !moved {
                state.waiters.add_fetch(Arc::clone(wait));
            }
            moved
        };
        if moved {
            wait.wake();
        }
    }

    /// Tells `wait`, of a follower, once when the log is longer than `seen`.
    pub fn when_appended(&self, seen: Offset, wait: &Arc<FetchWait>) {
        let is_there = {
            let mut state = self.state.lock();
            let is_there = state.closed.is_some() || self.log.offsets().end > seen;
            if !is_there {
                state.waiters.add_replica(Arc::clone(wait));
            }
            is_there
        };
        if is_there {
            wait.wake();
        }
    }

    /// Forgets a fetch that gave up waiting.
    pub fn forget_fetch(&self, wait: &Arc<FetchWait>) {
        self.state.lock().waiters.remove_fetch(wait);
    }

    /// Reads batches from `offset` on, as far as `reader` may, from memory. Never blocks.
    pub fn read(
        &self,
        reader: Reader,
        offset: Offset,
        max_bytes: usize,
    ) -> Result<PartitionRead, ErrorCode> {
        let end = self.readable_end(reader)?;
        match self.log.read_tail(offset, end, max_bytes) {
            Ok(TailRead::Batches(batches)) => Ok(PartitionRead::Batches(batches)),
            Ok(TailRead::Files) => Ok(PartitionRead::Files),
            Err(error) => Err(read_code(&error)),
        }
    }

    /// The same from files. Blocks on the disk.
    pub fn read_files(
        &self,
        reader: Reader,
        offset: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Bytes>, ErrorCode> {
        let end = self.readable_end(reader)?;
        self.log
            .read_files(offset, end, max_bytes)
            .map_err(|error| read_code(&error))
    }

    /// Where committed batches from `offset` on lie that may be sent as they are; [`Log::find_trusted`] says which. Blocks on the disk.
    pub fn find_trusted(
        &self,
        offset: Offset,
        bytes: Range<u64>,
    ) -> Result<Option<Region>, ErrorCode> {
        let end = self.readable_end(Reader::Consumer)?;
        let found = self.log.find_trusted(offset, end, bytes);
        found.map_err(|error| read_code(&error))
    }

    /// Ends the partition's life here: waiters are answered with `code`.
    pub fn close(&self, code: ErrorCode) {
        let told = {
            let mut state = self.state.lock();
            state.closed = Some(code);
            state.waiters.take_all()
        };
        end_wait(told, code);
    }

    /// What bounds a read.
    fn readable_end(&self, reader: Reader) -> Result<Offset, ErrorCode> {
        let state = self.state.lock();
        match (state.closed, reader) {
            (Some(code), _) => Err(code),
            // An offset between high watermark and log end is no error: there is nothing to read there yet.
            (None, Reader::Consumer) => Ok(state.leader.high_watermark()),
            (None, Reader::Follower) => Ok(self.log.offsets().end),
        }
    }

    fn on_durable(&self, durable_end: Offset) {
        let mut effects = Vec::new();
        let told = {
            let mut state = self.state.lock();
            if durable_end <= state.leader.durable_end() || state.closed.is_some() {
                return;
            }
            state.leader.on_durable(durable_end, &mut effects);
            let mut told = state.commit(&effects);
            told.0.append(&mut state.waiters.on_durable(durable_end));
            told
        };
        self.tell(told, &effects);
    }

    fn carry_out(&self, effects: Vec<Effect>) {
        let told = self.state.lock().commit(&effects);
        self.tell(told, &effects);
    }

    /// Does what a leader wants done, and tells those who waited, without the lock.
    fn tell(&self, (produces, fetches): Told, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::HighWatermark(committed) => self.log.raise_high_watermark(*committed),
                Effect::Propose(proposal) => {
                    self.leading.proposals.propose(self.id, proposal.clone());
                }
            }
        }
        for (wait, slot) in produces {
            wait.done(slot, ErrorCode::None);
        }
        for wait in fetches {
            wait.wake();
        }
    }
}

/// Nothing more comes of what they wait for.
fn end_wait((produces, fetches): Told, code: ErrorCode) {
    for (wait, slot) in produces {
        wait.done(slot, code);
    }
    for wait in fetches {
        wait.wake();
    }
}

impl State {
    fn check_writable(&self, acks: Acks) -> Result<(), ErrorCode> {
        match self.closed {
            Some(code) => Err(code),
            None if self.is_abandoned => Err(ErrorCode::NotLeaderOrFollower),
            None if acks == Acks::All && !self.leader.can_commit() => {
                Err(ErrorCode::NotEnoughReplicas)
            }
            None => Ok(()),
        }
    }

    /// Who waited for what is committed now.
    fn commit(&mut self, effects: &[Effect]) -> Told {
        let moved = effects.iter().rev().find_map(|effect| match effect {
            Effect::HighWatermark(committed) => Some(*committed),
            Effect::Propose(_) => None,
        });
        moved.map_or_else(Told::default, |it| self.waiters.on_high_watermark(it))
    }
}

/// Begins a leadership over a log.
fn begin(
    leading: &Leading,
    view: PartitionView,
    log: &Log,
    high_watermark: Offset,
    effects: &mut Vec<Effect>,
) -> Leader {
    let offsets = log.offsets();
    let ends = LogEnds {
        // After a crash the log may end before what a follower was told.
        high_watermark: high_watermark.min(offsets.end),
        durable_end: offsets.durable_end,
        end: offsets.end,
    };
    let now_ms = (leading.now_ms)();
    Leader::new(leading.id, leading.lag_ms_max, now_ms, view, ends, effects)
}

/// Carries the log's progress to its partition, without keeping the partition alive.
struct Progress(Weak<Partition>);

impl LogListener for Progress {
    fn on_durable(&self, durable_end: Offset) {
        if let Some(partition) = self.0.upgrade() {
            partition.on_durable(durable_end);
        }
    }

    fn on_fault(&self, _: &JournalFault) {
        if let Some(partition) = self.0.upgrade() {
            partition.close(ErrorCode::KafkaStorageError);
        }
    }
}

/// Compares the leader epoch that a client believes in with that of a replica here.
pub fn check_epoch(mine: LeaderEpoch, current: Option<LeaderEpoch>) -> Result<(), ErrorCode> {
    match current {
        Some(theirs) if theirs < mine => Err(ErrorCode::FencedLeaderEpoch),
        Some(theirs) if theirs > mine => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// What a client is told of a read that failed.
pub fn read_code(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Damaged(_) => ErrorCode::KafkaStorageError,
        ReadError::Io(error) => {
            tracing::error!(%error, "reading a partition failed");
            ErrorCode::KafkaStorageError
        }
    }
}

/// What a topic's configuration means for its logs.
pub fn log_config(config: &TopicConfig) -> storage::log::LogConfig {
    let is_compacted = config.cleanup_policy.compact;
    storage::log::LogConfig {
        segment_bytes: u64::from(config.segment_bytes),
        // The active segment is not compacted (Kafka's `LogConfig.maxSegmentMs`).
        segment_ms: match is_compacted {
            true => config.segment_ms.min(config.max_compaction_lag_ms),
            false => config.segment_ms,
        },
        index_interval_bytes: u64::from(config.index_interval_bytes),
        segment_index_bytes: u64::from(config.segment_index_bytes),
        segment_jitter_ms: config.segment_jitter_ms,
        retention: config.cleanup_policy.delete.then_some(Retention {
            ms: config.retention_ms,
            bytes: config.retention_bytes,
        }),
        compaction: is_compacted.then_some(Compaction {
            min_dirty_ppm: config.min_dirty_ppm,
            min_lag_ms: config.min_compaction_lag_ms,
            max_lag_ms: config.max_compaction_lag_ms,
            delete_retention_ms: config.delete_retention_ms,
        }),
        file_delete_delay_ms: config.file_delete_delay_ms,
        flush_messages: config.flush_messages,
        flush_ms: config.flush_ms,
    }
}

//! A partition that another broker leads: a replica that follows.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use broker_controller::DirectoryId;
use broker_replication::{OwnLog, Truncation, truncation};
use bytes::Bytes;
use parking_lot::Mutex;
use protocol::batch::{BatchHeader, batches, empty_batch, verify_crc};
use protocol::model::{BrokerId, LeaderEpoch, Offset, TopicIdPartition};
use storage::data_dir::DataDir;
use storage::journal::{JournalFault, NobodyWaits};
use storage::log::{Log, LogListener, ReplicaError};

use super::progress::ProgressSink;
use crate::metrics::TopicMetrics;
use crate::partition::{FetchWait, Home};

mod reads;

/// A replica that follows.
pub struct Followed {
    id: TopicIdPartition,
    topic: Arc<str>,
    data_dir: Arc<DataDir>,
    log: Arc<Log>,
    progress: ProgressSink,
    metrics: Arc<TopicMetrics>,
    /// When a consumer asked last, in monotonic milliseconds.
    asked_ms: AtomicI64,
    /// Whether the topic's configuration has it fetch at a limited rate while it is out of sync.
    is_throttled: AtomicBool,
    state: Mutex<State>,
}

struct State {
    leader: Option<BrokerId>,
    leader_epoch: LeaderEpoch,
    /// Whether the metadata has it in the ISR.
    in_sync: bool,
    /// How often the log was cut: what was asked before does not fit any more.
    cuts: u64,
    /// Whether the leader has answered, in this leadership, that the log agrees with its own. What was durable before may be of another way.
    agrees: bool,
    /// What is certainly committed of what is here. The log's high watermark may be of records that a crash has taken: what the leader has in their place counts as
    /// committed when the leader says so.
    committed: Offset,
    /// What the leader has said to be committed, in this leadership.
    leader_high_watermark: Option<Offset>,
    /// Why nothing is fetched any more.
    stopped: Option<Stopped>,
    /// Consumers that wait for the high watermark to move.
    readers: Vec<Arc<FetchWait>>,
}

/// Why a replica does not follow any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It leads, or is gone.
    Over,
    /// Something that must not be: it keeps its bytes, and stays as it is until it is looked at.
    Alarm(String),
    /// Its directory is offline.
    Offline,
    /// The leader has no record before this offset any more: it has to begin anew there.
    BeginAt(Offset),
}

impl Stopped {
    /// Whether it should follow, and cannot.
    pub fn is_failure(&self) -> bool {
        matches!(self, Stopped::Alarm(_) | Stopped::Offline)
    }
}

/// Where a replica is, when it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The leadership it follows.
    pub leader_epoch: LeaderEpoch,
    /// What it has.
    pub end: Offset,
    /// The epoch of its last record.
    pub last_epoch: Option<LeaderEpoch>,
    /// Where its log begins.
    pub start: Offset,
    /// What it knows to be committed, if the leader is to say so once that is more (KIP-1166): somebody waits for it.
    pub high_watermark: Option<Offset>,
    cuts: u64,
}

#[cfg(test)]
impl Position {
    /// Of a log that was never cut.
    pub(super) fn at(leader_epoch: LeaderEpoch, end: Offset) -> Position {
        Position {
            leader_epoch,
            end,
            last_epoch: None,
            start: Offset::ZERO,
            high_watermark: None,
            cuts: 0,
        }
    }
}

/// What a leader has answered.
#[derive(Debug)]
pub enum Fetched {
    /// Records behind what it has, perhaps none, and what is committed.
    Records {
        /// The batches, one behind the other; the last may be cut off.
        records: Bytes,
        /// The leader's high watermark.
        high_watermark: Offset,
        /// Where the leader's log begins.
        log_start: Offset,
    },
    /// The leader's log has gone another way: its last epoch that is not greater, and the end of that.
    Diverging(LeaderEpoch, Offset),
    /// The leader's log begins behind it.
    BehindStart(Offset),
}

struct Own<'a>(&'a Log);

impl OwnLog for Own<'_> {
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.0.end_of_epoch(epoch)
    }

    fn end(&self) -> Offset {
        self.0.offsets().end
    }

    fn high_watermark(&self) -> Offset {
        self.0.high_watermark()
    }
}

impl Followed {
    /// One that follows nobody yet.
    pub fn new(
        id: TopicIdPartition,
        topic: Arc<str>,
        home: Home,
        progress: ProgressSink,
        metrics: Arc<TopicMetrics>,
    ) -> Arc<Followed> {
        let Home { data_dir, log } = home;
        let followed = Arc::new(Followed {
            id,
            topic,
            data_dir,
            log: Arc::clone(&log),
            progress,
            metrics,
            asked_ms: AtomicI64::new(i64::MIN),
            is_throttled: AtomicBool::new(false),
            state: Mutex::new(State {
                leader: None,
                leader_epoch: LeaderEpoch::new(0),
                in_sync: false,
                cuts: 0,
                agrees: false,
                committed: log.high_watermark().min(log.offsets().end),
                leader_high_watermark: None,
                stopped: None,
                readers: Vec::new(),
            }),
        });
        log.set_listener(Arc::new(Progress(Arc::downgrade(&followed))));
        followed
    }

    /// Topic id and number.
    pub fn id(&self) -> TopicIdPartition {
        self.id
    }

    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// Its log.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The directory it is in.
    pub fn directory(&self) -> DirectoryId {
        DirectoryId::new(self.data_dir.meta().directory_id)
    }

    /// Whom it follows.
    pub fn leader(&self) -> Option<BrokerId> {
        let state = self.state.lock();
        state.leader.filter(|_| state.stopped.is_none())
    }

    /// Whom it follows, or last did, in which epoch, and whether it is in the ISR.
    pub fn leadership(&self) -> (Option<BrokerId>, LeaderEpoch, bool) {
        let state = self.state.lock();
        (state.leader, state.leader_epoch, state.in_sync)
    }

    /// Whom it follows, and how many offsets are committed there and not here, as far as that is known: Kafka's `FetcherLagMetrics`.
    pub fn lag(&self) -> Option<(BrokerId, i64)> {
        let state = self.state.lock();
        let (leader, high_watermark) = state.leader.zip(state.leader_high_watermark)?;
        let end = self.log.offsets().end;
        let lag = (high_watermark.get() - end.get()).max(0);
        Some((leader, lag)).filter(|_| state.stopped.is_none())
    }

    /// Why it follows nobody any more.
    pub fn stopped(&self) -> Option<Stopped> {
        self.state.lock().stopped.clone()
    }

    /// The metadata says who leads, and whether this replica is in the ISR. An older leadership than what is known is an image that came late.
    pub fn follow(&self, leader: Option<BrokerId>, leader_epoch: LeaderEpoch, in_sync: bool) {
        let mut state = self.state.lock();
        if leader_epoch < state.leader_epoch {
            return;
        }
        let is_another = (leader, leader_epoch) != (state.leader, state.leader_epoch);
        if is_another {
            (state.leader, state.leader_epoch) = (leader, leader_epoch);
            state.agrees = false;
            state.leader_high_watermark = None;
        }
        let was_in_sync = std::mem::replace(&mut state.in_sync, in_sync);
        if is_another || was_in_sync != in_sync {
            state.wake_readers();
        }
    }

    /// The topic's configuration says whether it fetches at a limited rate while it is out of sync.
    pub fn set_throttled(&self, is_throttled: bool) {
        self.is_throttled.store(is_throttled, Ordering::Relaxed);
    }

    /// Whether it fetches at a limited rate now.
    pub fn is_throttled(&self) -> bool {
        self.is_throttled.load(Ordering::Relaxed) && !self.state.lock().in_sync
    }

    /// Ends it: nothing is appended after this.
    pub fn stop(&self) {
        self.end(&mut self.state.lock(), Stopped::Over);
    }

    /// Where it is at `now_ms`, to ask `leader`; `None` if that is not whom it follows.
    pub fn position(&self, leader: BrokerId, now_ms: i64) -> Option<Position> {
        let state = self.state.lock();
        if state.stopped.is_some() || state.leader != Some(leader) {
            return None;
        }
        let offsets = self.log.offsets();
        Some(Position {
            leader_epoch: state.leader_epoch,
            end: offsets.end,
            last_epoch: self.log.latest_epoch(),
            start: offsets.start,
            high_watermark: self.is_read(&state, now_ms).then_some(state.committed),
            cuts: state.cuts,
        })
    }

    /// Whether there is room for more. Where there is none it falls behind, until there is some.
    pub fn has_room(&self) -> bool {
        self.data_dir.has_room_to_follow()
    }

    /// How far it is durable, for the leader, once it is known that both logs agree so far.
    pub fn durable_end(&self) -> Option<(BrokerId, LeaderEpoch, Offset)> {
        let state = self.state.lock();
        let leader = state
            .leader
            .filter(|_| state.agrees && state.stopped.is_none())?;
        Some((leader, state.leader_epoch, self.log.offsets().durable_end))
    }

    /// The leader has answered what was asked at `asked`. Counts only if everything is as it was then. Blocks on the disk where the log is cut.
    pub fn on_fetched(&self, asked: &Position, fetched: Fetched, now_ms: i64) {
        let mut state = self.state.lock();
        let is_as_then = state.stopped.is_none()
            && state.leader_epoch == asked.leader_epoch
            && state.cuts == asked.cuts
            && self.log.offsets().end == asked.end;
        if !is_as_then {
            return;
        }
        match fetched {
            Fetched::Records {
                records,
                high_watermark,
                log_start,
            } => {
                let agreed = std::mem::replace(&mut state.agrees, true);
                state.leader_high_watermark = Some(high_watermark);
                if let Err(stopped) = self.append(records, now_ms) {
                    self.end(&mut state, stopped);
                    return;
                }
                let end = self.log.offsets().end;
                self.commit(&mut state, high_watermark.min(end));
                self.follow_start(log_start);
                drop(state);
                if !agreed {
                    self.progress.on_durable(self.id);
                }
            }
            Fetched::Diverging(epoch, end) => self.cut(&mut state, epoch, end),
            Fetched::BehindStart(start) => self.end(&mut state, Stopped::BeginAt(start)),
        }
    }

    /// What the leader has deleted goes here too.
    fn follow_start(&self, log_start: Offset) {
        let offsets = self.log.offsets();
        let start = log_start.min(offsets.durable_end);
        if start > offsets.start
            && let Err(fault) = self.log.advance_start(start, Arc::new(NobodyWaits))
        {
            tracing::error!(topic = %self.topic, partition = %self.id.partition, %fault, "a replica cannot delete what its leader has");
        }
    }

    fn append(&self, records: Bytes, now_ms: i64) -> Result<(), Stopped> {
        for batch in batches(&records) {
            let Ok((header, bytes)) = batch else {
                // The last one is cut off, or damaged on the way: it is asked for again.
                return Ok(());
            };
            if !verify_crc(bytes) {
                tracing::warn!(topic = %self.topic, partition = %self.id.partition, "a batch of the leader is damaged: it is asked for again");
                return Ok(());
            }
            let (header, batch) = behind(&header, self.log.offsets().end)
                .unwrap_or_else(|| (header, records.slice_ref(bytes)));
            match self.log.append_replica(batch, &header, now_ms, None) {
                Ok(_) => {}
                Err(ReplicaError::Append(error)) => {
                    tracing::error!(topic = %self.topic, partition = %self.id.partition, %error, "a replica cannot follow");
                    return Err(Stopped::Offline);
                }
                Err(error) => return Err(Stopped::Alarm(error.to_string())),
            }
        }
        Ok(())
    }

    fn cut(&self, state: &mut State, epoch: LeaderEpoch, end: Offset) {
        match truncation(&Own(&self.log), (epoch, end), false) {
            Truncation::To(to) => {
                let before = self.log.offsets().end;
                match self.log.truncate(to) {
                    Ok(cut) => {
                        state.cuts += 1;
                        state.committed = state.committed.min(cut);
                        tracing::info!(topic = %self.topic, partition = %self.id.partition, from = %before, to = %cut, "a replica has cut what its leader does not have");
                    }
                    Err(error) => {
                        tracing::error!(topic = %self.topic, partition = %self.id.partition, %error, "a replica cannot be cut");
                        self.end(state, Stopped::Offline);
                    }
                }
            }
            Truncation::BelowHighWatermark { to, high_watermark } => {
                let alarm = format!(
                    "the leader of epoch {} would have committed records cut: to {to}, {high_watermark} is committed",
                    state.leader_epoch
                );
                self.end(state, Stopped::Alarm(alarm));
            }
        }
    }

    fn end(&self, state: &mut State, stopped: Stopped) {
        if let Stopped::Alarm(alarm) = &stopped {
            tracing::error!(topic = %self.topic, partition = %self.id.partition, alarm, "A REPLICA HAS STOPPED, and keeps what it has");
        }
        state.stopped = Some(stopped);
        state.wake_readers();
    }
}

/// What lies behind `end` of a batch without records that spans it. A leader's compaction leaves one of them for many, and a replica that was away may have
/// had some of those.
fn behind(header: &BatchHeader, end: Offset) -> Option<(BatchHeader, Bytes)> {
    let spans_it = header.base_offset < end && end < header.end_offset();
    if header.record_count > 0 || !spans_it {
        return None;
    }
    let batch = empty_batch(end, header.last_offset(), header.partition_leader_epoch);
    let header = BatchHeader::parse(&batch).ok()?;
    Some((header, Bytes::copy_from_slice(&batch)))
}

/// Carries the log's progress to the leader.
struct Progress(Weak<Followed>);

impl LogListener for Progress {
    fn on_durable(&self, _: Offset) {
        if let Some(followed) = self.0.upgrade() {
            followed.progress.on_durable(followed.id);
        }
    }

    fn on_fault(&self, _: &JournalFault) {
        if let Some(followed) = self.0.upgrade() {
            followed.end(&mut followed.state.lock(), Stopped::Offline);
        }
    }
}

#[cfg(test)]
mod tests;

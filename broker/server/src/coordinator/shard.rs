//! The coordinator of one partition, and those who wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use broker_coordinators::{Effects, Now, Ticket};
use bytes::Bytes;
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::batch::{BatchBuilder, BatchHeader, NewRecord};
use protocol::model::Offset;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::{RecordFormat, load};
use crate::clock::wall_clock_ms;
use crate::partition::{Acks, Partition, PartitionsWait};

/// What is decided is waited for so long: Kafka's default of `offsets.commit.timeout.ms`.
const COMMIT_MAX: Duration = Duration::from_secs(5);

/// A reply, and the end of what has to be committed before it is given.
pub(super) struct Held<A> {
    reply: A,
    end: Offset,
}

/// A reply to come.
pub(super) type Reply<A> = oneshot::Receiver<Held<A>>;

/// The coordinator of a partition.
pub(super) struct Shard<C: RecordFormat> {
    partition: Arc<Partition>,
    since: Instant,
    state: Mutex<State<C>>,
    /// The next deadline may be earlier than the one waited for; or the shard is closed.
    changed: Notify,
}

enum State<C: RecordFormat> {
    Loading,
    Loaded(Loaded<C>),
    /// For good; who asks gets this code.
    Closed(ErrorCode),
}

struct Loaded<C: RecordFormat> {
    coordinator: C,
    waiting: HashMap<Ticket, oneshot::Sender<Held<C::Reply>>>,
    tickets: u64,
    /// The end of what was appended, or loaded.
    end: Offset,
    /// The deadline that the timer waits for.
    armed_ms: Option<i64>,
}

impl<C: RecordFormat> Shard<C> {
    pub(super) fn new(partition: Arc<Partition>, since: Instant) -> Shard<C> {
        Shard {
            partition,
            since,
            state: Mutex::new(State::Loading),
            changed: Notify::new(),
        }
    }

    pub(super) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    fn now(&self) -> Now {
        let monotonic_ms = self.since.elapsed().as_millis();
        Now {
            monotonic_ms: i64::try_from(monotonic_ms).unwrap_or(i64::MAX),
            wall_ms: wall_clock_ms(),
            wall_is_trusted: self.partition.data_dir().retention().trusts_clock(),
        }
    }

    /// Ends its life. Who waits is told.
    pub(super) fn close(&self, code: ErrorCode) {
        // Those who wait see their reply's sender dropped.
        let before = std::mem::replace(&mut *self.state.lock(), State::Closed(code));
        drop(before);
        self.changed.notify_one();
    }

    pub(super) fn with_loaded(&self, look: impl FnOnce(&mut C)) {
        if let State::Loaded(loaded) = &mut *self.state.lock() {
            look(&mut loaded.coordinator);
        }
    }

    /// Has a request decided, unless nothing could come of it.
    pub(super) fn ask(&self, request: C::Request) -> Result<Reply<C::Reply>, ErrorCode> {
        let acks = match C::is_to_record(&request) {
            true => Acks::All,
            false => Acks::Leader,
        };
        self.partition.check_writable(acks).map_err(unavailable)?;
        let mut state = self.state.lock();
        let loaded = match &mut *state {
            State::Loading => return Err(ErrorCode::CoordinatorLoadInProgress),
            State::Closed(code) => return Err(*code),
            State::Loaded(loaded) => loaded,
        };
        loaded.tickets += 1;
        let ticket = Ticket(loaded.tickets);
        let (sender, reply) = oneshot::channel();
        loaded.waiting.insert(ticket, sender);
        let now = self.now();
        let mut effects = Effects::default();
        loaded
            .coordinator
            .on_request(now, ticket, request, &mut effects);
        self.carry_out(&mut state, now, effects)?;
        Ok(reply)
    }

    /// Appends what was decided, and gives replies to be held until it is committed.
    fn carry_out(
        &self,
        state: &mut State<C>,
        now: Now,
        effects: Effects<C::Record, C::Reply>,
    ) -> Result<(), ErrorCode> {
        let State::Loaded(loaded) = state else {
            return Ok(());
        };
        if !effects.records.is_empty() {
            match append::<C>(&self.partition, now, &effects.records) {
                Ok(end) => loaded.end = end,
                Err(error) => {
                    // What it believes is not what the log says.
                    tracing::error!(partition = ?self.partition, error = error.name(), "a coordinator cannot write its log, and ends");
                    let code = unavailable(error);
                    *state = State::Closed(code);
                    self.changed.notify_one();
                    return Err(code);
                }
            }
        }
        for (ticket, reply) in effects.replies {
            if let Some(sender) = loaded.waiting.remove(&ticket) {
                // Its client may have gone.
                let _ = sender.send(Held {
                    reply,
                    end: loaded.end,
                });
            }
        }
        let next_ms = loaded.coordinator.next_deadline_ms();
        if next_ms.is_some_and(|next| loaded.armed_ms.is_none_or(|armed| next < armed)) {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Waits for a reply, and until it may be given.
    pub(super) async fn replied(&self, reply: Reply<C::Reply>) -> Result<C::Reply, ErrorCode> {
        let Ok(Held { reply, end }) = reply.await else {
            return Err(match &*self.state.lock() {
                State::Closed(code) => *code,
                State::Loading | State::Loaded(_) => ErrorCode::NotCoordinator,
            });
        };
        if self.partition.offsets().high_watermark < end {
            // What waits for replicas may wait long, and what comes behind it on the connection with it.
            self.partition
                .check_writable(Acks::All)
                .map_err(unavailable)?;
            let wait = PartitionsWait::new(1);
            self.partition.when_committed(end, &wait, 0);
            if tokio::time::timeout(COMMIT_MAX, wait.all()).await.is_err() {
                return Err(ErrorCode::CoordinatorNotAvailable);
            }
            for code in wait.codes() {
                if code != ErrorCode::None {
                    return Err(unavailable(code));
                }
            }
        }
        Ok(reply)
    }

    /// Does what is due. Returns the next deadline; `Err` when it is closed.
    fn on_timer(&self) -> Result<Option<i64>, ErrorCode> {
        let mut state = self.state.lock();
        let now = self.now();
        let loaded = match &mut *state {
            State::Loaded(loaded) => loaded,
            State::Loading => return Ok(None),
            State::Closed(code) => return Err(*code),
        };
        let is_due = |deadline: i64| deadline <= now.monotonic_ms;
        if loaded.coordinator.next_deadline_ms().is_some_and(is_due) {
            let mut effects = Effects::default();
            loaded.coordinator.on_timer(now, &mut effects);
            self.carry_out(&mut state, now, effects)?;
        }
        let State::Loaded(loaded) = &mut *state else {
            return Ok(None);
        };
        loaded.armed_ms = loaded.coordinator.next_deadline_ms();
        Ok(loaded.armed_ms)
    }

    fn begin(&self, mut coordinator: C, end: Offset) -> Result<(), ErrorCode> {
        let mut state = self.state.lock();
        if let State::Closed(code) = *state {
            return Err(code);
        }
        let now = self.now();
        let mut effects = Effects::default();
        coordinator.on_loaded(now, &mut effects);
        *state = State::Loaded(Loaded {
            coordinator,
            waiting: HashMap::new(),
            tickets: 0,
            end,
            armed_ms: None,
        });
        self.carry_out(&mut state, now, effects)
    }
}

/// Loads the coordinator, at once where there is nothing to load, and returns what has its timers go off until it is closed.
pub(super) fn begin<C>(coordinator: C, shard: Arc<Shard<C>>) -> impl Future<Output = ()> + Send
where
    C: RecordFormat,
    C::Request: Send,
    C::Reply: Send,
    C::Record: Send,
{
    let offsets = shard.partition.offsets();
    let is_empty = offsets.log_start == offsets.log_end;
    let (begun, to_load) = match is_empty {
        true => (shard.begin(coordinator, offsets.log_end), None),
        false => (Ok(()), Some(coordinator)),
    };
    async move {
        let begun = match to_load {
            Some(coordinator) => begun.and(load_into(&shard, coordinator).await),
            None => begun,
        };
        match begun {
            Ok(()) => run_timers(&shard).await,
            Err(code) => shard.close(code),
        }
    }
}

async fn load_into<C>(shard: &Arc<Shard<C>>, coordinator: C) -> Result<(), ErrorCode>
where
    C: RecordFormat,
{
    let partition = Arc::clone(&shard.partition);
    let loading = tokio::task::spawn_blocking(move || load::load(&partition, coordinator));
    match loading.await {
        Ok(Ok((coordinator, end))) => shard.begin(coordinator, end),
        Ok(Err(error)) => {
            tracing::error!(partition = ?shard.partition, %error, "a coordinator cannot be loaded");
            Err(ErrorCode::CoordinatorNotAvailable)
        }
        // The process is stopping.
        Err(_) => Err(ErrorCode::NotCoordinator),
    }
}

async fn run_timers<C: RecordFormat>(shard: &Shard<C>) {
    loop {
        let Ok(deadline_ms) = shard.on_timer() else {
            return;
        };
        let millis = deadline_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        tokio::select! {
            () = shard.changed.notified() => {}
            () = sleep_until(millis.map(|millis| shard.since + millis)) => {}
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Batches are closed when they have so many bytes: records of one decision need not be in one, since nobody is answered before all are committed.
const BATCH_BYTES: usize = 1 << 20;

/// Appends records, in order. Returns their end.
fn append<C: RecordFormat>(
    partition: &Partition,
    now: Now,
    records: &[C::Record],
) -> Result<Offset, ErrorCode> {
    let mut end = None;
    let mut batch = BatchBuilder::new();
    for record in records {
        let (key, value) = C::encode(record)?;
        let bytes = key.len() + value.as_ref().map_or(0, Bytes::len);
        if batch.record_count() > 0 && batch.size_in_bytes() + bytes > BATCH_BYTES {
            let full = std::mem::replace(&mut batch, BatchBuilder::new());
            end = Some(append_batch(partition, now, full)?);
        }
        batch.push(&NewRecord {
            timestamp: now.wall_ms,
            key: Some(&key),
            value: value.as_deref(),
            ..NewRecord::default()
        });
    }
    if batch.record_count() > 0 {
        end = Some(append_batch(partition, now, batch)?);
    }
    end.ok_or(ErrorCode::UnknownServerError)
}

fn append_batch(partition: &Partition, now: Now, batch: BatchBuilder) -> Result<Offset, ErrorCode> {
    let batch = batch.build();
    let header = BatchHeader::parse(&batch).map_err(|_| ErrorCode::UnknownServerError)?;
    let appended = partition.append_decided(batch, &header, now.wall_ms)?;
    Ok(appended.base.plus(i64::from(header.record_count)))
}

/// What a client is told of a coordinator whose log does not take or commit what it writes (Kafka's
/// `CoordinatorOperationExceptionHelper`).
fn unavailable(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge => ErrorCode::UnknownServerError,
        _ => ErrorCode::CoordinatorNotAvailable,
    }
}

//! Requests that wait for the high watermark.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::model::Offset;
use tokio::sync::Notify;

/// A request that waits for each of its partitions: records to be committed, or a new start to be durable.
#[derive(Debug)]
pub struct PartitionsWait {
    remaining: AtomicUsize,
    codes: Mutex<Vec<Option<ErrorCode>>>,
    finished: Notify,
}

impl PartitionsWait {
    /// A wait for `partitions` answers.
    pub fn new(partitions: usize) -> Arc<PartitionsWait> {
        Arc::new(PartitionsWait {
            remaining: AtomicUsize::new(partitions),
            codes: Mutex::new(vec![None; partitions]),
            finished: Notify::new(),
        })
    }

    /// The outcome of one partition. The first one given counts.
    pub fn done(&self, slot: usize, code: ErrorCode) {
        {
            let mut codes = self.codes.lock();
            if codes[slot].is_some() {
                return;
            }
            codes[slot] = Some(code);
        }
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finished.notify_one();
        }
    }

    /// Waits for all.
    pub async fn all(&self) {
        while self.remaining.load(Ordering::Acquire) > 0 {
            self.finished.notified().await;
        }
    }

    /// The outcomes so far; what is not known yet has timed out.
    pub fn codes(&self) -> Vec<ErrorCode> {
        let codes = self.codes.lock();
        codes
            .iter()
            .map(|code| code.unwrap_or(ErrorCode::RequestTimedOut))
            .collect()
    }
}

/// A fetch that waits for more to read.
#[derive(Debug, Default)]
pub struct FetchWait {
    moved: Notify,
}

impl FetchWait {
    /// A wait.
    pub fn new() -> Arc<FetchWait> {
        Arc::new(FetchWait::default())
    }

    /// Something moved.
    pub fn wake(&self) {
        self.moved.notify_one();
    }

    /// Waits until something has moved since the last call.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }
}

/// Who waits at one partition.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// By the offset waited for, growing.
    produces: VecDeque<(Offset, Arc<PartitionsWait>, usize)>,
    /// The same of those for whom this broker's disk is enough.
    durables: VecDeque<(Offset, Arc<PartitionsWait>, usize)>,
    fetches: Vec<Arc<FetchWait>>,
    /// Followers that wait for more to be appended.
    replicas: Vec<Arc<FetchWait>>,
}

/// What a producer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// This broker has it on its disk.
    Leader,
    /// It is committed.
    All,
}

/// Takes out those who wait for no more than this.
fn passed(
    waiting: &mut VecDeque<(Offset, Arc<PartitionsWait>, usize)>,
    end: Offset,
) -> Vec<(Arc<PartitionsWait>, usize)> {
    let passed = waiting.partition_point(|(other, ..)| *other <= end);
    let passed = waiting.drain(..passed);
    passed.map(|(_, wait, slot)| (wait, slot)).collect()
}

/// Those to be told, once no lock is held.
pub(super) type Told = (Vec<(Arc<PartitionsWait>, usize)>, Vec<Arc<FetchWait>>);

impl Waiters {
    pub(super) fn add_produce(
        &mut self,
        acks: Acks,
        end: Offset,
        wait: Arc<PartitionsWait>,
        slot: usize,
    ) {
        let waiting = match acks {
            Acks::All => &mut self.produces,
            Acks::Leader => &mut self.durables,
        };
        // Nearly always at the back; a retry of an older batch belongs further in front.
        let at = waiting.partition_point(|(other, ..)| *other <= end);
        waiting.insert(at, (end, wait, slot));
    }

    pub(super) fn add_fetch(&mut self, wait: Arc<FetchWait>) {
        self.fetches.push(wait);
    }

    pub(super) fn add_replica(&mut self, wait: Arc<FetchWait>) {
        self.replicas.push(wait);
    }

    pub(super) fn on_append(&mut self) -> Vec<Arc<FetchWait>> {
        std::mem::take(&mut self.replicas)
    }

    pub(super) fn remove_fetch(&mut self, wait: &Arc<FetchWait>) {
        self.fetches.retain(|other| !Arc::ptr_eq(other, wait));
        self.replicas.retain(|other| !Arc::ptr_eq(other, wait));
    }

    pub(super) fn on_high_watermark(&mut self, high_watermark: Offset) -> Told {
        let produces = passed(&mut self.produces, high_watermark);
        (produces, std::mem::take(&mut self.fetches))
    }

    pub(super) fn on_durable(&mut self, durable_end: Offset) -> Vec<(Arc<PartitionsWait>, usize)> {
        passed(&mut self.durables, durable_end)
    }

    pub(super) fn take_all(&mut self) -> Told {
        let produces = self
            .produces
            .drain(..)
            .chain(self.durables.drain(..))
            .map(|(_, wait, slot)| (wait, slot))
            .collect();
        let mut fetches = std::mem::take(&mut self.fetches);
        fetches.append(&mut self.replicas);
        (produces, fetches)
    }
}

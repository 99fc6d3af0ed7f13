//! Bytes in flight, bounded for the process.
//!
//! Every frame is charged before it is read, and its [`MemoryPermit`] returns the bytes when the
//! answer is written, the connection is gone, or whoever took the permit drops it. Waiting is
//! first come, first served, so a large request is not passed for ever by small ones.
//!
//! A large frame is charged in steps, as it arrives. Frames that each hold a part and wait for
//! more would wait for one another for ever; so one frame at a time in the whole process may run
//! into *overdraft*: it is read to its end without further charge. The same way a frame larger
//! than the budget passes.
//!
//! Whoever holds memory and moves on slowly, or not at all, would keep everybody waiting. Against
//! that there are two things. On top of the budget lies a *reserve*, a small share of it, for
//! requests that have arrived whole: they pass those that are still to come. And a wait of more
//! than [`SHORTAGE_AFTER`] is a *shortage*, of which connections are told: those that hold memory
//! have less patience with their peers then, and if frames that have not arrived whole hold most of
//! it, they are given up.
//!
//! Memory in flight is thus at most the budget, its reserve and one frame.
//!
//! Kafka has `queued.max.request.bytes` for this, off by default.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// The reserve's share of the budget, on top of it.
const RESERVE_SHARE: usize = 16;
/// A wait for memory is ordinary for so long.
pub const SHORTAGE_AFTER: Duration = Duration::from_secs(1);

/// The budget; clones share it.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    capacity: usize,
    /// One permit per byte. Tokio's semaphore is fair: what is returned goes to the oldest waiter.
    bytes: Semaphore,
    overdraft: Arc<Semaphore>,
    reserve: Semaphore,
    /// How many have waited for too long.
    shortage: watch::Sender<usize>,
    /// Bytes that frames hold which have not arrived whole.
    arriving: AtomicUsize,
}

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A frame that has not arrived whole, or something else that can wait.
    Other,
    /// Of a frame that holds memory already: it may run into overdraft.
    MoreOfFrame,
    /// A request that has arrived whole: the reserve is for it.
    WholeFrame,
}

impl MemoryBudget {
    /// A budget of `capacity` bytes.
    pub fn new(capacity: usize) -> MemoryBudget {
        let capacity = capacity.min(Semaphore::MAX_PERMITS);
        let overdraft = Arc::new(Semaphore::new(1));
        let inner = Inner {
            capacity,
            bytes: Semaphore::new(capacity),
            overdraft,
            reserve: Semaphore::new(capacity / RESERVE_SHARE),
            shortage: watch::Sender::new(0),
            arriving: AtomicUsize::new(0),
        };
        MemoryBudget {
            inner: Arc::new(inner),
        }
    }

    /// All its bytes but the reserve.
    pub fn capacity(&self) -> usize {
        self.inner.capacity
    }

    /// Bytes nobody holds and nobody waits for.
    pub fn available(&self) -> usize {
        self.inner.bytes.available_permits()
    }

    /// Whether a request would find any.
    pub(super) fn is_exhausted(&self) -> bool {
        self.available() == 0 && self.inner.reserve.available_permits() == 0
    }

    /// A permit of nothing, to merge into.
    pub fn nothing(&self) -> MemoryPermit {
        self.permit(0, 0, None)
    }

    /// The bytes, if they are there and nobody waits for them.
    pub fn try_acquire(&self, bytes: usize) -> Option<MemoryPermit> {
        take(&self.inner.bytes, bytes)?;
        Some(self.permit(bytes, 0, None))
    }

    /// The same for a request that has arrived whole: then from the reserve.
    pub(super) fn try_acquire_for_whole(&self, bytes: usize) -> Option<MemoryPermit> {
        if let Some(permit) = self.try_acquire(bytes) {
            return Some(permit);
        }
        take(&self.inner.reserve, bytes)?;
        Some(self.permit(0, bytes, None))
    }

    /// As many bytes as there are without waiting, up to `bytes_max`; if there are less than
    /// `bytes_min`, waits for these.
    pub async fn acquire_up_to(&self, bytes_max: usize, bytes_min: usize) -> MemoryPermit {
        let mut bytes = bytes_max;
        while bytes > bytes_min {
            if let Some(permit) = self.try_acquire(bytes) {
                return permit;
            }
            bytes /= 2;
        }
        self.acquire(bytes_min.min(bytes_max)).await
    }

    /// Waits for the bytes, in turn. More than the capacity waits for the overdraft.
    pub async fn acquire(&self, bytes: usize) -> MemoryPermit {
        self.acquire_for(bytes, Purpose::Other).await
    }

    /// Waits for the bytes, in turn, or for what else may serve their purpose, whichever comes
    /// first. A long wait is a shortage.
    pub(super) async fn acquire_for(&self, bytes: usize, purpose: Purpose) -> MemoryPermit {
        let mut wait = std::pin::pin!(self.wait_for(bytes, purpose));
        if let Ok(permit) = timeout(SHORTAGE_AFTER, &mut wait).await {
            return permit;
        }
        self.inner.shortage.send_modify(|waiting| *waiting += 1);
        let _ended = ShortageGuard(self);
        wait.await
    }

    async fn wait_for(&self, bytes: usize, purpose: Purpose) -> MemoryPermit {
        let inner = &self.inner;
        let count = u32::try_from(bytes).ok();
        let fitting = count.filter(|_| bytes <= inner.capacity);
        let reserved = count
            .filter(|_| purpose == Purpose::WholeFrame && bytes <= inner.capacity / RESERVE_SHARE);
        tokio::select! {
            biased;
            permit = inner.bytes.acquire_many(fitting.unwrap_or(0)), if fitting.is_some() => {
                permit.expect("never closed").forget();
                self.permit(bytes, 0, None)
            }
            permit = inner.reserve.acquire_many(reserved.unwrap_or(0)), if reserved.is_some() => {
                permit.expect("never closed").forget();
                self.permit(0, bytes, None)
            }
            overdraft = inner.overdraft.clone().acquire_owned(),
                if purpose == Purpose::MoreOfFrame || fitting.is_none() =>
            {
                self.permit(0, 0, Some(overdraft.expect("never closed")))
            }
        }
    }

    /// Whether frames that have not arrived whole hold more than half of it.
    pub(super) fn is_clogged(&self) -> bool {
        self.inner.arriving.load(Ordering::Relaxed) > self.inner.capacity / 2
    }

    /// To count what a frame holds until it has arrived whole.
    pub(super) fn arriving(&self) -> Arriving {
        Arriving {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// To be told of shortages.
    pub(super) fn shortage(&self) -> Shortage {
        Shortage::after(self.inner.shortage.subscribe(), false)
    }

    fn permit(
        &self,
        bytes: usize,
        reserved: usize,
        overdraft: Option<OwnedSemaphorePermit>,
    ) -> MemoryPermit {
        MemoryPermit {
            budget: self.clone(),
            bytes,
            reserved,
            overdraft,
        }
    }
}

fn take(semaphore: &Semaphore, bytes: usize) -> Option<()> {
    let bytes = u32::try_from(bytes).ok()?;
    semaphore.try_acquire_many(bytes).ok()?.forget();
    Some(())
}

/// What a frame holds that has not arrived whole.
#[derive(Debug)]
pub(super) struct Arriving {
    budget: MemoryBudget,
    bytes: usize,
}

impl Arriving {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn set(&mut self, bytes: usize) {
        let arriving = &self.budget.inner.arriving;
        arriving.fetch_add(bytes, Ordering::Relaxed);
        arriving.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Ends a shortage for one who waited, also if it gives up.
struct ShortageGuard<'a>(&'a MemoryBudget);

impl Drop for ShortageGuard<'_> {
    fn drop(&mut self) {
        let shortage = &self.0.inner.shortage;
        shortage.send_modify(|waiting| *waiting -= 1);
    }
}

/// Follows whether memory is short.
pub(super) struct Shortage {
    receiver: watch::Receiver<usize>,
    is_short: bool,
    changed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Shortage {
    fn after(receiver: watch::Receiver<usize>, is_short: bool) -> Shortage {
        let mut waiting = receiver.clone();
        let changed = Box::pin(async move {
            // The sender lives as long as the budget, and that as long as any connection.
            let _ = waiting.wait_for(|waiting| (*waiting > 0) != is_short).await;
        });
        Shortage {
            receiver,
            is_short,
            changed,
        }
    }

    /// Whether memory is short; wakes the task when that changes.
    pub(super) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        while self.changed.as_mut().poll(cx).is_ready() {
            *self = Shortage::after(self.receiver.clone(), !self.is_short);
        }
        self.is_short
    }
}

/// Bytes of a budget, returned when this is dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    budget: MemoryBudget,
    bytes: usize,
    /// From the reserve.
    reserved: usize,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl MemoryPermit {
    /// The bytes charged. The frame may be larger if it ran into overdraft.
    pub fn bytes(&self) -> usize {
        self.bytes + self.reserved
    }

    /// Whether it holds the process's only overdraft. Whoever keeps such a permit for long keeps
    /// other large frames out for as long.
    pub fn is_overdrawn(&self) -> bool {
        self.overdraft.is_some()
    }

    /// Splits off at most `bytes`, to be held and returned separately. The overdraft stays.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> MemoryPermit {
        let reserved = bytes.saturating_sub(self.bytes).min(self.reserved);
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.reserved -= reserved;
        self.budget.permit(bytes, reserved, None)
    }

    /// Returns all but `bytes` of it.
    pub fn keep(&mut self, bytes: usize) {
        drop(self.split(self.bytes().saturating_sub(bytes)));
    }

    /// Takes over what `other` holds.
    ///
    /// # Panics
    /// If the two are of different budgets.
    pub fn merge(&mut self, mut other: MemoryPermit) {
        assert!(
            Arc::ptr_eq(&self.budget.inner, &other.budget.inner),
            "permits of different budgets"
        );
        self.bytes += std::mem::take(&mut other.bytes);
        self.reserved += std::mem::take(&mut other.reserved);
        // There is only one overdraft, so at most one of the two has it.
        self.overdraft = self.overdraft.take().or(other.overdraft.take());
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.inner.bytes.add_permits(self.bytes);
        }
        if self.reserved > 0 {
            self.budget.inner.reserve.add_permits(self.reserved);
        }
    }
}

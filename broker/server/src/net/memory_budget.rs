//! Bytes in flight, bounded for the process.
//!
//! Every frame is charged before it is read, and its [`MemoryPermit`] returns the bytes when the
//! answer is written, the connection is gone, or whoever took the permit drops it. Waiting is
//! first come, first served, so a large request is not passed for ever by small ones.
//!
//! A large frame is charged in steps, as it arrives. Frames that each hold a part and wait for
//! more would wait for one another for ever; so one frame at a time in the whole process may run
//! into *overdraft*: it is read to its end without further charge. The same way a frame larger
//! than the budget passes. Memory in flight is thus at most the budget and one frame.
//!
//! Kafka has `queued.max.request.bytes` for this, off by default.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
        };
        MemoryBudget {
            inner: Arc::new(inner),
        }
    }

    /// All its bytes.
    pub fn capacity(&self) -> usize {
        self.inner.capacity
    }

    /// Bytes nobody holds and nobody waits for.
    pub fn available(&self) -> usize {
        self.inner.bytes.available_permits()
    }

    /// A permit of nothing, to merge into.
    pub fn nothing(&self) -> MemoryPermit {
        self.permit(0, None)
    }

    /// The bytes, if they are there and nobody waits for them.
    pub fn try_acquire(&self, bytes: usize) -> Option<MemoryPermit> {
        self.inner
            .bytes
            .try_acquire_many(u32::try_from(bytes).ok()?)
            .ok()?
            .forget();
        Some(self.permit(bytes, None))
    }

    /// Waits for the bytes, in turn. More than the capacity waits for the overdraft.
    pub async fn acquire(&self, bytes: usize) -> MemoryPermit {
        self.acquire_or_overdraw(bytes, false).await
    }

    /// Waits for the bytes, or, if `may_overdraw`, for the overdraft, whichever comes first.
    pub(super) async fn acquire_or_overdraw(
        &self,
        bytes: usize,
        may_overdraw: bool,
    ) -> MemoryPermit {
        let fitting = u32::try_from(bytes)
            .ok()
            .filter(|_| bytes <= self.inner.capacity);
        tokio::select! {
            biased;
            permit = self.inner.bytes.acquire_many(fitting.unwrap_or(0)), if fitting.is_some() => {
                permit.expect("never closed").forget();
                self.permit(bytes, None)
            }
            overdraft = self.inner.overdraft.clone().acquire_owned(),
                if may_overdraw || fitting.is_none() =>
            {
                self.permit(0, Some(overdraft.expect("never closed")))
            }
        }
    }

    fn permit(&self, bytes: usize, overdraft: Option<OwnedSemaphorePermit>) -> MemoryPermit {
        MemoryPermit {
            budget: self.clone(),
            bytes,
            overdraft,
        }
    }
}

/// Bytes of a budget, returned when this is dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    budget: MemoryBudget,
    bytes: usize,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl MemoryPermit {
    /// The bytes charged. The frame may be larger if it ran into overdraft.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it holds the process's only overdraft. Whoever keeps such a permit for long keeps
    /// other large frames out for as long.
    pub fn is_overdrawn(&self) -> bool {
        self.overdraft.is_some()
    }

    /// Splits off at most `bytes`, to be held and returned separately. The overdraft stays.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> MemoryPermit {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.permit(bytes, None)
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
        // There is only one overdraft, so at most one of the two has it.
        self.overdraft = self.overdraft.take().or(other.overdraft.take());
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.inner.bytes.add_permits(self.bytes);
        }
    }
}

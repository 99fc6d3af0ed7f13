//! Entries on their way to the writer, in the order in which they happened.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{Entry, JournalPosition, WriterWait};

/// Why a data directory is offline. A journal that failed once is never written again by this process.
#[derive(Clone, Debug, thiserror::Error)]
#[error("data directory is offline: {what}: {error}")]
pub struct JournalFault {
    /// What was being done.
    pub what: &'static str,
    /// What the system said.
    pub error: Arc<std::io::Error>,
}

/// Hears, once, that a data directory went offline.
pub type OfflineListener = Box<dyn Fn(&JournalFault) + Send + Sync>;

/// Hears of the durability of the entries it queued.
pub trait DurableListener: Send + Sync {
    /// Every entry of the journal up to and including `position` is on stable media.
    fn on_durable(&self, position: JournalPosition);
    /// Entries that are not durable yet never will be known to be.
    fn on_fault(&self, fault: &JournalFault);
}

/// NobodyWaits waits for it.
pub struct NobodyWaits;

impl DurableListener for NobodyWaits {
    fn on_durable(&self, _: JournalPosition) {}
    fn on_fault(&self, _: &JournalFault) {}
}

/// An entry with its place and who waits for it.
pub struct Queued {
    pub(super) position: JournalPosition,
    pub(super) entry: Entry,
    pub(super) listener: Arc<dyn DurableListener>,
}

struct Inner {
    entries: VecDeque<Queued>,
    next_position: JournalPosition,
    writer_sleeps: bool,
    /// How to wake a writer that sleeps as a task rather than a thread.
    waker: Option<Waker>,
    wake_requested: bool,
    /// The disk is to be tried.
    probe_requested: bool,
    closed: bool,
    fault: Option<JournalFault>,
}

/// Where logs put entries and the writer takes them.
pub struct JournalQueue {
    inner: Mutex<Inner>,
    wake: Condvar,
    /// Payloads that are not durable yet.
    backlog_bytes: AtomicUsize,
    entry_bytes_max: usize,
    offline: OnceLock<OfflineListener>,
}

impl JournalQueue {
    /// An empty queue whose next entry gets `next_position`. Payloads over `entry_bytes_max` are the caller's error.
    pub fn new(next_position: JournalPosition, entry_bytes_max: usize) -> JournalQueue {
        JournalQueue {
            inner: Mutex::new(Inner {
                entries: VecDeque::new(),
                next_position,
                writer_sleeps: false,
                waker: None,
                wake_requested: false,
                probe_requested: false,
                closed: false,
                fault: None,
            }),
            wake: Condvar::new(),
            backlog_bytes: AtomicUsize::new(0),
            entry_bytes_max,
            offline: OnceLock::new(),
        }
    }

    /// Names who hears that the directory goes offline. Once, and before it can.
    pub fn set_offline_listener(&self, listener: OfflineListener) {
        assert!(
            self.offline.set(listener).is_ok(),
            "one listens to a directory"
        );
    }

    /// The largest payload an entry may have: it must fit a journal file.
    pub fn entry_bytes_max(&self) -> usize {
        self.entry_bytes_max
    }

    /// Queues an entry. Done means: queued, with its place in the order; durable when `listener` hears so.
    pub fn push(
        &self,
        entry: Entry,
        listener: Arc<dyn DurableListener>,
    ) -> Result<JournalPosition, JournalFault> {
        assert!(
            entry.payload.len() <= self.entry_bytes_max,
            "entry over the journal's limit"
        );
        let mut inner = self.inner.lock();
        if let Some(fault) = &inner.fault {
            return Err(fault.clone());
        }
        let position = inner.next_position;
        inner.next_position = position.next();
        self.backlog_bytes
            .fetch_add(entry.payload.len(), Ordering::Relaxed);
        inner.entries.push_back(Queued {
            position,
            entry,
            listener,
        });
        self.wake_locked(&mut inner);
        Ok(position)
    }

    /// Bytes of payloads that are queued, or being written.
    pub fn backlog_bytes(&self) -> usize {
        self.backlog_bytes.load(Ordering::Relaxed)
    }

    /// So many of them are durable.
    pub(super) fn on_written(&self, payload_bytes: usize) {
        self.backlog_bytes
            .fetch_sub(payload_bytes, Ordering::Relaxed);
    }

    /// Sets the position of the first entry, once a recovery knows it. Before anything is queued.
    pub fn continue_at(&self, position: JournalPosition) {
        let mut inner = self.inner.lock();
        assert!(inner.entries.is_empty(), "the queue is in use");
        inner.next_position = position;
    }

    /// The position the next entry will get.
    pub fn next_position(&self) -> JournalPosition {
        self.inner.lock().next_position
    }

    /// The same, unless the directory is offline.
    pub fn position_if_online(&self) -> Result<JournalPosition, JournalFault> {
        let inner = self.inner.lock();
        match &inner.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(inner.next_position),
        }
    }

    /// Wakes the writer if it sleeps, for a reason other than an entry.
    pub fn wake(&self) {
        let mut inner = self.inner.lock();
        inner.wake_requested = true;
        self.wake_locked(&mut inner);
    }

    /// Has the writer write a commit of nothing, if it has nothing else to write: whether the disk does it shows whether that hangs.
    pub fn probe(&self) {
        let mut inner = self.inner.lock();
        inner.probe_requested = true;
        inner.wake_requested = true;
        self.wake_locked(&mut inner);
    }

    pub(super) fn take_probe(&self) -> bool {
        std::mem::take(&mut self.inner.lock().probe_requested)
    }

    /// Asks the writer to end once everything queued is durable and sealed.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        self.wake_locked(&mut inner);
    }

    /// The fault that took the directory offline, if one did.
    pub fn fault(&self) -> Option<JournalFault> {
        self.inner.lock().fault.clone()
    }

    /// Takes the directory offline: what is queued is told, what comes is refused.
    pub fn fail(&self, fault: &JournalFault) {
        let (orphans, is_first) = {
            let mut inner = self.inner.lock();
            let is_first = inner.fault.is_none();
            inner.fault.get_or_insert_with(|| fault.clone());
            inner.wake_requested = true;
            self.wake_locked(&mut inner);
            (std::mem::take(&mut inner.entries), is_first)
        };
        for orphan in orphans {
            orphan.listener.on_fault(fault);
        }
        if is_first && let Some(listener) = self.offline.get() {
            listener(fault);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    pub(super) fn take(&self, into: &mut VecDeque<Queued>) {
        let mut inner = self.inner.lock();
        if into.is_empty() {
            std::mem::swap(&mut inner.entries, into);
        } else {
            into.append(&mut inner.entries);
        }
    }

    /// Sleeps until there is an entry, a wake or the end, or for at most `limit`. False when the limit ended it.
    pub(super) fn sleep(&self, limit: Option<Duration>) -> bool {
        let mut inner = self.inner.lock();
        loop {
            if !inner.entries.is_empty() || inner.wake_requested || inner.closed {
                inner.wake_requested = false;
                return true;
            }
            inner.writer_sleeps = true;
            let timed_out = match limit {
                Some(limit) => self.wake.wait_for(&mut inner, limit).timed_out(),
                None => {
                    self.wake.wait(&mut inner);
                    false
                }
            };
            inner.writer_sleeps = false;
            if timed_out {
                return false;
            }
        }
    }

    /// Sleeps until somebody wakes the writer or closes the queue, entries notwithstanding: for a writer that has no file to
    /// put them in.
    pub(super) fn sleep_for_wake(&self) {
        let mut inner = self.inner.lock();
        while !inner.wake_requested && !inner.closed {
            inner.writer_sleeps = true;
            self.wake.wait(&mut inner);
            inner.writer_sleeps = false;
        }
        inner.wake_requested = false;
    }

    /// For a writer that is a task: ready when somebody wakes it, or there is something of what it `waits` for: an entry, or the end unless it has to
    /// wait for the disk before. See [`JournalQueue::sleep`] and [`JournalQueue::sleep_for_wake`].
    pub(super) fn poll_sleep(&self, cx: &mut Context<'_>, waits: WriterWait) -> Poll<()> {
        let mut inner = self.inner.lock();
        let has_entries = !inner.entries.is_empty() && waits != WriterWait::File;
        let has_ended = inner.closed && waits != WriterWait::Completion;
        if has_entries || has_ended || inner.wake_requested {
            inner.wake_requested = false;
            return Poll::Ready(());
        }
        inner.writer_sleeps = true;
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn wake_locked(&self, inner: &mut Inner) {
        if inner.writer_sleeps {
            inner.writer_sleeps = false;
            match inner.waker.take() {
                Some(waker) => waker.wake(),
                None => drop(self.wake.notify_one()),
            }
        }
    }
}

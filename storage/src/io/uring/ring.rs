//! The ring itself: entries in, completions out.
#![expect(
    unsafe_code,
    reason = "the kernel reads and writes the memory that entries point to"
)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use io_uring::{EnterFlags, IoUring};
use rustix::fs::MemfdFlags;

use super::slots::{Next, Slots};
use crate::io::files::DiskFile;
use crate::io::{AlignedBuf, BLOCK, IoCompletion, IoFile, IoOp, IoOpKind, IoQueue};

/// A queue over one ring, which is made by the first operation: `SINGLE_ISSUER` ties a ring to
/// the thread that makes it, and a queue may be handed to another thread before it is used.
pub(in crate::io) struct RingQueue {
    depth: usize,
    /// Whether the threads that use it change: no ring is tied to one of them then.
    shared: bool,
    ring: Option<Ring>,
    slots: Slots,
    /// Operations that never reached the ring, because it could not be made.
    refused: Vec<IoCompletion>,
    reaped: Vec<(usize, i32)>,
}

struct Ring {
    uring: IoUring,
    owner: ThreadId,
    /// Entries pushed whose completions have not been taken.
    entries: usize,
}

impl Ring {
    fn new(depth: usize, shared: bool) -> io::Result<Ring> {
        let entries = u32::try_from(depth.next_power_of_two())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut builder = IoUring::builder();
        builder.setup_submit_all();
        if shared {
            // The thread that submitted is not interrupted while it runs: it finds completions when it looks, or when it sleeps.
            builder.setup_coop_taskrun().setup_taskrun_flag();
        } else {
            builder.setup_single_issuer().setup_defer_taskrun();
        }
        let uring = builder
            .build(entries)
            .or_else(|error| match error.raw_os_error() {
                // Kernels before 6.1 do not know all of these.
                Some(libc::EINVAL) => IoUring::builder().build(entries),
                _ => Err(error),
            })?;
        Ok(Ring {
            uring,
            owner: thread::current().id(),
            entries: 0,
        })
    }

    /// Submits what has been pushed, runs deferred work (which only happens with `GETEVENTS`) and
    /// waits for `want`.
    fn enter(&mut self, want: usize) -> io::Result<()> {
        let pushed = self.uring.submission().len();
        let flags = EnterFlags::GETEVENTS.bits();
        // SAFETY: no argument is passed with the call, and the entries pushed fulfil the contract
        // of `push`.
        unsafe {
            self.uring
                .submitter()
                .enter::<libc::sigset_t>(pushed as u32, want as u32, flags, None)
        }?;
        Ok(())
    }
}

impl RingQueue {
    pub(in crate::io) fn new(depth: usize) -> RingQueue {
        assert!(depth > 0, "a queue needs a depth");
        RingQueue {
            depth,
            shared: false,
            ring: None,
            slots: Slots::default(),
            refused: Vec::new(),
            reaped: Vec::new(),
        }
    }

    /// The ring of this thread.
    fn ring(&mut self) -> io::Result<&mut Ring> {
        let here = thread::current().id();
        let is_foreign = |ring: &Ring| !self.shared && ring.owner != here;
        if self.ring.as_ref().is_some_and(is_foreign) {
            if self.slots.used() > 0 {
                let message = "the queue changed threads with operations in flight";
                return Err(io::Error::other(message));
            }
            self.ring = None;
        }
        if self.ring.is_none() {
            self.ring = Some(Ring::new(self.depth, self.shared)?);
        }
        Ok(self.ring.as_mut().expect("just made"))
    }

    fn push(&mut self, index: usize) {
        let entry = self.slots.get_mut(index).entry().user_data(index as u64);
        let ring = self.ring.as_mut().expect("made before anything is pushed");
        // SAFETY: the entry's memory and descriptor belong to the slot, which is neither touched
        // nor dropped until the entry's completion: `take` is called only then, and `drop` waits
        // for it, or leaks the slots.
        let pushed = unsafe { ring.uring.submission().push(&entry) };
        // The ring has room for `depth` entries, and each of the at most `depth` slots has one.
        pushed.expect("one entry per slot");
        ring.entries += 1;
    }

    /// Moves the ring's completions to their slots, and finished operations to `completions`.
    fn reap(&mut self, completions: &mut Vec<IoCompletion>) {
        let Some(ring) = &mut self.ring else { return };
        let mut reaped = mem::take(&mut self.reaped);
        reaped.extend(
            ring.uring
                .completion()
                .map(|cqe| (cqe.user_data() as usize, cqe.result())),
        );
        ring.entries -= reaped.len();
        for (index, result) in reaped.drain(..) {
            match self.slots.get_mut(index).on_result(result) {
                Next::Submit => self.push(index),
                Next::Complete(result) => {
                    completions.push(self.slots.take(index).complete(result));
                }
                Next::AwaitSync => self.begin_sync(index, completions),
                Next::Synced(result) => self.end_sync(index, result, completions),
            }
        }
        self.reaped = reaped;
    }

    fn begin_sync(&mut self, index: usize, completions: &mut Vec<IoCompletion>) {
        if let Err(error) = self.slots.get_mut(index).check_sync_allowed() {
            completions.push(self.slots.take(index).complete(Err(error)));
        } else if self.slots.begin_sync(index) {
            self.push(index);
        }
    }

    fn end_sync(
        &mut self,
        index: usize,
        result: Result<(), i32>,
        completions: &mut Vec<IoCompletion>,
    ) {
        let ended = self.slots.end_sync(index);
        // The first of them leads; after a failed sync each of them fails.
        for index in self.slots.awaiting_sync(&ended[0]) {
            self.begin_sync(index, completions);
        }
        for slot in ended {
            completions.push(slot.complete(result.map_err(io::Error::from_raw_os_error)));
        }
    }

    fn unsubmitted(&mut self) -> usize {
        self.ring
            .as_mut()
            .map_or(0, |ring| ring.uring.submission().len())
    }

    /// Whether the kernel has to be entered although nobody waits: to submit, or to have completions posted.
    fn must_enter(&mut self) -> bool {
        let Some(ring) = self.ring.as_mut().filter(|_| self.shared) else {
            return true;
        };
        let submission = ring.uring.submission();
        !submission.is_empty() || submission.taskrun() || submission.cq_overflow()
    }
}

impl IoQueue for RingQueue {
    fn submit(&mut self, op: IoOp) {
        op.assert_valid();
        assert!(
            self.in_flight() < self.depth,
            "more than {} operations in flight",
            self.depth
        );
        DiskFile::of(&op.file);
        match self.ring() {
            Ok(_) => {
                let index = self.slots.insert(op);
                self.push(index);
            }
            Err(error) => {
                let IoOp { token, buf, .. } = op;
                self.refused.push(IoCompletion {
                    token,
                    result: Err(error),
                    buf,
                });
            }
        }
    }

    fn in_flight(&self) -> usize {
        self.slots.used() + self.refused.len()
    }

    fn wait(&mut self, min: usize, completions: &mut Vec<IoCompletion>) -> io::Result<()> {
        assert!(
            min <= self.in_flight(),
            "waiting for {min} of {}",
            self.in_flight()
        );
        let target = completions.len() + min;
        completions.append(&mut self.refused);
        if self.slots.used() == 0 {
            return Ok(());
        }
        self.ring()?;
        self.reap(completions);
        if min == 0 && !self.must_enter() {
            return Ok(());
        }
        loop {
            let want = target.saturating_sub(completions.len());
            let ring = self.ring()?;
            // One completion of the ring may end several operations, or none.
            match ring.enter(want.min(ring.entries)) {
                Ok(()) => {}
                // Interrupted, or short of memory or room for completions: taking some makes room.
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::EBUSY) => thread::yield_now(),
                    _ => return Err(error),
                },
            }
            self.reap(completions);
            // A remainder or a sync that followed from a completion must start now, too.
            if completions.len() >= target && self.unsubmitted() == 0 {
                return Ok(());
            }
        }
    }

    fn share(&mut self) -> io::Result<Option<OwnedFd>> {
        self.share_ring().map(Some)
    }
}

impl RingQueue {
    /// Replaces the ring of one thread, if there is one, by one for all.
    fn share_ring(&mut self) -> io::Result<OwnedFd> {
        assert_eq!(self.in_flight(), 0, "operations are in flight");
        self.shared = true;
        self.ring = None;
        let ring = self.ring()?;
        // SAFETY: the descriptor is the ring's, which lives for as long as the borrow.
        let descriptor = unsafe { BorrowedFd::borrow_raw(ring.uring.as_raw_fd()) };
        descriptor.try_clone_to_owned()
    }
}

impl Drop for RingQueue {
    fn drop(&mut self) {
        let mut completions = Vec::new();
        while self.slots.used() > 0 {
            if let Err(error) = self.wait(1, &mut completions) {
                // The kernel may still use the buffers, so they may never be freed.
                tracing::warn!(
                    in_flight = self.slots.used(),
                    %error,
                    "an I/O queue ends without its completions; their buffers are leaked"
                );
                mem::forget(mem::take(&mut self.slots));
                return;
            }
            completions.clear();
        }
    }
}

/// Sends a write, its sync and a read through a ring, over a file in memory. An error means that
/// the kernel lacks, or its administrator forbids, what [`RingQueue`] needs.
pub(in crate::io) fn probe() -> io::Result<()> {
    let memory: OwnedFd = rustix::fs::memfd_create("io-probe", MemfdFlags::CLOEXEC)?;
    let file: Arc<dyn IoFile> = Arc::new(DiskFile::from_parts(
        PathBuf::from("memfd:io-probe"),
        memory.into(),
        None,
    ));
    let mut queue = RingQueue::new(2);
    // The ring's own error, rather than the one an operation would carry.
    queue.ring()?;
    let mut buf = AlignedBuf::with_capacity(BLOCK);
    buf.extend_from_slice(&[0x5a; BLOCK]);
    for kind in [IoOpKind::WriteDurable, IoOpKind::Read] {
        queue.submit(IoOp {
            token: 0,
            kind,
            file: Arc::clone(&file),
            offset: 0,
            buf,
        });
        let mut completions = Vec::new();
        queue.wait(1, &mut completions)?;
        let completion = completions.pop().expect("one completion for one operation");
        completion.result?;
        buf = completion.buf;
    }
    if buf.as_slice() != [0x5a; BLOCK] {
        return Err(io::Error::from_raw_os_error(libc::ENOSYS));
    }
    Ok(())
}

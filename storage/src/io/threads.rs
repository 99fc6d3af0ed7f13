//! The queue without a ring: a few threads that call `pread`, `pwrite` and `fdatasync`.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use rustix::event::EventfdFlags;

use super::files::DiskFile;
use super::{IoCompletion, IoOp, IoOpKind, IoQueue};

/// More threads than this only wait for the same device.
const THREADS_MAX: usize = 4;

/// Operations go to the threads through one bounded channel and come back through another. Both
/// hold `depth`, so that neither side ever waits to send.
#[derive(Debug)]
pub(super) struct ThreadQueue {
    depth: usize,
    in_flight: usize,
    /// `None` only while dropping: closing it ends the threads.
    operations: Option<SyncSender<IoOp>>,
    completions: Receiver<IoCompletion>,
    /// An eventfd that counts completions, once the queue is shared.
    counter: Arc<OnceLock<OwnedFd>>,
    threads: Vec<JoinHandle<()>>,
}

impl ThreadQueue {
    pub(super) fn new(depth: usize) -> io::Result<ThreadQueue> {
        assert!(depth > 0, "a queue needs a depth");
        let (operations, taken) = sync_channel(depth);
        let (done, completions) = sync_channel(depth);
        let taken = Arc::new(Mutex::new(taken));
        let mut queue = ThreadQueue {
            depth,
            in_flight: 0,
            operations: Some(operations),
            completions,
            counter: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..depth.min(THREADS_MAX) {
            let (taken, done) = (Arc::clone(&taken), done.clone());
            let counter = Arc::clone(&queue.counter);
            let thread = thread::Builder::new().name("io-queue".to_owned());
            queue
                .threads
                .push(thread.spawn(move || work(&taken, &done, &counter))?);
        }
        Ok(queue)
    }
}

fn work(
    operations: &Mutex<Receiver<IoOp>>,
    done: &SyncSender<IoCompletion>,
    counter: &OnceLock<OwnedFd>,
) {
    loop {
        // The lock is held while waiting: the other idle threads wait for the lock instead.
        let Ok(op) = operations.lock().recv() else {
            return;
        };
        if done.send(perform(op)).is_err() {
            return;
        }
        if let Some(counter) = counter.get() {
            // It fails only when the counter is at its end, and then whoever polls it has been told.
            let _ = rustix::io::write(counter, &1u64.to_ne_bytes());
        }
    }
}

fn perform(mut op: IoOp) -> IoCompletion {
    let file = DiskFile::of(&op.file);
    let result = match op.kind {
        IoOpKind::Read => file.read_into(&mut op.buf, op.offset),
        IoOpKind::WriteDurable => file.write_durable(op.buf.as_slice(), op.offset),
    };
    IoCompletion {
        token: op.token,
        result,
        buf: op.buf,
    }
}

fn threads_gone() -> io::Error {
    io::Error::other("the threads of the queue have ended")
}

impl IoQueue for ThreadQueue {
    fn submit(&mut self, op: IoOp) {
        op.assert_valid();
        assert!(
            self.in_flight < self.depth,
            "more than {} operations in flight",
            self.depth
        );
        // Recognised here, so that a foreign file panics its submitter and not a thread of the
        // pool.
        DiskFile::of(&op.file);
        let operations = self.operations.as_ref().expect("open until dropped");
        operations
            .send(op)
            .expect("the threads live as long as the channel");
        self.in_flight += 1;
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn wait(&mut self, min: usize, completions: &mut Vec<IoCompletion>) -> io::Result<()> {
        assert!(
            min <= self.in_flight,
            "waiting for {min} of {}",
            self.in_flight
        );
        for _ in 0..min {
            completions.push(self.completions.recv().map_err(|_| threads_gone())?);
            self.in_flight -= 1;
        }
        while let Ok(completion) = self.completions.try_recv() {
            completions.push(completion);
            self.in_flight -= 1;
        }
        Ok(())
    }

    fn share(&mut self) -> io::Result<Option<OwnedFd>> {
        assert_eq!(self.in_flight, 0, "operations are in flight");
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let counter = rustix::event::eventfd(0, flags)?;
        let counter = self.counter.get_or_init(|| counter);
        counter.try_clone().map(Some)
    }
}

impl Drop for ThreadQueue {
    fn drop(&mut self) {
        drop(self.operations.take());
        for thread in self.threads.drain(..) {
            // Its panic has been reported where it happened.
            let _ = thread.join();
        }
    }
}

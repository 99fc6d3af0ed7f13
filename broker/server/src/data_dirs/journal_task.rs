//! The journal's writer as a task of the network's threads.
//!
//! A request that comes alone, and waits for the disk, costs what its wakes cost. A thread of the journal's own would be woken by the request and by the
//! disk, and would wake the network's thread in turn. As a task of that thread it submits what a request has queued when the request has been looked at, hears of
//! its completion by the poll that hears of requests, and who waits is told without a wake.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use storage::data_dir::JournalRun;
use storage::journal::{JournalEnd, JournalWriter, Turn, WriterWait};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

#[cfg(test)]
mod tests;

/// Turns before others have theirs.
const TURNS_MAX: u32 = 16;

/// Runs the writer as a task of `runtime`. The journal ends with an error when the runtime does before it is closed.
pub(super) fn spawn(mut writer: JournalWriter, runtime: &Handle) -> io::Result<JournalRun> {
    let _within = runtime.enter();
    let completions = writer.share()?.map(watch).transpose()?;
    let mut task = JournalTask {
        writer,
        completions,
        sealing: Box::pin(sleep_until(Instant::now())),
        seals: false,
    };
    let (ended, end) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        let end = poll_fn(|cx| task.poll(cx)).await;
        // Nobody asks when the process ends for another reason.
        let _ = ended.send(end);
        // What is in flight on a disk that failed is waited for, and may never end: not here.
        let last = std::thread::Builder::new().name("journal-end".to_owned());
        if let Err(error) = last.spawn(move || drop(task)) {
            tracing::warn!(%error, "cannot start the thread that ends a journal");
        }
    });
    let end = Mutex::new(end);
    Ok(Box::new(move || {
        let gone = |_| io::Error::other("the journal's task ended before the journal");
        end.into_inner().recv().map_err(gone)
    }))
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for types whose descriptor may change: not that of an OwnedFd"
)]
fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

struct JournalTask {
    writer: JournalWriter,
    /// Becomes readable with completions; `None` where nothing tells of them.
    completions: Option<AsyncFd<OwnedFd>>,
    sealing: Pin<Box<Sleep>>,
    /// Whether that timer counts.
    seals: bool,
}

impl JournalTask {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<JournalEnd>> {
        for _ in 0..TURNS_MAX {
            match self.writer.turn() {
                Turn::Again => {}
                Turn::Ended(end) => return Poll::Ready(end),
                Turn::Wait(waits) => ready!(self.poll_reason(cx, waits)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready when there is a reason for another turn.
    fn poll_reason(&mut self, cx: &mut Context<'_>, waits: WriterWait) -> Poll<()> {
        if self.writer.poll_wake(cx, waits).is_ready() {
            return Poll::Ready(());
        }
        match waits {
            WriterWait::Completion => self.poll_completion(cx),
            WriterWait::Entry => self.poll_seal(cx),
            WriterWait::File => Poll::Pending,
        }
    }

    fn poll_completion(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.seals = false;
        let Some(completions) = &self.completions else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        match ready!(completions.poll_read_ready(cx)) {
            Ok(mut guard) => guard.clear_ready(),
            // The runtime is going, and takes this task with it.
            Err(_) => return Poll::Pending,
        }
        Poll::Ready(())
    }

    /// An idle journal is sealed after a while, so that its end is known.
    fn poll_seal(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.writer.is_sealed() {
            return Poll::Pending;
        }
        if !self.seals {
            self.seals = true;
            let at = Instant::now() + self.writer.seal_after();
            self.sealing.as_mut().reset(at);
        }
        ready!(self.sealing.as_mut().poll(cx));
        self.seals = false;
        self.writer.seal();
        Poll::Ready(())
    }
}

//! How a connection comes to its end: reasons, deadlines, and the last bytes.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::super::frame_reader::FrameReader;
use super::super::send_file::SendFile;
use super::super::{Close, CloseReason};
use super::Connection;

/// A peer that moves this much within a timeout is slow, but not stuck.
const PROGRESS_BYTES: usize = 256 * 1024;
/// After the last answer: how long and how much input is thrown away before the socket is closed.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// No more is read; what is pending is answered until the deadline.
pub(super) struct Ending {
    pub(super) close: Close,
    deadline: Instant,
}

/// Since when a peer owes us something, and how much of it has come.
#[derive(Default)]
pub(super) struct Progress {
    since: Option<Instant>,
    bytes: usize,
}

impl Progress {
    pub(super) fn clear(&mut self) {
        *self = Progress::default();
    }

    pub(super) fn made(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= PROGRESS_BYTES {
            self.clear();
        }
    }

    fn owed_since(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }
}

impl<S: AsyncRead + SendFile + Send + Unpin> Connection<S> {
    /// Reads no more. What is pending may still be answered within `patience`.
    pub(super) fn end(&mut self, close: Close, patience: Duration) {
        let deadline = Instant::now() + patience;
        match &mut self.ending {
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => self.ending = Some(Ending { close, deadline }),
        }
        // What is half read is given up, and its memory with it.
        self.budget_wait = None;
        self.unparsed = (Vec::new(), 0);
        self.reader = FrameReader::default();
    }

    /// Reads no more, and answers no more than what is queued already.
    pub(super) fn end_unanswered(&mut self, close: Close) {
        self.shared
            .observer
            .requests_finished(self.unanswered() as u64);
        self.pending.clear();
        self.pause = None;
        match &mut self.ending {
            // This is the better reason: the other was to wait until all is answered.
            Some(ending) => ending.close = close,
            None => self.end(close, self.shared.config.drain_timeout),
        }
    }

    pub(super) fn poll_stopping(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stopping) = &mut self.stopping else {
            return Poll::Pending;
        };
        ready!(stopping.as_mut().poll(cx));
        self.stopping = None;
        self.end(
            CloseReason::Shutdown.into(),
            self.shared.config.shutdown_timeout,
        );
        Poll::Ready(())
    }

    /// Whether memory is short, as far as this connection has to know: it keeps some for as long as its peer takes.
    pub(super) fn poll_shortage(&mut self, cx: &mut Context<'_>) -> bool {
        if self.output.backlog_bytes() == 0 && !self.reader.holds_memory() {
            self.shortage = None;
            return false;
        }
        let shortage = self
            .shortage
            .get_or_insert_with(|| self.shared.budget.shortage());
        shortage.poll(cx)
    }

    /// When the connection has to end if nothing happens, and why.
    fn deadline(&mut self, memory_is_short: bool) -> Option<(Instant, Close)> {
        let config = &self.shared.config;
        let patience = |timeout: Duration| match memory_is_short {
            true => timeout.min(config.memory_shortage_timeout),
            false => timeout,
        };
        if let Some(ending) = &self.ending {
            return Some((ending.deadline, ending.close.clone()));
        }
        let is_reading = self.may_read();
        let is_mid_frame = self.reader.is_mid_frame();
        let waits_for_peer = self.output.backlog_bytes() > 0 && !self.output.is_loading();
        let receiver = match waits_for_peer {
            true => Some((
                self.receiver.owed_since() + patience(config.write_stall_timeout),
                Close::new(
                    CloseReason::SlowReader,
                    "the peer does not read its answers",
                ),
            )),
            false => {
                self.receiver.clear();
                None
            }
        };
        let sender = match is_mid_frame && is_reading {
            true => Some((
                self.sender.owed_since() + patience(config.slow_sender_timeout),
                Close::new(CloseReason::SlowSender, "the rest of a frame did not come"),
            )),
            false => {
                self.sender.clear();
                None
            }
        };
        let memory = match (&mut self.budget_wait, memory_is_short) {
            (Some(wait), true) if self.reader.holds_memory() => {
                if !self.shared.budget.is_clogged() {
                    // What it waits for is at work.
                    wait.since = Instant::now();
                }
                Some((
                    wait.since + 2 * config.memory_shortage_timeout,
                    Close::new(
                        CloseReason::MemoryShortage,
                        "there is no memory for the rest of a frame",
                    ),
                ))
            }
            _ => None,
        };
        let is_idle = is_reading && !is_mid_frame && self.in_flight() == 0;
        let idle = is_idle.then(|| {
            (
                self.last_activity + config.idle_timeout,
                CloseReason::Idle.into(),
            )
        });
        [receiver, sender, memory, idle]
            .into_iter()
            .flatten()
            .min_by_key(|(deadline, _)| *deadline)
    }

    /// Ends when the deadline has passed. The timer is moved only when it would be late: it may
    /// ring early, and is then set again, so that a busy connection does not touch it.
    pub(super) fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
        memory_is_short: bool,
    ) -> Poll<Close> {
        loop {
            let Some((deadline, close)) = self.deadline(memory_is_short) else {
                return Poll::Pending;
            };
            if !self.timer_is_set || deadline < self.timer.deadline() {
                self.timer.as_mut().reset(deadline);
                self.timer_is_set = true;
            }
            ready!(self.timer.as_mut().poll(cx));
            self.timer_is_set = false;
            if Instant::now() >= deadline {
                return Poll::Ready(close);
            }
        }
    }

    pub(super) fn log(&self, close: &Close) {
        let unanswered = self.in_flight();
        let listener: &str = self.context.listener_name();
        let peer = self.context.peer();
        let client_id = self.context.client_id.as_deref();
        let reason = close.reason.label();
        let detail = &*close.detail;
        let has_lost_answers = close.reason == CloseReason::Shutdown && unanswered > 0;
        let is_notable = close.reason.is_notable() || has_lost_answers;
        match is_notable.then(|| self.shared.log_limiter.admit(Instant::now())) {
            Some(Some(suppressed)) => tracing::warn!(
                listener, %peer, client_id, reason, detail, unanswered, suppressed,
                "connection closed"
            ),
            Some(None) | None => tracing::debug!(
                listener, %peer, client_id, reason, detail, unanswered,
                "connection closed"
            ),
        }
    }

    /// Says goodbye, and throws away what still comes until the peer says it too, for a while.
    pub(super) async fn linger(&mut self) {
        _ = timeout(LINGER, discard_rest(&mut self.stream)).await;
    }
}

async fn discard_rest<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut discarded = vec![0; 16 * 1024];
    let mut rest = LINGER_BYTES_MAX;
    while rest > 0 {
        match stream.read(&mut discarded).await? {
            0 => break,
            bytes => rest = rest.saturating_sub(bytes),
        }
    }
    Ok(())
}

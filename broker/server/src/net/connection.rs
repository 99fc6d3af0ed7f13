//! One connection: one task that reads, dispatches, awaits replies and writes.
//!
//! There is no second task and no lock. [`Connection::poll`] looks at everything that can move,
//! moves it, and waits when nothing can; each step keeps its own state, so nothing is lost when
//! another step is taken first. In one round: requests that are here are dispatched, replies that
//! are ready are queued, all of them leave in one write, and only then is more read.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncRead;
use tokio::time::{Instant, Sleep, sleep_until};

use super::frame_reader::FrameReader;
use super::log_limiter::LogLimiter;
use super::memory_budget::Shortage;
use super::output::Output;
use super::send_file::SendFile;
use super::{Close, CloseReason, ConnectionContext, MemoryBudget, NetConfig, Observer, Service};
use ending::{Ending, Progress};
use input::BudgetWait;
use replies::{Pause, Pending};

mod ending;
mod input;
mod replies;

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) config: NetConfig,
    pub(super) service: Arc<dyn Service>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) budget: MemoryBudget,
    pub(super) log_limiter: LogLimiter,
}

/// Ends when the server stops.
pub(super) type Stopping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection. `S` is the socket, or what encrypts it.
pub(super) struct Connection<S> {
    shared: Arc<Shared>,
    stream: S,
    context: ConnectionContext,
    reader: FrameReader,
    /// Input that a limit kept from being dispatched, from `.1` on; at most one read's worth.
    unparsed: (Vec<u8>, usize),
    budget_wait: Option<BudgetWait>,
    pending: VecDeque<Pending>,
    pause: Option<Pause>,
    output: Output,
    ending: Option<Ending>,
    stopping: Option<Stopping>,
    timer: Pin<Box<Sleep>>,
    timer_is_set: bool,
    last_activity: Instant,
    sender: Progress,
    receiver: Progress,
    /// While it holds memory and the peer has to do something about it.
    shortage: Option<Shortage>,
}

impl<S: AsyncRead + SendFile + Send + Unpin> Connection<S> {
    pub(super) fn new(
        shared: Arc<Shared>,
        stream: S,
        context: ConnectionContext,
        stopping: Stopping,
    ) -> Connection<S> {
        let now = Instant::now();
        Connection {
            shared,
            stream,
            context,
            reader: FrameReader::default(),
            unparsed: (Vec::new(), 0),
            budget_wait: None,
            pending: VecDeque::new(),
            pause: None,
            output: Output::default(),
            ending: None,
            stopping: Some(stopping),
            timer: Box::pin(sleep_until(now)),
            timer_is_set: false,
            last_activity: now,
            sender: Progress::default(),
            receiver: Progress::default(),
            shortage: None,
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        shared
            .observer
            .connection_opened(self.context.listener_name());
        let mut guard = ClosedGuard {
            shared: &shared,
            listener_name: self.context.listener_name().to_string(),
            reason: CloseReason::Shutdown,
        };
        let close = std::future::poll_fn(|cx| self.poll(cx)).await;
        guard.reason = close.reason;
        self.log(&close);
        if close.reason.may_leave_input() {
            self.linger().await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        loop {
            self.poll_dispatch(cx);
            self.poll_replies(cx);
            let mut has_moved = match self.poll_write(cx) {
                Poll::Ready(Err(close)) => return Poll::Ready(close),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if let Some(ending) = &self.ending {
                if self.in_flight() == 0 {
                    return Poll::Ready(ending.close.clone());
                }
            } else {
                has_moved |= self.poll_budget(cx).is_ready();
                if !has_moved && self.may_read() {
                    has_moved = match self.poll_read(cx) {
                        Poll::Ready(Err(close)) => return Poll::Ready(close),
                        Poll::Ready(Ok(())) => true,
                        Poll::Pending => false,
                    };
                }
            }
            if !has_moved && self.poll_stopping(cx).is_pending() {
                let is_short = self.poll_shortage(cx);
                return self.poll_timer(cx, is_short);
            }
        }
    }

    /// Dispatches what is here, up to a request that the connection pauses for.
    fn poll_dispatch(&mut self, cx: &mut Context<'_>) {
        while self.poll_pause(cx).is_ready() {
            self.dispatch_unparsed();
            if self.pause.is_none() {
                return;
            }
        }
    }

    fn may_dispatch(&self) -> bool {
        let config = &self.shared.config;
        self.ending.is_none()
            && self.pause.is_none()
            && self.budget_wait.is_none()
            && self.in_flight() < config.in_flight_max
            && self.output.backlog_bytes() < config.output_backlog_bytes_max
    }

    fn may_read(&self) -> bool {
        self.may_dispatch() && self.unparsed.0.is_empty()
    }
}

impl<S> Connection<S> {
    /// Requests dispatched and not yet answered on the socket.
    fn in_flight(&self) -> usize {
        self.unanswered() + self.output.replies()
    }

    /// Those whose answer is not queued.
    fn unanswered(&self) -> usize {
        self.pending.len() + usize::from(self.pause.is_some())
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        let lost = self.in_flight();
        if lost > 0 {
            self.shared.observer.requests_finished(lost as u64);
        }
    }
}

/// Tells the observer also when the task is dropped.
struct ClosedGuard<'a> {
    shared: &'a Shared,
    listener_name: String,
    reason: CloseReason,
}

impl Drop for ClosedGuard<'_> {
    fn drop(&mut self) {
        self.shared
            .observer
            .connection_closed(&self.listener_name, self.reason);
    }
}

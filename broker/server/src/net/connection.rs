//! One connection: one task that reads, dispatches, awaits replies and writes.
//!
//! There is no second task and no lock. [`Connection::poll`] looks at everything that can move,
//! moves it, and waits when nothing can; each step keeps its own state, so nothing is lost when
//! another step is taken first. In one round: requests that are here are dispatched, replies that
//! are ready are queued, all of them leave in one write, and only then is more read.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::frame_reader::{FrameReader, Step};
use super::log_limiter::LogLimiter;
use super::output::{Output, OutputError};
use super::{
    Close, CloseReason, ConnectionContext, LaterReply, MemoryBudget, MemoryPermit, NetConfig,
    Observer, Reply, ResponseBytes, Service,
};

/// What one read takes at most when no large frame is under way.
const SCRATCH_BYTES: usize = 64 * 1024;
/// A peer that moves this much within a timeout is slow, but not stuck.
const PROGRESS_BYTES: usize = 256 * 1024;
/// After the last answer: how long and how much input is thrown away before the socket is closed.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

thread_local! {
    /// Where reads go. It is in use only between a read and the dispatch of what it brought, so
    /// that one per thread does, and an idle connection has none.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

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
type BudgetWait = Pin<Box<dyn Future<Output = MemoryPermit> + Send>>;

/// A connection. `S` is the socket, or what encrypts it.
pub(super) struct Connection<S> {
    shared: Arc<Shared>,
    stream: S,
    context: ConnectionContext,
    reader: FrameReader,
    /// Input that a limit kept from being dispatched, from `.1` on; at most one read's worth.
    unparsed: (Vec<u8>, usize),
    budget_wait: Option<(BudgetWait, WaitingFor)>,
    pending: VecDeque<Pending>,
    output: Output,
    ending: Option<Ending>,
    stopping: Option<Stopping>,
    timer: Pin<Box<Sleep>>,
    timer_is_set: bool,
    last_activity: Instant,
    sender: Progress,
    receiver: Progress,
}

/// A request whose answer is not queued yet.
struct Pending {
    reply: PendingReply,
    permit: Option<MemoryPermit>,
}

enum PendingReply {
    /// Behind one that is not. Taken when it is queued.
    Ready(ResponseBytes),
    Later(LaterReply),
}

impl PendingReply {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseBytes, Close>> {
        match self {
            PendingReply::Ready(response) => Poll::Ready(Ok(std::mem::take(response))),
            PendingReply::Later(reply) => reply.poll(cx),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitingFor {
    /// Memory of the frame that the reader is at.
    Frame,
    /// Any memory at all, before the next frame is read.
    Any,
}

/// No more is read; what is pending is answered until the deadline.
struct Ending {
    close: Close,
    deadline: Instant,
}

/// Since when a peer owes us something, and how much of it has come.
#[derive(Default)]
struct Progress {
    since: Option<Instant>,
    bytes: usize,
}

impl Progress {
    fn clear(&mut self) {
        *self = Progress::default();
    }

    fn made(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= PROGRESS_BYTES {
            self.clear();
        }
    }

    fn owed_since(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Connection<S> {
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
            output: Output::default(),
            ending: None,
            stopping: Some(stopping),
            timer: Box::pin(sleep_until(now)),
            timer_is_set: false,
            last_activity: now,
            sender: Progress::default(),
            receiver: Progress::default(),
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        shared.observer.connection_opened(self.context.listener_name());
        let mut guard = ClosedGuard {
            shared: &shared,
            listener_name: self.context.listener_name().to_owned(),
            reason: CloseReason::Shutdown,
        };
        let close = std::future::poll_fn(|cx| self.poll(cx)).await;
        guard.reason = close.reason;
        self.log(&close);
        if close.reason.may_leave_input() {
            let until = Instant::now() + LINGER;
            _ = timeout_at(until, linger(&mut self.stream)).await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        loop {
            self.dispatch_unparsed();
            self.poll_replies(cx);
            let mut has_moved = match self.poll_write(cx) {
                Poll::Ready(Err(close)) => return Poll::Ready(close),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if let Some(ending) = &self.ending {
                if self.pending.is_empty() && self.output.replies() == 0 {
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
                return self.poll_timer(cx);
            }
        }
    }

    /// Requests dispatched and not yet answered on the socket.
    fn in_flight(&self) -> usize {
        self.pending.len() + self.output.replies()
    }

    fn may_dispatch(&self) -> bool {
        let config = &self.shared.config;
        self.ending.is_none()
            && self.budget_wait.is_none()
            && self.in_flight() < config.in_flight_max
            && self.output.backlog_bytes() < config.output_backlog_bytes_max
    }

    fn may_read(&self) -> bool {
        self.may_dispatch() && self.unparsed.0.is_empty()
    }

    /// Reads once, and dispatches what came. Nothing is allocated while nothing comes.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        if !self.reader.is_mid_frame() && self.shared.budget.available() == 0 {
            self.wait_for_budget(1, false, WaitingFor::Any);
            return Poll::Ready(Ok(()));
        }
        let direct = match self.reader.direct() {
            Some(mut room) => Some(ready!(poll_read_buf(cx, &mut self.stream, &mut room))),
            None => None,
        };
        let result = match direct {
            Some(result) => {
                if let Ok(bytes) = result {
                    self.on_read(bytes);
                    self.dispatch(&[]);
                }
                result
            }
            None => {
                let mut scratch = SCRATCH.take();
                scratch.clear();
                scratch.reserve_exact(SCRATCH_BYTES);
                let result = poll_read_buf(cx, &mut self.stream, &mut scratch);
                if let Poll::Ready(Ok(bytes)) = result {
                    self.on_read(bytes);
                    let taken = self.dispatch(&scratch);
                    self.unparsed = (scratch[taken..].to_vec(), 0);
                }
                SCRATCH.set(scratch);
                ready!(result)
            }
        };
        Poll::Ready(match result {
            Ok(0) => {
                self.on_peer_closed();
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(Close::new(CloseReason::PeerReset, error.to_string())),
        })
    }

    fn on_read(&mut self, bytes: usize) {
        self.shared.observer.bytes_in(bytes as u64);
        self.last_activity = Instant::now();
        self.sender.made(bytes);
    }

    fn on_peer_closed(&mut self) {
        let close = match self.reader.is_mid_frame() {
            true => Close::new(CloseReason::Truncated, "the peer closed within a frame"),
            false => CloseReason::PeerClosed.into(),
        };
        // The peer may have closed only its sending half, and still wait for answers.
        self.end(close, self.shared.config.drain_timeout);
    }

    fn dispatch_unparsed(&mut self) {
        if self.unparsed.0.is_empty() || !self.may_dispatch() {
            return;
        }
        let (input, start) = std::mem::take(&mut self.unparsed);
        let taken = self.dispatch(&input[start..]);
        if start + taken < input.len() {
            self.unparsed = (input, start + taken);
        }
    }

    /// Calls the service with the frames in `input`, until it ends or a limit is reached; returns
    /// the bytes taken.
    fn dispatch(&mut self, input: &[u8]) -> usize {
        let mut rest = input;
        while self.may_dispatch() {
            let config = &self.shared.config;
            let size_max = match self.context.is_authenticated() {
                true => config.frame_size_max,
                false => config.frame_size_max.min(config.frame_size_max_unauthenticated),
            };
            match self.reader.next_frame(&mut rest, size_max, &self.shared.budget) {
                Ok(Step::Frame(frame, permit)) => {
                    self.sender.clear();
                    self.call(frame, permit);
                }
                Ok(Step::NeedInput) => break,
                Ok(Step::NeedBudget { bytes, may_overdraw }) => {
                    self.wait_for_budget(bytes, may_overdraw, WaitingFor::Frame);
                }
                Err(error) => {
                    let close = Close::new(CloseReason::FrameSize, error.to_string());
                    self.end(close, self.shared.config.drain_timeout);
                }
            }
        }
        if self.ending.is_some() {
            return input.len();
        }
        input.len() - rest.len()
    }

    fn call(&mut self, frame: BytesMut, permit: MemoryPermit) {
        self.shared.observer.request_started();
        self.context.permit = Some(permit);
        let reply = self.shared.service.call(&mut self.context, frame);
        let permit = self.context.permit.take();
        match reply {
            Reply::Now(response) if self.pending.is_empty() => self.answer(response, permit),
            Reply::Now(response) => {
                self.pending.push_back(Pending { reply: PendingReply::Ready(response), permit });
            }
            Reply::Later(reply) => {
                self.pending.push_back(Pending { reply: PendingReply::Later(reply), permit });
            }
            Reply::None => self.shared.observer.requests_finished(1),
            Reply::Close(close) => {
                self.shared.observer.requests_finished(1);
                self.end(close, self.shared.config.drain_timeout);
            }
        }
    }

    /// Queues replies that are ready, oldest first, up to the first that is not.
    fn poll_replies(&mut self, cx: &mut Context<'_>) {
        while self.output.backlog_bytes() < self.shared.config.output_backlog_bytes_max
            && let Some(oldest) = self.pending.front_mut()
            && let Poll::Ready(result) = oldest.reply.poll(cx)
        {
            let permit = self.pending.pop_front().and_then(|pending| pending.permit);
            match result {
                Ok(response) => self.answer(response, permit),
                Err(close) => {
                    self.shared.observer.requests_finished(1);
                    self.end_unanswered(close);
                }
            }
        }
        if self.pending.is_empty() && self.pending.capacity() > 16 {
            // A burst should not cost an idle connection memory for ever.
            self.pending = VecDeque::new();
        }
    }

    fn answer(&mut self, mut response: ResponseBytes, permit: Option<MemoryPermit>) {
        let close = response.close.take();
        self.output.push(response, permit);
        if let Some(close) = close {
            self.end_unanswered(close);
        }
    }

    /// Writes once, if anything waits; and releases what is written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        let mut result = Poll::Pending;
        if self.output.backlog_bytes() > 0 {
            result = match self.output.poll_write(cx, &mut self.stream) {
                Poll::Ready(Ok(bytes)) => {
                    self.shared.observer.bytes_out(bytes as u64);
                    self.last_activity = Instant::now();
                    self.receiver.made(bytes);
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(output_close(&error))),
                Poll::Pending => Poll::Pending,
            };
        }
        let released = self.output.release_written();
        if released > 0 {
            self.shared.observer.requests_finished(released);
            // An empty answer moves no byte, but may have been what reading waited for.
            return match result {
                Poll::Pending => Poll::Ready(Ok(())),
                ready => ready,
            };
        }
        result
    }

    fn wait_for_budget(&mut self, bytes: usize, may_overdraw: bool, waiting_for: WaitingFor) {
        let budget = self.shared.budget.clone();
        let wait = async move { budget.acquire_or_overdraw(bytes, may_overdraw).await };
        self.budget_wait = Some((Box::pin(wait), waiting_for));
    }

    fn poll_budget(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((wait, waiting_for)) = &mut self.budget_wait else { return Poll::Pending };
        let permit = ready!(wait.as_mut().poll(cx));
        if *waiting_for == WaitingFor::Frame {
            self.reader.grant(permit);
        }
        self.budget_wait = None;
        Poll::Ready(())
    }

    /// Reads no more. What is pending may still be answered within `patience`.
    fn end(&mut self, close: Close, patience: Duration) {
        let deadline = Instant::now() + patience;
        match &mut self.ending {
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => self.ending = Some(Ending { close, deadline }),
        }
        self.budget_wait = None;
        self.unparsed = (Vec::new(), 0);
    }

    /// Reads no more, and answers no more than what is queued already.
    fn end_unanswered(&mut self, close: Close) {
        self.shared.observer.requests_finished(self.pending.len() as u64);
        self.pending.clear();
        match &mut self.ending {
            // This is the better reason: the other was to wait until all is answered.
            Some(ending) => ending.close = close,
            None => self.end(close, self.shared.config.drain_timeout),
        }
    }

    fn poll_stopping(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stopping) = &mut self.stopping else { return Poll::Pending };
        ready!(stopping.as_mut().poll(cx));
        self.stopping = None;
        self.end(CloseReason::Shutdown.into(), self.shared.config.shutdown_timeout);
        Poll::Ready(())
    }

    /// When the connection has to end if nothing happens, and why.
    fn deadline(&mut self) -> Option<(Instant, Close)> {
        let config = &self.shared.config;
        if let Some(ending) = &self.ending {
            return Some((ending.deadline, ending.close.clone()));
        }
        let is_reading = self.may_read();
        let is_mid_frame = self.reader.is_mid_frame();
        let waits_for_peer = self.output.backlog_bytes() > 0 && !self.output.is_loading();
        let receiver = match waits_for_peer {
            true => Some((
                self.receiver.owed_since() + config.write_stall_timeout,
                Close::new(CloseReason::SlowReader, "the peer does not read its answers"),
            )),
            false => {
                self.receiver.clear();
                None
            }
        };
        let sender = match is_mid_frame && is_reading {
            true => Some((
                self.sender.owed_since() + config.slow_sender_timeout,
                Close::new(CloseReason::SlowSender, "the rest of a frame did not come"),
            )),
            false => {
                self.sender.clear();
                None
            }
        };
        let is_idle = is_reading && !is_mid_frame && self.in_flight() == 0;
        let idle =
            is_idle.then(|| (self.last_activity + config.idle_timeout, CloseReason::Idle.into()));
        [receiver, sender, idle].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }

    /// Ends when the deadline has passed. The timer is moved only when it would be late: it may
    /// ring early, and is then set again, so that a busy connection does not touch it.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        loop {
            let Some((deadline, close)) = self.deadline() else { return Poll::Pending };
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

    fn log(&self, close: &Close) {
        let unanswered = self.in_flight();
        let listener = self.context.listener_name();
        let peer = self.context.peer();
        let client_id = self.context.client_id.as_deref();
        let reason = close.reason.label();
        let detail = &*close.detail;
        let is_notable = close.reason.is_notable() || unanswered > 0;
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
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        let lost = self.pending.len() + self.output.replies();
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
        self.shared.observer.connection_closed(&self.listener_name, self.reason);
    }
}

fn output_close(error: &OutputError) -> Close {
    let reason = match error {
        OutputError::Socket(_) => CloseReason::PeerReset,
        OutputError::File { .. } => CloseReason::FileRead,
    };
    Close::new(reason, error.to_string())
}

fn poll_read_buf<S: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    stream: &mut S,
    buf: &mut impl bytes::BufMut,
) -> Poll<io::Result<usize>> {
    pin!(stream.read_buf(buf)).poll(cx)
}

/// Says goodbye, and throws away what still comes until the peer says it too.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
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

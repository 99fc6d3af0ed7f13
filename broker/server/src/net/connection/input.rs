//! From the socket to the service, as far as the limits allow.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use super::super::frame_reader::Step;
use super::super::memory_budget::Purpose;
use super::super::send_file::SendFile;
use super::super::{Close, CloseReason, MemoryPermit, Reply};
use super::Connection;
use super::replies::{Pause, Pending, PendingReply};

/// What one read takes at most when no large frame is under way.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where reads go. It is in use only between a read and the dispatch of what it brought, so
    /// that one per thread does, and an idle connection has none.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Memory that is waited for; the connection is not read meanwhile.
pub(super) struct BudgetWait {
    permit: Pin<Box<dyn Future<Output = MemoryPermit> + Send>>,
    waiting_for: WaitingFor,
    pub(super) since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitingFor {
    /// Memory of the frame that the reader is at.
    Frame,
    /// Any memory at all, before the next frame is read.
    Any,
}

impl<S: AsyncRead + SendFile + Send + Unpin> Connection<S> {
    /// Reads once, and dispatches what came. Nothing is allocated while nothing comes.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
        if !self.reader.is_mid_frame() && self.shared.budget.is_exhausted() {
            self.wait_for_budget(1, Purpose::WholeFrame, WaitingFor::Any);
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

    pub(super) fn dispatch_unparsed(&mut self) {
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
                false => config
                    .frame_size_max
                    .min(config.frame_size_max_unauthenticated),
            };
            match self
                .reader
                .next_frame(&mut rest, size_max, &self.shared.budget)
            {
                Ok(Step::Frame(frame, permit)) => {
                    self.sender.clear();
                    self.call(frame, permit);
                }
                Ok(Step::NeedInput) => break,
                Ok(Step::NeedBudget { bytes, purpose }) => {
                    self.wait_for_budget(bytes, purpose, WaitingFor::Frame);
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
        self.take_reply(reply, permit);
    }

    pub(super) fn take_reply(&mut self, reply: Reply, permit: Option<MemoryPermit>) {
        match reply {
            Reply::Now(response) if self.pending.is_empty() => self.answer(response, permit),
            Reply::Now(response) => {
                self.pending.push_back(Pending {
                    reply: PendingReply::Ready(response),
                    permit,
                });
            }
            Reply::Later(reply) => {
                self.pending.push_back(Pending {
                    reply: PendingReply::Later(reply),
                    permit,
                });
            }
            Reply::Pausing(reply) => self.pause = Some(Pause { reply, permit }),
            Reply::None => self.shared.observer.requests_finished(1),
            Reply::Close(close) => {
                self.shared.observer.requests_finished(1);
                self.end(close, self.shared.config.drain_timeout);
            }
        }
    }

    fn wait_for_budget(&mut self, bytes: usize, purpose: Purpose, waiting_for: WaitingFor) {
        let budget = self.shared.budget.clone();
        let wait = async move { budget.acquire_for(bytes, purpose).await };
        self.budget_wait = Some(BudgetWait {
            permit: Box::pin(wait),
            waiting_for,
            since: Instant::now(),
        });
    }

    pub(super) fn poll_budget(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wait) = &mut self.budget_wait else {
            return Poll::Pending;
        };
        let permit = ready!(wait.permit.as_mut().poll(cx));
        if wait.waiting_for == WaitingFor::Frame {
            self.reader.grant(permit);
        }
        self.budget_wait = None;
        Poll::Ready(())
    }
}

fn poll_read_buf<S: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    stream: &mut S,
    buf: &mut impl BufMut,
) -> Poll<io::Result<usize>> {
    pin!(stream.read_buf(buf)).poll(cx)
}

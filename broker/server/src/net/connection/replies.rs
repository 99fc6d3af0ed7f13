//! From ready replies to the socket, in the order of the requests.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::super::output::OutputError;
use super::super::send_file::SendFile;
use super::super::{Close, CloseReason, LaterReply, MemoryPermit, PausingReply, ResponseBytes};
use super::Connection;

/// A request whose answer is not queued yet.
pub(super) struct Pending {
    pub(super) reply: PendingReply,
    pub(super) permit: Option<MemoryPermit>,
}

pub(super) enum PendingReply {
    /// Behind one that is not. Taken when it is queued.
    Ready(ResponseBytes),
    Later(LaterReply),
}

/// The newest request, while what it comes to is not known: nothing is dispatched behind it.
pub(super) struct Pause {
    pub(super) reply: PausingReply,
    pub(super) permit: Option<MemoryPermit>,
}

impl PendingReply {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseBytes, Close>> {
        match self {
            PendingReply::Ready(response) => Poll::Ready(Ok(std::mem::take(response))),
            PendingReply::Later(reply) => reply.poll(cx),
        }
    }
}

impl<S: AsyncRead + SendFile + Send + Unpin> Connection<S> {
    /// Waits for the end of the pause, if there is one, and takes the reply it was for.
    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(pause) = &mut self.pause {
            let reply = ready!(pause.reply.poll(cx));
            let permit = self.pause.take().and_then(|pause| pause.permit);
            self.take_reply(reply, permit);
        }
        Poll::Ready(())
    }

    /// Queues replies that are ready, oldest first, up to the first that is not.
    pub(super) fn poll_replies(&mut self, cx: &mut Context<'_>) {
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

    pub(super) fn answer(&mut self, mut response: ResponseBytes, permit: Option<MemoryPermit>) {
        let close = response.close.take();
        self.output.push(response, permit);
        if let Some(close) = close {
            self.end_unanswered(close);
        }
    }

    /// Writes once, if anything waits; and releases what is written.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Close>> {
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
}

fn output_close(error: &OutputError) -> Close {
    let reason = match error {
        OutputError::Socket(_) => CloseReason::PeerReset,
        OutputError::File { .. } => CloseReason::FileRead,
    };
    Close::new(reason, error.to_string())
}

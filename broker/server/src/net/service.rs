//! What is behind the network: requests in, replies out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use storage::io::IoFile;
use tokio::sync::oneshot;

use super::{Close, CloseReason, ConnectionContext, MemoryPermit};

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// Takes one request: `frame` is what followed the size, and the only owner of its bytes.
    ///
    /// Called in the order of arrival, on the connection's task, while no other request of that
    /// connection is in a call. It must not block, nor compute for long: what takes time is
    /// started here and awaited by a [`Reply::Later`], or by a [`Reply::Pausing`] if later requests
    /// must not overtake it.
    fn call(&self, connection: &mut ConnectionContext, frame: BytesMut) -> Reply;
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// The answer is here.
    Now(ResponseBytes),
    /// The answer comes later; until then it keeps its place in the order.
    Later(LaterReply),
    /// What this comes to is not known yet, and nothing that follows on the connection may be
    /// called before it is: no further request is dispatched or read until then. Answers to earlier
    /// ones leave meanwhile.
    Pausing(PausingReply),
    /// There is none (`acks=0`). It does not count as in flight any more, so the only thing that
    /// slows down a client of this kind is the memory the service holds on to
    /// ([`ConnectionContext::take_permit`]). To keep a place without an answer, reply later with
    /// an empty [`ResponseBytes`].
    None,
    /// Nothing more is read. Earlier requests are answered, then the connection is closed.
    Close(Close),
}

impl Reply {
    /// A later reply from a future. See [`LaterReply::Future`] for when it is polled.
    pub fn later(future: impl Future<Output = ResponseBytes> + Send + 'static) -> Reply {
        Reply::Later(LaterReply::Future(Box::pin(future)))
    }

    /// A reply that the connection pauses for. The future is polled from now on; it is dropped if
    /// the connection breaks before it ends.
    pub fn pausing(future: impl Future<Output = Reply> + Send + 'static) -> Reply {
        Reply::Pausing(PausingReply(Box::pin(future)))
    }
}

impl From<ResponseBytes> for Reply {
    fn from(response: ResponseBytes) -> Reply {
        Reply::Now(response)
    }
}

impl From<oneshot::Receiver<ResponseBytes>> for Reply {
    fn from(receiver: oneshot::Receiver<ResponseBytes>) -> Reply {
        Reply::Later(LaterReply::Channel(receiver))
    }
}

/// A reply to come, before which nothing else of the connection is called.
pub struct PausingReply(Pin<Box<dyn Future<Output = Reply> + Send>>);

impl std::fmt::Debug for PausingReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PausingReply")
    }
}

impl PausingReply {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Reply> {
        self.0.as_mut().poll(cx)
    }
}

/// An answer to come.
pub enum LaterReply {
    /// From a channel. A sender dropped without a word closes the connection with
    /// [`CloseReason::ReplyLost`], since a client cannot skip one answer.
    Channel(oneshot::Receiver<ResponseBytes>),
    /// From a future, which is polled only while it is the oldest of its connection: it may wait
    /// and encode, but whatever has to start in order or soon was started in [`Service::call`].
    Future(Pin<Box<dyn Future<Output = ResponseBytes> + Send>>),
}

impl std::fmt::Debug for LaterReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LaterReply::Channel(_) => "Channel",
            LaterReply::Future(_) => "Future",
        })
    }
}

impl LaterReply {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseBytes, Close>> {
        Poll::Ready(match self {
            LaterReply::Channel(receiver) => ready!(Pin::new(receiver).poll(cx))
                .map_err(|_| Close::new(CloseReason::ReplyLost, "a handler ended without reply")),
            LaterReply::Future(future) => Ok(ready!(future.as_mut().poll(cx))),
        })
    }
}

/// The bytes of one answer, its size in front included, as they go to the socket.
///
/// ```
/// use broker::net::{Chunk, ResponseBytes};
/// use bytes::Bytes;
///
/// let mut response = ResponseBytes::from(Bytes::from_static(b"\0\0\0\x08head"));
/// response.push(Chunk::Bytes(Bytes::from_static(b"tail")));
/// assert_eq!(response.len(), 12);
/// ```
#[derive(Debug, Default)]
pub struct ResponseBytes {
    pub(super) chunks: Vec<Chunk>,
    pub(super) permit: Option<MemoryPermit>,
    pub(super) close: Option<Close>,
}

/// A piece of an answer.
#[derive(Clone, Debug)]
pub enum Chunk {
    /// In memory.
    Bytes(Bytes),
    /// In a file: sent from the page cache where it is there, else read by a blocking thread, in pieces
    /// of 256 KiB. A file that ends early closes the connection.
    File {
        /// The file.
        file: Arc<dyn IoFile>,
        /// The first byte.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
}

impl Chunk {
    /// Bytes it puts on the wire.
    pub fn len(&self) -> u64 {
        match self {
            Chunk::Bytes(bytes) => bytes.len() as u64,
            Chunk::File { len, .. } => *len,
        }
    }

    /// Whether it puts nothing on the wire.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ResponseBytes {
    /// No bytes at all: nothing is written.
    pub fn empty() -> ResponseBytes {
        ResponseBytes::default()
    }

    /// Appends a chunk.
    pub fn push(&mut self, chunk: Chunk) {
        self.chunks.push(chunk);
    }

    /// The bytes of all chunks.
    pub fn len(&self) -> u64 {
        self.chunks.iter().map(Chunk::len).sum()
    }

    /// What is written, in order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.chunks.iter().all(Chunk::is_empty)
    }

    /// Holds memory of the budget until the answer is written or dropped.
    #[must_use]
    pub fn holding(mut self, permit: MemoryPermit) -> ResponseBytes {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        self
    }

    /// Closes the connection once this is written; later requests stay unanswered. For a failed
    /// authentication, which is answered first.
    #[must_use]
    pub fn then_close(mut self, close: Close) -> ResponseBytes {
        self.close = Some(close);
        self
    }
}

impl From<Bytes> for ResponseBytes {
    fn from(bytes: Bytes) -> ResponseBytes {
        ResponseBytes {
            chunks: vec![Chunk::Bytes(bytes)],
            ..ResponseBytes::default()
        }
    }
}

impl From<BytesMut> for ResponseBytes {
    fn from(bytes: BytesMut) -> ResponseBytes {
        bytes.freeze().into()
    }
}

impl From<Vec<Chunk>> for ResponseBytes {
    fn from(chunks: Vec<Chunk>) -> ResponseBytes {
        ResponseBytes {
            chunks,
            ..ResponseBytes::default()
        }
    }
}

impl FromIterator<Bytes> for ResponseBytes {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> ResponseBytes {
        pieces
            .into_iter()
            .map(Chunk::Bytes)
            .collect::<Vec<_>>()
            .into()
    }
}

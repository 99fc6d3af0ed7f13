//! Answers on their way to the socket.
//!
//! What is ready leaves in one vectored write. A file leaves from the page cache, as it is. Where it is not in there, a piece of
//! it is copied to a buffer, by a thread that may block, and from there to the socket; at most one piece per connection is in memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use storage::io::IoFile;
use tokio::task::{JoinHandle, spawn_blocking};

use super::send_file::SendFile;
use super::{Chunk, MemoryPermit, ResponseBytes};

/// How much of a file is read at once.
pub(super) const FILE_PIECE_BYTES: usize = 256 * 1024;
/// How much of a file is sent at once, so that a connection whose peer reads fast does not keep others waiting.
const SENT_BYTES_MAX: u64 = 1 << 20;
/// Buffers in one write. The kernel takes 1024 at most; beyond some dozens there is nothing to win.
const SLICES_MAX: usize = 64;
/// Buffers for pieces of files that one thread keeps for the next connection.
const POOLED_PIECES_MAX: usize = 4;

thread_local! {
    static PIECES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Why an answer cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error("{0}")]
    Socket(io::Error),
    #[error("cannot read {len} bytes at {offset} of {path}: {source}")]
    File {
        path: String,
        offset: u64,
        len: usize,
        source: io::Error,
    },
}

/// A queue of answers, and how far the first is written.
#[derive(Debug, Default)]
pub(super) struct Output {
    chunks: VecDeque<Chunk>,
    /// Where answers end, counted in bytes since the connection began, with what they hold.
    ends: VecDeque<(u64, Held)>,
    enqueued: u64,
    written: u64,
    piece: Piece,
}

/// What an answer keeps until it is written.
type Held = [Option<MemoryPermit>; 2];

/// The part of the first file in the queue that is in memory.
#[derive(Debug, Default)]
enum Piece {
    #[default]
    None,
    /// A blocking thread reads it.
    Loading(JoinHandle<(Vec<u8>, io::Result<usize>)>),
    /// `buf[start..end]` is to be written.
    Loaded {
        buf: Vec<u8>,
        start: usize,
        end: usize,
    },
}

impl Output {
    /// Bytes that wait.
    pub(super) fn backlog_bytes(&self) -> u64 {
        self.enqueued - self.written
    }

    /// Answers not written to their end.
    pub(super) fn replies(&self) -> usize {
        self.ends.len()
    }

    /// Whether the disk is waited for rather than the peer.
    pub(super) fn is_loading(&self) -> bool {
        matches!(self.piece, Piece::Loading(_))
    }

    /// Appends an answer and the memory of its request.
    pub(super) fn push(&mut self, response: ResponseBytes, permit: Option<MemoryPermit>) {
        self.enqueued += response.len();
        self.chunks.extend(
            response
                .chunks
                .into_iter()
                .filter(|chunk| !chunk.is_empty()),
        );
        self.ends
            .push_back((self.enqueued, [permit, response.permit]));
    }

    /// Releases answers that are written; returns how many.
    pub(super) fn release_written(&mut self) -> u64 {
        let mut released = 0;
        while self
            .ends
            .front()
            .is_some_and(|(end, _)| *end <= self.written)
        {
            self.ends.pop_front();
            released += 1;
        }
        if self.ends.is_empty() && self.ends.capacity() > SLICES_MAX {
            // A burst should not cost an idle connection memory for ever.
            self.ends = VecDeque::new();
            self.chunks = VecDeque::new();
        }
        released
    }

    /// Writes once; returns the bytes the socket took. Not to be called when nothing waits.
    pub(super) fn poll_write<S: SendFile + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<Result<usize, OutputError>> {
        match self.find_sendable() {
            // What stands before it leaves first.
            Some(at) if at > 0 => {}
            Some(_) => return self.poll_send_file(cx, stream),
            None => self.stage_file(cx)?,
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = match (chunk, &self.piece) {
                (Chunk::Bytes(bytes), _) => IoSlice::new(bytes),
                (Chunk::File { .. }, Piece::Loaded { buf, start, end }) => {
                    IoSlice::new(&buf[*start..*end])
                }
                (Chunk::File { .. }, Piece::None | Piece::Loading(_)) => break,
            };
            count += 1;
            if matches!(chunk, Chunk::File { .. }) {
                break;
            }
        }
        if count == 0 {
            return Poll::Pending;
        }
        let taken = ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..count]))
            .and_then(|taken| match taken {
                0 => Err(io::ErrorKind::WriteZero.into()),
                taken => Ok(taken),
            })
            .map_err(OutputError::Socket)?;
        self.advance(taken);
        Poll::Ready(Ok(taken))
    }

    /// Where the first file in reach stands in the queue, if the part of it that is due is in the page cache.
    fn find_sendable(&self) -> Option<usize> {
        if !matches!(self.piece, Piece::None) {
            return None;
        }
        let chunks = self.chunks.iter().take(SLICES_MAX);
        let mut files = chunks.enumerate().filter_map(|(at, chunk)| match chunk {
            Chunk::Bytes(_) => None,
            Chunk::File { file, offset, len } => Some((at, file, *offset, *len)),
        });
        let (at, file, offset, len) = files.next()?;
        let is_here = file.as_fd().is_some() && file.is_cached(offset, len.min(SENT_BYTES_MAX));
        is_here.then_some(at)
    }

    /// Sends from the file at the front of the queue.
    fn poll_send_file<S: SendFile>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<Result<usize, OutputError>> {
        let Some(Chunk::File { file, offset, len }) = self.chunks.front_mut() else {
            unreachable!("a file is at the front");
        };
        let Some(fd) = file.as_fd() else {
            unreachable!("it has a descriptor");
        };
        let wanted = usize::try_from((*len).min(SENT_BYTES_MAX)).unwrap_or(usize::MAX);
        let sent = ready!(stream.poll_send_file(cx, fd, *offset, wanted));
        let sent = sent.map_err(OutputError::Socket)?;
        if sent == 0 {
            return Poll::Ready(Err(OutputError::File {
                path: file.path().display().to_string(),
                offset: *offset,
                len: wanted,
                source: io::ErrorKind::UnexpectedEof.into(),
            }));
        }
        *offset += sent as u64;
        *len -= sent as u64;
        self.written += sent as u64;
        if *len == 0 {
            self.chunks.pop_front();
        }
        Poll::Ready(Ok(sent))
    }

    /// Brings the next piece of the first file in reach to memory, or starts to.
    fn stage_file(&mut self, cx: &mut Context<'_>) -> Result<(), OutputError> {
        if matches!(self.piece, Piece::Loaded { .. }) {
            return Ok(());
        }
        let first_file = self
            .chunks
            .iter()
            .take(SLICES_MAX)
            .find_map(|chunk| match chunk {
                Chunk::Bytes(_) => None,
                Chunk::File { file, offset, len } => Some((file, *offset, *len)),
            });
        let Some((file, offset, len)) = first_file else {
            return Ok(());
        };
        let len = usize::try_from(len)
            .unwrap_or(FILE_PIECE_BYTES)
            .min(FILE_PIECE_BYTES);
        let failed = |source| OutputError::File {
            path: file.path().display().to_string(),
            offset,
            len,
            source,
        };
        if matches!(self.piece, Piece::None) {
            let mut buf = piece_buffer();
            match file.try_read_at(&mut buf[..len], offset).map_err(failed)? {
                Some(end) if end > 0 => {
                    self.piece = Piece::Loaded { buf, start: 0, end };
                    return Ok(());
                }
                // At the end of the file, or not in memory: the blocking read tells.
                Some(_) | None => self.piece = Piece::Loading(load(file.clone(), buf, offset, len)),
            }
        }
        if let Piece::Loading(load) = &mut self.piece {
            // Polled at once, so that its end wakes this task.
            if let Poll::Ready(joined) = Pin::new(load).poll(cx) {
                self.piece = Piece::None;
                let (buf, result) = joined.map_err(io::Error::other).map_err(failed)?;
                match result.map_err(failed)? {
                    end if end == len => self.piece = Piece::Loaded { buf, start: 0, end },
                    _ => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                }
            }
        }
        Ok(())
    }

    /// Drops what the socket has taken from the front.
    fn advance(&mut self, mut taken: usize) {
        self.written += taken as u64;
        while taken > 0 {
            match self
                .chunks
                .front_mut()
                .expect("no more is taken than was there")
            {
                Chunk::Bytes(bytes) if taken < bytes.len() => {
                    bytes.advance(taken);
                    return;
                }
                Chunk::Bytes(bytes) => {
                    taken -= bytes.len();
                    self.chunks.pop_front();
                }
                Chunk::File { offset, len, .. } => {
                    *offset += taken as u64;
                    *len -= taken as u64;
                    let is_written = *len == 0;
                    self.advance_piece(taken);
                    if is_written {
                        self.chunks.pop_front();
                    }
                    return;
                }
            }
        }
    }

    fn advance_piece(&mut self, taken: usize) {
        let Piece::Loaded { start, end, .. } = &mut self.piece else {
            unreachable!("only a loaded piece is written");
        };
        *start += taken;
        if start == end
            && let Piece::Loaded { buf, .. } = std::mem::take(&mut self.piece)
        {
            return_piece_buffer(buf);
        }
    }
}

fn load(
    file: Arc<dyn IoFile>,
    mut buf: Vec<u8>,
    offset: u64,
    len: usize,
) -> JoinHandle<(Vec<u8>, io::Result<usize>)> {
    spawn_blocking(move || {
        let result = file.read_at(&mut buf[..len], offset);
        (buf, result)
    })
}

/// A buffer of [`FILE_PIECE_BYTES`], with anything in it.
fn piece_buffer() -> Vec<u8> {
    let pooled = PIECES.with_borrow_mut(Vec::pop);
    pooled.unwrap_or_else(|| vec![0; FILE_PIECE_BYTES])
}

fn return_piece_buffer(buf: Vec<u8>) {
    PIECES.with_borrow_mut(|pieces| {
        if pieces.len() < POOLED_PIECES_MAX {
            pieces.push(buf);
        }
    });
}

//! The seam between storage and the disk.
//!
//! Two kinds of work, two shapes:
//!
//! - [`Io`] and [`IoFile`]: blocking calls on files and directories. Segments, indexes, checkpoints
//!   and recovery use them from threads that may block. On ext4 the kernel hands every *buffered*
//!   ring write to a worker thread, so a ring would only make these slower.
//! - [`IoQueue`]: submissions with owned buffers and completions, for the journal's durable writes
//!   and for reads that miss the page cache. One thread owns one queue, or those of a task do, one at a time.
//!
//! Engines: `uring` (the ring), `threads` (a small pool of `pwrite`/`pread`), and `sim`, a
//! simulated disk that tears, loses, rots and fills up from one seed. One suite of tests runs over
//! all of them.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

pub use buffer::AlignedBuf;
pub use engine::{open_engine, open_engine_with};

mod buffer;
mod engine;
mod files;
pub mod sim;
mod threads;
pub mod unsynced;
mod uring;

/// The unit of the journal: every durable write starts and ends at a multiple of it.
pub const BLOCK: usize = 4096;

/// How a file is opened. Everything is read and write; nothing is appended blindly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Create the file when it is missing.
    pub create: bool,
    /// Fail with [`io::ErrorKind::AlreadyExists`] when the file exists. Implies `create`.
    pub create_new: bool,
    /// Cut the file to nothing when opening.
    pub truncate: bool,
    /// No write will be asked for; works on files without write permission.
    pub read_only: bool,
    /// The file takes [`IoOpKind::WriteDurable`]: `O_DIRECT | O_DSYNC` where a probing write shows
    /// that the file system honours it, otherwise buffered writes followed by `fdatasync`.
    pub durable: bool,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The entry's own name, without its parents.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Bytes, for a file.
    pub len: u64,
}

/// Bytes of the file system a path lives on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSpace {
    /// Capacity.
    pub total: u64,
    /// What an unprivileged process may still write.
    pub available: u64,
}

/// A file system. All paths are absolute or relative to the process, as the engine's caller likes.
///
/// A name made by `open`, `rename` or `create_dir_all` survives a power loss only after
/// [`Io::sync_dir`] of its parent.
pub trait Io: fmt::Debug + Send + Sync + 'static {
    /// `uring`, `threads` or `sim`.
    fn engine(&self) -> &'static str;
    /// Opens a file.
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn IoFile>>;
    /// Creates a directory and its missing parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Renames a file or directory, replacing a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with all it holds.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names inside a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The entries of a directory, sorted by name.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Whether something of that name exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes everything on the file system of an open file durable, contents and names. An error means that something written
    /// since that file was opened is lost. `Ok(false)` where the system cannot promise this; then nothing was done.
    fn sync_file_system(&self, _file: &Arc<dyn IoFile>) -> io::Result<bool> {
        Ok(false)
    }
    /// Space of the file system that holds `path`.
    fn disk_space(&self, path: &Path) -> io::Result<DiskSpace>;
    /// A new queue, to be owned by one thread. `depth` is the most operations in flight at once.
    fn queue(&self, depth: usize) -> io::Result<Box<dyn IoQueue>>;
}

/// An open file. Offsets and lengths are in bytes.
pub trait IoFile: fmt::Debug + Send + Sync + 'static {
    /// The path it was opened under, for messages.
    fn path(&self) -> &Path;
    /// Its present length.
    fn len(&self) -> io::Result<u64>;
    /// Whether it is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads until `buf` is full or the file ends; returns the bytes read.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Fills the buffer's capacity from `offset`, a multiple of [`BLOCK`], or as far as the file goes; the buffer's length tells. Past
    /// the page cache where the file is direct: for reading much of it once.
    fn read_blocks(&self, buf: &mut AlignedBuf, offset: u64) -> io::Result<()> {
        buf.set_len(buf.capacity());
        let read = self.read_at(buf.as_mut_slice(), offset)?;
        buf.set_len(read);
        Ok(())
    }
    /// Like [`IoFile::read_at`], but `Ok(None)` when the bytes are not in the page cache and
    /// reading would block.
    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>>;
    /// Whether every byte of the range is in the page cache, so that nothing of it can be read from the disk and be other than it was. False where the
    /// system cannot tell.
    fn is_cached(&self, _offset: u64, _len: u64) -> bool {
        false
    }
    /// Writes all the pieces, one behind the other, starting at `offset`.
    fn write_all_at(&self, pieces: &[&[u8]], offset: u64) -> io::Result<()>;
    /// Makes contents and length durable (`fdatasync`). A failure is final: after it nothing
    /// written to this file before may be believed durable, and the call is never repeated.
    fn sync(&self) -> io::Result<()>;
    /// Starts writing back dirty pages of the range, without waiting and without any promise.
    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Extends the file to `len` with bytes that take their space on the disk from now on. After an
    /// error a part of it may have been taken.
    fn allocate(&self, len: u64) -> io::Result<()> {
        append_zeros(self, len)
    }
    /// Takes the advisory exclusive lock, which lives as long as the open file description, I/O in
    /// flight included. `Ok(false)` when another process holds it.
    fn try_lock(&self) -> io::Result<bool>;
    /// For a file opened with [`OpenOptions::durable`]: whether durable writes bypass the page
    /// cache (`O_DIRECT | O_DSYNC`) rather than write and sync.
    fn is_direct(&self) -> bool;
    /// The descriptor, where there is one.
    #[cfg(unix)]
    fn as_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>>;
    /// For engines to recognise their own files.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// Writes zeros from the end of the file to `len`.
fn append_zeros<F: IoFile + ?Sized>(file: &F, len: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut at = file.len()?;
    while at < len {
        let rest = usize::try_from(len - at).unwrap_or(usize::MAX);
        let piece = &ZEROS[..rest.min(ZEROS.len())];
        file.write_all_at(&[piece], at)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// What an [`IoOp`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoOpKind {
    /// Reads until the buffer's capacity is filled or the file ends; the buffer's length tells.
    Read,
    /// Writes the buffer, and completes when the bytes are on stable media. Offset and length are
    /// multiples of [`BLOCK`]. On a direct file one `O_DIRECT | O_DSYNC` write; elsewhere a write
    /// and, after its full-length completion, a sync.
    WriteDurable,
}

/// An operation for a queue. It owns everything it needs until its completion gives it back.
#[derive(Debug)]
pub struct IoOp {
    /// Returned in the completion.
    pub token: u64,
    /// What to do.
    pub kind: IoOpKind,
    /// Where.
    pub file: Arc<dyn IoFile>,
    /// The byte offset in the file.
    pub offset: u64,
    /// From where or to where.
    pub buf: AlignedBuf,
}

impl IoOp {
    /// What every engine asserts on submission. Rather stop than write a block that is torn by
    /// design.
    fn assert_valid(&self) {
        let block = BLOCK as u64;
        if self.kind == IoOpKind::WriteDurable {
            assert!(!self.buf.is_empty(), "an empty durable write");
            assert!(
                self.buf.len().is_multiple_of(BLOCK),
                "durable write of {}",
                self.buf.len()
            );
            assert!(
                self.offset.is_multiple_of(block),
                "durable write at {}",
                self.offset
            );
        }
    }
}

/// The end of an operation.
#[derive(Debug)]
pub struct IoCompletion {
    /// The operation's token.
    pub token: u64,
    /// All of it happened, or an error. A short write is finished by the engine, never reported as
    /// success.
    pub result: io::Result<()>,
    /// The buffer of the operation.
    pub buf: AlignedBuf,
}

/// Submissions and completions of one thread. It may move to another thread while nothing is in
/// flight, or at any time once it is shared ([`IoQueue::share`]). Dropping a queue waits for what is in flight.
///
/// A file that is not direct takes its durable writes from one queue only, and no [`IoFile::sync`]
/// beside them: of two syncs at once the kernel tells only one about a lost page.
pub trait IoQueue: Send {
    /// Starts an operation. Never blocks; at most `depth` may be in flight (asserted).
    fn submit(&mut self, op: IoOp);
    /// Operations submitted and not yet returned.
    fn in_flight(&self) -> usize;
    /// Waits for at least `min` completions (0: takes what is there) and appends all there are, in
    /// any order. Operations may start only here, so a submitter that does not wait yet calls it
    /// with 0. `min` is at most what is in flight (asserted).
    fn wait(&mut self, min: usize, completions: &mut Vec<IoCompletion>) -> io::Result<()>;
    /// For an owner that never waits, and may be another thread at each call: from now on completions are taken with `wait(0)`. Returns a descriptor that
    /// becomes readable, as an edge, with each completion; `None` where nothing tells, so that who wants to know asks again. Nothing may be in flight (asserted).
    fn share(&mut self) -> io::Result<Option<OwnedFd>>;
}

/// Which engine to use: the setting `io.engine`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// `uring` where a probe shows that it works, else `threads`.
    #[default]
    Auto,
    /// The ring, or refuse to start.
    Uring,
    /// Plain calls from a pool.
    Threads,
}

/// How durable files are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectIo {
    /// `O_DIRECT | O_DSYNC` where a probing write shows that it works.
    #[default]
    Probe,
    /// Always buffered writes and `fdatasync`.
    Never,
}

/// An opened engine, and why it is not the ring when it could have been.
#[derive(Debug)]
pub struct Engine {
    /// The engine.
    pub io: Arc<dyn Io>,
    /// For [`EngineChoice::Auto`] that fell back: the reason, for one log line and a metric.
    pub fallback_reason: Option<String>,
}

/// What [`open_engine`] can refuse.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct EngineError {
    /// The error of the probe.
    pub source: io::Error,
    /// Which probe, in words.
    pub what: &'static str,
}

//! An open file of the operating system.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::{Errno, ReadWriteFlags};

use super::direct::DirectSupport;
use crate::io::uring::{is_cached, start_writeback};
use crate::io::{AlignedBuf, BLOCK, IoFile, OpenOptions, append_zeros};

/// The most bytes of one read or write call: a whole number of blocks below the kernel's own limit.
pub(in crate::io) const CHUNK_BYTES_MAX: usize = 1 << 30;

/// The most pieces of one vectored write (`IOV_MAX`).
const PIECES_MAX: usize = 1024;

/// A file with a buffered descriptor, and for durable writes a direct one beside it: the buffered
/// one serves reads and writes at any offset (the kernel keeps the two coherent), the direct one
/// the queue and the lock.
#[derive(Debug)]
pub(in crate::io) struct DiskFile {
    path: PathBuf,
    buffered: File,
    direct: Option<File>,
    sync_failed: AtomicBool,
    /// Counts the calls of `sync`; a call is served by any `fdatasync` that starts after it was
    /// counted.
    syncs_asked: AtomicU64,
    /// The calls served. The lock is held during `fdatasync`: the kernel reports a lost page to one
    /// caller per descriptor, and another one beside it would hear of success.
    syncs_served: Mutex<u64>,
}

impl DiskFile {
    pub(super) fn open(
        path: &Path,
        options: OpenOptions,
        support: &DirectSupport,
    ) -> io::Result<DiskFile> {
        let writable = !options.read_only;
        let buffered = fs::OpenOptions::new()
            .read(true)
            .write(writable)
            .create(options.create)
            .create_new(options.create_new)
            .truncate(options.truncate)
            .open(path)?;
        if buffered.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let direct = if options.durable && writable {
            support.open(path, &buffered)?
        } else {
            None
        };
        Ok(DiskFile::from_parts(path.to_owned(), buffered, direct))
    }

    /// The engine's own file behind the trait; panics on a file of another engine.
    pub(in crate::io) fn of(file: &Arc<dyn IoFile>) -> &DiskFile {
        file.as_any()
            .downcast_ref()
            .expect("a file opened by the engine of this queue")
    }

    pub(in crate::io) fn from_parts(
        path: PathBuf,
        buffered: File,
        direct: Option<File>,
    ) -> DiskFile {
        DiskFile {
            path,
            buffered,
            direct,
            sync_failed: AtomicBool::new(false),
            syncs_asked: AtomicU64::new(0),
            syncs_served: Mutex::new(0),
        }
    }

    pub(in crate::io) fn buffered(&self) -> BorrowedFd<'_> {
        self.buffered.as_fd()
    }

    /// The descriptor for a transfer of whole blocks at `offset`, and of anything else.
    pub(in crate::io) fn descriptor_for(&self, offset: u64) -> BorrowedFd<'_> {
        self.for_transfer(offset).as_fd()
    }

    fn for_transfer(&self, offset: u64) -> &File {
        match &self.direct {
            Some(direct) if offset.is_multiple_of(BLOCK as u64) => direct,
            _ => &self.buffered,
        }
    }

    /// Fills the buffer's capacity, or up to the end of the file.
    pub(in crate::io) fn read_into(&self, buf: &mut AlignedBuf, offset: u64) -> io::Result<()> {
        buf.set_len(buf.capacity());
        let outcome = fill(buf.as_mut_slice(), |rest, done| {
            let at = offset + done as u64;
            self.for_transfer(at).read_at(rest, at)
        });
        buf.set_len(*outcome.as_ref().unwrap_or(&0));
        outcome.map(drop)
    }

    /// Writes whole blocks and returns once they are on stable media.
    pub(in crate::io) fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let Some(direct) = &self.direct else {
            self.write_all_at(&[bytes], offset)?;
            return self.sync();
        };
        let mut done = 0;
        while done < bytes.len() {
            let end = bytes.len().min(done + CHUNK_BYTES_MAX);
            match direct.write_at(&bytes[done..end], offset + done as u64) {
                Ok(written) => done = progress(done, written, bytes.len(), true)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Refuses a sync after a failed one: the kernel has marked the lost pages clean, so
    /// that a second `fdatasync` would succeed without having written them.
    pub(in crate::io) fn check_sync_allowed(&self) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        Ok(())
    }

    pub(in crate::io) fn on_sync_failed(&self) {
        self.sync_failed.store(true, Ordering::Release);
    }
}

/// How far a write has come after `written` more bytes. A direct write goes on from a whole block;
/// one that moves nothing is an error, or it would be tried for ever.
pub(in crate::io) fn progress(
    done: usize,
    written: usize,
    len: usize,
    direct: bool,
) -> io::Result<usize> {
    let mut now = done + written;
    if direct && now < len {
        now -= now % BLOCK;
    }
    if now == done {
        Err(io::ErrorKind::WriteZero.into())
    } else {
        Ok(now)
    }
}

fn fill(
    buf: &mut [u8],
    mut read: impl FnMut(&mut [u8], usize) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        let end = buf.len().min(done + CHUNK_BYTES_MAX);
        match read(&mut buf[done..end], done) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

impl IoFile for DiskFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.buffered.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        fill(buf, |rest, done| {
            self.buffered.read_at(rest, offset + done as u64)
        })
    }

    fn read_blocks(&self, buf: &mut AlignedBuf, offset: u64) -> io::Result<()> {
        self.read_into(buf, offset)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        let outcome = fill(buf, |rest, done| {
            let mut rest = [IoSliceMut::new(rest)];
            let at = offset + done as u64;
            Ok(rustix::io::preadv2(
                &self.buffered,
                &mut rest,
                at,
                ReadWriteFlags::NOWAIT,
            )?)
        });
        match outcome {
            Ok(read) => Ok(Some(read)),
            // Would block; or the file system cannot tell, which must be taken as the same.
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn is_cached(&self, offset: u64, len: u64) -> bool {
        is_cached(self.buffered.as_fd(), offset, len)
    }

    fn write_all_at(&self, pieces: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces
            .iter()
            .filter(|piece| !piece.is_empty())
            .map(|p| IoSlice::new(p))
            .collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            let batch = &rest[..rest.len().min(PIECES_MAX)];
            match rustix::io::pwritev(&self.buffered, batch, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut rest, written);
                    offset += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let ticket = self.syncs_asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut served = self.syncs_served.lock();
        self.check_sync_allowed()?;
        if *served < ticket {
            let covered = self.syncs_asked.load(Ordering::Acquire);
            // Not repeated on EINTR either: what an interrupted sync did is not known.
            rustix::fs::fdatasync(&self.buffered).inspect_err(|_| self.on_sync_failed())?;
            *served = covered;
        }
        Ok(())
    }

    fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        start_writeback(self.buffered.as_fd(), offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.buffered.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let present = self.len()?;
        if len <= present {
            return Ok(());
        }
        let no_flags = FallocateFlags::empty();
        loop {
            match rustix::fs::fallocate(&self.buffered, no_flags, present, len - present) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return append_zeros(self, len),
                outcome => return Ok(outcome?),
            }
        }
    }

    fn try_lock(&self) -> io::Result<bool> {
        let file = self.direct.as_ref().unwrap_or(&self.buffered);
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.buffered.as_fd())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

//! An engine whose durable writes are not: they stay in the page cache. For tests that must be seen to fail without
//! the journal's sync; a broker run on it loses what it acknowledged when the power goes.

use std::any::Any;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use super::{
    AlignedBuf, DirEntry, DiskSpace, Io, IoCompletion, IoFile, IoOp, IoOpKind, IoQueue, OpenOptions,
};

/// Another engine, without its durable writes.
#[derive(Debug)]
pub struct Unsynced(Arc<dyn Io>);

impl Unsynced {
    /// Takes the durability out of an engine.
    pub fn new(io: Arc<dyn Io>) -> Unsynced {
        Unsynced(io)
    }
}

impl Io for Unsynced {
    fn engine(&self) -> &'static str {
        self.0.engine()
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn IoFile>> {
        let file = self.0.open(
            path,
            OpenOptions {
                durable: false,
                ..options
            },
        )?;
        Ok(if options.durable {
            Arc::new(UnsyncedFile(file))
        } else {
            file
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.read_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }

    fn disk_space(&self, path: &Path) -> io::Result<DiskSpace> {
        self.0.disk_space(path)
    }

    fn queue(&self, _: usize) -> io::Result<Box<dyn IoQueue>> {
        Ok(Box::new(UnsyncedQueue {
            waiting: Vec::new(),
        }))
    }
}

/// A file whose sync does nothing.
#[derive(Debug)]
struct UnsyncedFile(Arc<dyn IoFile>);

impl IoFile for UnsyncedFile {
    fn path(&self) -> &Path {
        self.0.path()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn read_blocks(&self, buf: &mut AlignedBuf, offset: u64) -> io::Result<()> {
        self.0.read_blocks(buf, offset)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.0.try_read_at(buf, offset)
    }

    fn write_all_at(&self, pieces: &[&[u8]], offset: u64) -> io::Result<()> {
        self.0.write_all_at(pieces, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn start_writeback(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.0.allocate(len)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }

    fn is_direct(&self) -> bool {
        false
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_fd()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct UnsyncedQueue {
    waiting: Vec<IoOp>,
}

impl IoQueue for UnsyncedQueue {
    fn submit(&mut self, op: IoOp) {
        self.waiting.push(op);
    }

    fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    fn wait(&mut self, _: usize, completions: &mut Vec<IoCompletion>) -> io::Result<()> {
        for mut op in self.waiting.drain(..) {
            let result = match op.kind {
                IoOpKind::WriteDurable => op.file.write_all_at(&[op.buf.as_slice()], op.offset),
                IoOpKind::Read => {
                    op.buf.set_len(op.buf.capacity());
                    op.file
                        .read_at(op.buf.as_mut_slice(), op.offset)
                        .map(|read| op.buf.set_len(read))
                }
            };
            completions.push(IoCompletion {
                token: op.token,
                result,
                buf: op.buf,
            });
        }
        Ok(())
    }

    fn share(&mut self) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }
}

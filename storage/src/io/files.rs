//! The blocking half of the two real engines: plain file system calls.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::threads::ThreadQueue;
use super::uring::RingQueue;
use super::{DirEntry, DirectIo, DiskSpace, Io, IoFile, IoQueue, OpenOptions};
use direct::DirectSupport;

pub(super) use disk_file::{CHUNK_BYTES_MAX, DiskFile, progress};

mod direct;
mod disk_file;

/// Which queue a [`DiskIo`] hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueKind {
    Uring,
    Threads,
}

/// The operating system's file systems. The two real engines differ only in their queues.
#[derive(Debug)]
pub(super) struct DiskIo {
    kind: QueueKind,
    direct: DirectSupport,
}

impl DiskIo {
    pub(super) fn new(kind: QueueKind, direct: DirectIo) -> DiskIo {
        DiskIo {
            kind,
            direct: DirectSupport::new(direct),
        }
    }
}

impl Io for DiskIo {
    fn engine(&self) -> &'static str {
        match self.kind {
            QueueKind::Uring => "uring",
            QueueKind::Threads => "threads",
        }
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn IoFile>> {
        Ok(Arc::new(DiskFile::open(path, options, &self.direct)?))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let directory = File::open(path)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        directory.sync_all()
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // Through symbolic links, so that a linked directory counts as one; a dangling link is
            // still an entry.
            let metadata = match fs::metadata(entry.path()).or_else(|_| entry.metadata()) {
                Ok(metadata) => metadata,
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_dir = metadata.is_dir();
            entries.push(DirEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_dir,
                len: if is_dir { 0 } else { metadata.len() },
            });
        }
        entries.sort();
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn sync_file_system(&self, file: &Arc<dyn IoFile>) -> io::Result<bool> {
        match file.as_fd() {
            Some(file) if tells_of_lost_writes() => {
                rustix::fs::syncfs(file)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn disk_space(&self, path: &Path) -> io::Result<DiskSpace> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(DiskSpace {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn queue(&self, depth: usize) -> io::Result<Box<dyn IoQueue>> {
        Ok(match self.kind {
            QueueKind::Uring => Box::new(RingQueue::new(depth)),
            QueueKind::Threads => Box::new(ThreadQueue::new(depth)?),
        })
    }
}

/// Whether `syncfs` reports that something could not be written back: since Linux 5.8.
fn tells_of_lost_writes() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    cfg!(target_os = "linux") && version >= (5, 8)
}

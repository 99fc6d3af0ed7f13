//! Open files, bounded in number: thousands of partitions share them, the least recently used is closed first.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use super::read_buffers::ReadBuffers;
use crate::io::{Io, IoFile, OpenOptions};
use crate::journal::LogId;

/// A log made again under the name of a deleted one has other files under the same paths, and so has a segment that was compacted: a path
/// alone is no key.
type Key = (LogId, u32, PathBuf);

struct Inner {
    open: BTreeMap<Key, (Arc<dyn IoFile>, u64)>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
}

/// A cache of open files. A file that somebody still holds stays open when it is evicted here: who has written to a file
/// holds it until it is synced, since a descriptor opened later might not hear of an earlier failure to write back.
pub struct Descriptors {
    io: Arc<dyn Io>,
    open_max: usize,
    inner: Mutex<Inner>,
    buffers: Arc<ReadBuffers>,
}

impl std::fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Descriptors({} open)", self.inner.lock().open.len())
    }
}

impl Descriptors {
    /// A cache of at most `open_max` files.
    pub fn new(io: Arc<dyn Io>, open_max: usize) -> Descriptors {
        let inner = Inner {
            open: BTreeMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        };
        Descriptors {
            io,
            open_max: open_max.max(1),
            inner: Mutex::new(inner),
            buffers: Arc::default(),
        }
    }

    /// What files are read into.
    pub(super) fn buffers(&self) -> &Arc<ReadBuffers> {
        &self.buffers
    }

    /// The engine.
    pub fn io(&self) -> &Arc<dyn Io> {
        &self.io
    }

    /// The file of `owner` at `path`, in its generation; [`io::ErrorKind::NotFound`] when there is none.
    pub fn open(&self, owner: LogId, generation: u32, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        self.open_with((owner, generation, path.to_owned()), OpenOptions::default())
    }

    /// The same, created when missing.
    pub fn create(
        &self,
        owner: LogId,
        generation: u32,
        path: &Path,
    ) -> io::Result<Arc<dyn IoFile>> {
        self.open_with(
            (owner, generation, path.to_owned()),
            OpenOptions {
                create: true,
                ..OpenOptions::default()
            },
        )
    }

    fn open_with(&self, key: Key, options: OpenOptions) -> io::Result<Arc<dyn IoFile>> {
        if let Some(file) = self.inner.lock().touch(&key) {
            return Ok(file);
        }
        // Outside of the lock: a slow disk holds up only who needs this file.
        let path = &key.2;
        let file = match self.io.open(path, options) {
            // Whoever took the descriptors, files that nobody holds can be opened again.
            Err(error) if is_out_of_descriptors(&error) && self.close_half() => {
                self.io.open(path, options)?
            }
            opened => opened?,
        };
        let mut inner = self.inner.lock();
        if let Some(opened_meanwhile) = inner.touch(&key) {
            return Ok(opened_meanwhile);
        }
        let now = inner.uses;
        inner.open.insert(key.clone(), (Arc::clone(&file), now));
        inner.by_use.insert(now, key);
        while inner.open.len() > self.open_max {
            let Some((_, oldest)) = inner.by_use.pop_first() else {
                break;
            };
            inner.open.remove(&oldest);
        }
        Ok(file)
    }

    /// Closes the half that was used the longest ago. False when there is nothing to close.
    fn close_half(&self) -> bool {
        let mut inner = self.inner.lock();
        let half = inner.open.len().div_ceil(2);
        for _ in 0..half {
            let Some((_, oldest)) = inner.by_use.pop_first() else {
                break;
            };
            inner.open.remove(&oldest);
        }
        half > 0
    }

    /// Closes every cached file of `owner`.
    pub fn forget(&self, owner: LogId) {
        let mut inner = self.inner.lock();
        let first = (owner, 0, PathBuf::new());
        let gone: Vec<Key> = inner
            .open
            .range(first..)
            .take_while(|((id, ..), _)| *id == owner)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            inner.remove(&key);
        }
    }

    /// Closes one file, whose name is about to be removed.
    pub fn forget_file(&self, owner: LogId, generation: u32, path: &Path) {
        let key = (owner, generation, path.to_owned());
        self.inner.lock().remove(&key);
    }
}

/// `EMFILE` or `ENFILE`.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}

impl Inner {
    fn touch(&mut self, key: &Key) -> Option<Arc<dyn IoFile>> {
        self.uses += 1;
        let (file, last) = self.open.get_mut(key)?;
        let before = std::mem::replace(last, self.uses);
        if let Some(key) = self.by_use.remove(&before) {
            self.by_use.insert(self.uses, key);
        }
        Some(Arc::clone(file))
    }

    fn remove(&mut self, key: &Key) {
        if let Some((_, used)) = self.open.remove(key) {
            self.by_use.remove(&used);
        }
    }
}

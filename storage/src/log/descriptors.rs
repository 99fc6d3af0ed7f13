//! Open files, bounded in number: thousands of partitions share them, the least recently used is closed first.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::io::{Io, IoFile, OpenOptions};

struct Inner {
    open: HashMap<PathBuf, (Arc<dyn IoFile>, u64)>,
    by_use: BTreeMap<u64, PathBuf>,
    uses: u64,
}

/// A cache of open files. A file that somebody still holds stays open when it is evicted here.
pub struct Descriptors {
    io: Arc<dyn Io>,
    open_max: usize,
    inner: Mutex<Inner>,
}

impl std::fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Descriptors({} open)", self.inner.lock().open.len())
    }
}

impl Descriptors {
    /// A cache of at most `open_max` files.
    pub fn new(io: Arc<dyn Io>, open_max: usize) -> Descriptors {
        let inner = Inner { open: HashMap::new(), by_use: BTreeMap::new(), uses: 0 };
        Descriptors { io, open_max: open_max.max(1), inner: Mutex::new(inner) }
    }

    /// The engine.
    pub fn io(&self) -> &Arc<dyn Io> {
        &self.io
    }

    /// The file at `path`, created when missing.
    pub fn open(&self, path: &Path) -> io::Result<Arc<dyn IoFile>> {
        let mut inner = self.inner.lock();
        inner.uses += 1;
        let now = inner.uses;
        if let Some((file, last)) = inner.open.get_mut(path) {
            let file = Arc::clone(file);
            let before = std::mem::replace(last, now);
            if let Some(path) = inner.by_use.remove(&before) {
                inner.by_use.insert(now, path);
            }
            return Ok(file);
        }
        let options = OpenOptions { create: true, ..OpenOptions::default() };
        let file = self.io.open(path, options)?;
        inner.open.insert(path.to_owned(), (Arc::clone(&file), now));
        inner.by_use.insert(now, path.to_owned());
        while inner.open.len() > self.open_max {
            let Some((_, oldest)) = inner.by_use.pop_first() else { break };
            inner.open.remove(&oldest);
        }
        Ok(file)
    }

    /// Closes every cached file below `dir`.
    pub fn forget(&self, dir: &Path) {
        let mut inner = self.inner.lock();
        let gone: Vec<_> = inner.open.keys().filter(|path| path.starts_with(dir)).cloned().collect();
        for path in gone {
            if let Some((_, at)) = inner.open.remove(&path) {
                inner.by_use.remove(&at);
            }
        }
    }
}

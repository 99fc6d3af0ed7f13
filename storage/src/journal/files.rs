//! The journal's files: which are live, which are free, and how more are made.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::JournalPosition;
use super::format::FIRST_COMMIT;
use crate::io::{AlignedBuf, BLOCK, Io, IoFile, IoOp, IoOpKind, IoQueue, OpenOptions};

/// Zeros are written in pieces of this size when a file is made.
const ZERO_PIECE: usize = 1 << 20;

/// With so many files, one of them is kept for the next start.
const FILES_FOR_A_SPARE: u32 = 3;

/// A file that holds commits a recovery would need.
#[derive(Clone, Debug)]
pub struct LiveFile {
    /// Its number in the directory.
    pub index: u32,
    /// The open file.
    pub file: Arc<dyn IoFile>,
    /// Its bytes.
    pub capacity: u64,
    /// The number of this use.
    pub generation: u64,
    /// The position of its first entry.
    pub first_position: JournalPosition,
}

/// A zero-filled or released file, ready for the writer.
#[derive(Clone, Debug)]
pub struct FreeFile {
    /// Its number in the directory.
    pub index: u32,
    /// The open file.
    pub file: Arc<dyn IoFile>,
    /// Its bytes.
    pub capacity: u64,
}

/// How full the journal is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalUsage {
    /// Bytes in use of files that hold what is not checkpointed, the active one included.
    pub live: u64,
    /// Bytes that can be used by now. It grows with the files that are made.
    pub capacity: u64,
}

struct Inner {
    /// The newest file, if it holds no commit: the next run opens it again.
    reopen: Option<FreeFile>,
    free: Vec<FreeFile>,
    live: VecDeque<LiveFile>,
    files_made: u32,
    growing: bool,
}

impl Inner {
    fn take_largest(&mut self, bytes_min: u64) -> Option<FreeFile> {
        let largest = self.free.iter().map(|file| file.capacity).max()?;
        // The one that has been free the longest, so that files are used in turn.
        let at = self.free.iter().position(|file| file.capacity == largest)?;
        (largest >= bytes_min).then(|| self.free.remove(at))
    }
}

/// How the disk serves a journal. One that hangs is waited for, and does nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskProgress {
    /// The journal waits for it.
    pub waits: bool,
    /// How many writes it has done.
    pub done: u64,
}

/// The set of files of one journal.
pub struct JournalFiles {
    io: Arc<dyn Io>,
    dir: PathBuf,
    file_bytes: u64,
    files_max: u32,
    /// Bytes of the active file in use.
    active_end: AtomicU64,
    /// The writer waits for a file.
    stalled: AtomicBool,
    /// The writer waits for the disk.
    waits: AtomicBool,
    /// What the disk has done for it so far.
    done: AtomicU64,
    inner: Mutex<Inner>,
}

impl JournalFiles {
    /// The set over what a scan (or a format) found. It grows to `files_max` times `file_bytes`, whatever the sizes of the files that there are.
    pub fn new(
        io: Arc<dyn Io>,
        dir: &Path,
        file_bytes: u64,
        files_max: u32,
        live: VecDeque<LiveFile>,
        free: Vec<FreeFile>,
        reopen: Option<FreeFile>,
    ) -> JournalFiles {
        let made = live.iter().map(|file| file.capacity);
        let made = made.chain(free.iter().chain(&reopen).map(|file| file.capacity));
        let made: Vec<u64> = made.map(|bytes| bytes.max(file_bytes)).collect();
        let files_made = u32::try_from(made.len()).unwrap_or(u32::MAX);
        let unmade_bytes = (u64::from(files_max) * file_bytes).saturating_sub(made.iter().sum());
        let unmade = u32::try_from(unmade_bytes / file_bytes.max(1)).unwrap_or(u32::MAX);
        JournalFiles {
            io,
            dir: dir.to_owned(),
            file_bytes,
            files_max: files_made.saturating_add(unmade),
            active_end: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
            waits: AtomicBool::new(false),
            done: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                reopen,
                free,
                live,
                files_made,
                growing: false,
            }),
        }
    }

    /// The path of file `index`.
    pub fn path(dir: &Path, index: u32) -> PathBuf {
        dir.join(format!("{index:04}.journal"))
    }

    /// Makes the first file of a new journal.
    pub fn make_first(io: &dyn Io, dir: &Path, bytes: u64) -> io::Result<()> {
        make(io, dir, 0, bytes.max(FILE_BYTES_MIN)).map(|_| ())
    }

    /// Removes what a crash left of a file that was being made.
    pub fn remove_unfinished(&self) -> io::Result<()> {
        for entry in self.io.read_dir(&self.dir)? {
            if entry.name.ends_with(".new") {
                self.io.remove_file(&self.dir.join(entry.name))?;
            }
        }
        Ok(())
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Files there are.
    pub fn made(&self) -> u32 {
        self.inner.lock().files_made
    }

    /// Whether the writer waits for a file.
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    pub(super) fn set_stalled(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// How the disk serves the writer.
    pub fn disk_progress(&self) -> DiskProgress {
        DiskProgress {
            waits: self.waits.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
        }
    }

    pub(super) fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    pub(super) fn add_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_active_end(&self, bytes: u64) {
        self.active_end.store(bytes, Ordering::Relaxed);
    }

    /// Takes the largest free file of at least `bytes_min` for the writer. One is left, where there are enough of them, so that
    /// the next start finds a free file even if everything else is full by then.
    pub(super) fn take_free(&self, bytes_min: u64) -> Option<FreeFile> {
        let mut inner = self.inner.lock();
        if inner.free.len() == 1 && inner.files_made >= FILES_FOR_A_SPARE {
            return None;
        }
        inner.take_largest(bytes_min)
    }

    /// Takes the file of a new run: the newest if it is empty, for it has the generation the run must have, else any free one.
    pub(super) fn take_first(&self) -> Option<FreeFile> {
        let mut inner = self.inner.lock();
        inner
            .reopen
            .take()
            .or_else(|| inner.take_largest(FILE_BYTES_MIN))
    }

    pub(super) fn push_live(&self, file: LiveFile) {
        self.inner.lock().live.push_back(file);
    }

    /// Releases files all of whose entries lie before `position`. Returns how many. The newest file stays.
    pub fn release_before(&self, position: JournalPosition) -> usize {
        let mut inner = self.inner.lock();
        let mut released = 0;
        while inner.live.len() > 1 && inner.live[1].first_position <= position {
            if let Some(file) = inner.live.pop_front() {
                inner.free.push(FreeFile {
                    index: file.index,
                    file: file.file,
                    capacity: file.capacity,
                });
                released += 1;
            }
        }
        released
    }

    /// The generation of the file that holds `position`: where a recovery that needs entries from there on starts to read.
    pub fn generation_of(&self, position: JournalPosition) -> u64 {
        let inner = self.inner.lock();
        let mut generation = 0;
        for file in &inner.live {
            if file.first_position <= position || generation == 0 {
                generation = file.generation;
            }
        }
        generation
    }

    /// How full the journal is: what the writer may use, which is all but the spare file.
    pub fn usage(&self) -> JournalUsage {
        let inner = self.inner.lock();
        let whole: u64 = inner.live.iter().map(|file| file.capacity).sum();
        let active = inner.live.back().map_or(0, |file| file.capacity);
        let free: u64 = inner.free.iter().map(|file| file.capacity).sum();
        let spare = match inner.files_made >= FILES_FOR_A_SPARE {
            true => self.file_bytes,
            false => 0,
        };
        JournalUsage {
            live: whole - active + self.active_end.load(Ordering::Relaxed).min(active),
            capacity: whole + free.saturating_sub(spare),
        }
    }

    /// Bytes of all files, once they are made.
    pub fn bytes_max(&self) -> u64 {
        let inner = self.inner.lock();
        let live = inner.live.iter().map(|file| file.capacity);
        let other = inner.free.iter().chain(&inner.reopen);
        let made = live.chain(other.map(|file| file.capacity));
        let made: u64 = made.map(|capacity| capacity.max(self.file_bytes)).sum();
        made + u64::from(self.files_max.saturating_sub(inner.files_made)) * self.file_bytes
    }

    /// Bytes that the next call of [`JournalFiles::grow`] takes on the disk, at most; 0 when there is nothing to do.
    pub fn growth_bytes(&self) -> u64 {
        let inner = self.inner.lock();
        let is_whole = |file: &FreeFile| file.capacity >= self.file_bytes;
        if inner.files_made >= self.files_max && inner.free.iter().all(is_whole) {
            0
        } else {
            self.file_bytes
        }
    }

    /// Makes one more file, or brings a free one that is too small to full size. True when there was something to do.
    ///
    /// Done means: zeros written, synced, and the name durable. It blocks for as long as the disk takes; call it from a thread of its own.
    pub fn grow(&self) -> io::Result<bool> {
        let job = {
            let mut inner = self.inner.lock();
            if inner.growing {
                return Ok(false);
            }
            let small = inner
                .free
                .iter()
                .position(|file| file.capacity < self.file_bytes);
            let job = match small {
                // The last free file stays available, or the writer could stall behind its growth.
                Some(at) if inner.free.len() > 1 => Some(Some(inner.free.swap_remove(at))),
                _ if inner.files_made < self.files_max => Some(None),
                _ => None,
            };
            let Some(job) = job else { return Ok(false) };
            inner.growing = true;
            job
        };
        let made = match &job {
            Some(small) => extend(self.io.as_ref(), small, self.file_bytes),
            None => {
                let index = self.inner.lock().files_made;
                make(self.io.as_ref(), &self.dir, index, self.file_bytes)
            }
        };
        let mut inner = self.inner.lock();
        inner.growing = false;
        match made {
            Ok(file) => {
                inner.files_made += u32::from(job.is_none());
                inner.free.push(file);
                Ok(true)
            }
            Err(error) => {
                inner.free.extend(job);
                Err(error)
            }
        }
    }

    /// Makes a small file at once when no file is free and the set is not complete, so that a start never waits for a large one. A free
    /// file that was cut and is of no use is made so large again.
    pub fn ensure_free(&self, bytes: u64) -> io::Result<bool> {
        let (cut, index) = {
            let mut inner = self.inner.lock();
            let is_of_use = |file: &FreeFile| file.capacity >= FILE_BYTES_MIN;
            if inner.reopen.is_some() || inner.free.iter().any(is_of_use) {
                return Ok(true);
            }
            let cut = inner.free.pop();
            if cut.is_none() && inner.files_made >= self.files_max {
                return Ok(false);
            }
            (cut, inner.files_made)
        };
        let bytes = bytes.min(self.file_bytes);
        let made = match &cut {
            Some(cut) => extend(self.io.as_ref(), cut, bytes),
            None => make(self.io.as_ref(), &self.dir, index, bytes),
        };
        let mut inner = self.inner.lock();
        match made {
            Ok(file) => {
                inner.files_made += u32::from(cut.is_none());
                inner.free.push(file);
                Ok(true)
            }
            Err(error) => {
                inner.free.extend(cut);
                Err(error)
            }
        }
    }
}

/// Makes a zero-filled file under a temporary name, syncs it, and gives it its own.
fn make(io: &dyn Io, dir: &Path, index: u32, bytes: u64) -> io::Result<FreeFile> {
    let path = JournalFiles::path(dir, index);
    let temporary = path.with_extension("new");
    if let Err(error) = fill(io, &temporary, bytes) {
        // On a full disk its bytes are wanted elsewhere. What is left of it after a crash is made again.
        if io.exists(&temporary).unwrap_or(false) {
            let _ = io.remove_file(&temporary);
        }
        return Err(error);
    }
    io.rename(&temporary, &path)?;
    io.sync_dir(dir)?;
    open(io, dir, index)
}

fn fill(io: &dyn Io, path: &Path, bytes: u64) -> io::Result<()> {
    let options = OpenOptions {
        create: true,
        truncate: true,
        durable: true,
        ..OpenOptions::default()
    };
    let file = io.open(path, options)?;
    zero(io, &file, 0, bytes)
}

/// Opens a file of the set that exists, and locks it on the descriptor its writes go through: a killed process whose
/// writes the kernel has not finished still holds it. [`io::ErrorKind::ResourceBusy`] when somebody else does.
pub(super) fn open(io: &dyn Io, dir: &Path, index: u32) -> io::Result<FreeFile> {
    let options = OpenOptions {
        durable: true,
        ..OpenOptions::default()
    };
    let file = io.open(&JournalFiles::path(dir, index), options)?;
    if !file.try_lock()? {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    // A file cut in the middle of being extended has a last, partial block, of no use.
    let capacity = file.len()? / BLOCK as u64 * BLOCK as u64;
    Ok(FreeFile {
        index,
        file,
        capacity,
    })
}

fn extend(io: &dyn Io, small: &FreeFile, bytes: u64) -> io::Result<FreeFile> {
    zero(io, &small.file, small.capacity, bytes)?;
    Ok(FreeFile {
        capacity: bytes,
        ..small.clone()
    })
}

/// Writes zeros durably over `from..to`, so that later writes go into extents that exist and are initialised.
fn zero(io: &dyn Io, file: &Arc<dyn IoFile>, from: u64, to: u64) -> io::Result<()> {
    let mut queue = io.queue(1)?;
    let mut at = from;
    let mut buf = AlignedBuf::with_capacity(ZERO_PIECE);
    while at < to {
        let piece = usize::try_from(to - at)
            .unwrap_or(usize::MAX)
            .min(ZERO_PIECE);
        buf.set_len(piece);
        buf = write_durable(queue.as_mut(), file, at, buf)?;
        at += piece as u64;
    }
    file.sync()
}

/// One durable write, waited for, on a queue with nothing in flight.
pub(super) fn write_durable(
    queue: &mut dyn IoQueue,
    file: &Arc<dyn IoFile>,
    offset: u64,
    buf: AlignedBuf,
) -> io::Result<AlignedBuf> {
    assert_eq!(
        queue.in_flight(),
        0,
        "a write that is waited for shares its queue"
    );
    queue.submit(IoOp {
        token: u64::MAX,
        kind: IoOpKind::WriteDurable,
        file: Arc::clone(file),
        offset,
        buf,
    });
    let mut completions = Vec::with_capacity(1);
    queue.wait(1, &mut completions)?;
    let completion = completions
        .pop()
        .ok_or_else(|| io::Error::other("a completion is missing"))?;
    completion.result?;
    Ok(completion.buf)
}

/// The smallest file that is of any use: headers and one commit of a block.
pub(super) const FILE_BYTES_MIN: u64 = FIRST_COMMIT + BLOCK as u64;

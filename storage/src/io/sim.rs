//! A simulated disk, from one seed: it tears, loses, rots, refuses and fills up.
//!
//! # The fault model
//! - A write is seen by reads at once, and is durable only after a sync of its file, or as a
//!   completed durable write.
//! - At a power loss each unsynced sector (512 bytes) survives in any of its unsynced versions, or
//!   in the durable one; lengths survive in the order in which they changed; a durable write in
//!   flight leaves any subset of its sectors.
//! - A name made, changed or removed is durable after a sync of its directory (for a rename, of
//!   either directory). Syncing a file does not keep its name, which is harsher than ext4. Unsynced
//!   changes of different names survive independently; a rename is atomic, and changes of one name
//!   or one inode survive in order.
//! - A failed sync loses any of the unsynced sectors for good, though reads still see them and the
//!   next sync succeeds, as Linux behaves.
//! - A write that fails leaves a part of itself.
//!
//! Nothing comes from a clock, the operating system or the order of a hash table: the same seed and
//! the same calls give the same bytes.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{DirEntry, DiskSpace, Io, IoFile, IoQueue, OpenOptions};
use state::State;

mod blocking;
mod content;
mod faults;
mod inode;
mod names;
mod queue;
mod rng;
mod state;

/// Bytes the disk writes as a whole: what survives of a write is decided per sector.
pub const SECTOR: usize = 512;

/// What a simulated disk is like from the start.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Whether durable files are direct; otherwise a durable write is a write and a sync.
    pub direct: bool,
    /// Of a million reads with [`IoFile::try_read_at`], those that would block.
    pub cold_reads_per_million: u32,
    /// Of a million reads, those that fail with `EIO`.
    pub read_errors_per_million: u32,
    /// Of a million writes, those that fail with `EIO`.
    pub write_errors_per_million: u32,
    /// Of a million syncs, those that fail with `EIO`.
    pub sync_errors_per_million: u32,
    /// The latest mutating operations kept as text for [`SimDisk::trace`]; 0 keeps none.
    pub trace_len_max: usize,
}

impl Default for SimConfig {
    fn default() -> SimConfig {
        SimConfig {
            direct: true,
            cold_reads_per_million: 250_000,
            read_errors_per_million: 0,
            write_errors_per_million: 0,
            sync_errors_per_million: 0,
            trace_len_max: 0,
        }
    }
}

/// What every call answers between a power loss and [`SimDisk::restart`], and what handles from
/// before it answer for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("disk lost power")]
pub struct PowerLoss;

impl PowerLoss {
    /// Whether an error is this one.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<PowerLoss>())
    }
}

impl From<PowerLoss> for io::Error {
    fn from(loss: PowerLoss) -> io::Error {
        io::Error::other(loss)
    }
}

/// A handle on the disk, to control it; clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64, config: SimConfig) -> SimDisk {
        SimDisk {
            state: Arc::new(Mutex::new(State::new(seed, config))),
        }
    }

    /// The disk as an engine.
    pub fn io(&self) -> Arc<dyn Io> {
        Arc::new(self.clone())
    }

    /// Cuts the power, decides what survived, and is ready for the next start. Every open handle
    /// and queue is dead.
    pub fn crash(&self) {
        self.state.lock().crash();
    }

    /// Ends the process: its handles and queues are dead and its locks free, writes in flight
    /// happen wholly, in part or not at all, and the page cache stays, though no more durable than
    /// it was.
    pub fn kill(&self) {
        self.state.lock().kill();
    }

    /// Cuts the power during the mutating operation that follows after `n` more. From then on every
    /// call fails with [`PowerLoss`].
    pub fn crash_after(&self, n: u64) {
        let mut state = self.state.lock();
        state.cut_after = Some(n);
        state.cut_is_kill = false;
    }

    /// Ends the process during the mutating operation that follows after `n` more: as [`SimDisk::crash_after`], but the page cache
    /// stays. [`SimDisk::restart`] then is a [`SimDisk::kill`].
    pub fn kill_after(&self, n: u64) {
        let mut state = self.state.lock();
        state.cut_after = Some(n);
        state.cut_is_kill = true;
    }

    /// Ready for the next start after [`SimDisk::crash_after`] or [`SimDisk::kill_after`] has struck.
    pub fn restart(&self) {
        let mut state = self.state.lock();
        if state.cut_is_kill {
            state.kill();
        } else {
            state.crash();
        }
    }

    /// Whether the power is off.
    pub fn is_down(&self) -> bool {
        self.state.lock().down
    }

    /// Mutating operations so far. A durable write counts when it is submitted and when it
    /// completes.
    pub fn mutations(&self) -> u64 {
        self.state.lock().mutations
    }

    /// The latest mutating operations, oldest first; see [`SimConfig::trace_len_max`].
    pub fn trace(&self) -> Vec<String> {
        self.state.lock().trace.iter().cloned().collect()
    }

    /// Limits the bytes in allocated sectors; what is over it stays. `u64::MAX` is no limit.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = bytes;
    }

    /// Limits the disk to what it holds and `bytes` more.
    pub fn set_free(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.capacity = state.used().saturating_add(bytes);
    }

    /// Makes the next write to a path that contains `path` fail with this error number.
    pub fn fail_next_write(&self, path: &str, errno: i32) {
        self.state
            .lock()
            .faults
            .add(faults::Kind::Write, path, errno);
    }

    /// Makes the next sync of a file or directory whose path contains `path` fail.
    pub fn fail_next_sync(&self, path: &str, errno: i32) {
        self.state
            .lock()
            .faults
            .add(faults::Kind::Sync, path, errno);
    }

    /// Makes the next read of a path that contains `path` fail.
    pub fn fail_next_read(&self, path: &str, errno: i32) {
        self.state
            .lock()
            .faults
            .add(faults::Kind::Read, path, errno);
    }

    /// While true, every call fails with `EIO`; what is in flight as well.
    pub fn set_broken(&self, broken: bool) {
        self.state.lock().broken = broken;
    }

    /// Drops faults that have not happened.
    pub fn clear_faults(&self) {
        self.state.lock().faults.clear();
    }

    /// Flips the bits of `mask` in one byte of the file, on the medium and in the cache.
    pub fn rot(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        self.state.lock().rot(path, offset, mask)
    }

    /// While true, syncs and durable writes succeed without making anything durable. A crash test
    /// that passes on such a disk proves nothing.
    pub fn lie_about_sync(&self, lie: bool) {
        self.state.lock().lying = lie;
    }

    /// All files as reads see them, by path.
    pub fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.state.lock().image()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl Io for SimDisk {
    fn engine(&self) -> &'static str {
        "sim"
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn IoFile>> {
        let handle = self.state.lock().open(path, options)?;
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            path: path.to_owned(),
            handle,
        }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.state.lock().create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state.lock().rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.state.lock().remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.state.lock().remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.state.lock().sync_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.state.lock().read_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.state.lock().exists(path)
    }

    fn disk_space(&self, _path: &Path) -> io::Result<DiskSpace> {
        self.state.lock().disk_space()
    }

    fn queue(&self, depth: usize) -> io::Result<Box<dyn IoQueue>> {
        Ok(Box::new(queue::SimQueue::new(self, depth)?))
    }
}

/// What an open file is to the disk.
#[derive(Clone, Copy, Debug)]
struct Handle {
    id: u64,
    inode: u64,
    /// Which run of the machine or process it belongs to.
    boot: u64,
    writable: bool,
    durable: bool,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    handle: Handle,
}

impl SimFile {
    fn of(file: &Arc<dyn IoFile>) -> &SimFile {
        file.as_any()
            .downcast_ref()
            .expect("a file opened by the simulated disk")
    }
}

impl IoFile for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state.lock().file(self.handle)?.visible.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk
            .state
            .lock()
            .read(self.handle, &self.path, buf, offset)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        self.disk
            .state
            .lock()
            .try_read(self.handle, &self.path, buf, offset)
    }

    fn is_cached(&self, _offset: u64, _len: u64) -> bool {
        self.disk.state.lock().is_cached(self.handle)
    }

    fn write_all_at(&self, pieces: &[&[u8]], offset: u64) -> io::Result<()> {
        self.disk
            .state
            .lock()
            .write(self.handle, &self.path, &pieces.concat(), offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.state.lock().sync(self.handle, &self.path)
    }

    fn start_writeback(&self, _offset: u64, _len: u64) -> io::Result<()> {
        // Promises nothing, and any unsynced sector may survive anyhow.
        self.disk.state.lock().file(self.handle).map(drop)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state.lock().set_len(self.handle, &self.path, len)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.disk.state.lock().try_lock(self.handle)
    }

    fn is_direct(&self) -> bool {
        self.handle.durable && self.disk.state.lock().config.direct
    }

    #[cfg(unix)]
    fn as_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.state.lock().close(self.handle);
    }
}

//! Journal files are made beside everything else: who waits for the disk to write one is nobody but its maker.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::stress::{open_on, partition, wait_durable};
use crate::fixture::{append, node, values};
use crate::io::{DirEntry, DiskSpace, EngineChoice, Io, IoFile, IoQueue, OpenOptions, open_engine};
use crate::log::{Durability, LogConfig};

const FILE_BYTES: u64 = 1 << 20;

/// A disk on which so many new files get their names, and the next one takes for ever until it is told otherwise.
#[derive(Debug)]
struct SlowToGrow {
    disk: Arc<dyn Io>,
    passes: Mutex<usize>,
    more: Condvar,
}

impl SlowToGrow {
    fn new(passes: usize) -> Arc<SlowToGrow> {
        Arc::new(SlowToGrow {
            disk: open_engine(EngineChoice::Threads)
                .expect("it works everywhere")
                .io,
            passes: Mutex::new(passes),
            more: Condvar::new(),
        })
    }

    fn let_pass(&self, passes: usize) {
        *self.passes.lock() += passes;
        self.more.notify_all();
    }
}

impl Io for SlowToGrow {
    fn engine(&self) -> &'static str {
        self.disk.engine()
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn IoFile>> {
        self.disk.open(path, options)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if to.extension().is_some_and(|it| it == "journal") {
            let mut passes = self.passes.lock();
            while *passes == 0 {
                self.more.wait(&mut passes);
            }
            *passes -= 1;
        }
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.read_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.disk.exists(path)
    }

    fn disk_space(&self, path: &Path) -> io::Result<DiskSpace> {
        self.disk.disk_space(path)
    }

    fn queue(&self, depth: usize) -> io::Result<Box<dyn IoQueue>> {
        self.disk.queue(depth)
    }
}

#[test]
fn a_file_that_takes_for_ever_holds_up_no_checkpoint_and_no_commit() {
    let temporary = tempfile::tempdir().expect("a directory");
    let disk = SlowToGrow::new(2);
    let mut bounds = node().config;
    bounds.journal_file_bytes = FILE_BYTES;
    bounds.journal_first_file_bytes = FILE_BYTES;
    bounds.journal_files = 8;
    let disk_of_dir = Arc::clone(&disk) as Arc<dyn Io>;
    let (dir, workers) = open_on(disk_of_dir, &temporary.path().join("data"), bounds);
    let log = dir
        .create_log(partition(1), "t", Durability::Fsync, LogConfig::default())
        .expect("online");

    // Many times what two files hold, which is all there is: a checkpoint frees one while the other is written.
    let value = vec![b'x'; 64 << 10];
    for _ in 0..128 {
        let end = append(&log, &value).end;
        wait_durable(&log, end);
        assert!(
            dir.journal_usage().capacity <= 2 * FILE_BYTES,
            "no more are made"
        );
    }

    disk.let_pass(8);
    workers.stop().expect("a clean stop");
    assert_eq!(values(&log).len(), 128);
}

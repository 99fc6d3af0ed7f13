//! The data directories of a broker, each with a journal, a reserve, checkpoints and threads of its own.
//!
//! One of them holds the cluster's metadata. A partition is in the directory that the metadata says, and nowhere else: where that one is offline,
//! so is the partition. A directory that goes offline stays so until the next start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_controller::DirectoryId;
use parking_lot::{Mutex, RwLock};
use protocol::model::TopicIdPartition;
use storage::data_dir::{DataDir, SpaceState, Workers};
use storage::log::Log;
use tokio::sync::watch;

pub(crate) use config::DirectoryConfigs;
pub use hangs::DiskWatch;
pub use open::{Opener, Opening};

mod config;
mod hangs;
mod journal_task;
pub mod offline;
mod open;
mod verdict;

/// Whether a directory can be used.
#[derive(Clone, Debug)]
pub enum DirectoryState {
    /// It can.
    Online(Arc<DataDir>),
    /// It cannot, and why.
    Offline(Arc<str>),
}

/// A data directory, whether it can be used or not.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    id: Option<DirectoryId>,
    takes_partitions: bool,
    state: RwLock<DirectoryState>,
}

impl Directory {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its id; `None` when it cannot be read.
    pub fn id(&self) -> Option<DirectoryId> {
        self.id
    }

    /// Whether it is one of `log.dirs`, rather than of the metadata alone.
    pub fn takes_partitions(&self) -> bool {
        self.takes_partitions
    }

    /// Whether it can be used.
    pub fn state(&self) -> DirectoryState {
        self.state.read().clone()
    }

    /// What is in it, while it can be used.
    pub fn online(&self) -> Option<Arc<DataDir>> {
        match &*self.state.read() {
            DirectoryState::Online(data_dir) => Some(Arc::clone(data_dir)),
            DirectoryState::Offline(_) => None,
        }
    }
}

/// All of them.
pub struct DataDirs {
    directories: Vec<Arc<Directory>>,
    /// Which one holds the metadata.
    metadata: usize,
    workers: Mutex<Vec<(Arc<Directory>, Workers)>>,
    /// How many have gone offline.
    failures: watch::Sender<usize>,
}

impl std::fmt::Debug for DataDirs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.directories).finish()
    }
}

impl DataDirs {
    /// Every directory, in the order of the configuration.
    pub fn directories(&self) -> &[Arc<Directory>] {
        &self.directories
    }

    /// That of the metadata.
    pub fn metadata(&self) -> &Arc<Directory> {
        &self.directories[self.metadata]
    }

    /// The directory with that id, if it is here and can be used.
    pub fn get(&self, id: DirectoryId) -> Option<Arc<DataDir>> {
        let directory = self.directories.iter().find(|it| it.id == Some(id));
        directory.and_then(|directory| directory.online())
    }

    /// The ids of those that can take partitions: what the broker registers with.
    pub fn usable(&self) -> Vec<DirectoryId> {
        let usable = self.directories.iter().filter(|it| it.takes_partitions);
        usable.filter_map(|it| it.online().and(it.id)).collect()
    }

    /// The ids of those that can be used, and refuse produce requests for want of space.
    pub fn short_of_space(&self) -> BTreeSet<DirectoryId> {
        let is_short = |it: &DataDir| it.space_state() != SpaceState::Enough;
        let directories = self.directories.iter();
        let short = directories.filter(|it| it.online().is_some_and(|it| is_short(&it)));
        short.filter_map(|it| it.id).collect()
    }

    /// Every log in directories that can be used, with the directory.
    pub fn logs(&self) -> Vec<(DirectoryId, Arc<Log>)> {
        let online = self
            .directories
            .iter()
            .filter_map(|it| it.id.zip(it.online()));
        online
            .flat_map(|(id, data_dir)| data_dir.logs().into_iter().map(move |log| (id, log)))
            .collect()
    }

    /// The log of a partition in one of the directories.
    pub fn log(&self, directory: DirectoryId, partition: TopicIdPartition) -> Option<Arc<Log>> {
        self.get(directory)?.log(partition)
    }

    /// Hears how many directories have gone offline since the start.
    pub fn failures(&self) -> watch::Receiver<usize> {
        self.failures.subscribe()
    }

    /// Stops the threads of all directories: see [`Workers::stop`]. The first error of a directory that could be used.
    pub fn stop(&self) -> std::io::Result<()> {
        let workers = std::mem::take(&mut *self.workers.lock());
        std::thread::scope(|scope| {
            let stopping: Vec<_> = workers
                .into_iter()
                .map(|(directory, workers)| {
                    scope.spawn(move || match workers.stop() {
                        // That it failed has been said.
                        Err(_) if directory.online().is_none() => Ok(()),
                        stopped => stopped,
                    })
                })
                .collect();
            let outcomes: Vec<_> = stopping.into_iter().map(|it| it.join()).collect();
            outcomes.into_iter().try_for_each(|outcome| {
                outcome.unwrap_or_else(|_| Err(std::io::Error::other("stopping panicked")))
            })
        })
    }
}

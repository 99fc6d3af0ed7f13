//! Logs that come and go: their directories, and what the journal is told of them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::model::{Offset, TopicIdPartition};

use super::{DataDir, LogChangeError, SpaceState};
use crate::journal::{
    DurableListener, Entry, EntryKind, JournalFault, JournalPosition, LogId, OpenEntry,
};
use crate::log::{Durability, Log, LogConfig, NewLog};

#[derive(Default)]
pub(super) struct Logs {
    pub(super) by_id: BTreeMap<LogId, Arc<Log>>,
    pub(super) by_partition: HashMap<TopicIdPartition, Arc<Log>>,
    pub(super) next_id: LogId,
}

impl Logs {
    pub(super) fn insert(&mut self, log: Arc<Log>) {
        self.by_partition.insert(log.partition(), Arc::clone(&log));
        self.by_id.insert(log.id(), log);
    }

    pub(super) fn remove(&mut self, id: LogId) -> Option<Arc<Log>> {
        let log = self.by_id.remove(&id)?;
        self.by_partition.remove(&log.partition());
        Some(log)
    }
}

/// The directory of a deleted log.
#[derive(Debug)]
pub(super) struct Garbage {
    pub(super) path: PathBuf,
    /// The first checkpoint that does not count the log. Until it is durable the directory stays: should the journal's entry of the deletion
    /// rot, the log is back, and finds its own files and not those of another of its name.
    pub(super) checkpoint: u64,
}

impl DataDir {
    /// Every log, by id.
    pub fn logs(&self) -> Vec<Arc<Log>> {
        self.logs.read().by_id.values().cloned().collect()
    }

    /// The log of a partition.
    pub fn log(&self, partition: TopicIdPartition) -> Option<Arc<Log>> {
        self.logs.read().by_partition.get(&partition).cloned()
    }

    /// Creates the log of a partition. Done means: it takes appends, and its creation is queued for the journal before any of them.
    pub fn create_log(
        &self,
        partition: TopicIdPartition,
        topic: &str,
        durability: Durability,
        config: LogConfig,
    ) -> Result<Arc<Log>, LogChangeError> {
        self.create_log_at(partition, topic, durability, config, Offset::ZERO)
    }

    /// The same, with `start` as the offset of its first record: for a replica whose leader has no record before any more.
    pub fn create_log_at(
        &self,
        partition: TopicIdPartition,
        topic: &str,
        durability: Durability,
        config: LogConfig,
        start: Offset,
    ) -> Result<Arc<Log>, LogChangeError> {
        let mut logs = self.logs.write();
        assert!(
            !logs.by_partition.contains_key(&partition),
            "a partition has one log"
        );
        let id = logs.next_id;
        let new = NewLog {
            id,
            partition,
            topic,
            durability,
            start,
        };
        let dir = self.log_dir(topic, partition);
        let log = Arc::new(Log::new(new, &dir, config, self.environment.clone()));
        let kind = match durability {
            Durability::Fsync => EntryKind::Open,
            Durability::Os => EntryKind::OpenUnjournaled,
        };
        let position = self
            .environment
            .journal
            .push(life_entry(kind, &log), Arc::clone(&log) as _)?;
        log.set_open_position(position);
        logs.next_id = LogId(id.0 + 1);
        logs.insert(Arc::clone(&log));
        Ok(log)
    }

    /// Deletes a log. Done means: nobody finds it any more and its deletion is queued for the journal; its files go
    /// when that is durable.
    pub fn drop_log(&self, partition: TopicIdPartition) -> Result<(), LogChangeError> {
        let log = {
            let mut logs = self.logs.write();
            let Some(id) = logs.by_partition.get(&partition).map(|log| log.id()) else {
                return Ok(());
            };
            logs.remove(id)
        };
        let Some(log) = log else { return Ok(()) };
        log.set_dropped();
        self.environment.files.forget(log.id());
        let away = deleted_dir(log.dir(), log.id());
        if self.io.exists(log.dir())? {
            self.with_reserve(|| self.io.rename(log.dir(), &away))?;
        }
        let listener = Deletion {
            away,
            checkpoint: self.environment.checkpoints.next(),
            garbage: Arc::clone(&self.garbage),
        };
        self.environment
            .journal
            .push(life_entry(EntryKind::Drop, &log), Arc::new(listener))?;
        Ok(())
    }

    /// Removes the files of logs whose deletion is durable and that no checkpoint counts any more, or, while there is too little space, as soon as
    /// the deletion is durable. Returns how many were removed. The first error ends it; what is left is tried again the next time.
    pub fn remove_dropped(&self) -> io::Result<usize> {
        let hurry = self.space_state() != SpaceState::Enough;
        let waiting = std::mem::take(&mut *self.garbage.lock());
        let mut left = Vec::new();
        let mut result = Ok(0);
        for garbage in waiting {
            let may_go = hurry || self.environment.checkpoints.is_durable(garbage.checkpoint);
            let Some(removed) = result.as_mut().ok().filter(|_| may_go) else {
                left.push(garbage);
                continue;
            };
            match self.remove_directory(&garbage.path) {
                Ok(count) => *removed += count,
                Err(error) => {
                    result = Err(error);
                    left.push(garbage);
                }
            }
        }
        if !left.is_empty() {
            // It may be long until the journal needs one.
            self.wish_checkpoint();
            self.garbage.lock().append(&mut left);
        }
        result
    }

    fn remove_directory(&self, path: &Path) -> io::Result<usize> {
        let is_there = self.io.exists(path)?;
        if is_there {
            self.io.remove_dir_all(path)?;
        }
        Ok(usize::from(is_there))
    }

    fn log_dir(&self, topic: &str, partition: TopicIdPartition) -> PathBuf {
        log_dir(&self.path, topic, partition)
    }
}

pub(super) fn log_dir(path: &Path, topic: &str, partition: TopicIdPartition) -> PathBuf {
    path.join(format!("{topic}-{}", partition.partition))
}

/// What the directory of a deleted log is called until it is removed.
pub(crate) fn deleted_dir(dir: &Path, id: LogId) -> PathBuf {
    let name = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    dir.with_file_name(format!("{name}.{id}-delete"))
}

fn life_entry(kind: EntryKind, log: &Log) -> Entry {
    let open = OpenEntry {
        topic_id: log.partition().topic_id,
        partition: log.partition().partition,
        topic: log.topic().to_owned(),
    };
    Entry {
        kind,
        log_id: log.id(),
        leader_epoch: None,
        offset: match kind {
            EntryKind::Drop => Offset::ZERO,
            _ => log.offsets().start,
        },
        end: Offset::ZERO,
        payload: open.encode(),
    }
}

/// Waits for a drop entry to be durable, and then gives the directory away.
struct Deletion {
    away: PathBuf,
    checkpoint: u64,
    garbage: Arc<Mutex<Vec<Garbage>>>,
}

impl DurableListener for Deletion {
    fn on_durable(&self, _: JournalPosition) {
        self.garbage.lock().push(Garbage {
            path: self.away.clone(),
            checkpoint: self.checkpoint,
        });
    }

    fn on_fault(&self, _: &JournalFault) {}
}

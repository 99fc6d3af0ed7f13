//! How each directory is configured: its share of the memory, of the descriptors and of its disk.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use storage::data_dir::DataDirConfig;
use storage::io::Io;
use storage::journal::WriterConfig;

use crate::config::{Config, TopicConfig, compaction_settings};
use crate::open_files::OpenFiles;

/// Memory for the tails of a directory, at least.
const TAIL_BYTES_MIN: usize = 1 << 20;
/// An idle journal is sealed after this time.
const SEAL_AFTER: Duration = Duration::from_millis(10);
/// A commit in flight is joined by another when so many bytes wait.
const OVERLAP_BYTES_MIN: usize = 64 << 10;

/// The directories' configuration, made for each when it is opened.
pub(crate) struct DirectoryConfigs<'a> {
    config: &'a Config,
    io: &'a dyn Io,
    paths: Vec<PathBuf>,
}

impl DirectoryConfigs<'_> {
    pub(crate) fn new<'a>(config: &'a Config, io: &'a dyn Io) -> DirectoryConfigs<'a> {
        let mut paths = config.broker.data_dirs.clone();
        if !paths.contains(&config.broker.metadata_dir) {
            paths.push(config.broker.metadata_dir.clone());
        }
        DirectoryConfigs { config, io, paths }
    }

    /// The configuration of the directory at `path`. The journal takes its share of a small disk, and no more; directories on one disk
    /// share that.
    pub(crate) fn of(&self, path: &Path) -> DataDirConfig {
        let journal = self.unfitted();
        let existing = existing(path);
        let Ok(space) = self.io.disk_space(&existing) else {
            return journal;
        };
        let device = device(&existing);
        let others = self.paths.iter().map(|path| self::existing(path));
        let sharing = others.filter(|other| self::device(other) == device).count();
        let disk_bytes = space.total / sharing.max(1) as u64;
        let configured = journal.journal_file_bytes;
        let topics = TopicConfig::resolve(&BTreeMap::new(), &self.config.settings);
        let fitted = journal.fit_to_disk(disk_bytes, topics.max_message_bytes as u64);
        if fitted.journal_file_bytes < configured {
            tracing::info!(
                path = %path.display(),
                disk_bytes,
                journal_files = fitted.journal_files,
                journal_file_bytes = fitted.journal_file_bytes,
                configured,
                "the journal is smaller than configured: the disk is small"
            );
        }
        fitted
    }

    fn unfitted(&self) -> DataDirConfig {
        let config = &self.config.broker;
        let started = Instant::now();
        let directories = self.paths.len();
        DataDirConfig {
            journal_file_bytes: config.journal.file_bytes,
            journal_files: u32::try_from(config.journal.files).unwrap_or(u32::MAX),
            journal_first_file_bytes: config.journal.initial_file_bytes,
            writer: WriterConfig {
                commit_bytes_max: config.journal.commit_bytes_max,
                depth: config.journal.depth,
                overlap_bytes_min: OVERLAP_BYTES_MIN,
                seal_after: SEAL_AFTER,
                clock: Arc::new(move || {
                    u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
                }),
                salt: Arc::new(rand::random),
            },
            tail_bytes_max: (config.logs.tail_bytes_max / directories).max(TAIL_BYTES_MIN),
            bypass: config.journal.bypass,
            write_behind_ms: millis(config.logs.write_behind_age),
            open_files_max: OpenFiles::of_process().for_directory(directories),
            unsynced_files_max: OpenFiles::of_process().unsynced_for_directory(directories),
            retention_check_ms: millis(config.logs.retention_check_interval),
            clock_jump_pause_ms: millis(config.logs.clock_jump_pause),
            compaction: compaction_settings(&self.config.settings),
            compaction_hash_key: rand::random(),
            producer_expiration_ms: millis(config.producers.producer_id_expiration),
            free_bytes_min: config.journal.free_bytes_min,
        }
    }
}

/// The path, or the nearest one above it that exists: at the very first start a directory is not there yet; its disk is.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = path.ancestors().find(|path| path.exists());
    existing.unwrap_or(&path).to_owned()
}

fn device(path: &Path) -> Option<u64> {
    Some(std::fs::metadata(path).ok()?.dev())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

//! The segment files of several replicas of a topic, byte for byte. Their brokers are stopped: a running one has records
//! that are not in its segments yet.

mod compare;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{PARTITIONS_MAX, history::Event};
use crate::CtlError;

/// What is compared.
#[derive(Clone, Debug, Default)]
pub struct FilesConfig {
    /// The topic's name.
    pub topic: String,
    /// Data directories, with a directory for each partition in them.
    pub directories: Vec<PathBuf>,
    /// By partition: the offset before which everything has to agree. Where there is none, the smallest log end counts.
    pub ends: BTreeMap<i32, i64>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FilesReport {
    /// The topic's name.
    pub topic: String,
    /// Its partitions, of which there is anything in the directories.
    pub partitions: Vec<PartitionFiles>,
}

/// The replicas of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionFiles {
    /// Its number.
    pub partition: i32,
    /// The first offset that all have.
    pub start: i64,
    /// The offset before which they were compared.
    pub end: i64,
    /// Batches that all have alike.
    pub batches: u64,
    /// They.
    pub replicas: Vec<ReplicaFiles>,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplicaFiles {
    /// Its directory.
    pub directory: PathBuf,
    /// Its first offset.
    pub start: i64,
    /// The end of its log.
    pub end: i64,
    /// Length and CRC-32C of what was compared.
    pub digest: String,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

impl FilesReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        let mut replicas = self.partitions.iter().flat_map(|it| &it.replicas);
        replicas.all(|it| it.problems.is_empty())
    }

    /// The same as events of a history.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.partitions.iter().flat_map(|partition| {
            partition.replicas.iter().map(|replica| Event::Replica {
                partition: partition.partition,
                replica: replica.directory.display().to_string(),
                start: partition.start,
                end: partition.end,
                digest: replica.digest.clone(),
            })
        })
    }
}

/// Compares all partitions that are in at least one of the directories. An error is a file that cannot be read, or that there
/// is nothing to compare; what is wrong with replicas is in the report.
pub fn compare(config: &FilesConfig) -> Result<FilesReport, CtlError> {
    let mut partitions = BTreeSet::new();
    for directory in &config.directories {
        partitions.extend(partitions_in(directory, &config.topic)?);
    }
    if partitions.is_empty() {
        return Err(CtlError::Refused(format!(
            "none of the directories has a directory {}-N: name the data directories of stopped brokers",
            config.topic
        )));
    }
    let partitions = partitions.into_iter().map(|partition| {
        let name = format!("{}-{partition}", config.topic);
        let directories = config.directories.iter().map(|it| it.join(&name));
        let directories: Vec<PathBuf> = directories.filter(|it| it.is_dir()).collect();
        let end = config.ends.get(&partition).copied();
        compare::partition(partition, &directories, end)
    });
    Ok(FilesReport {
        topic: config.topic.clone(),
        partitions: partitions.collect::<Result<_, _>>()?,
    })
}

fn partitions_in(directory: &Path, topic: &str) -> Result<Vec<i32>, CtlError> {
    let read = || {
        let mut partitions = Vec::new();
        for entry in fs::read_dir(directory)? {
            let name = entry?.file_name();
            let name = name.to_str().and_then(|it| it.rsplit_once('-'));
            let partition = name.filter(|(name, _)| *name == topic);
            let partition = partition.and_then(|(_, number)| number.parse::<i32>().ok());
            partitions.extend(partition.filter(|it| *it >= 0));
        }
        Ok(partitions)
    };
    read().map_err(CtlError::file("read the directory", directory))
}

/// Adds what was found to a history that was kept, so that it is checked with the rest.
pub fn append_to_history(report: &FilesReport, path: &Path) -> Result<(), CtlError> {
    let append = || {
        let mut file = fs::OpenOptions::new().append(true).open(path)?;
        for event in report.events() {
            if let Event::Replica { partition, .. } = event
                && partition >= PARTITIONS_MAX
            {
                continue;
            }
            let mut line = serde_json::to_vec(&event).map_err(io::Error::from)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        file.sync_all()
    };
    append().map_err(CtlError::file("add to", path))
}

#[cfg(test)]
mod tests;

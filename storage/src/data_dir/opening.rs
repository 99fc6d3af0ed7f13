//! Whose a directory must be, and why it cannot be used.

use std::io;
use std::path::PathBuf;

use protocol::model::BrokerId;
use uuid::Uuid;

use crate::journal::{JournalFault, ScanError};

/// Who the directory must belong to.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cluster, where it is known; a new directory without one founds its own.
    pub cluster_id: Option<String>,
    /// The broker.
    pub node_id: BrokerId,
    /// The id a new directory gets.
    pub new_directory_id: Uuid,
    /// The cluster id a new directory gets when none is given.
    pub new_cluster_id: Uuid,
}

/// Why a data directory cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A call failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// `meta.properties` cannot be used.
    #[error("{path}: {what}. Nothing was changed")]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The directory is another cluster's.
    #[error(
        "{path} belongs to cluster {found}, not to {expected}: point --data-dir at another directory, or set cluster.id to {found}. Nothing was changed"
    )]
    OtherCluster {
        /// The directory.
        path: PathBuf,
        /// Its cluster.
        found: String,
        /// Ours.
        expected: String,
    },
    /// The directory is another broker's.
    #[error(
        "{path} belongs to node {found}, not to node {expected}: point --data-dir at another directory, or set node.id to {found}. Nothing was changed"
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Its node.
        found: BrokerId,
        /// Ours.
        expected: BrokerId,
    },
    /// The directory holds something, but not a data directory.
    #[error(
        "{path} is not empty and is no Holdfast data directory (it has no meta.properties, but {what}): point --data-dir at an empty directory. Nothing was changed"
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The checkpoint cannot be used.
    #[error(
        "{path}: {what}. Restore the directory from a replica or a backup. Nothing was changed"
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] ScanError),
}

/// Why a log could not be created or dropped.
#[derive(Debug, thiserror::Error)]
pub enum LogChangeError {
    /// The directory is offline.
    #[error(transparent)]
    Offline(#[from] JournalFault),
    /// A call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

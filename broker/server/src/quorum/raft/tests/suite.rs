//! What `openraft` demands of any storage.

use std::sync::Arc;

use openraft::testing::{StoreBuilder, Suite};
use storage::data_dir::{DataDir, Workers};
use tempfile::TempDir;

use super::super::log::RaftLog;
use super::super::state_machine::StateMachine;
use super::super::types::{RaftTypes, StorageError};
use crate::testing::small_data_dir;

struct Builder;

/// What has to live as long as the storage.
struct Held {
    workers: Option<Workers>,
    _data_dir: Arc<DataDir>,
    _directory: TempDir,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.stop().expect("a last checkpoint");
        }
    }
}

impl StoreBuilder<RaftTypes, RaftLog, StateMachine, Held> for Builder {
    async fn build(&self) -> Result<(Held, RaftLog, StateMachine), StorageError> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (data_dir, workers) = small_data_dir(directory.path());
        let log = RaftLog::open(&data_dir, true, || 0).expect("an empty directory");
        let machine = StateMachine::open(&data_dir, &log).expect("no snapshot");
        let held = Held {
            workers: Some(workers),
            _data_dir: data_dir,
            _directory: directory,
        };
        Ok((held, log, machine))
    }
}

#[test]
fn the_storage_is_as_openraft_demands() {
    Suite::test_all(Builder).expect("all of it holds");
}

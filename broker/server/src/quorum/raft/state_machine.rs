//! What committed entries do: they lead from image to image.

use std::io::{self, Cursor};
use std::sync::Arc;

use broker_controller::RecordError;
use openraft::storage::RaftStateMachine;
use openraft::{OptionalSend, RaftSnapshotBuilder, StorageIOError};
use storage::data_dir::DataDir;

use super::log::{RaftLog, blocking};
use super::snapshot::{SnapshotFile, SnapshotState};
use super::types::{
    Entry, EntryOutcome, LogId, MetadataEntry, Payload, RaftTypes, Snapshot, SnapshotMeta,
    StorageError, StoredMembership, VoterId,
};
use crate::quorum::QuorumError;
use crate::quorum::images::{Images, Version};

/// The state machine of one voter.
pub struct StateMachine {
    file: Arc<SnapshotFile>,
    log: RaftLog,
    images: Arc<Images>,
    applied: Option<LogId>,
    membership: StoredMembership,
}

impl StateMachine {
    /// From the last snapshot.
    pub fn open(data_dir: &Arc<DataDir>, log: &RaftLog) -> Result<StateMachine, QuorumError> {
        let failed = |error: &dyn std::fmt::Display| {
            QuorumError::Failed(format!("metadata-snapshot: {error}"))
        };
        let (file, snapshot) = SnapshotFile::open(data_dir).map_err(|error| failed(&error))?;
        let applied = snapshot.last.map_or(0, |id| id.index);
        Ok(StateMachine {
            file: Arc::new(file),
            log: log.clone(),
            images: Arc::new(Images::new(snapshot.version, applied)),
            applied: snapshot.last,
            membership: snapshot.membership,
        })
    }

    /// Whether nobody but `voter` has a vote, by the newest membership that is written here.
    pub fn is_alone(&self, voter: VoterId) -> bool {
        let entries = self.log.entries();
        let written = entries.iter().rev().find_map(|entry| match &entry.payload {
            Payload::Membership(membership) => Some(membership),
            _ => None,
        });
        let membership = written.unwrap_or(self.membership.membership());
        membership.voter_ids().eq([voter])
    }

    /// Applies the entries that are known committed.
    pub fn apply_through(&mut self, committed: Option<LogId>) -> Result<(), QuorumError> {
        for entry in self.log.entries() {
            if Some(entry.log_id) > self.applied && Some(entry.log_id) <= committed {
                self.apply_one(entry)
                    .map_err(|error| QuorumError::Failed(error.to_string()))?;
            }
        }
        Ok(())
    }

    /// The images it leads to.
    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    fn apply_one(&mut self, entry: Entry) -> Result<EntryOutcome, RecordError> {
        let Entry { log_id, payload } = entry;
        let outcome = match payload {
            Payload::Blank => EntryOutcome::NotMetadata,
            Payload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(log_id), membership);
                EntryOutcome::NotMetadata
            }
            Payload::Normal(entry) => self.apply_metadata(log_id.index, &entry)?,
        };
        self.applied = Some(log_id);
        self.log.set_committed(log_id.index);
        self.images.set_applied(log_id.index);
        Ok(outcome)
    }

    fn apply_metadata(
        &self,
        index: u64,
        entry: &MetadataEntry,
    ) -> Result<EntryOutcome, RecordError> {
        if entry.base != self.images.newest().index {
            return Ok(EntryOutcome::Stale);
        }
        // One that was an observer may have been told this entry already, and what came behind it.
        Ok(
            match self.images.apply(index, entry.base, &entry.decode()?) {
                true => EntryOutcome::Applied,
                false => EntryOutcome::Stale,
            },
        )
    }

    fn state(&self) -> SnapshotState {
        SnapshotState {
            last: self.applied,
            membership: self.membership.clone(),
            version: Version::clone(&self.images.newest()),
        }
    }
}

impl RaftStateMachine<RaftTypes> for StateMachine {
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<EntryOutcome>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut outcomes = Vec::new();
        for entry in entries {
            let log_id = entry.log_id;
            let outcome = self.apply_one(entry);
            outcomes.push(outcome.map_err(|error| StorageIOError::apply(log_id, &error))?);
        }
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            file: Arc::clone(&self.file),
            log: self.log.clone(),
            state: self.state(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let failed =
            |error: io::Error| StorageIOError::read_snapshot(Some(meta.signature()), &error);
        let state = SnapshotState::decode(&bytes).map_err(failed)?;
        let (file, last) = (Arc::clone(&self.file), meta.last_log_id);
        let written = self
            .log
            .when_there_is_space(move || file.write(last, &bytes));
        written
            .await
            .map_err(|error| StorageIOError::write_snapshot(Some(meta.signature()), &error))?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.images.replace(state.version);
        self.images
            .set_applied(meta.last_log_id.map_or(0, |id| id.index));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        let file = Arc::clone(&self.file);
        let read = blocking(move || {
            let Some(bytes) = file.read()? else {
                return Ok(None);
            };
            Ok(Some((SnapshotState::decode(&bytes)?.meta(), bytes)))
        });
        let read = read
            .await
            .map_err(|error| StorageIOError::read_snapshot(None, &error))?;
        Ok(read.map(|(meta, bytes)| Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(bytes)),
        }))
    }
}

/// Writes the snapshot of one moment.
pub struct SnapshotBuilder {
    file: Arc<SnapshotFile>,
    log: RaftLog,
    state: SnapshotState,
}

impl RaftSnapshotBuilder<RaftTypes> for SnapshotBuilder {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let (file, state) = (Arc::clone(&self.file), self.state.clone());
        let meta = state.meta();
        let built = self.log.when_there_is_space(move || {
            let bytes = state.encode()?;
            file.write(state.last, &bytes)?;
            Ok(bytes)
        });
        let bytes = built
            .await
            .map_err(|error| StorageIOError::write_snapshot(Some(meta.signature()), &error))?;
        Ok(Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(bytes)),
        })
    }
}

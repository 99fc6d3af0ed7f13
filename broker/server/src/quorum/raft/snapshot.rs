//! A snapshot of the metadata: the file `metadata-snapshot`, and what one voter sends to another that is too far behind.
//!
//! A byte of version, 1, then as postcard writes it: the last entry in it, the membership with its entry, the index that the image is of, and the
//! records that lead from nothing to it, each behind 4 bytes of length.

use std::io;
use std::sync::Arc;

use broker_controller::MetadataImage;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use storage::data_dir::DataDir;

use super::entry::MembershipRecord;
use super::types::{LogId, MetadataEntry, SnapshotMeta, StoredMembership};
use crate::quorum::images::Version;

const FILE: &str = "metadata-snapshot";
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct SnapshotRecord {
    last: Option<LogId>,
    membership_at: Option<LogId>,
    membership: MembershipRecord,
    index: u64,
    records: Bytes,
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default)]
pub(super) struct SnapshotState {
    /// The last entry in it.
    pub(super) last: Option<LogId>,
    /// Who votes.
    pub(super) membership: StoredMembership,
    /// The image.
    pub(super) version: Version,
}

impl SnapshotState {
    pub(super) fn meta(&self) -> SnapshotMeta {
        let index = self.last.map_or(0, |id| id.index);
        SnapshotMeta {
            last_log_id: self.last,
            last_membership: self.membership.clone(),
            snapshot_id: index.to_string(),
        }
    }

    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        let records = self.version.image.snapshot();
        let entry = MetadataEntry::new(0, &records).map_err(io::Error::other)?;
        let record = SnapshotRecord {
            last: self.last,
            membership_at: *self.membership.log_id(),
            membership: self.membership.membership().into(),
            index: self.version.index,
            records: entry.records,
        };
        postcard::to_extend(&record, vec![VERSION]).map_err(io::Error::other)
    }

    pub(super) fn decode(bytes: &[u8]) -> io::Result<SnapshotState> {
        let fields = match bytes.split_first() {
            Some((&VERSION, fields)) => fields,
            Some((version, _)) => {
                return Err(io::Error::other(format!(
                    "a snapshot of version {version}, this broker knows {VERSION}: start a broker as new as the one that wrote it"
                )));
            }
            None => return Err(io::Error::other("an empty snapshot")),
        };
        let record: SnapshotRecord = postcard::from_bytes(fields).map_err(io::Error::other)?;
        let entry = MetadataEntry {
            base: 0,
            records: record.records,
        };
        let records = entry.decode().map_err(io::Error::other)?;
        let image = MetadataImage::default().apply(&records).image;
        Ok(SnapshotState {
            last: record.last,
            membership: StoredMembership::new(record.membership_at, record.membership.into()),
            version: Version {
                image: image.into(),
                index: record.index,
            },
        })
    }
}

/// The newest snapshot on disk.
pub(super) struct SnapshotFile {
    data_dir: Arc<DataDir>,
    /// The last entry in it. Held while it is written.
    last: Mutex<Option<LogId>>,
}

impl SnapshotFile {
    /// That of a directory, and what it holds.
    pub(super) fn open(data_dir: &Arc<DataDir>) -> io::Result<(SnapshotFile, SnapshotState)> {
        let bytes = data_dir.read_side_file(FILE)?;
        let state = bytes.as_deref().map(SnapshotState::decode).transpose()?;
        let state = state.unwrap_or_default();
        let file = SnapshotFile {
            data_dir: Arc::clone(data_dir),
            last: Mutex::new(state.last),
        };
        Ok((file, state))
    }

    /// Replaces it, unless one that is as new is there: one may come from another voter while one is built here. Blocks on the disk.
    pub(super) fn write(&self, last: Option<LogId>, bytes: &[u8]) -> io::Result<()> {
        let mut newest = self.last.lock();
        if last < *newest {
            return Ok(());
        }
        self.data_dir.write_side_file(FILE, bytes)?;
        *newest = last;
        Ok(())
    }

    /// What is there. Blocks on the disk.
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let _newest = self.last.lock();
        self.data_dir.read_side_file(FILE)
    }
}

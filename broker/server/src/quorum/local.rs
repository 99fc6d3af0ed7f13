//! A quorum of one: entries are batches of the log `__cluster_metadata-0` in the node's own data directory, committed when they
//! are durable. The log is like any partition's, so Kafka's tools can dump it.

use std::sync::Arc;

use broker_controller::MetadataRecord;
use bytes::Bytes;
use protocol::batch::{BatchBuilder, BatchHeader, NewRecord, batches, records};
use protocol::model::{LeaderEpoch, Offset, PartitionIndex, TopicId, TopicIdPartition, Uuid};
use storage::data_dir::DataDir;
use storage::journal::JournalFault;
use storage::log::{Durability, Log, LogConfig, LogListener, TailRead};
use tokio::sync::watch;

use super::{MetadataQuorum, QuorumError};

/// Kafka's name for the topic.
pub const METADATA_TOPIC: &str = "__cluster_metadata";

/// Bytes read at once while loading.
const LOAD_BYTES: usize = 1 << 20;

/// The log of the metadata: Kafka's reserved topic id, partition 0.
pub fn metadata_partition() -> TopicIdPartition {
    let Some(topic_id) = TopicId::new(Uuid::from_u128(1)) else {
        unreachable!("the reserved id is not zero");
    };
    TopicIdPartition {
        topic_id,
        partition: PartitionIndex::new(0),
    }
}

/// Commits to the log of this node alone.
pub struct LocalQuorum {
    log: Arc<Log>,
    durable: watch::Receiver<Durable>,
    now_ms: fn() -> i64,
}

#[derive(Clone, Debug)]
enum Durable {
    To(Offset),
    Failed(String),
}

struct Progress(watch::Sender<Durable>);

impl LogListener for Progress {
    fn on_durable(&self, durable_end: Offset) {
        self.0.send_replace(Durable::To(durable_end));
    }

    fn on_fault(&self, fault: &JournalFault) {
        self.0.send_replace(Durable::Failed(fault.to_string()));
    }
}

impl LocalQuorum {
    /// Over a data directory. A missing metadata log is made only where there is no other log either, in any directory: partitions without
    /// metadata mean that something was lost.
    pub fn open(
        data_dir: &DataDir,
        may_create: bool,
        now_ms: fn() -> i64,
    ) -> Result<LocalQuorum, QuorumError> {
        let failed = |error: &dyn std::fmt::Display| QuorumError(error.to_string());
        let log = match data_dir.log(metadata_partition()) {
            Some(log) => log,
            None if may_create => data_dir
                .create_log(
                    metadata_partition(),
                    METADATA_TOPIC,
                    Durability::Fsync,
                    LogConfig::default(),
                )
                .map_err(|error| failed(&error))?,
            None => {
                return Err(QuorumError(format!(
                    "{} holds no metadata log, but there are partitions: restore it, set metadata.log.dir to where it is, or point --data-dir at an empty directory",
                    data_dir.path().display()
                )));
            }
        };
        let (sender, durable) = watch::channel(Durable::To(log.offsets().durable_end));
        log.set_listener(Arc::new(Progress(sender)));
        Ok(LocalQuorum {
            log,
            durable,
            now_ms,
        })
    }
}

impl MetadataQuorum for LocalQuorum {
    fn load(&self) -> Result<Vec<Vec<MetadataRecord>>, QuorumError> {
        let failed = |error: &dyn std::fmt::Display| {
            QuorumError(format!("the metadata log cannot be read: {error}"))
        };
        let offsets = self.log.offsets();
        let mut entries = Vec::new();
        let mut at = offsets.start;
        while at < offsets.durable_end {
            let read = self
                .log
                .read_tail(at, offsets.durable_end, LOAD_BYTES)
                .map_err(|error| failed(&error))?;
            let chunks: Vec<Bytes> = match read {
                TailRead::Batches(batches) => batches,
                TailRead::Files => self
                    .log
                    .read_files(at, offsets.durable_end, LOAD_BYTES)
                    .map_err(|error| failed(&error))?,
            };
            let before = at;
            for chunk in &chunks {
                for batch in batches(chunk) {
                    let (header, bytes) = batch.map_err(|error| failed(&error))?;
                    entries.push(decode_entry(bytes).map_err(|error| failed(&error))?);
                    at = header.end_offset();
                }
            }
            if at == before {
                return Err(failed(&format!("nothing at offset {at}")));
            }
        }
        Ok(entries)
    }

    async fn commit(&self, entry: &[MetadataRecord]) -> Result<(), QuorumError> {
        let failed = |error: &dyn std::fmt::Display| QuorumError(error.to_string());
        let now_ms = (self.now_ms)();
        let mut builder = BatchBuilder::new();
        let mut value = Vec::new();
        for record in entry {
            value.clear();
            record.encode(&mut value).map_err(|error| failed(&error))?;
            builder.push(&NewRecord {
                timestamp: now_ms,
                value: Some(&value),
                ..NewRecord::default()
            });
        }
        let batch = builder.build();
        let header = BatchHeader::parse(&batch).map_err(|error| failed(&error))?;
        let appended = self
            .log
            .append(batch, &header, LeaderEpoch::new(0), now_ms, None)
            .map_err(|error| failed(&error))?;
        let mut durable = self.durable.clone();
        let reached = durable
            .wait_for(|durable| match durable {
                Durable::To(end) => *end >= appended.end,
                Durable::Failed(_) => true,
            })
            .await
            .map_err(|error| failed(&error))?;
        match &*reached {
            Durable::To(end) => {
                self.log.set_high_watermark(*end);
                Ok(())
            }
            Durable::Failed(fault) => Err(QuorumError(fault.clone())),
        }
    }
}

fn decode_entry(batch: &[u8]) -> Result<Vec<MetadataRecord>, String> {
    let mut entry = Vec::new();
    for record in records(batch).map_err(|error| error.to_string())? {
        let record = record.map_err(|error| error.to_string())?;
        let value = record.value.unwrap_or_default();
        entry.push(MetadataRecord::decode(value).map_err(|error| error.to_string())?);
    }
    Ok(entry)
}

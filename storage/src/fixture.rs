//! What the tests of this crate share: a data directory on a simulated disk, driven by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::batch::{BatchBuilder, BatchHeader, BatchProducer, NewRecord, batches, records};
use protocol::model::{
    BrokerId, LeaderEpoch, Offset, PartitionIndex, TopicId, TopicIdPartition, Uuid,
};

use crate::data_dir::{
    CompactionSettings, DataDir, DataDirConfig, Identity, OpenError, RecoveryReport,
};
use crate::io::sim::{SimConfig, SimDisk};
use crate::io::{BLOCK, OpenOptions};
use crate::journal::format::{CommitHeader, FIRST_COMMIT, FileHeader};
use crate::journal::{JournalObserver, JournalWriter, WriterConfig, WriterStep};
use crate::log::{
    AppendError, Appended, BypassConfig, Durability, Log, LogConfig, ReadError, TailRead,
};

/// Where the data directory is.
pub const ROOT: &str = "/data";

pub struct NoObserver;

impl JournalObserver for NoObserver {
    fn on_commit(&self, _: u64, _: u64, _: u64) {}
}

/// A machine: its disk, and how its storage is configured.
pub struct Node {
    pub disk: SimDisk,
    pub config: DataDirConfig,
    pub log_config: LogConfig,
}

/// A process on it.
pub struct Running {
    pub dir: Arc<DataDir>,
    pub writer: JournalWriter,
    pub report: RecoveryReport,
    pub log_config: LogConfig,
}

pub fn node() -> Node {
    node_on(SimDisk::new(1, SimConfig::default()))
}

pub fn node_on(disk: SimDisk) -> Node {
    let salts = Arc::new(AtomicU64::new(1));
    Node {
        disk,
        config: DataDirConfig {
            journal_file_bytes: 256 << 10,
            journal_files: 3,
            journal_first_file_bytes: 256 << 10,
            writer: WriterConfig {
                commit_bytes_max: 64 << 10,
                depth: 1,
                overlap_bytes_min: 1,
                seal_after: Duration::from_millis(10),
                clock: Arc::new(|| 0),
                salt: Arc::new(move || {
                    let mut salt = [0xa5; 16];
                    let next = salts.fetch_add(1, Ordering::Relaxed);
                    salt[..8].copy_from_slice(&next.to_le_bytes());
                    salt
                }),
            },
            tail_bytes_max: 1 << 20,
            bypass: BypassConfig::NEVER,
            write_behind_ms: 1000,
            open_files_max: 100,
            unsynced_files_max: 100,
            retention_check_ms: 300_000,
            clock_jump_pause_ms: 86_400_000,
            compaction: CompactionSettings::default(),
            compaction_hash_key: [9; 16],
            producer_expiration_ms: i64::MAX,
            free_bytes_min: None,
        },
        log_config: LogConfig::default(),
    }
}

impl Node {
    pub fn try_start(&self) -> Result<Running, OpenError> {
        let identity = Identity {
            cluster_id: Some("test".into()),
            node_id: BrokerId::new(1),
            new_directory_id: Uuid::from_u128(1),
            new_cluster_id: Uuid::from_u128(2),
        };
        let log_config = self.log_config.clone();
        let (dir, report) = DataDir::open(
            self.disk.io(),
            Path::new(ROOT),
            &identity,
            self.config.clone(),
            &|_| log_config.clone(),
            Arc::new(NoObserver),
            0,
        )?;
        let writer = dir.take_writer().expect("a fresh directory has its writer");
        Ok(Running {
            dir,
            writer,
            report,
            log_config: self.log_config.clone(),
        })
    }

    pub fn start(&self) -> Running {
        self.try_start().expect("the directory opens")
    }

    /// Cuts the power of a running process, and starts again.
    pub fn crash(&self, running: Running) -> Running {
        drop(running);
        self.disk.crash();
        self.start()
    }

    pub fn journal(&self, index: u32) -> PathBuf {
        Path::new(ROOT).join(format!("journal/{index:04}.journal"))
    }

    pub fn read(&self, path: &Path) -> Vec<u8> {
        self.disk.image().remove(path).expect("the file is there")
    }

    /// Overwrites bytes on the medium.
    pub fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) {
        let file = self
            .disk
            .io()
            .open(path, OpenOptions::default())
            .expect("it opens");
        file.write_all_at(&[bytes], offset).expect("it takes bytes");
        file.sync().expect("it syncs");
    }

    pub fn flip(&self, path: &Path, offset: u64) {
        self.disk
            .rot(path, offset, 0x10)
            .expect("there is a byte to flip");
    }

    /// The commits of a journal file's present use: place and header.
    pub fn commits(&self, index: u32) -> Vec<(u64, CommitHeader)> {
        let bytes = self.read(&self.journal(index));
        let Some(header) = FileHeader::decode(&bytes) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for at in (FIRST_COMMIT as usize..bytes.len()).step_by(BLOCK) {
            if let Some((commit, _)) = CommitHeader::decode(&bytes[at..], &header.salt) {
                found.push((at as u64, commit));
            }
        }
        found
    }

    /// The journal file whose generation is the greatest.
    pub fn newest(&self) -> u32 {
        let files = self.disk.image();
        let index = (0..self.config.journal_files).max_by_key(|index| {
            files
                .get(&self.journal(*index))
                .and_then(|bytes| FileHeader::decode(bytes))
                .map_or(0, |header| header.generation)
        });
        index.expect("there is a journal")
    }

    pub fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.disk.image()
    }
}

impl Running {
    pub fn create(&self, topic: &str) -> Arc<Log> {
        self.create_with(topic, Durability::Fsync)
    }

    pub fn create_with(&self, topic: &str, durability: Durability) -> Arc<Log> {
        let id = topic
            .bytes()
            .fold(7_u128, |id, byte| id * 131 + u128::from(byte));
        let partition = TopicIdPartition {
            topic_id: TopicId::new(Uuid::from_u128(id)).expect("an id"),
            partition: PartitionIndex::new(0),
        };
        self.dir
            .create_log(partition, topic, durability, self.log_config.clone())
            .expect("it is created")
    }

    pub fn log(&self, topic: &str) -> Arc<Log> {
        self.dir
            .logs()
            .into_iter()
            .find(|log| log.topic() == topic)
            .expect("the log is there")
    }

    /// Makes everything appended durable, or writes it to the page cache.
    pub fn commit(&mut self) {
        while self.writer.step() == WriterStep::Progress {}
        if self.dir.fault().is_none() {
            self.dir.write_waiting_page_cache(0).expect("space");
        }
    }

    pub fn seal(&mut self) {
        self.commit();
        self.writer.seal();
        self.commit();
        assert!(self.writer.is_sealed());
    }

    pub fn stop(mut self) {
        self.dir.checkpoint(None).expect("a checkpoint");
        let end = self.writer.finish().expect("the journal is closed");
        self.dir.checkpoint(Some(end)).expect("a last checkpoint");
    }
}

/// A batch with these values, at that time.
pub fn batch_at(timestamp: i64, values: &[&[u8]]) -> bytes::BytesMut {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(&NewRecord {
            timestamp,
            value: Some(value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

pub fn append(log: &Arc<Log>, value: &[u8]) -> Appended {
    append_at(log, 1000, 0, &[value]).expect("it is appended")
}

pub fn append_at(
    log: &Arc<Log>,
    timestamp: i64,
    epoch: i32,
    values: &[&[u8]],
) -> Result<Appended, AppendError> {
    let batch = batch_at(timestamp, values);
    let header = BatchHeader::parse(&batch).expect("a batch");
    log.append(batch, &header, LeaderEpoch::new(epoch), timestamp, None)
}

pub fn append_as(
    log: &Arc<Log>,
    producer: BatchProducer,
    records: usize,
) -> Result<Appended, AppendError> {
    let mut builder = BatchBuilder::new().producer(producer);
    for _ in 0..records {
        builder.push(&NewRecord {
            value: Some(b"v"),
            ..NewRecord::default()
        });
    }
    let batch = builder.build();
    let header = BatchHeader::parse(&batch).expect("a batch");
    log.append(batch, &header, LeaderEpoch::new(0), 1000, None)
}

/// Everything a log serves, by offset, until its end or the first error.
pub fn read_all(log: &Log) -> (Vec<(i64, Vec<u8>)>, Option<ReadError>) {
    read_from(log, log.offsets().start)
}

pub fn read_from(log: &Log, from: Offset) -> (Vec<(i64, Vec<u8>)>, Option<ReadError>) {
    let end = log.offsets().durable_end;
    let (mut at, mut values) = (from, Vec::new());
    while at < end {
        let read = match log.read_tail(at, end, 1000) {
            Ok(TailRead::Batches(batches)) => Ok(batches),
            Ok(TailRead::Files) => log.read_files(at, end, 1000),
            Err(error) => Err(error),
        };
        let chunks = match read {
            Ok(chunks) => chunks,
            Err(error) => return (values, Some(error)),
        };
        assert!(
            !chunks.is_empty(),
            "{log:?}: nothing at {at}, the log ends at {end}"
        );
        for batch in chunks.iter().flat_map(|chunk| batches(chunk)) {
            let (header, bytes) = batch.expect("whole batches are served");
            for record in records(bytes).expect("records") {
                let record = record.expect("a record");
                if record.offset >= at {
                    values.push((
                        record.offset.get(),
                        record.value.unwrap_or_default().to_vec(),
                    ));
                }
            }
            at = header.end_offset();
        }
    }
    (values, None)
}

/// The values a log serves, all of it readable.
pub fn values(log: &Log) -> Vec<String> {
    let (values, error) = read_all(log);
    assert!(error.is_none(), "{error:?}");
    values
        .into_iter()
        .map(|(_, value)| String::from_utf8(value).expect("text"))
        .collect()
}

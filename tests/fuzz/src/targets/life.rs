//! Data directories with a past: topics made, appended to, truncated and deleted, journal files and
//! segments filled, stops and crashes. Everything that was done is durable at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use protocol::batch::{
    BatchBuilder, BatchHeader, BatchProducer, NewRecord, set_base_offset,
    set_partition_leader_epoch,
};
use protocol::model::{
    BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TopicId,
    TopicIdPartition,
};
use storage::data_dir::{
    CompactionSettings, DataDir, DataDirConfig, Identity, OpenError, RecoveryReport,
};
use storage::io::sim::{SimConfig, SimDisk};
use storage::journal::{JournalFiles, JournalObserver, JournalWriter, WriterConfig, WriterStep};
use storage::log::{BypassConfig, Durability, LogConfig};
use uuid::Uuid;

use super::disk::Image;
use super::served::{Nobody, Served, Written};
use crate::Random;

pub(super) const ROOT: &str = "/data";
pub(super) const NOW_MS: i64 = 1_750_000_000_000;
/// How many different ones there are.
pub(super) const PASTS: usize = 48;
const TOPICS_MAX: usize = 3;

/// What a directory holds, and what it should.
pub(super) struct Past {
    pub(super) image: Image,
    pub(super) topics: BTreeMap<TopicIdPartition, Topic>,
}

#[derive(Default)]
pub(super) struct Topic {
    name: String,
    pub(super) is_live: bool,
    /// What was ever written.
    pub(super) written: Written,
    /// What is there.
    pub(super) now: Served,
    pub(super) start: i64,
    pub(super) end: i64,
}

/// One of them, made when it is first asked for.
pub(super) fn past(number: u8) -> &'static Past {
    static MADE: [OnceLock<Past>; PASTS] = [const { OnceLock::new() }; PASTS];
    let number = usize::from(number) % PASTS;
    MADE[number].get_or_init(|| Life::new(number as u64).run())
}

pub(super) fn journal_file(index: usize) -> PathBuf {
    JournalFiles::path(&Path::new(ROOT).join("journal"), index as u32)
}

struct NoObserver;

impl JournalObserver for NoObserver {
    fn on_commit(&self, _: u64, _: u64, _: u64) {}
}

pub(super) fn open(disk: &SimDisk) -> Result<(Arc<DataDir>, RecoveryReport), OpenError> {
    let identity = Identity {
        cluster_id: Some("fuzz".into()),
        node_id: BrokerId::new(1),
        new_directory_id: Uuid::from_u128(1),
        new_cluster_id: Uuid::from_u128(2),
    };
    let salts = AtomicU64::new(disk.mutations() << 8);
    let config = DataDirConfig {
        journal_file_bytes: 80 << 10,
        journal_files: 3,
        journal_first_file_bytes: 40 << 10,
        writer: WriterConfig {
            commit_bytes_max: 8 << 10,
            depth: 2,
            overlap_bytes_min: 1,
            seal_after: Duration::from_millis(10),
            clock: Arc::new(|| 0),
            salt: Arc::new(move || {
                let salt = 0x5a5a << 64 | u128::from(salts.fetch_add(1, Ordering::Relaxed));
                salt.to_le_bytes()
            }),
        },
        tail_bytes_max: 64 << 10,
        bypass: BypassConfig {
            batch_bytes_min: Some(600),
            backlog_bytes_min: 1_500,
            sync_bytes_min: 0,
        },
        write_behind_ms: 1_000,
        open_files_max: 10,
        unsynced_files_max: 10,
        retention_check_ms: i64::MAX,
        clock_jump_pause_ms: 0,
        compaction: CompactionSettings::default(),
        compaction_hash_key: [0; 16],
        producer_expiration_ms: i64::MAX,
        free_bytes_min: None,
    };
    DataDir::open(
        disk.io(),
        Path::new(ROOT),
        &identity,
        config,
        &|_| log_config(),
        Arc::new(NoObserver),
        NOW_MS,
    )
}

fn log_config() -> LogConfig {
    LogConfig {
        segment_bytes: 3000,
        index_interval_bytes: 500,
        ..LogConfig::default()
    }
}

struct Life {
    random: Random,
    disk: SimDisk,
    topics: BTreeMap<TopicIdPartition, Topic>,
    now_ms: i64,
    epoch: i32,
    producers: i64,
}

impl Life {
    fn new(seed: u64) -> Life {
        Life {
            random: Random::new(seed),
            disk: SimDisk::new(seed, SimConfig::default()),
            topics: BTreeMap::new(),
            now_ms: NOW_MS,
            epoch: 0,
            producers: 0,
        }
    }

    fn run(mut self) -> Past {
        for _ in 0..=self.random.below(3) {
            let (dir, _) = open(&self.disk).expect("a sound disk");
            let mut writer = dir.take_writer().expect("a fresh directory has its writer");
            self.epoch += 1;
            for _ in 0..10 + self.random.below(40) {
                self.step(&dir, &mut writer);
            }
            rest(&dir, &mut writer);
            match self.random.below(3) {
                0 => {
                    dir.checkpoint(None).expect("a sound disk");
                    let end = writer.finish().expect("a sound disk");
                    dir.checkpoint(Some(end)).expect("a sound disk");
                }
                1 => writer.seal(),
                _ => {}
            }
            rest(&dir, &mut writer);
            let is_cached = |durability| durability == Durability::Os;
            if dir.logs().iter().any(|log| is_cached(log.durability())) {
                // What is in the page cache alone may be gone after the crash.
                dir.checkpoint(None).expect("a sound disk");
            }
            drop((dir, writer));
            self.disk.crash();
        }
        Past {
            image: self.disk.image(),
            topics: self.topics,
        }
    }

    fn step(&mut self, dir: &Arc<DataDir>, writer: &mut JournalWriter) {
        self.now_ms += 100;
        match self.random.below(100) {
            0..60 => self.append(dir),
            60..75 => rest(dir, writer),
            75..80 => drop(
                dir.write_behind(self.now_ms + 10_000)
                    .expect("a sound disk"),
            ),
            80..84 => drop(dir.checkpoint(None).expect("a sound disk")),
            84..87 => drop(dir.grow_journal().expect("a sound disk")),
            87..93 => self.create(dir),
            93..95 => self.truncate(dir),
            95 => self.advance_start(dir),
            96..98 => self.drop_one(dir),
            _ => drop(dir.remove_dropped().expect("a sound disk")),
        }
    }

    fn any_live(&mut self) -> Option<TopicIdPartition> {
        let live: Vec<_> = self
            .topics
            .iter()
            .filter(|(_, topic)| topic.is_live)
            .collect();
        let count = live.len();
        (count > 0).then(|| *live[self.random.below(count)].0)
    }

    fn create(&mut self, dir: &Arc<DataDir>) {
        let live = self.topics.values().filter(|topic| topic.is_live);
        let names: Vec<&str> = live.map(|topic| topic.name.as_str()).collect();
        let all = ["orders", "logs", "events"];
        let Some(name) = all.into_iter().find(|name| !names.contains(name)) else {
            return;
        };
        if names.len() == TOPICS_MAX {
            return;
        }
        let id = Uuid::from_u128(100 + self.topics.len() as u128);
        let partition = TopicIdPartition {
            topic_id: TopicId::new(id).expect("an id"),
            partition: PartitionIndex::new(0),
        };
        let durability = match self.random.below(3) {
            0 => Durability::Os,
            _ => Durability::Fsync,
        };
        dir.create_log(partition, name, durability, log_config())
            .expect("a sound disk");
        let topic = Topic {
            name: name.to_owned(),
            is_live: true,
            ..Topic::default()
        };
        self.topics.insert(partition, topic);
    }

    fn append(&mut self, dir: &Arc<DataDir>) {
        let Some(partition) = self.any_live() else {
            self.create(dir);
            return;
        };
        let log = dir.log(partition).expect("it is live");
        let mut builder = BatchBuilder::new();
        if self.random.below(3) == 0 {
            self.producers += 1;
            builder = builder.producer(BatchProducer {
                id: ProducerId::new(self.producers),
                epoch: ProducerEpoch::new(0),
                base_sequence: Some(Sequence::new(0)),
            });
        }
        let bytes_max = [100, 100, 400, 3000][self.random.below(4)];
        for _ in 0..=self.random.below(3) {
            let length = self.random.below(bytes_max);
            let value = self.random.bytes(length);
            builder.push(&NewRecord {
                timestamp: self.now_ms - self.random.below(200) as i64,
                value: Some(&value),
                ..NewRecord::default()
            });
        }
        let mut batch = builder.build();
        let header = BatchHeader::parse(&batch).expect("a batch");
        let epoch = LeaderEpoch::new(self.epoch);
        let done = log.append(batch.clone(), &header, epoch, self.now_ms, None);
        let done = done.expect("a sound disk");
        set_base_offset(&mut batch, done.base);
        set_partition_leader_epoch(&mut batch, epoch);
        let topic = self.topics.get_mut(&partition).expect("it is live");
        topic.written.add(&batch);
        topic.now.insert(done.base.get(), batch.to_vec());
        topic.end = done.end.get();
    }

    fn truncate(&mut self, dir: &Arc<DataDir>) {
        let Some(partition) = self.any_live() else {
            return;
        };
        let topic = self.topics.get_mut(&partition).expect("it is live");
        let log = dir.log(partition).expect("it is live");
        let to = self.random.below(topic.end as usize + 1);
        let end = log.truncate(Offset::new(to as i64)).expect("a sound disk");
        topic.now.retain(|base, _| *base < end.get());
        topic.end = end.get();
    }

    fn advance_start(&mut self, dir: &Arc<DataDir>) {
        let Some(partition) = self.any_live() else {
            return;
        };
        let topic = self.topics.get_mut(&partition).expect("it is live");
        let log = dir.log(partition).expect("it is live");
        let to = self.random.below(topic.end as usize + 1);
        let to = Offset::new(to as i64).min(log.offsets().durable_end);
        log.advance_start(to, Arc::new(Nobody))
            .expect("a sound disk");
        topic.start = log.offsets().start.get();
        topic.now.retain(|base, _| *base >= topic.start);
    }

    fn drop_one(&mut self, dir: &Arc<DataDir>) {
        if let Some(partition) = self.any_live() {
            dir.drop_log(partition).expect("a sound disk");
            let topic = self.topics.get_mut(&partition).expect("it is live");
            topic.is_live = false;
        }
    }
}

/// Makes everything that is queued durable.
fn rest(dir: &DataDir, writer: &mut JournalWriter) {
    loop {
        match writer.step() {
            WriterStep::Progress => {}
            WriterStep::Idle => {
                dir.write_waiting_page_cache(NOW_MS).expect("a sound disk");
                if dir.logs().iter().any(|log| log.bypasses_now()) {
                    dir.store_all_bypassing().expect("a sound disk");
                    continue;
                }
                return;
            }
            WriterStep::Stalled => {
                dir.checkpoint(None).expect("a sound disk");
                dir.grow_journal().expect("a sound disk");
            }
            WriterStep::Failed => panic!("a sound disk"),
        }
    }
}

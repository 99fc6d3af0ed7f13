//! A valid log: what it holds, and its files.

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use protocol::batch::{BatchBuilder, BatchHeader, BatchProducer, NewRecord};
use protocol::model::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TopicId,
    TopicIdPartition,
};
use storage::data_dir::Checkpoint;
use storage::journal::{BadBytes, JournalPosition, LogId};
use storage::log::segment::{IndexBuilder, file_name};
use storage::log::{
    ActiveSegment, CheckpointedLog, DamagedRange, Durability, LeaderEpochs, LogConfig, Producers,
    Retention,
};
use uuid::Uuid;

use crate::Random;
use crate::input::Input;
use crate::targets::disk::Image;
use crate::targets::served::Written;

pub(super) const DIR: &str = "/data/orders-0";
/// The position before which everything is in the files.
pub(super) const POSITION: JournalPosition = JournalPosition(100);
pub(super) const TIME: i64 = 1_750_000_000_000;

/// A valid log.
pub(super) struct Plan {
    pub(super) image: Image,
    pub(super) checkpoint: Checkpoint,
    pub(super) written: Written,
}

struct SegmentFiles {
    base: Offset,
    log: Vec<u8>,
    index: IndexBuilder,
}

impl Plan {
    pub(super) fn read(input: &mut Input<'_>) -> Plan {
        let starts = [0, 5, 1 << 33, i64::MAX - (1 << 40)];
        let start = Offset::new(starts[input.below(starts.len())]);
        let mut written = Written::default();
        let mut image = Image::new();
        let mut segments: Vec<SegmentFiles> = Vec::new();
        let mut epochs: Vec<(LeaderEpoch, Offset)> = Vec::new();
        let mut damaged = Vec::new();
        let mut producers = Producers::default();
        let (mut end, mut timestamp) = (start, TIME);
        for at in 0..input.below(16) {
            let kind = input.u8();
            if kind % 16 == 7 {
                damaged.push(known_damage(end, end.plus(3)));
                end = end.plus(3);
            }
            if segments.is_empty() || kind % 8 == 3 {
                if !segments.is_empty() {
                    put(&mut image, end, "snapshot", producers.to_snapshot());
                }
                segments.push(SegmentFiles {
                    base: end,
                    log: Vec::new(),
                    index: IndexBuilder::new(end, 0),
                });
            }
            let epoch =
                epochs.last().map_or(0, |(epoch, _)| epoch.get()) + i32::from(kind & 64 != 0);
            if epochs.last().is_none_or(|(last, _)| last.get() < epoch) {
                epochs.push((LeaderEpoch::new(epoch), end));
            }
            timestamp += i64::from(input.u8()) - 20;
            let batch = planned_batch(input, at as i32, end, epoch, timestamp);
            let header = BatchHeader::parse(&batch).expect("a batch");
            let segment = segments.last_mut().expect("one was just made");
            segment
                .index
                .on_batch(segment.log.len() as u64, &header, INDEX_INTERVAL);
            segment.log.extend_from_slice(&batch);
            producers.on_append(&header, header.max_timestamp);
            written.add(&batch);
            end = header.end_offset();
        }
        let active = write_segments(&mut image, segments);
        let closed = |(path, bytes): (&PathBuf, &Vec<u8>)| {
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            if is_log { bytes.len() as u64 } else { 0 }
        };
        let all: u64 = image.iter().map(closed).sum();
        let line = CheckpointedLog {
            id: LogId(1),
            durability: Durability::Fsync,
            partition: TopicIdPartition {
                topic_id: TopicId::new(Uuid::from_u128(1)).expect("an id"),
                partition: PartitionIndex::new(0),
            },
            topic: "orders".to_owned(),
            position: POSITION,
            start,
            written_end: end,
            high_watermark: end,
            active,
            closed_bytes: all - active.map_or(0, |active| active.bytes),
            damaged,
            leader_epochs: LeaderEpochs::from_entries(epochs),
            producers,
        };
        let checkpoint = Checkpoint {
            generation: 1,
            clean_end: None,
            journal_files: 1,
            written_ms: None,
            next_log_id: LogId(2),
            logs: vec![line],
        };
        Plan {
            image,
            checkpoint,
            written,
        }
    }
}

/// As small as the batches, so that there are entries.
const INDEX_INTERVAL: u64 = 100;

pub(super) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 600,
        index_interval_bytes: INDEX_INTERVAL,
        retention: Some(Retention {
            ms: None,
            bytes: Some(1500),
        }),
        ..LogConfig::default()
    }
}

fn known_damage(from: Offset, to: Offset) -> DamagedRange {
    let bad = BadBytes {
        path: "/data/journal/0000.journal".into(),
        offset: 0,
        what: "known damage",
    };
    DamagedRange { from, to, bad }
}

fn planned_batch(
    input: &mut Input<'_>,
    number: i32,
    base: Offset,
    epoch: i32,
    timestamp: i64,
) -> BytesMut {
    let mut builder = BatchBuilder::new()
        .base_offset(base)
        .leader_epoch(LeaderEpoch::new(epoch));
    let kind = input.u8();
    if kind & 1 != 0 {
        builder = builder.producer(BatchProducer {
            id: ProducerId::new(i64::from(kind & 2)),
            epoch: ProducerEpoch::new(0),
            base_sequence: Some(Sequence::new(number * 10)),
        });
    }
    for at in 0..=kind / 64 {
        let value = Random::new(kind.into()).bytes(usize::from(kind));
        builder.push(&NewRecord {
            timestamp: timestamp + i64::from(at),
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

fn put(image: &mut Image, base: Offset, extension: &str, bytes: Vec<u8>) {
    image.insert(Path::new(DIR).join(file_name(base, extension)), bytes);
}

fn write_segments(image: &mut Image, segments: Vec<SegmentFiles>) -> Option<ActiveSegment> {
    let mut active = None;
    let count = segments.len();
    for (at, mut segment) in segments.into_iter().enumerate() {
        if at + 1 < count {
            segment.index.close();
        }
        active = Some(ActiveSegment {
            base: segment.base,
            bytes: segment.log.len() as u64,
            index_bytes: segment.index.offsets.len() as u64,
            time_index_bytes: segment.index.times.len() as u64,
        });
        put(image, segment.base, "log", segment.log);
        put(image, segment.base, "index", segment.index.offsets);
        put(image, segment.base, "timeindex", segment.index.times);
    }
    active
}

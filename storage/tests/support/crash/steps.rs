//! What a life does: each step at random, and what is expected after it.

use std::sync::Arc;

use protocol::batch::{BatchBuilder, BatchHeader, BatchProducer, NewRecord};
use protocol::model::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TopicId,
    TopicIdPartition, Uuid,
};
use rand::Rng;
use storage::data_dir::DataDir;
use storage::journal::NobodyWaits;
use storage::log::{Appended, CompactError, Durability, Log, Pass, RetentionTime};

use super::super::model::{Batch, Expected, key_of};
use super::Life;

impl Life {
    pub(super) fn append(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let records = self.random.random_range(1..5);
        let padding = match self.random.random_range(0..50) {
            0 => 30_000,
            1..5 => 6_000,
            _ => self.random.random_range(0..400),
        };
        let is_idempotent = self.random.random_bool(0.5);
        let producer_id = self.random.random_range(0..2);
        let Some((_, expected)) = self.expected.get_mut(&partition) else {
            return Ok(());
        };
        let base = expected.end();
        let values: Vec<Vec<u8>> = (0..records)
            .map(|record| {
                // Made once: a record written again at an offset that was taken back is another.
                format!(
                    "k{}-{}-{}-{}-{}",
                    (self.now_ms / 100 + record as i64 * 3) % 7,
                    log.id(),
                    base + record,
                    self.now_ms,
                    "x".repeat(padding)
                )
            })
            .map(String::into_bytes)
            .collect();
        let producer = (is_idempotent && !expected.has_lost).then(|| {
            let id = ProducerId::new(producer_id);
            let last = expected.now.batches.iter().rev().find_map(|batch| {
                let producer = batch.producer.filter(|producer| producer.id == id)?;
                Some(producer.base_sequence?.plus(batch.values.len() as i32))
            });
            BatchProducer {
                id,
                epoch: ProducerEpoch::new(0),
                base_sequence: Some(last.unwrap_or(Sequence::new(0))),
            }
        });
        // Now and then another leader.
        let epoch = expected.now.batches.last().map_or(0, |last| last.epoch);
        let batch = Batch {
            base,
            values,
            epoch: epoch + i32::from(self.now_ms % 700 == 0),
            producer,
        };
        let appended = send(&log, &batch, batch.epoch, self.now_ms)?;
        assert_eq!(appended.base.get(), base as i64);
        assert!(appended.duplicate.is_none(), "it was never sent before");
        expected.append(batch);
        Ok(())
    }

    /// Sends a batch again that the log has.
    pub(super) fn retry(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get(&partition) else {
            return Ok(());
        };
        if expected.has_lost {
            return Ok(());
        }
        let written = expected
            .now
            .batches
            .iter()
            .rev()
            .find(|batch| batch.producer.is_some());
        let Some(batch) = written else { return Ok(()) };
        let epoch = expected.now.batches.last().map_or(0, |last| last.epoch);
        let appended = send(&log, batch, epoch, self.now_ms)?;
        assert!(
            appended.duplicate.is_some(),
            "{log:?}: a retry was written again: {appended:?}"
        );
        assert_eq!(appended.base.get(), batch.base as i64);
        self.outcome.duplicates += 1;
        Ok(())
    }

    pub(super) fn store_bypassing(&mut self, data_dir: &DataDir) -> std::io::Result<()> {
        let is_waiting = |log: &Arc<Log>| log.bypasses_now();
        self.outcome.bypassed +=
            data_dir.logs().iter().filter(|log| is_waiting(log)).count() as u64;
        data_dir.store_all_bypassing()
    }

    pub(super) fn truncate(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get_mut(&partition) else {
            return Ok(());
        };
        if expected.is_unjournaled {
            return Ok(());
        }
        let end = expected.end();
        // Mostly a little, sometimes deep into the segments.
        let back = if self.random.random_bool(0.7) {
            end.min(6)
        } else {
            end
        };
        let to = end - self.random.random_range(0..=back);
        // What is compacted is committed.
        let to = to.max(expected.compacted_end);
        let reached = log
            .truncate(Offset::new(to as i64))
            .map_err(std::io::Error::other)?;
        let reached = usize::try_from(reached.get()).unwrap_or(0);
        assert!(reached <= to.max(expected.start()) || to >= end);
        if reached < end {
            expected.truncate(reached);
            assert_eq!(expected.end(), reached, "a batch is cut as a whole");
            self.outcome.truncations += 1;
        }
        Ok(())
    }

    pub(super) fn advance_start(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get_mut(&partition) else {
            return Ok(());
        };
        let durable_end = log.offsets().durable_end.get() as usize;
        let start = self
            .random
            .random_range(expected.start()..=durable_end.max(expected.start()));
        let moved = log
            .advance_start(Offset::new(start as i64), Arc::new(NobodyWaits))
            .map_err(std::io::Error::other)?;
        if moved.is_some() {
            expected.starts_at(start);
            self.outcome.starts += 1;
        }
        Ok(())
    }

    pub(super) fn retain(&mut self, data_dir: &DataDir) {
        let logs = self
            .expected
            .values_mut()
            .filter_map(|(_, expected)| Some((expected.log.clone()?, expected)));
        let mut before = Vec::new();
        for (log, expected) in logs {
            log.set_high_watermark(log.offsets().durable_end);
            before.push((log.size_bytes(), log, expected));
        }
        let retained = data_dir.retain(RetentionTime {
            wall_ms: self.random.random_bool(0.5).then_some(self.now_ms),
            monotonic_ms: self.now_ms,
        });
        self.outcome.deleted += retained.segments;
        for (bytes, log, expected) in before {
            let start = log.offsets().start.get() as usize;
            if start == expected.start() {
                continue;
            }
            expected.starts_at(start);
            let retention = self.log_config.retention.unwrap_or_default();
            let kept = retention.bytes.is_some_and(|kept| log.size_bytes() >= kept);
            assert!(
                kept || retention.ms.is_some(),
                "{log:?}: {} bytes of {bytes} are left",
                log.size_bytes()
            );
        }
    }

    /// A pass over a log, or a part of one.
    pub(super) fn compact(&mut self) -> std::io::Result<()> {
        let Some((log, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get_mut(&partition) else {
            return Ok(());
        };
        if !expected.is_compacted {
            return Ok(());
        }
        log.set_high_watermark(log.offsets().durable_end);
        let pass = Pass {
            now_ms: Some(self.now_ms),
            // Sometimes so little that it takes more passes.
            map_bytes_max: if self.random.random_bool(0.2) {
                24 * 8
            } else {
                1 << 16
            },
            hash_key: [4; 16],
        };
        // Should it not come to its end, it may have got as far.
        expected.compacted_end = log.offsets().durable_end.get() as usize;
        let mut steps = self.random.random_range(1..200);
        let done = log.compact(&pass, &mut |_| {
            steps -= 1;
            steps > 0
        });
        match done {
            Ok(done) => {
                let done = done.unwrap_or_default();
                self.outcome.compacted += done.records_removed;
                self.outcome.merged += done.segments_replaced - done.segments_written;
                Ok(())
            }
            Err(CompactError::Stopped) => Ok(()),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }

    pub(super) fn read(&mut self) -> Result<(), String> {
        let Some((_, partition)) = self.pick() else {
            return Ok(());
        };
        let Some((_, expected)) = self.expected.get(&partition) else {
            return Ok(());
        };
        match expected.check_live() {
            Ok(count) => {
                self.outcome.read += count as u64;
                Ok(())
            }
            Err(_) if self.disk.is_down() => Ok(()),
            // Reading does not need a disk that can be written.
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn create(&mut self, data_dir: &DataDir) -> std::io::Result<()> {
        if self.expected.len() >= self.logs_max {
            return Ok(());
        }
        self.topics_made += 1;
        let topic_id = TopicId::new(Uuid::from_u128(self.topics_made));
        let Some(topic_id) = topic_id else {
            return Ok(());
        };
        // Few names, so that a topic is often made again under the name of a deleted one.
        let name = format!("topic{}", self.random.random_range(0..self.logs_max - 1));
        if self.expected.values().any(|(taken, _)| *taken == name) {
            return Ok(());
        }
        let partition = TopicIdPartition {
            topic_id,
            partition: PartitionIndex::new(0),
        };
        let durability = if self.random.random_bool(0.2) {
            Durability::Os
        } else {
            Durability::Fsync
        };
        let log = data_dir
            .create_log(partition, &name, durability, self.log_config.clone())
            .map_err(std::io::Error::other)?;
        let expected = Expected::of(log);
        self.expected.insert(partition, (name, expected));
        Ok(())
    }

    pub(super) fn drop_one(&mut self, data_dir: &DataDir) -> std::io::Result<()> {
        let Some((_, partition)) = self.pick() else {
            return Ok(());
        };
        let Some(removed) = self.expected.remove(&partition) else {
            return Ok(());
        };
        self.dropped.insert(partition, removed);
        data_dir.drop_log(partition).map_err(std::io::Error::other)
    }
}

fn send(log: &Arc<Log>, batch: &Batch, epoch: i32, now_ms: i64) -> std::io::Result<Appended> {
    let mut builder = BatchBuilder::new();
    if let Some(producer) = batch.producer {
        builder = builder.producer(producer);
    }
    for value in &batch.values {
        builder.push(&NewRecord {
            timestamp: now_ms,
            key: Some(key_of(value)),
            value: Some(value),
            ..NewRecord::default()
        });
    }
    let bytes = builder.build();
    let header = BatchHeader::parse(&bytes).map_err(std::io::Error::other)?;
    log.append(bytes, &header, LeaderEpoch::new(epoch), now_ms, None)
        .map_err(std::io::Error::other)
}

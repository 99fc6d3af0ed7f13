//! The checkpoint: what the partition files hold, synced, and from where the journal is needed.
//!
//! One file, replaced whole. Little-endian; strings and lists have their length before them.
//!
//! | bytes | what |
//! |---:|---|
//! | 8 | magic `HFCHKPT2` (the last digit is the version) |
//! | 4 | CRC-32C of everything after this field |
//! | 8 | generation of the journal file from which a recovery reads; 0: none was opened yet |
//! | 1+8+8 | clean stop: 1, generation and sequence of the last commit; else 0, 0, 0 |
//! | 4 | journal files there were: a recovery misses one that is gone |
//! | 8 | the wall clock then, in milliseconds since the epoch |
//! | 8 | the id the next log gets |
//! | 4 | logs |
//! | | each log: id 8, durability 1 (0 fsync, 1 os), topic id 16, partition 4, topic 2+n, position 8, start 8, written end 8, high watermark 8, |
//! | | active segment 1+8+8+8+8 (present, base, bytes of log, index and time index), |
//! | | bytes of the other segments with records from the start on 8, |
//! | | damaged ranges 4 x (from 8, to 8, offset in file 8, path 2+n), |
//! | | leader epochs 4 x (epoch 4, start 8), |
//! | | producers 4 x (id 8, epoch 2, last used 8, batches 1 x (first sequence 4, last 4, first offset 8, last 8, timestamp 8)) |
//!
//! Evolution: a new layout gets a new magic; the reader keeps the old one for a release. Version 1 had neither the clock nor the durability.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use protocol::model::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TopicId,
    TopicIdPartition,
};
use uuid::Uuid;

use crate::journal::format::NUMBER_END;
use crate::journal::{BadBytes, JournalEnd, JournalPosition, LogId};
use crate::log::{
    ActiveSegment, BATCHES_MAX, CheckpointedLog, DamagedRange, Durability, LeaderEpochs,
    OFFSET_END, ProducerBatch, ProducerState, Producers,
};

const MAGIC: &[u8; 8] = b"HFCHKPT2";
const MAGIC_1: &[u8; 8] = b"HFCHKPT1";
const BODY: usize = 12;

/// A checkpoint's contents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Generation of the first journal file a recovery needs.
    pub generation: u64,
    /// The journal's end, when this was written by a clean stop.
    pub clean_end: Option<JournalEnd>,
    /// Journal files there were.
    pub journal_files: u32,
    /// What the wall clock said, in milliseconds since the epoch; `None` where it was not noted.
    pub written_ms: Option<i64>,
    /// The id the next log gets.
    pub next_log_id: LogId,
    /// Every log.
    pub logs: Vec<CheckpointedLog>,
}

impl Checkpoint {
    /// The file's path.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("checkpoint")
    }

    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.logs.len() * 128);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0; 4]);
        put_u64(&mut out, self.generation);
        let clean = self.clean_end;
        out.push(u8::from(clean.is_some()));
        put_u64(&mut out, clean.map_or(0, |end| end.generation));
        put_u64(&mut out, clean.map_or(0, |end| end.sequence));
        out.extend_from_slice(&self.journal_files.to_le_bytes());
        put_u64(&mut out, self.written_ms.unwrap_or(-1).cast_unsigned());
        put_u64(&mut out, self.next_log_id.0);
        put_len(&mut out, self.logs.len());
        for log in &self.logs {
            encode_log(&mut out, log);
        }
        let crc = crc32c::crc32c(&out[BODY..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the file's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Checkpoint, &'static str> {
        if bytes.len() < BODY {
            return Err("it is too short");
        }
        let has_clock = match bytes.first_chunk() {
            Some(MAGIC) => true,
            Some(MAGIC_1) => false,
            _ => return Err("it is of an unknown format"),
        };
        if crc32c::crc32c(&bytes[BODY..]).to_le_bytes() != bytes[8..12] {
            return Err("its checksum is wrong");
        }
        let mut input = Input(&bytes[BODY..]);
        let checkpoint = input
            .checkpoint(has_clock)
            .filter(|checkpoint| are_different(&checkpoint.logs))
            .ok_or("its contents make no sense")?;
        if input.0.is_empty() {
            Ok(checkpoint)
        } else {
            Err("bytes follow its end")
        }
    }
}

/// Whether no two logs have the same id, partition or directory.
fn are_different(logs: &[CheckpointedLog]) -> bool {
    let (mut ids, mut partitions, mut names) = (HashSet::new(), HashSet::new(), HashSet::new());
    logs.iter().all(|log| {
        ids.insert(log.id)
            && partitions.insert(log.partition)
            && names.insert((&log.topic, log.partition.partition))
    })
}

fn encode_log(out: &mut Vec<u8>, log: &CheckpointedLog) {
    put_u64(out, log.id.0);
    out.push(u8::from(log.durability == Durability::Os));
    out.extend_from_slice(log.partition.topic_id.get().as_bytes());
    out.extend_from_slice(&log.partition.partition.get().to_le_bytes());
    put_text(out, &log.topic);
    put_u64(out, log.position.0);
    put_offset(out, log.start);
    put_offset(out, log.written_end);
    put_offset(out, log.high_watermark);
    out.push(u8::from(log.active.is_some()));
    put_offset(out, log.active.map_or(Offset::ZERO, |active| active.base));
    put_u64(out, log.active.map_or(0, |active| active.bytes));
    put_u64(out, log.active.map_or(0, |active| active.index_bytes));
    put_u64(out, log.active.map_or(0, |active| active.time_index_bytes));
    put_u64(out, log.closed_bytes);
    put_len(out, log.damaged.len());
    for range in &log.damaged {
        put_offset(out, range.from);
        put_offset(out, range.to);
        put_u64(out, range.bad.offset);
        put_text(out, &range.bad.path.to_string_lossy());
    }
    put_len(out, log.leader_epochs.entries().len());
    for (epoch, start) in log.leader_epochs.entries() {
        out.extend_from_slice(&epoch.get().to_le_bytes());
        put_offset(out, *start);
    }
    put_len(out, log.producers.iter().len());
    for (id, state) in log.producers.iter() {
        encode_producer(out, id, state);
    }
}

fn encode_producer(out: &mut Vec<u8>, id: ProducerId, state: &ProducerState) {
    put_u64(out, id.get().cast_unsigned());
    out.extend_from_slice(&state.epoch.get().to_le_bytes());
    put_u64(out, state.last_used_ms.cast_unsigned());
    out.push(u8::try_from(state.batches.len()).unwrap_or(u8::MAX));
    for batch in &state.batches {
        out.extend_from_slice(&batch.base_sequence.get().to_le_bytes());
        out.extend_from_slice(&batch.last_sequence.get().to_le_bytes());
        put_offset(out, batch.base_offset);
        put_offset(out, batch.last_offset);
        put_u64(out, batch.timestamp.cast_unsigned());
    }
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_offset(out: &mut Vec<u8>, offset: Offset) {
    put_u64(out, offset.get().cast_unsigned());
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Topic names end at 249 bytes; a path is cut where it would not fit.
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }

    /// An id, a position or a count of bytes, of which there is always a next one.
    fn number(&mut self) -> Option<u64> {
        let number = self.array().map(u64::from_le_bytes)?;
        (number < NUMBER_END).then_some(number)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    fn offset(&mut self) -> Option<Offset> {
        Offset::from_wire(self.i64()?).filter(|offset| offset.get() < OFFSET_END)
    }

    fn flag(&mut self) -> Option<bool> {
        self.array::<1>().map(|[byte]| byte != 0)
    }

    fn text(&mut self) -> Option<String> {
        let len = usize::from(u16::from_le_bytes(self.array()?));
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(String::from_utf8_lossy(front).into_owned())
    }

    /// A list; its length is believed only as far as bytes are left.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = u32::from_le_bytes(self.array()?);
        (0..len).map(|_| item(self)).collect()
    }

    fn checkpoint(&mut self, has_clock: bool) -> Option<Checkpoint> {
        let generation = self.number()?;
        let is_clean = self.flag()?;
        let end = JournalEnd {
            generation: self.number()?,
            sequence: self.number()?,
        };
        Some(Checkpoint {
            generation,
            clean_end: is_clean.then_some(end),
            journal_files: u32::from_le_bytes(self.array()?),
            written_ms: match has_clock {
                true => Some(self.i64()?).filter(|written| *written >= 0),
                false => None,
            },
            next_log_id: LogId(self.number()?),
            logs: self.list(|input| input.log(!has_clock))?,
        })
    }

    fn log(&mut self, is_version_1: bool) -> Option<CheckpointedLog> {
        let id = LogId(self.number()?);
        let durability = match is_version_1 || !self.flag()? {
            true => Durability::Fsync,
            false => Durability::Os,
        };
        let topic_id = TopicId::new(Uuid::from_bytes(self.array()?))?;
        let partition = PartitionIndex::from_wire(self.i32()?)?;
        let topic = self.text()?;
        let position = JournalPosition(self.number()?);
        let start = self.offset()?;
        let written_end = self.offset()?;
        let high_watermark = self.offset()?;
        let has_active = self.flag()?;
        let active = ActiveSegment {
            base: self.offset()?,
            bytes: self.number()?,
            index_bytes: self.number()?,
            time_index_bytes: self.number()?,
        };
        let closed_bytes = self.number()?;
        let damaged = self.list(Self::damaged)?;
        let epochs =
            self.list(|input| Some((LeaderEpoch::from_wire(input.i32()?)?, input.offset()?)))?;
        let in_order = epochs
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1)
            && epochs.last().is_none_or(|(_, from)| *from <= written_end)
            && start <= written_end
            && active.base <= written_end;
        let mut producers = Producers::default();
        for (id, state) in self.list(Self::producer)? {
            producers.restore(id, state);
        }
        in_order.then(|| CheckpointedLog {
            id,
            partition: TopicIdPartition {
                topic_id,
                partition,
            },
            topic,
            durability,
            position,
            start,
            written_end,
            high_watermark,
            active: has_active.then_some(active),
            closed_bytes,
            damaged,
            leader_epochs: LeaderEpochs::from_entries(epochs),
            producers,
        })
    }

    fn damaged(&mut self) -> Option<DamagedRange> {
        let (from, to, offset) = (self.offset()?, self.offset()?, self.number()?);
        let path = PathBuf::from(self.text()?);
        (from < to).then_some(DamagedRange {
            from,
            to,
            bad: BadBytes {
                path,
                offset,
                what: "known damage",
            },
        })
    }

    fn producer(&mut self) -> Option<(ProducerId, ProducerState)> {
        let id = ProducerId::from_wire(self.i64()?)?;
        let epoch = ProducerEpoch::from_wire(i16::from_le_bytes(self.array()?))?;
        let last_used_ms = self.i64()?;
        let [batches] = self.array()?;
        if usize::from(batches) > BATCHES_MAX {
            return None;
        }
        let batches = (0..batches)
            .map(|_| self.producer_batch())
            .collect::<Option<_>>()?;
        Some((
            id,
            ProducerState {
                epoch,
                batches,
                last_used_ms,
            },
        ))
    }

    fn producer_batch(&mut self) -> Option<ProducerBatch> {
        Some(ProducerBatch {
            base_sequence: Sequence::from_wire(self.i32()?)?,
            last_sequence: Sequence::from_wire(self.i32()?)?,
            base_offset: self.offset()?,
            last_offset: self.offset()?,
            timestamp: self.i64()?,
        })
    }
}

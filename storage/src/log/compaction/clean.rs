//! The pass: the keys, and then the segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::batch::{
    BatchHeader, HEADER_BYTES, Sieve, Sifted, batches, emptied_batch, records_in,
};
use protocol::model::{Offset, ProducerId};

use super::super::Log;
use super::plan::{Plan, Source};
use super::writer::{CleanedSegment, SegmentWriter};
use super::{CompactError, Compacted, OffsetMap, Pace, Pass};

/// Of a compressed batch, more is not read. Produce requests have the same bound.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// What a pass knows and counts.
struct Cleaning<'a, 'p> {
    log: &'a Log,
    map: OffsetMap,
    /// Up to here, all keys are in the map.
    mapped_to: Offset,
    now_ms: Option<i64>,
    delete_retention_ms: i64,
    /// The last offset of the last batch of each producer.
    producers: BTreeMap<ProducerId, Offset>,
    sieve: Sieve,
    pace: Pace<'p>,
    done: Compacted,
}

impl Log {
    /// Compacts the log, as far as the memory for keys reaches. `Ok(None)` where there is nothing to compact. Blocks on the disk, for long.
    pub fn compact(&self, pass: &Pass, pace: Pace<'_>) -> Result<Option<Compacted>, CompactError> {
        let Some(compaction) = self.config.lock().compaction else {
            return Ok(None);
        };
        let Some(plan) = self.plan_compaction(compaction, pass.now_ms)? else {
            return Ok(None);
        };
        let is_dirty = |source: &&Source| source.end > plan.first_dirty;
        let Some(first) = plan.sources.iter().find(is_dirty) else {
            return Ok(None);
        };
        let end = plan
            .sources
            .last()
            .map_or(Offset::ZERO, |source| source.end);
        let from = plan.first_dirty.max(first.segment.base());
        let expected = u64::try_from(end.since(from)).unwrap_or(0);
        let producers = self.producers();
        let mut cleaning = Cleaning {
            log: self,
            map: OffsetMap::new(pass.hash_key, expected, pass.map_bytes_max),
            mapped_to: from,
            now_ms: pass.now_ms,
            delete_retention_ms: compaction.delete_retention_ms,
            producers: producers.last_offsets().collect(),
            sieve: Sieve::default(),
            pace,
            done: Compacted::default(),
        };
        cleaning.map_keys(&plan)?;
        let is_mapped = |source: &Source| source.segment.base() < cleaning.mapped_to;
        let mut left = &plan.sources[..plan.sources.partition_point(is_mapped)];
        while !left.is_empty() {
            let done = cleaning.clean(left)?;
            left = &left[done..];
        }
        self.set_compacted_to(cleaning.mapped_to)?;
        cleaning.done.keys = cleaning.map.len() as u64;
        cleaning.done.end = cleaning.mapped_to;
        Ok(Some(cleaning.done))
    }
}

impl Cleaning<'_, '_> {
    fn read(&mut self, bytes: usize) -> Result<(), CompactError> {
        self.done.bytes_read += bytes as u64;
        self.spend(bytes)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), CompactError> {
        match (self.pace)(bytes as u64) {
            true => Ok(()),
            false => Err(CompactError::Stopped),
        }
    }

    /// Maps the keys of the dirty segments, until the map is full.
    fn map_keys(&mut self, plan: &Plan) -> Result<(), CompactError> {
        let mut scratch = Vec::new();
        for source in &plan.sources {
            if source.end <= self.mapped_to {
                continue;
            }
            let (mut at, mut next) = (0, source.segment.base());
            while at < source.bytes {
                let chunk = self.chunk_of(source, at, next)?;
                for batch in batches(&chunk) {
                    let (header, bytes) =
                        batch.map_err(|error| CompactError::Batch { at: next, error })?;
                    if header.end_offset() > self.mapped_to
                        && !self.map_batch(&header, bytes, &mut scratch)?
                    {
                        return match self.map.is_empty() || self.mapped_to <= plan.first_dirty {
                            true => Err(CompactError::MapTooSmall(header.base_offset)),
                            false => Ok(()),
                        };
                    }
                    next = header.end_offset();
                }
                at += chunk.len() as u64;
                self.read(chunk.len())?;
            }
        }
        Ok(())
    }

    /// False when its keys do not fit into the map.
    fn map_batch(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Result<bool, CompactError> {
        let at = header.base_offset;
        let failed = |error| CompactError::Batch { at, error };
        if !header.is_control() {
            let records = records_in(batch, DECOMPRESSED_BYTES_MAX, scratch).map_err(failed)?;
            for record in records {
                let record = record.map_err(failed)?;
                let is_mapped = record.offset < self.mapped_to;
                if let Some(key) = record.key.filter(|_| !is_mapped)
                    && !self.map.put(key, record.offset)
                {
                    return Ok(false);
                }
            }
        }
        self.mapped_to = header.end_offset();
        Ok(true)
    }

    fn chunk_of(
        &self,
        source: &Source,
        position: u64,
        next: Offset,
    ) -> Result<Vec<u8>, CompactError> {
        match source.segment.verified_at(position, next) {
            Ok(chunk) => Ok(chunk),
            // It may be that of another pass or truncation by now.
            Err(_) if !self.log.has_segment(&source.segment) => Err(CompactError::Changed),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the first of some segments again, and as many of its neighbours with it as fit into one. Nothing where it is alone and stays the same.
    /// Returns how many.
    fn clean(&mut self, sources: &[Source]) -> Result<usize, CompactError> {
        let mut writer = SegmentWriter::new(self.log, &sources[0]);
        let (count, cleaned) = match self.write_group(sources, &mut writer) {
            Ok(count) => (count, writer.finish()?),
            Err(error) => {
                writer.abandon();
                return Err(error);
            }
        };
        if let Some(cleaned) = cleaned {
            self.done.bytes_written += cleaned.bytes;
            self.done.segments_replaced += count as u64;
            self.done.segments_written += 1;
            self.swap(&sources[..count], &cleaned)?;
        }
        Ok(count)
    }

    fn swap(&self, group: &[Source], cleaned: &CleanedSegment) -> Result<(), CompactError> {
        let old: Vec<_> = group.iter().map(|it| Arc::clone(&it.segment)).collect();
        match self.log.swap_segments(&old, cleaned) {
            Ok(true) => Ok(()),
            Ok(false) => {
                cleaned.abandon(self.log);
                Err(CompactError::Changed)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_group(
        &mut self,
        sources: &[Source],
        writer: &mut SegmentWriter<'_>,
    ) -> Result<usize, CompactError> {
        self.write_source(&sources[0], writer)?;
        let mut count = 1;
        while let Some(next) = sources.get(count).filter(|next| writer.has_room_for(next)) {
            writer.join()?;
            self.write_source(next, writer)?;
            count += 1;
        }
        Ok(count)
    }

    fn write_source(
        &mut self,
        source: &Source,
        writer: &mut SegmentWriter<'_>,
    ) -> Result<(), CompactError> {
        let (mut at, mut next) = (0, source.segment.base());
        while at < source.bytes {
            let chunk = self.chunk_of(source, at, next)?;
            for batch in batches(&chunk) {
                let (header, bytes) =
                    batch.map_err(|error| CompactError::Batch { at: next, error })?;
                self.write_batch(&header, bytes, writer)?;
                next = header.end_offset();
            }
            at += chunk.len() as u64;
            self.read(chunk.len())?;
            let written = writer.take_written();
            self.spend(written)?;
        }
        writer.end_source(source.end)
    }

    fn write_batch(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        writer: &mut SegmentWriter<'_>,
    ) -> Result<(), CompactError> {
        // Whether a transaction was aborted, and which of its records are left, nobody knows yet.
        if header.is_control() {
            return writer.keep(header, batch);
        }
        let is_mapped = header.end_offset() <= self.mapped_to;
        let horizon_ms = self
            .now_ms
            .filter(|_| is_mapped)
            .map(|now_ms| now_ms.saturating_add(self.delete_retention_ms));
        let tombstones_go = is_mapped
            && header.has_delete_horizon()
            && self
                .now_ms
                .is_some_and(|now_ms| now_ms >= header.base_timestamp);
        let map = &self.map;
        let mut removed = 0;
        let sifted = self
            .sieve
            .sift(batch, DECOMPRESSED_BYTES_MAX, horizon_ms, |record| {
                let is_kept = match record.key {
                    // Kafka removes them too: nobody can say what they are superseded by.
                    None => false,
                    Some(key) => {
                        let is_last = map.latest(key).is_none_or(|last| last <= record.offset);
                        is_last && !(tombstones_go && record.value.is_none())
                    }
                };
                removed += u64::from(!is_kept);
                is_kept
            })
            .map_err(|error| CompactError::Batch {
                at: header.base_offset,
                error,
            })?;
        self.done.records_removed += removed;
        match sifted {
            Sifted::Whole => writer.keep(header, batch),
            Sifted::Part(part) => writer.replace(&part),
            Sifted::Nothing => {
                let is_last_of_producer = header.producer.is_some_and(|producer| {
                    self.producers.get(&producer.id) == Some(&header.last_offset())
                });
                let first = batch.first_chunk::<HEADER_BYTES>();
                match first.filter(|_| is_last_of_producer) {
                    // From it others learn of the producer's sequence.
                    Some(_) if header.record_count == 0 => writer.keep(header, batch),
                    Some(first) => writer.replace(&emptied_batch(first)),
                    None => writer.leave_out(header),
                }
            }
        }
    }
}

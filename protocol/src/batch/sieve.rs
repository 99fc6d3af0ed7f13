use bytes::BytesMut;

use super::compression::{compress_section, decompress_section};
use super::patch::{put, update_crc};
use super::records::Fields;
use super::{
    BatchError, BatchHeader, Codec, Compression, HEADER_BYTES, LENGTH_END, MAGIC, Record, Records,
    TimestampType, at, attribute, iter, varint,
};
use crate::model::{LeaderEpoch, Offset};

/// Takes records out of batches, as compaction does (Kafka's `MemoryRecords.filterTo`): those that stay keep their offsets, and
/// so does the batch its first and its last one.
///
/// It holds memory that is used again from batch to batch.
#[derive(Debug, Default)]
pub struct Sieve {
    section: Vec<u8>,
    kept: Vec<bool>,
    records: Vec<u8>,
    record: Vec<u8>,
}

/// What is left of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sifted {
    /// All of it, as it was.
    Whole,
    /// Some of its records, or the same with a delete horizon.
    Part(BytesMut),
    /// No record.
    Nothing,
}

impl Sieve {
    /// Keeps the records of the batch at the front of `batch` that `keep` wants.
    ///
    /// If a tombstone is among them and the batch has no delete horizon yet, it gets `horizon_ms`, if there is one: in milliseconds since the epoch, the
    /// time from which on the tombstone may go (KIP-534). A compressed batch is taken out of its codec within `max_bytes`, and put back
    /// into it at its default level. The CRC is not checked.
    pub fn sift(
        &mut self,
        batch: &[u8],
        max_bytes: usize,
        horizon_ms: Option<i64>,
        mut keep: impl FnMut(&Record<'_>) -> bool,
    ) -> Result<Sifted, BatchError> {
        let (header, batch) = iter::first(batch)?;
        let mut section = &batch[HEADER_BYTES..];
        if header.compression() != Compression::None {
            let codec = header.compression();
            decompress_section(codec, section, max_bytes, &mut self.section)?;
            section = &self.section;
        }
        self.kept.clear();
        let (mut count, mut has_tombstone) = (0, false);
        for record in Records::of_section(header, section) {
            let record = record?;
            let is_kept = keep(&record);
            self.kept.push(is_kept);
            count += i32::from(is_kept);
            has_tombstone |= is_kept && record.value.is_none();
        }
        let horizon_ms = horizon_ms.filter(|_| has_tombstone && !header.has_delete_horizon());
        if count == 0 {
            return Ok(Sifted::Nothing);
        }
        if count == header.record_count && horizon_ms.is_none() {
            return Ok(Sifted::Whole);
        }
        let max_timestamp = collect(
            &mut self.records,
            &mut self.record,
            &header,
            section,
            &self.kept,
            horizon_ms,
        )?;
        let mut out = batch[..HEADER_BYTES].to_vec();
        let codec = Codec::with_default_level(header.compression())?;
        compress_section(codec, &self.records, &mut out);
        let too_large = BatchError::TooLarge {
            size: out.len(),
            max: i32::MAX as usize,
        };
        let length = i32::try_from(out.len() - LENGTH_END).map_err(|_| too_large)?;
        put(&mut out, at::LENGTH, length.to_be_bytes());
        put(&mut out, at::RECORD_COUNT, count.to_be_bytes());
        put(&mut out, at::MAX_TIMESTAMP, max_timestamp.to_be_bytes());
        if let Some(horizon_ms) = horizon_ms {
            let attributes = header.attributes | attribute::DELETE_HORIZON;
            put(&mut out, at::ATTRIBUTES, attributes.to_be_bytes());
            put(&mut out, at::BASE_TIMESTAMP, horizon_ms.to_be_bytes());
        }
        update_crc(&mut out);
        Ok(Sifted::Part(BytesMut::from(&out[..])))
    }
}

/// Writes the kept records into `records`, relative to the delete horizon if they get one. Returns the batch's max timestamp.
fn collect(
    records: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    header: &BatchHeader,
    section: &[u8],
    kept: &[bool],
    horizon_ms: Option<i64>,
) -> Result<i64, BatchError> {
    records.clear();
    let mut max_timestamp = match header.timestamp_type() {
        TimestampType::LogAppendTime => header.max_timestamp,
        TimestampType::CreateTime => -1,
    };
    let mut rest = section;
    for (index, is_kept) in (0..).zip(kept) {
        let start = rest;
        let fields = Fields::read(&mut rest).map_err(|what| BatchError::Record { index, what })?;
        if !is_kept {
            continue;
        }
        let timestamp = header.base_timestamp.wrapping_add(fields.timestamp_delta);
        if header.timestamp_type() == TimestampType::CreateTime {
            max_timestamp = max_timestamp.max(timestamp);
        }
        let Some(horizon_ms) = horizon_ms else {
            records.extend_from_slice(&start[..start.len() - rest.len()]);
            continue;
        };
        scratch.clear();
        // The attributes.
        scratch.extend(fields.before_offset.first());
        varint::put(scratch, timestamp.wrapping_sub(horizon_ms));
        varint::put(scratch, i64::from(fields.offset_delta));
        scratch.extend_from_slice(fields.after_offset);
        // A record of a batch, whose length is an i32.
        varint::put(records, i64::try_from(scratch.len()).unwrap_or(i64::MAX));
        records.extend_from_slice(scratch);
    }
    Ok(max_timestamp)
}

/// A batch without records, in the place of those that held `base..=last`: offsets that are no more.
///
/// # Panics
/// If there are more than a batch can hold.
pub fn empty_batch(
    base: Offset,
    last: Offset,
    leader_epoch: Option<LeaderEpoch>,
) -> [u8; HEADER_BYTES] {
    let delta = i32::try_from(last.since(base)).expect("as many offsets as a batch can hold");
    let mut batch = [0; HEADER_BYTES];
    let epoch = leader_epoch.map_or(-1, LeaderEpoch::get);
    put(&mut batch, at::BASE_OFFSET, base.get().to_be_bytes());
    put(&mut batch, at::LEADER_EPOCH, epoch.to_be_bytes());
    put(&mut batch, at::MAGIC, MAGIC.to_be_bytes());
    put(&mut batch, at::LAST_OFFSET_DELTA, delta.to_be_bytes());
    put(&mut batch, at::BASE_TIMESTAMP, (-1_i64).to_be_bytes());
    put(&mut batch, at::MAX_TIMESTAMP, (-1_i64).to_be_bytes());
    put(&mut batch, at::PRODUCER_ID, (-1_i64).to_be_bytes());
    put(&mut batch, at::PRODUCER_EPOCH, (-1_i16).to_be_bytes());
    put(&mut batch, at::BASE_SEQUENCE, (-1_i32).to_be_bytes());
    seal(&mut batch);
    batch
}

/// The header of a batch whose records are gone, which still says who wrote it and up to which sequence (Kafka's
/// `DefaultRecordBatch.writeEmptyHeader`).
pub fn emptied_batch(header: &[u8; HEADER_BYTES]) -> [u8; HEADER_BYTES] {
    let mut batch = *header;
    let attributes = super::header::i16_at(header, at::ATTRIBUTES);
    let kept = attribute::LOG_APPEND_TIME | attribute::TRANSACTIONAL | attribute::CONTROL;
    put(
        &mut batch,
        at::ATTRIBUTES,
        (attributes & kept).to_be_bytes(),
    );
    // What it was may have been a delete horizon.
    let max_timestamp: [u8; 8] = std::array::from_fn(|at| header[at::MAX_TIMESTAMP + at]);
    put(&mut batch, at::BASE_TIMESTAMP, max_timestamp);
    put(&mut batch, at::RECORD_COUNT, 0_i32.to_be_bytes());
    seal(&mut batch);
    batch
}

fn seal(batch: &mut [u8; HEADER_BYTES]) {
    let length = i32::try_from(HEADER_BYTES - LENGTH_END).unwrap_or(i32::MAX);
    put(batch, at::LENGTH, length.to_be_bytes());
    update_crc(batch);
}

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};

use super::compression::{Codec, compress_section, decompress};
use super::patch::{put, update_crc};
use super::records::{EXCESS, Fields};
use super::{BatchError, BatchHeader, HEADER_BYTES, LENGTH_END, at, attribute, iter, varint};

/// A producer's "no timestamp".
const NO_TIMESTAMP: i64 = -1;

/// A batch whose records are out of their codec, to be looked at one by one and packed again.
#[derive(Clone, Debug)]
pub struct Unpacked<'a> {
    batch: &'a [u8],
    header: BatchHeader,
    section: Cow<'a, [u8]>,
}

/// What a topic asks of each record, Kafka's `LogValidator.validateRecord`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRules {
    /// Each has a key: the topic is compacted.
    pub key: bool,
    /// Each has a timestamp in this range, or none; in milliseconds since the epoch.
    pub timestamps: Option<RangeInclusive<i64>>,
    /// So many refused records are named, the first ones.
    pub refused_max: usize,
}

/// What the records of a batch are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The greatest timestamp; -1 if no record has one.
    pub max_timestamp: i64,
    /// The offsets are those of the batch from the first to the last, without gap or repetition.
    pub is_numbered: bool,
    /// The first records that break a rule.
    pub refused: Vec<RefusedRecord>,
    /// How many there are in all.
    pub refused_count: u32,
    /// Whether the timestamp of one of all of them is out of range.
    pub has_refused_timestamp: bool,
}

/// A record that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Its number in the batch, from 0.
    pub index: i32,
    /// The first rule it breaks.
    pub fault: RecordFault,
}

/// The rule that a record breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// It has no key.
    NoKey,
    /// Its timestamp is out of range.
    Timestamp(i64),
}

impl<'a> Unpacked<'a> {
    /// Takes the batch at the front of `batch` out of its codec, if it has one, within `max_bytes`
    /// as [`decompress`] does it. Uncompressed records stay where they are. The CRC is not checked.
    pub fn new(batch: &'a [u8], max_bytes: usize) -> Result<Unpacked<'a>, BatchError> {
        let section = decompress(batch, max_bytes)?;
        let (header, batch) = iter::first(batch)?;
        Ok(Unpacked {
            batch,
            header,
            section,
        })
    }

    /// Looks at every record. An error if there are not as many as the header says, one is
    /// malformed, or something follows the last.
    pub fn inspect(&self, rules: &RecordRules) -> Result<Inspection, BatchError> {
        let mut inspection = Inspection {
            max_timestamp: NO_TIMESTAMP,
            is_numbered: true,
            refused: Vec::new(),
            refused_count: 0,
            has_refused_timestamp: false,
        };
        let mut rest = &*self.section;
        for index in 0..self.header.record_count {
            let record = Fields::read(&mut rest).map_err(|what| malformed(index, what))?;
            let base = self.header.base_timestamp;
            let timestamp = base.wrapping_add(record.timestamp_delta);
            inspection.max_timestamp = inspection.max_timestamp.max(timestamp);
            inspection.is_numbered &= record.offset_delta == index;
            if let Some(fault) = rules.fault(record.key, timestamp) {
                inspection.refuse(RefusedRecord { index, fault }, rules.refused_max);
            }
        }
        match rest.is_empty() {
            true => Ok(inspection),
            false => Err(malformed(self.header.record_count, EXCESS)),
        }
    }

    /// Gives the records the offsets of the batch, in their order. For records that have passed an
    /// inspection.
    ///
    /// # Panics
    /// If they have not.
    pub fn number(&mut self) {
        let mut numbered = Vec::with_capacity(self.section.len());
        let mut record = Vec::new();
        let mut rest = &*self.section;
        for index in 0..self.header.record_count {
            let fields = Fields::read(&mut rest).expect("an inspected record");
            record.clear();
            record.extend_from_slice(fields.before_offset);
            varint::put(&mut record, i64::from(index));
            record.extend_from_slice(fields.after_offset);
            let length = i64::try_from(record.len()).expect("a record is at most 2 GiB");
            varint::put(&mut numbered, length);
            numbered.extend_from_slice(&record);
        }
        self.section = Cow::Owned(numbered);
    }

    /// The batch with these records in a codec. One larger than `size_max` is
    /// [`BatchError::TooLarge`].
    ///
    /// All fields stay but length, attributes and CRC, which are made to fit.
    pub fn pack(&self, codec: Codec, size_max: usize) -> Result<BytesMut, BatchError> {
        // A batch's length is an i32.
        let max = size_max.min(i32::MAX as usize);
        let too_large = |size| BatchError::TooLarge { size, max };
        let plain_size = HEADER_BYTES + self.section.len();
        if codec == Codec::None && plain_size > max {
            return Err(too_large(plain_size));
        }
        let mut out = self.batch[..HEADER_BYTES].to_vec();
        compress_section(codec, &self.section, &mut out);
        if out.len() > max {
            return Err(too_large(out.len()));
        }
        let length = i32::try_from(out.len() - LENGTH_END).map_err(|_| too_large(out.len()))?;
        let attributes = self.header.attributes & !attribute::COMPRESSION | codec.attribute();
        put(&mut out, at::LENGTH, length.to_be_bytes());
        put(&mut out, at::ATTRIBUTES, attributes.to_be_bytes());
        update_crc(&mut out);
        // Codecs make room for more than they need, and a batch is kept for a while.
        out.shrink_to_fit();
        Ok(BytesMut::from(Bytes::from(out)))
    }
}

impl RecordRules {
    fn fault(&self, key: Option<&[u8]>, timestamp: i64) -> Option<RecordFault> {
        if self.key && key.is_none() {
            return Some(RecordFault::NoKey);
        }
        let range = self.timestamps.as_ref()?;
        let is_refused = timestamp != NO_TIMESTAMP && !range.contains(&timestamp);
        is_refused.then_some(RecordFault::Timestamp(timestamp))
    }
}

impl Inspection {
    fn refuse(&mut self, record: RefusedRecord, refused_max: usize) {
        self.refused_count += 1;
        self.has_refused_timestamp |= matches!(record.fault, RecordFault::Timestamp(_));
        if self.refused.len() < refused_max {
            self.refused.push(record);
        }
    }
}

fn malformed(index: i32, what: &'static str) -> BatchError {
    BatchError::Record { index, what }
}

#[cfg(test)]
mod tests;

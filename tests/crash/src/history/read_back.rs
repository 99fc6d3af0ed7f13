use std::{collections::hash_map::DefaultHasher, hash::Hasher};

use protocol::{
    batch::{BatchError, BatchHeader, batches, records, verify_crc},
    model::Offset,
};

use super::{ForeignValue, ValueId};

/// All of a partition, as it was served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadBack {
    /// The first offset, as the broker lists it.
    pub log_start_offset: Offset,
    /// The offset after the last, as the broker lists it.
    pub end_offset: Offset,
    /// What was served, in the order in which it came.
    pub batches: Vec<ReadBatch>,
}

/// A batch as it was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatch {
    /// The offset of its first record, by its header.
    pub base_offset: Offset,
    /// The offset after its last record, by its header.
    pub end_offset: Offset,
    /// Its size.
    pub bytes: usize,
    /// Stands for all of its bytes, header included.
    pub fingerprint: u64,
    /// What is wrong with it.
    pub damage: Option<String>,
    /// Its records, none if it is damaged.
    pub values: Vec<ReadValue>,
}

/// A record as it was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadValue {
    /// Its offset.
    pub offset: Offset,
    /// Its value.
    pub value: Result<ValueId, ForeignValue>,
}

impl ReadBack {
    /// The offset at which to go on reading.
    pub fn next_offset(&self) -> Offset {
        let last = self.batches.last();
        last.map_or(self.log_start_offset, |batch| batch.end_offset)
    }

    /// Adds the record bytes of a fetch at [`next_offset`](Self::next_offset). An incomplete batch
    /// at their end is left to the next fetch. False if there was no complete one.
    pub fn push_fetched(&mut self, fetched: &[u8]) -> Result<bool, BatchError> {
        let before = self.batches.len();
        for batch in batches(fetched) {
            match batch {
                Ok((header, bytes)) => self.batches.push(ReadBatch::read(&header, bytes)),
                Err(BatchError::Incomplete { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.batches.len() > before)
    }
}

impl ReadBatch {
    fn read(header: &BatchHeader, bytes: &[u8]) -> ReadBatch {
        let (values, damage) = match read_values(bytes) {
            Ok(values) => (values, None),
            Err(damage) => (Vec::new(), Some(damage)),
        };
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        ReadBatch {
            base_offset: header.base_offset,
            end_offset: header.end_offset(),
            bytes: bytes.len(),
            fingerprint: hasher.finish(),
            damage,
            values,
        }
    }
}

fn read_values(batch: &[u8]) -> Result<Vec<ReadValue>, String> {
    if !verify_crc(batch) {
        return Err("checksum mismatch".to_owned());
    }
    let records = records(batch).map_err(|error| error.to_string())?;
    let values = records.map(|record| {
        let record = record?;
        let value = record.value.ok_or(ForeignValue::NotOurs);
        Ok(ReadValue {
            offset: record.offset,
            value: value.and_then(ValueId::decode),
        })
    });
    values
        .collect::<Result<_, BatchError>>()
        .map_err(|error| error.to_string())
}

//! A log as it should be: what was appended, and how much of it was seen to be durable.

use std::sync::Arc;

use bytes::Bytes;
use protocol::batch::{batches, records, verify_crc};
use protocol::model::Offset;
use storage::log::{Log, ReadError, TailRead};

/// Reads every record of a log, checks offsets and checksums, and returns the values in order.
pub fn read_values(log: &Log) -> Result<Vec<(i64, Vec<u8>)>, String> {
    let mut values = Vec::new();
    let end = log.offsets().durable_end;
    let mut at = log.offsets().start;
    while at < end {
        let chunk = read_at(log, at, end).map_err(|error| format!("{log:?} at {at}: {error}"))?;
        if chunk.is_empty() {
            return Err(format!(
                "{log:?}: nothing at {at}, but the log ends at {end}"
            ));
        }
        for bytes in chunk {
            for batch in batches(&bytes) {
                let (header, bytes) = batch.map_err(|error| error.to_string())?;
                if !verify_crc(bytes) {
                    return Err(format!(
                        "{log:?}: a batch at {} is damaged",
                        header.base_offset
                    ));
                }
                for record in records(bytes).map_err(|error| error.to_string())? {
                    let record = record.map_err(|error| error.to_string())?;
                    let value = record.value.unwrap_or_default().to_vec();
                    values.push((record.offset.get(), value));
                }
                at = header.end_offset();
            }
        }
    }
    Ok(values)
}

/// One read, wherever the bytes are.
pub fn read_at(log: &Log, at: Offset, end: Offset) -> Result<Vec<Bytes>, ReadError> {
    match log.read_tail(at, end, 4096)? {
        TailRead::Batches(batches) => Ok(batches),
        TailRead::Files => log.read_files(at, end, 4096),
    }
}

/// What a log should hold.
#[derive(Debug)]
pub struct Expected {
    /// Every value appended, by offset.
    pub values: Vec<Vec<u8>>,
    /// So many of them were durable.
    pub durable: usize,
    /// The log, while the process lives.
    pub log: Option<Arc<Log>>,
}

impl Expected {
    /// Notes how far the log is durable.
    pub fn observe(&mut self) {
        if let Some(log) = &self.log {
            let durable = usize::try_from(log.offsets().durable_end.get()).unwrap_or(0);
            self.durable = self.durable.max(durable);
        }
    }

    /// Compares with a recovered log; what was appended beyond what is there is forgotten.
    pub fn verify(&mut self, log: &Log) -> Result<(), String> {
        let read = read_values(log)?;
        if read.len() < self.durable {
            return Err(format!(
                "{log:?}: lost: {} records were durable, {} are left",
                self.durable,
                read.len()
            ));
        }
        for (at, (offset, value)) in read.iter().enumerate() {
            if *offset != at as i64 || self.values.get(at) != Some(value) {
                return Err(format!(
                    "{log:?}: record {at} is not what was appended: {offset}"
                ));
            }
        }
        self.values.truncate(read.len());
        self.durable = read.len();
        Ok(())
    }
}

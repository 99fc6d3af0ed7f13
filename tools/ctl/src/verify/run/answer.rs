//! The record bytes of a fetch, and which values they are.

use protocol::batch::{BatchError, BatchHeader, batches, records_in, verify_crc};

use crate::verify::history::{Batch, RUN_RECORDS_MAX, Run, RunId, Seen, Value};

/// A batch that comes to more bytes is none of ours.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// What an answer has.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub records: Vec<Seen>,
    /// Where to go on; `None`: there is no whole batch in it.
    pub next: Option<i64>,
}

/// Reads the record bytes of a fetch from `from` on.
///
/// A broker answers with the whole batch that has the offset asked for, as consumers know: records before it are left
/// out. A whole batch before it is kept, for it has no business there.
pub(super) fn read(run: RunId, from: i64, bytes: &[u8]) -> Answer {
    let mut answer = Answer::default();
    for batch in batches(bytes) {
        match batch {
            Ok((header, bytes)) => answer.add_batch(run, from, &header, bytes),
            // The end of what was asked for.
            Err(BatchError::Incomplete { .. }) => break,
            Err(error) => {
                let offset = answer.next.unwrap_or(from);
                answer.add_foreign(offset, format!("bytes that are no batch ({error})"));
                break;
            }
        }
    }
    answer
}

impl Answer {
    fn add_batch(&mut self, run: RunId, from: i64, header: &BatchHeader, bytes: &[u8]) {
        let (base, end) = (header.base_offset.get(), header.end_offset().get());
        let first = if end > from { from } else { 0 };
        self.next = Some(end);
        // Not a record of anybody's: the end of a transaction.
        if header.is_control() {
            return;
        }
        if !verify_crc(bytes) {
            return self.add_foreign(base, "a batch with a wrong checksum".to_owned());
        }
        let mut scratch = Vec::new();
        let records = match records_in(bytes, DECOMPRESSED_BYTES_MAX, &mut scratch) {
            Ok(records) => records,
            Err(error) => return self.add_foreign(base, format!("a batch that is none ({error})")),
        };
        for record in records {
            match record {
                Ok(record) if record.offset.get() < first => {}
                Ok(record) => match Value::decode(run, record.value) {
                    Ok(value) => self.add_value(record.offset.get(), value),
                    Err(foreign) => self.add_foreign(record.offset.get(), foreign.to_string()),
                },
                Err(error) => return self.add_foreign(base, format!("a damaged record ({error})")),
            }
        }
    }

    fn add_value(&mut self, offset: i64, value: Value) {
        if let Some(Seen::Run(run)) = self.records.last_mut() {
            let next = run.batch.first + u64::from(run.batch.count);
            let follows = run.batch.writer == value.writer && next == value.number;
            if follows && run.end() == offset && run.batch.count < RUN_RECORDS_MAX {
                run.batch.count += 1;
                return;
            }
        }
        let batch = Batch {
            writer: value.writer,
            first: value.number,
            count: 1,
        };
        self.records.push(Seen::Run(Run { offset, batch }));
    }

    fn add_foreign(&mut self, offset: i64, foreign: String) {
        self.records.push(Seen::Foreign { offset, foreign });
    }
}

#[cfg(test)]
mod tests;

//! A log as it should be: what was done to it, in order, and how much of that was seen to be durable.

use std::sync::Arc;

use bytes::Bytes;
use protocol::batch::{BatchProducer, batches, records, verify_crc};
use protocol::model::Offset;
use storage::log::{Log, ReadError, TailRead};

/// A batch that was appended.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The offset of its first record.
    pub base: usize,
    /// Its records.
    pub values: Vec<Vec<u8>>,
    /// Who wrote it.
    pub producer: Option<BatchProducer>,
}

impl Batch {
    /// The offset after its last record.
    pub fn end(&self) -> usize {
        self.base + self.values.len()
    }
}

#[derive(Clone, Debug)]
enum Change {
    Append(Batch),
    Truncate(usize),
}

/// What a log holds: its batches, in order.
pub type Content = Vec<Batch>;

/// What a log should hold.
#[derive(Debug, Default)]
pub struct Expected {
    /// As the last verified start left it.
    settled: Content,
    /// What was done since.
    changes: Vec<Change>,
    /// So many of the changes were durable.
    durable: usize,
    /// The content with all changes.
    pub now: Content,
    /// Truncations reached into it: of a producer's batches, only the last is certain to be remembered.
    pub was_truncated: bool,
    /// The log, while the process lives.
    pub log: Option<Arc<Log>>,
}

impl Expected {
    /// A log that was just created.
    pub fn of(log: Arc<Log>) -> Expected {
        Expected {
            log: Some(log),
            ..Expected::default()
        }
    }

    /// The offset after the last record.
    pub fn end(&self) -> usize {
        self.now.last().map_or(0, Batch::end)
    }

    /// Whether anything was seen to be durable.
    pub fn has_durable(&self) -> bool {
        !self.settled.is_empty() || self.durable > 0
    }

    /// Notes an append.
    pub fn append(&mut self, batch: Batch) {
        self.now.push(batch.clone());
        self.changes.push(Change::Append(batch));
    }

    /// Notes a truncation.
    pub fn truncate(&mut self, to: usize) {
        self.now.retain(|batch| batch.end() <= to);
        self.changes.push(Change::Truncate(to));
        self.was_truncated = true;
    }

    /// Notes how far the log is durable.
    pub fn observe(&mut self) {
        let Some(log) = &self.log else { return };
        let durable_end = usize::try_from(log.offsets().durable_end.get()).unwrap_or(0);
        // What stands after the last truncation is in the log's order; when it is durable, so is everything before it.
        for (at, change) in self.changes.iter().enumerate().rev() {
            match change {
                Change::Append(batch) if batch.end() <= durable_end => {
                    self.durable = self.durable.max(at + 1);
                    return;
                }
                Change::Append(_) => {}
                Change::Truncate(_) => return,
            }
        }
    }

    /// Compares the readable part with what was appended, while the process lives. Returns the records compared.
    pub fn check_live(&self) -> Result<usize, String> {
        let Some(log) = &self.log else { return Ok(0) };
        let read = read_values(log)?;
        for (at, (offset, value)) in read.iter().enumerate() {
            if *offset != at as i64 || value_at(&self.now, at) != Some(value) {
                return Err(format!(
                    "{log:?}: record {at} is not what was appended: {offset}"
                ));
            }
        }
        Ok(read.len())
    }

    /// Compares with a recovered log: it must be as after all of the changes or fewer, but not fewer than were durable. What
    /// was done beyond is forgotten. Returns the records compared.
    pub fn verify(&mut self, log: &Log) -> Result<usize, String> {
        let read = read_values(log)?;
        let Some(content) = self.find(&read, self.durable) else {
            let at_least = self
                .content_after(self.durable)
                .last()
                .map_or(0, Batch::end);
            let first_wrong = read
                .iter()
                .position(|(at, value)| value_at(&self.now, *at as usize) != Some(value));
            return Err(format!(
                "{log:?}: {} records are there, the first wrong one is {first_wrong:?}; {at_least} were durable, {} were appended",
                read.len(),
                self.end(),
            ));
        };
        self.settle(content);
        self.check_producers(log)?;
        Ok(read.len())
    }

    /// As [`Expected::verify`] on a disk with damage: whatever is served is right. Returns whether all of it is.
    pub fn verify_damaged(&mut self, log: &Log) -> Result<bool, String> {
        let mut is_whole = true;
        for at in 0..log.offsets().end.get() {
            let read = read_at(log, Offset::new(at), log.offsets().end);
            let chunks = match read {
                Ok(chunks) if chunks.is_empty() => {
                    return Err(format!("{log:?}: nothing is served at {at}"));
                }
                Ok(chunks) => chunks,
                Err(ReadError::Damaged(_)) => {
                    is_whole = false;
                    continue;
                }
                Err(error) => return Err(format!("{log:?} at {at}: {error}")),
            };
            for (offset, value) in values_of(&chunks)? {
                let was_appended = self.changes.iter().any(|change| match change {
                    Change::Append(batch) => value_in(batch, offset as usize) == Some(&value),
                    Change::Truncate(_) => false,
                });
                let at = offset as usize;
                if !was_appended && value_at(&self.settled, at) != Some(&value) {
                    return Err(format!("{log:?}: record {offset} was never appended there"));
                }
            }
        }
        let end = usize::try_from(log.offsets().end.get()).unwrap_or(0);
        let is_long_enough = (self.durable..=self.changes.len())
            .any(|changes| end >= self.content_after(changes).last().map_or(0, Batch::end));
        Ok(is_whole && is_long_enough)
    }

    fn settle(&mut self, content: Content) {
        self.now.clone_from(&content);
        self.settled = content;
        self.changes.clear();
        self.durable = 0;
    }

    fn content_after(&self, changes: usize) -> Content {
        let mut content = self.settled.clone();
        for change in &self.changes[..changes] {
            apply(&mut content, change);
        }
        content
    }

    fn find(&self, read: &[(i64, Vec<u8>)], from: usize) -> Option<Content> {
        let mut content = self.content_after(from);
        let mut changes = self.changes[from..].iter();
        loop {
            if is_same(&content, read) {
                return Some(content);
            }
            apply(&mut content, changes.next()?);
        }
    }

    fn check_producers(&self, log: &Log) -> Result<(), String> {
        let producers = log.producers();
        let mut written: Vec<(BatchProducer, Vec<&Batch>)> = Vec::new();
        for batch in &self.now {
            let Some(producer) = batch.producer else {
                continue;
            };
            match written
                .iter_mut()
                .find(|(known, _)| known.id == producer.id)
            {
                Some((_, batches)) => batches.push(batch),
                None => written.push((producer, vec![batch])),
            }
        }
        if producers.iter().len() != written.len() {
            return Err(format!(
                "{log:?}: {} producers, not {}",
                producers.iter().len(),
                written.len()
            ));
        }
        for (id, state) in producers.iter() {
            let Some((_, batches)) = written.iter().find(|(known, _)| known.id == id) else {
                return Err(format!("{log:?}: producer {id} never wrote"));
            };
            let certain = if self.was_truncated { 1 } else { 5 };
            let last: Vec<_> = batches.iter().rev().take(certain).collect();
            let found: Vec<_> = state.batches.iter().rev().take(certain).collect();
            let agrees = last.len() == found.len()
                && last.iter().zip(&found).all(|(batch, found)| {
                    found.base_offset.get() == batch.base as i64
                        && found.last_offset.get() + 1 == batch.end() as i64
                        && Some(found.base_sequence)
                            == batch.producer.and_then(|producer| producer.base_sequence)
                });
            if !agrees {
                return Err(format!("{log:?}: producer {id}: {found:?}, not {last:?}"));
            }
        }
        Ok(())
    }
}

fn apply(content: &mut Content, change: &Change) {
    match change {
        Change::Append(batch) => content.push(batch.clone()),
        Change::Truncate(to) => content.retain(|batch| batch.end() <= *to),
    }
}

fn value_in(batch: &Batch, offset: usize) -> Option<&Vec<u8>> {
    batch.values.get(offset.checked_sub(batch.base)?)
}

fn value_at(content: &Content, offset: usize) -> Option<&Vec<u8>> {
    let at = content.partition_point(|batch| batch.end() <= offset);
    value_in(content.get(at)?, offset)
}

fn is_same(content: &Content, read: &[(i64, Vec<u8>)]) -> bool {
    let values = content.iter().flat_map(|batch| {
        batch
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| (batch.base + at, value))
    });
    content.last().map_or(0, Batch::end) == read.len()
        && values
            .zip(read)
            .all(|((at, value), (offset, found))| at as i64 == *offset && value == found)
}

/// Reads every record of a log, checks offsets and checksums, and returns the values in order.
fn read_values(log: &Log) -> Result<Vec<(i64, Vec<u8>)>, String> {
    let mut values = Vec::new();
    let end = log.offsets().durable_end;
    let mut at = log.offsets().start;
    while at < end {
        let chunks = read_at(log, at, end).map_err(|error| format!("{log:?} at {at}: {error}"))?;
        let more = values_of(&chunks)?;
        let Some((last, _)) = more.last() else {
            return Err(format!(
                "{log:?}: nothing at {at}, but the log ends at {end}"
            ));
        };
        at = Offset::new(last + 1);
        values.extend(more);
    }
    Ok(values)
}

fn values_of(chunks: &[Bytes]) -> Result<Vec<(i64, Vec<u8>)>, String> {
    let mut values = Vec::new();
    for batch in chunks.iter().flat_map(|chunk| batches(chunk)) {
        let (header, bytes) = batch.map_err(|error| error.to_string())?;
        if !verify_crc(bytes) {
            return Err(format!("a batch at {} is damaged", header.base_offset));
        }
        for record in records(bytes).map_err(|error| error.to_string())? {
            let record = record.map_err(|error| error.to_string())?;
            values.push((
                record.offset.get(),
                record.value.unwrap_or_default().to_vec(),
            ));
        }
    }
    Ok(values)
}

/// One read, wherever the bytes are.
fn read_at(log: &Log, at: Offset, end: Offset) -> Result<Vec<Bytes>, ReadError> {
    match log.read_tail(at, end, 4096)? {
        TailRead::Batches(batches) => Ok(batches),
        TailRead::Files => log.read_files(at, end, 4096),
    }
}

//! A log as it should be: what was done to it, in order, and how much of that was seen to be durable.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use protocol::batch::{BatchProducer, batches, records, verify_crc};
use protocol::model::Offset;
use storage::log::{Durability, Log, ReadError, TailRead};

/// A batch that was appended.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The offset of its first record.
    pub base: usize,
    /// Its records.
    pub values: Vec<Vec<u8>>,
    /// The leader epoch it was written in.
    pub epoch: i32,
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
    Start(usize),
}

/// What a log holds.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Every batch there was and was not taken back, in order.
    pub batches: Vec<Batch>,
    /// The first offset that can be read.
    pub start: usize,
}

/// The key of a record: what its value begins with.
pub fn key_of(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b'-').next().unwrap_or_default()
}

impl Content {
    fn end(&self) -> usize {
        // What lay before the start may be lost: then the log goes on there.
        self.batches.last().map_or(0, Batch::end).max(self.start)
    }

    fn value_at(&self, offset: usize) -> Option<&Vec<u8>> {
        let at = self.batches.partition_point(|batch| batch.end() <= offset);
        value_in(self.batches.get(at)?, offset)
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Append(batch) => self.batches.push(batch.clone()),
            Change::Truncate(to) => {
                self.batches.retain(|batch| batch.end() <= *to);
                self.start = self.start.min(*to);
            }
            Change::Start(start) => self.start = *start,
        }
    }

    /// Whether a log with these ends and records is this one, wherever it starts.
    fn is(
        &self,
        (start, end): (usize, usize),
        read: &[(i64, Vec<u8>)],
        is_compacted: bool,
    ) -> bool {
        self.end() == end && start <= end && self.has(start..end, read, is_compacted)
    }

    /// Whether these are the records of a part of it: all of them, or, where it is compacted, all that no later one has the key of.
    fn has(&self, part: Range<usize>, read: &[(i64, Vec<u8>)], is_compacted: bool) -> bool {
        let mut read = read.iter().peekable();
        let mut next = || read.next_if(|_| true);
        let mut found = next();
        for at in part {
            match found {
                Some((offset, value)) if *offset == at as i64 => {
                    if self.value_at(at) != Some(value) {
                        return false;
                    }
                    found = next();
                }
                _ if is_compacted && self.is_superseded(at) => {}
                _ => return false,
            }
        }
        found.is_none()
    }

    fn is_superseded(&self, at: usize) -> bool {
        let key = self.value_at(at).map(|value| key_of(value));
        let later = self.batches.partition_point(|batch| batch.end() <= at);
        let later = self.batches[later..].iter();
        let mut later = later.flat_map(|batch| (batch.base..).zip(&batch.values));
        later.any(|(offset, value)| offset > at && Some(key_of(value)) == key)
    }
}

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
    /// Its records are stored in the page cache.
    pub is_unjournaled: bool,
    /// The end of those that were.
    stored: usize,
    /// The power may have taken records before its start, and what was known of their producers: nobody knows what it knows of them.
    pub has_lost: bool,
    /// Of its records, those that are superseded by later ones may go.
    pub is_compacted: bool,
    /// It is compacted up to here: what lies before cannot be truncated.
    pub compacted_end: usize,
    /// Truncations reached into it: of a producer's batches, only the last is certain to be remembered.
    pub was_truncated: bool,
    /// The log, while the process lives.
    pub log: Option<Arc<Log>>,
}

impl Expected {
    /// A log that was just created.
    pub fn of(log: Arc<Log>) -> Expected {
        Expected {
            is_compacted: log.compaction().is_some(),
            is_unjournaled: log.durability() == Durability::Os,
            log: Some(log),
            ..Expected::default()
        }
    }

    /// The offset after the last record.
    pub fn end(&self) -> usize {
        self.now.end()
    }

    /// The first offset that can be read.
    pub fn start(&self) -> usize {
        self.now.start
    }

    /// Whether anything was seen to be durable.
    pub fn has_durable(&self) -> bool {
        self.stored > 0 || !self.settled.batches.is_empty() || self.durable > 0
    }

    /// Notes an append.
    pub fn append(&mut self, batch: Batch) {
        self.change(Change::Append(batch));
    }

    /// Notes that the log begins later.
    pub fn starts_at(&mut self, start: usize) {
        assert!(start >= self.now.start, "a start moves forward");
        // A recovery knows the last batch of those that were deleted.
        self.was_truncated |= self.is_unjournaled;
        self.change(Change::Start(start));
    }

    fn change(&mut self, change: Change) {
        self.now.apply(&change);
        self.changes.push(change);
    }

    /// Notes a truncation.
    pub fn truncate(&mut self, to: usize) {
        self.change(Change::Truncate(to));
        self.was_truncated = true;
    }

    /// Notes how far the log is durable.
    pub fn observe(&mut self) {
        let Some(log) = &self.log else { return };
        let durable_end = usize::try_from(log.offsets().durable_end.get()).unwrap_or(0);
        if self.is_unjournaled {
            self.stored = self.stored.max(durable_end);
            return;
        }
        // What stands after the last truncation is in the log's order; when it is durable, so is everything before it.
        for (at, change) in self.changes.iter().enumerate().rev() {
            match change {
                Change::Append(batch) if batch.end() <= durable_end => {
                    self.durable = self.durable.max(at + 1);
                    return;
                }
                Change::Append(_) | Change::Start(_) => {}
                Change::Truncate(_) => return,
            }
        }
    }

    /// Compares the readable part with what was appended, while the process lives. Returns the records compared.
    pub fn check_live(&self) -> Result<usize, String> {
        let Some(log) = &self.log else { return Ok(0) };
        let end = usize::try_from(log.offsets().durable_end.get()).unwrap_or(0);
        let read = read_values(log)?;
        let part = self.now.start..end.max(self.now.start);
        match self.now.has(part.clone(), &read, self.is_compacted) {
            true => Ok(read.len()),
            false => Err(format!(
                "{log:?}: the records of {part:?} are not what was appended"
            )),
        }
    }

    /// Compares with a recovered log: it must be as after all of the changes or fewer, but not fewer than were durable. What
    /// was done beyond is forgotten. Returns the records compared.
    pub fn verify(&mut self, log: &Log, lost_power: bool) -> Result<usize, String> {
        if self.is_unjournaled {
            return self.verify_unjournaled(log, lost_power);
        }
        let read = read_values(log)?;
        let offsets = log.offsets();
        let ends = (
            offsets.start.get() as usize,
            offsets.durable_end.get() as usize,
        );
        let candidates = self.find(ends, &read, self.durable);
        if candidates.is_empty() {
            let certain = self.content_after(self.durable);
            let first_wrong = read
                .iter()
                .position(|(at, value)| self.now.value_at(*at as usize) != Some(value));
            return Err(format!(
                "{log:?}: {} records of {ends:?} are there, the first wrong one is {first_wrong:?}; {:?} were durable, {:?} were appended",
                read.len(),
                (certain.start, certain.end()),
                (self.now.start, self.end()),
            ));
        }
        // Where nothing is left to read, the producers tell which one it is.
        let mut wrong = None;
        for content in candidates {
            match self.check_producers(&content, log) {
                Ok(()) => {
                    self.settle(content);
                    return Ok(read.len());
                }
                Err(error) => wrong = Some(error),
            }
        }
        Err(wrong.unwrap_or_default())
    }

    /// As [`Expected::verify`] for a log in the page cache: what was stored is there unless the power was lost; what is there is
    /// what was appended, without a hole.
    fn verify_unjournaled(&mut self, log: &Log, lost_power: bool) -> Result<usize, String> {
        let read = read_values(log)?;
        let offsets = log.offsets();
        let start = offsets.start.get() as usize;
        let end = offsets.end.get() as usize;
        let is_right = self.now.has(start..end, &read, self.is_compacted);
        let is_enough = lost_power || end >= self.stored;
        if !is_right || !is_enough || end > self.now.end() || start > self.now.start {
            return Err(format!(
                "{log:?}: {} records of {start}..{end} are there; {} were stored, {:?} were appended",
                read.len(),
                self.stored,
                (self.now.start, self.now.end()),
            ));
        }
        let mut content = self.now.clone();
        content.batches.retain(|batch| batch.end() <= end);
        content.start = start;
        if content.end() != end {
            return Err(format!("{log:?}: it ends at {end}, within a batch"));
        }
        self.has_lost |= lost_power && start > 0;
        if !self.has_lost {
            self.check_producers(&content, log)?;
        }
        self.stored = end;
        self.settle(content);
        Ok(read.len())
    }

    /// As [`Expected::verify`] on a disk with damage: whatever is served is right. Returns whether all of it is.
    pub fn verify_damaged(&mut self, log: &Log, lost_power: bool) -> Result<bool, String> {
        let mut is_whole = true;
        for at in log.offsets().start.get()..log.offsets().end.get() {
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
                    Change::Truncate(_) | Change::Start(_) => false,
                });
                let at = offset as usize;
                if !was_appended && self.settled.value_at(at) != Some(&value) {
                    return Err(format!("{log:?}: record {offset} was never appended there"));
                }
            }
        }
        let end = usize::try_from(log.offsets().end.get()).unwrap_or(0);
        let is_long_enough = (self.durable..=self.changes.len())
            .any(|changes| end >= self.content_after(changes).end());
        let is_long_enough = match self.is_unjournaled {
            true => lost_power || end >= self.stored,
            false => is_long_enough,
        };
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
            content.apply(change);
        }
        content
    }

    fn find(
        &self,
        (start, end): (usize, usize),
        read: &[(i64, Vec<u8>)],
        from: usize,
    ) -> Vec<Content> {
        let mut next = self.content_after(from);
        let mut contents = vec![next.clone()];
        for change in &self.changes[from..] {
            next.apply(change);
            contents.push(next.clone());
        }
        // A checkpoint may say where the log starts before the journal does.
        if !contents.iter().any(|content| content.start == start) {
            return Vec::new();
        }
        contents.retain(|content| content.is((start, end), read, self.is_compacted));
        for content in &mut contents {
            content.start = start;
        }
        contents
    }

    fn check_producers(&self, content: &Content, log: &Log) -> Result<(), String> {
        let producers = log.producers();
        let mut written: Vec<(BatchProducer, Vec<&Batch>)> = Vec::new();
        for batch in &content.batches {
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

fn value_in(batch: &Batch, offset: usize) -> Option<&Vec<u8>> {
    batch.values.get(offset.checked_sub(batch.base)?)
}

/// Reads every record of a log, checks offsets and checksums, and returns the values in order.
fn read_values(log: &Log) -> Result<Vec<(i64, Vec<u8>)>, String> {
    let mut values = Vec::new();
    let end = log.offsets().durable_end;
    let mut at = log.offsets().start;
    while at < end {
        let chunks = read_at(log, at, end).map_err(|error| format!("{log:?} at {at}: {error}"))?;
        let last = chunks.iter().flat_map(|chunk| batches(chunk)).last();
        let Some(Ok((last, _))) = last else {
            return Err(format!(
                "{log:?}: nothing at {at}, but the log ends at {end}"
            ));
        };
        at = last.end_offset();
        values.extend(values_of(&chunks)?);
    }
    // A batch is read whole, also where the log begins within it.
    values.retain(|(offset, _)| *offset >= log.offsets().start.get());
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

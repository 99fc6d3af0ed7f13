//! Histories that were saved. A file may be of anybody: every number in it is checked before it is believed.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use super::{
    Batch, Begin, Event, FORMAT, History, NUMBER_MAX, OFFSET_MAX, RECORDS_MAX, RUN_RECORDS_MAX,
    Seen,
};
use crate::verify::PARTITIONS_MAX;

/// No line is longer.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The system would not let us.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It has no line at all.
    #[error("the file is empty: it is no history")]
    Empty,
    /// A line that is too long, or no JSON, or no event.
    #[error("line {line}: {reason}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Of another version.
    #[error("the history has format {found}, and this program reads {FORMAT}")]
    Format {
        /// Its version.
        found: u32,
    },
    /// More than fits into memory.
    #[error("the history has more than {RECORDS_MAX} records")]
    TooLarge,
}

/// Reads a file.
pub fn read_file(path: &Path) -> Result<History, HistoryError> {
    read(BufReader::new(File::open(path)?))
}

/// Reads a history. A last line without its end is of a run that was cut off, and left out.
pub fn read(mut from: impl BufRead) -> Result<History, HistoryError> {
    let mut reader = Reader {
        line: 0,
        records: 0,
    };
    let first = reader.next(&mut from)?.ok_or(HistoryError::Empty)?;
    let begin: Begin = reader.parse(&first)?;
    reader.check_begin(&begin)?;
    let mut events = Vec::new();
    while let Some(line) = reader.next(&mut from)? {
        let event: Event = reader.parse(&line)?;
        reader.check_event(&begin, &event)?;
        events.push(event);
    }
    Ok(History { begin, events })
}

struct Reader {
    line: usize,
    records: u64,
}

impl Reader {
    fn next(&mut self, from: &mut impl BufRead) -> Result<Option<Vec<u8>>, HistoryError> {
        let mut line = Vec::new();
        self.line += 1;
        from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() as u64 + 1 >= LINE_BYTES_MAX => {
                Err(self.wrong(format!("it is longer than {LINE_BYTES_MAX} bytes")))
            }
            _ => Ok(None),
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, line: &[u8]) -> Result<T, HistoryError> {
        serde_json::from_slice(line).map_err(|error| self.wrong(error.to_string()))
    }

    fn wrong(&self, reason: String) -> HistoryError {
        let line = self.line;
        HistoryError::Line { line, reason }
    }

    fn check_begin(&self, begin: &Begin) -> Result<(), HistoryError> {
        if begin.format != FORMAT {
            let found = begin.format;
            return Err(HistoryError::Format { found });
        }
        let starts = i32::try_from(begin.starts.len());
        if !(1..=PARTITIONS_MAX).contains(&begin.partitions) || starts != Ok(begin.partitions) {
            return Err(self.wrong(format!(
                "between 1 and {PARTITIONS_MAX} partitions have a start each, not {} and {}",
                begin.partitions,
                begin.starts.len()
            )));
        }
        Ok(())
    }

    fn check_event(&mut self, begin: &Begin, event: &Event) -> Result<(), HistoryError> {
        let partition = partition(event);
        if !(0..begin.partitions).contains(&partition) {
            return Err(self.wrong(format!("there is no partition {partition}")));
        }
        match event {
            Event::Send { batch, .. }
            | Event::Retry { batch, .. }
            | Event::Unknown { batch, .. } => self.check_batch(*batch, 0),
            Event::Ack { batch, offset, .. } => self.check_batch(*batch, offset.unwrap_or(0)),
            Event::Poll(poll) => poll.records.iter().try_for_each(|seen| match seen {
                Seen::Run(run) => self.check_batch(run.batch, run.offset),
                Seen::Foreign { offset, .. } => self.check_offset(*offset),
            }),
            Event::Seek { offset, .. } | Event::OutOfRange { offset, .. } => {
                self.check_offset(*offset)
            }
            Event::End { high_watermark, .. } => self.check_offset(high_watermark.unwrap_or(0)),
            Event::Replica { .. } => Ok(()),
        }
    }

    fn check_batch(&mut self, batch: Batch, offset: i64) -> Result<(), HistoryError> {
        if !(1..=RUN_RECORDS_MAX).contains(&batch.count) {
            let count = batch.count;
            return Err(self.wrong(format!(
                "a batch has 1 to {RUN_RECORDS_MAX} records, not {count}"
            )));
        }
        if batch.first > NUMBER_MAX {
            return Err(self.wrong(format!("no writer comes to number {}", batch.first)));
        }
        self.records += u64::from(batch.count);
        if self.records > RECORDS_MAX {
            return Err(HistoryError::TooLarge);
        }
        self.check_offset(offset)
    }

    fn check_offset(&self, offset: i64) -> Result<(), HistoryError> {
        match (0..=OFFSET_MAX).contains(&offset) {
            true => Ok(()),
            false => Err(self.wrong(format!("{offset} is no offset"))),
        }
    }
}

fn partition(event: &Event) -> i32 {
    match event {
        Event::Poll(poll) => poll.partition,
        Event::Send { partition, .. }
        | Event::Retry { partition, .. }
        | Event::Ack { partition, .. }
        | Event::Unknown { partition, .. }
        | Event::Seek { partition, .. }
        | Event::OutOfRange { partition, .. }
        | Event::End { partition, .. }
        | Event::Replica { partition, .. } => *partition,
    }
}

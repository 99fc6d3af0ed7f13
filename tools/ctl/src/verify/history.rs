//! What was sent, acknowledged and read, in a plain file: one JSON object per line.
//!
//! The first line is a [`Begin`], every other one an [`Event`], in the order in which they were noted. Times are
//! microseconds of a clock that never goes back, from the begin on. `docs/operating/verify.md` has the table.

mod file;
mod value;

use serde::{Deserialize, Serialize};

pub use file::{HistoryError, read, read_file};
pub use value::{ForeignValue, RunId, VALUE_BYTES, Value};

/// The version of the format that is written; files of another are refused.
pub const FORMAT: u32 = 1;
/// A run of records in an event has at most so many.
pub const RUN_RECORDS_MAX: u32 = 100_000;
/// A history has at most so many records, each time that one is sent or read counted.
pub const RECORDS_MAX: u64 = 200_000_000;

/// No offset is greater: half of what there is leaves room for any sum.
pub const OFFSET_MAX: i64 = i64::MAX / 2;
/// Nor is any number.
pub const NUMBER_MAX: u64 = u64::MAX / 2;

/// A whole history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// What it is of.
    pub begin: Begin,
    /// What happened, in the order in which it was noted.
    pub events: Vec<Event>,
}

/// What a history is of: its first line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// [`FORMAT`].
    pub format: u32,
    /// The run, which every value names.
    pub run: String,
    /// The topic's name.
    pub topic: String,
    /// How many partitions are written to, from 0 on.
    pub partitions: i32,
    /// The end of each of them before anything was written; what lies before is nobody's business.
    pub starts: Vec<i64>,
    /// When, in milliseconds since the epoch. Nothing depends on it.
    pub began_ms: i64,
}

/// Records of one writer with numbers that follow each other: what a batch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Batch {
    /// Who wrote it.
    pub writer: u32,
    /// The number of its first record. Numbers of a writer are never used again, in no partition.
    pub first: u64,
    /// How many records.
    pub count: u32,
}

/// Something that happened. Every `partition` is a partition's number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A batch is about to be sent for the first time.
    Send {
        /// When.
        at_us: u64,
        /// Where to.
        partition: i32,
        /// The idempotent producer, whose order the log has to keep.
        producer: i64,
        /// What.
        #[serde(flatten)]
        batch: Batch,
    },
    /// The same batch is about to be sent again, with the same sequence.
    Retry {
        /// When.
        at_us: u64,
        /// Where to.
        partition: i32,
        /// What.
        #[serde(flatten)]
        batch: Batch,
        /// Why.
        error: String,
    },
    /// The batch was acknowledged.
    Ack {
        /// When.
        at_us: u64,
        /// Where.
        partition: i32,
        /// What.
        #[serde(flatten)]
        batch: Batch,
        /// The offset of its first record. `None`: the broker only said that it has the batch already.
        offset: Option<i64>,
    },
    /// Nobody will ever know what became of the batch: it may or may not be there, once.
    Unknown {
        /// When it was given up.
        at_us: u64,
        /// Where.
        partition: i32,
        /// What.
        #[serde(flatten)]
        batch: Batch,
        /// The last answer.
        error: String,
        /// Whether that answer says that the broker knows less of the producer than it acknowledged.
        is_out_of_order: bool,
    },
    /// A consumer goes to an offset, of its own will.
    Seek {
        /// When.
        at_us: u64,
        /// Who.
        consumer: Consumer,
        /// Where.
        partition: i32,
        /// Where to.
        offset: i64,
    },
    /// A consumer was answered.
    Poll(Poll),
    /// A consumer was told that there is no such offset as it asks for.
    OutOfRange {
        /// When.
        at_us: u64,
        /// Who.
        consumer: Consumer,
        /// Where.
        partition: i32,
        /// What it asked for.
        offset: i64,
        /// Who answered.
        leader: i32,
    },
    /// All that was sent is resolved, and this is how much the final reads have to read.
    End {
        /// When.
        at_us: u64,
        /// Where.
        partition: i32,
        /// The end of what may be read; `None`: nobody would say.
        high_watermark: Option<i64>,
    },
    /// What one replica's files hold between two offsets.
    Replica {
        /// Where.
        partition: i32,
        /// Which: its directory.
        replica: String,
        /// From this offset on.
        start: i64,
        /// To before this one.
        end: i64,
        /// A checksum of the bytes, in any form that two replicas with the same bytes share.
        digest: String,
    },
}

/// An answer to a fetch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// When it was asked.
    pub asked_us: u64,
    /// When the answer was there.
    pub at_us: u64,
    /// Who asked.
    pub consumer: Consumer,
    /// What.
    pub partition: i32,
    /// From which offset on.
    pub from: i64,
    /// Who answered.
    pub leader: i32,
    /// The leadership that was asked, and no other answers. `None`: unknown.
    pub leader_epoch: Option<i32>,
    /// The end of what may be read, as answered.
    pub high_watermark: Option<i64>,
    /// The records, in the order of the answer.
    pub records: Vec<Seen>,
}

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consumer {
    /// Reads everything from the start, while it is written.
    Tail,
    /// Reads again what was written, from anywhere.
    Random,
    /// Reads everything in the end, a little at a time.
    FinalSmall,
    /// Reads everything in the end, as much at a time as there is.
    FinalLarge,
}

impl Consumer {
    /// Whether it began when everything was resolved.
    pub fn is_final(self) -> bool {
        matches!(self, Consumer::FinalSmall | Consumer::FinalLarge)
    }

    /// As it is in the file.
    pub fn name(self) -> &'static str {
        match self {
            Consumer::Tail => "tail",
            Consumer::Random => "random",
            Consumer::FinalSmall => "final-small",
            Consumer::FinalLarge => "final-large",
        }
    }
}

/// Records that were read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Seen {
    /// `[offset, writer, first, count]`: values of this run, at offsets that follow each other.
    Run(Run),
    /// Something else.
    Foreign {
        /// Where it is.
        offset: i64,
        /// What, in at most a few words.
        foreign: String,
    },
}

/// Values of one writer whose numbers and offsets both follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, u32, u64, u32)", into = "(i64, u32, u64, u32)")]
pub struct Run {
    /// The offset of the first.
    pub offset: i64,
    /// Which they are.
    pub batch: Batch,
}

impl From<(i64, u32, u64, u32)> for Run {
    fn from((offset, writer, first, count): (i64, u32, u64, u32)) -> Run {
        let batch = Batch {
            writer,
            first,
            count,
        };
        Run { offset, batch }
    }
}

impl From<Run> for (i64, u32, u64, u32) {
    fn from(run: Run) -> (i64, u32, u64, u32) {
        let Batch {
            writer,
            first,
            count,
        } = run.batch;
        (run.offset, writer, first, count)
    }
}

impl Run {
    /// The offset after the last.
    pub fn end(&self) -> i64 {
        self.offset.saturating_add(i64::from(self.batch.count))
    }
}

impl Seen {
    /// The offset of its first record.
    pub fn offset(&self) -> i64 {
        match self {
            Seen::Run(run) => run.offset,
            Seen::Foreign { offset, .. } => *offset,
        }
    }

    /// The offset after its last record.
    pub fn end(&self) -> i64 {
        match self {
            Seen::Run(run) => run.end(),
            Seen::Foreign { offset, .. } => offset.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests;

use std::fmt;

use crate::verify::history::{Batch, Consumer, Value};

/// A way in which a log contradicts its history. Each has the partition's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// Acknowledged, and not there, though a reader in the end came by where it should be.
    LostWrite {
        /// Where.
        partition: i32,
        /// What was acknowledged.
        batch: Batch,
        /// The offset in the acknowledgement, of its first record.
        offset: Option<i64>,
        /// How many of its records are missing.
        missing: u32,
        /// Who missed them.
        consumer: Consumer,
    },
    /// Acknowledged, and beyond what the reads in the end reached.
    Unseen {
        /// Where.
        partition: i32,
        /// What was acknowledged.
        batch: Batch,
        /// The offset in the acknowledgement, of its first record.
        offset: Option<i64>,
        /// How many of its records nobody saw.
        missing: u32,
    },
    /// One offset, two values.
    InconsistentOffsets {
        /// Where.
        partition: i32,
        /// The offset.
        offset: i64,
        /// What it is known to hold.
        one: String,
        /// What it holds elsewhere.
        other: String,
    },
    /// One value, two offsets.
    Duplicate {
        /// Where.
        partition: i32,
        /// The value.
        value: Value,
        /// Where it comes first.
        first: i64,
        /// Where it comes again.
        again: i64,
    },
    /// A consumer was given an offset before the one it had come to.
    NonmonotonicPoll {
        /// Where.
        partition: i32,
        /// Who.
        consumer: Consumer,
        /// The offset that was next.
        expected: i64,
        /// The offset that came.
        found: i64,
    },
    /// A consumer was not given offsets that hold something.
    PollSkip {
        /// Where.
        partition: i32,
        /// Who.
        consumer: Consumer,
        /// The first of them.
        first: i64,
        /// How many.
        count: u64,
        /// The offset that came instead.
        found: i64,
    },
    /// A producer's later value lies before an earlier one.
    NonmonotonicSend {
        /// Where.
        partition: i32,
        /// The earlier value.
        value: Value,
        /// Its offset.
        offset: i64,
        /// The later one, which lies before it.
        after: Value,
    },
    /// What could be read ended further back than before.
    HighWatermarkBack {
        /// Where.
        partition: i32,
        /// How far it was.
        before: i64,
        /// How far it is.
        now: i64,
        /// How that is known.
        how: &'static str,
    },
    /// Never sent to this partition.
    Foreign {
        /// Where.
        partition: i32,
        /// Its offset.
        offset: i64,
        /// What it is.
        what: String,
    },
    /// Two replicas have other bytes.
    ReplicasDiffer {
        /// Where.
        partition: i32,
        /// The first offset that was compared.
        start: i64,
        /// The end of what was compared.
        end: i64,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// A producer that waits for each batch was told that there is one missing between what it sends and what it sent.
    OutOfOrderSequence {
        /// Where.
        partition: i32,
        /// What it sent.
        batch: Batch,
        /// What it was told.
        error: String,
    },
}

/// The names, in the order in which anomalies are reported: the worst first.
const NAMES: [&str; 11] = [
    "lost-write",
    "unseen",
    "inconsistent-offsets",
    "duplicate",
    "nonmonotonic-poll",
    "poll-skip",
    "int-nonmonotonic-send",
    "high-watermark-back",
    "foreign",
    "replicas-differ",
    "out-of-order-sequence",
];

impl Anomaly {
    /// Its kind in a word.
    pub fn name(&self) -> &'static str {
        NAMES[self.rank()]
    }

    pub(super) fn rank(&self) -> usize {
        match self {
            Anomaly::LostWrite { .. } => 0,
            Anomaly::Unseen { .. } => 1,
            Anomaly::InconsistentOffsets { .. } => 2,
            Anomaly::Duplicate { .. } => 3,
            Anomaly::NonmonotonicPoll { .. } => 4,
            Anomaly::PollSkip { .. } => 5,
            Anomaly::NonmonotonicSend { .. } => 6,
            Anomaly::HighWatermarkBack { .. } => 7,
            Anomaly::Foreign { .. } => 8,
            Anomaly::ReplicasDiffer { .. } => 9,
            Anomaly::OutOfOrderSequence { .. } => 10,
        }
    }

    /// Of which partition.
    pub fn partition(&self) -> i32 {
        match self {
            Anomaly::LostWrite { partition, .. }
            | Anomaly::Unseen { partition, .. }
            | Anomaly::InconsistentOffsets { partition, .. }
            | Anomaly::Duplicate { partition, .. }
            | Anomaly::NonmonotonicPoll { partition, .. }
            | Anomaly::PollSkip { partition, .. }
            | Anomaly::NonmonotonicSend { partition, .. }
            | Anomaly::HighWatermarkBack { partition, .. }
            | Anomaly::Foreign { partition, .. }
            | Anomaly::ReplicasDiffer { partition, .. }
            | Anomaly::OutOfOrderSequence { partition, .. } => *partition,
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}: ", self.partition())?;
        match self {
            Anomaly::LostWrite {
                batch,
                offset,
                missing,
                consumer,
                ..
            } => {
                let (at, consumer) = (at(*offset), consumer.name());
                write!(
                    f,
                    "{missing} of {batch}, acknowledged{at}, not there for {consumer}"
                )
            }
            Anomaly::Unseen {
                batch,
                offset,
                missing,
                ..
            } => write!(
                f,
                "{missing} of {batch}, acknowledged{}, beyond what could be read",
                at(*offset)
            ),
            Anomaly::InconsistentOffsets {
                offset, one, other, ..
            } => write!(f, "offset {offset} is {one}, and {other}"),
            Anomaly::Duplicate {
                value,
                first,
                again,
                ..
            } => write!(f, "{value} is at offset {first} and again at {again}"),
            Anomaly::NonmonotonicPoll {
                consumer,
                expected,
                found,
                ..
            } => write!(
                f,
                "{} was given offset {found} where {expected} was next",
                consumer.name()
            ),
            Anomaly::PollSkip {
                consumer,
                first,
                count,
                found,
                ..
            } => write!(
                f,
                "{} was given offset {found} and not the {count} that there are from {first} on",
                consumer.name()
            ),
            Anomaly::NonmonotonicSend {
                value,
                offset,
                after,
                ..
            } => write!(f, "{value} is at offset {offset}, after {after}"),
            Anomaly::HighWatermarkBack {
                before, now, how, ..
            } => write!(f, "it ended at {before}, and now at {now}: {how}"),
            Anomaly::Foreign { offset, what, .. } => write!(f, "{what} at offset {offset}"),
            Anomaly::ReplicasDiffer {
                start,
                end,
                one,
                other,
                ..
            } => write!(f, "between offsets {start} and {end}: {one} and {other}"),
            Anomaly::OutOfOrderSequence { batch, error, .. } => {
                write!(f, "{batch} were refused with {error}")
            }
        }
    }
}

fn at(offset: Option<i64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" at offset {offset}"))
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records from {}",
            self.count,
            Value {
                writer: self.writer,
                number: self.first,
            }
        )
    }
}

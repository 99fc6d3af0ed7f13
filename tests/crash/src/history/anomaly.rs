use std::fmt;

use protocol::model::Offset;

use super::{BatchId, ValueId};

/// A way in which a log contradicts its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// Acknowledged, and not there.
    Lost {
        /// The batch that was acknowledged.
        batch: BatchId,
        /// At which offset.
        base_offset: Offset,
        /// How many of its records are missing.
        missing: u32,
    },
    /// Acknowledged at one offset, and there at another.
    Misplaced {
        /// The first such value of its batch.
        value: ValueId,
        /// Where the acknowledgement put it.
        acknowledged: Offset,
        /// Where it is.
        found: Offset,
    },
    /// One value at two offsets.
    Duplicate {
        /// The value.
        value: ValueId,
        /// Where it comes first.
        first: Offset,
        /// Where it comes again.
        again: Offset,
    },
    /// A writer's later value lies before an earlier one.
    Reordered {
        /// The earlier value.
        value: ValueId,
        /// Where it is.
        offset: Offset,
        /// The later value, which lies before that.
        after: ValueId,
    },
    /// Never sent to this partition.
    Foreign {
        /// Where it is.
        offset: Offset,
        /// What it is.
        what: String,
    },
    /// Sent in one batch, of which only a part is there.
    Torn {
        /// The batch.
        batch: BatchId,
        /// How many of its records are there.
        present: u32,
    },
    /// Read before, and now other bytes.
    Changed {
        /// Where the batch that was read begins.
        base_offset: Offset,
    },
    /// Read before, and now gone.
    Vanished {
        /// Where the batch that was read begins.
        base_offset: Offset,
    },
    /// Offsets that do not follow each other.
    Gap {
        /// The offset that was next.
        expected: Offset,
        /// The offset that came.
        found: Offset,
    },
    /// Old records were deleted, and more than may be.
    Overdeleted {
        /// The first offset that is left.
        start: Offset,
        /// Bytes from there on.
        kept: u64,
    },
    /// A committed offset that was acknowledged or read is not there, or one is that was never committed.
    Uncommitted {
        /// The group.
        group: String,
        /// The last that was acknowledged or read.
        known: i64,
        /// The last that was sent.
        sent: i64,
        /// What is there; 0 for nothing.
        found: i64,
    },
    /// Served, and damaged.
    Corrupt {
        /// Where the batch begins.
        base_offset: Offset,
        /// What is wrong.
        what: String,
    },
}

impl Anomaly {
    /// Its kind in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Anomaly::Lost { .. } => "lost",
            Anomaly::Misplaced { .. } => "misplaced",
            Anomaly::Duplicate { .. } => "duplicate",
            Anomaly::Reordered { .. } => "reordered",
            Anomaly::Foreign { .. } => "foreign",
            Anomaly::Torn { .. } => "torn",
            Anomaly::Changed { .. } => "changed",
            Anomaly::Vanished { .. } => "vanished",
            Anomaly::Gap { .. } => "gap",
            Anomaly::Overdeleted { .. } => "overdeleted",
            Anomaly::Uncommitted { .. } => "uncommitted",
            Anomaly::Corrupt { .. } => "corrupt",
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        match self {
            Anomaly::Lost {
                batch,
                base_offset,
                missing,
            } => write!(
                f,
                "{missing} of {batch}, acknowledged at offset {base_offset}"
            ),
            Anomaly::Misplaced {
                value,
                acknowledged,
                found,
            } => write!(
                f,
                "{value}, acknowledged at offset {acknowledged}, is at {found}"
            ),
            Anomaly::Duplicate {
                value,
                first,
                again,
            } => write!(f, "{value} is at offset {first} and again at {again}"),
            Anomaly::Reordered {
                value,
                offset,
                after,
            } => write!(f, "{value} is at offset {offset}, after {after}"),
            Anomaly::Foreign { offset, what } => write!(f, "{what} at offset {offset}"),
            Anomaly::Torn { batch, present } => write!(f, "only {present} of {batch} are there"),
            Anomaly::Changed { base_offset } => {
                write!(
                    f,
                    "the batch at offset {base_offset} had other bytes before"
                )
            }
            Anomaly::Vanished { base_offset } => {
                write!(f, "the batch at offset {base_offset} could be read before")
            }
            Anomaly::Gap { expected, found } => {
                write!(f, "offset {found} comes where {expected} was next")
            }
            Anomaly::Overdeleted { start, kept } => {
                write!(f, "only {kept} bytes are left, from offset {start} on")
            }
            Anomaly::Uncommitted {
                group,
                known,
                sent,
                found,
            } => write!(
                f,
                "{group} is at offset {found}, which was at {known} and never beyond {sent}"
            ),
            Anomaly::Corrupt { base_offset, what } => {
                write!(f, "the batch at offset {base_offset}: {what}")
            }
        }
    }
}

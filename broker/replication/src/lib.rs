//! Replication of one partition: what its leader and its followers decide. Kafka's `Partition` and `AbstractFetcherThread`, without their I/O.
//!
//! - [`Leader`] counts how far its log is durable, here and on followers, moves the high watermark, and proposes who is in sync.
//! - [`truncation`] says where a follower cuts its log when it has gone another way than its leader's.
//!
//! What counts is what is *durable*, on each replica, and not what was fetched: an acknowledged record is on the disks of the whole ISR.
//!
//! Pure: no clock, no randomness, no I/O. Time comes in as milliseconds of a monotonic clock; what is to be done comes out as [`Effect`]s.

mod follower;
mod leader;

pub use follower::{OwnLog, Truncation, truncation};
pub use leader::{
    Effect, FollowerReport, FollowerState, Leader, LogEnds, PartitionView, ProposedIsr, ReportError,
};

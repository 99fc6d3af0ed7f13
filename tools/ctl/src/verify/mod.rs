//! Whether a cluster keeps what it acknowledges, and what it has once given out.
//!
//! - [`history`]: what was sent, acknowledged and read, in a file.
//! - [`check`]: what is wrong with a history.
//! - [`files`]: the bytes of replicas.
//! - [`report`]: a verdict for people.
//! - [`run()`]: writes, reads, and makes a history of it.

pub mod check;
pub mod files;
pub mod history;
pub mod report;
mod run;

pub use run::{LANES_MAX, Outcome, Progress, Stop, VerifyConfig, run};

/// No more partitions are written to.
pub const PARTITIONS_MAX: i32 = 256;

//! A load generator for any cluster that speaks the Kafka protocol, and what it measures.
//!
//! - [`schedule`]: when each request is due, whatever the answers do (open loop).
//! - [`produce`]: requests of batches that were built beforehand; latency counts from when a request was due.
//! - [`consume`]: a topic read from start to end.
//! - [`process`]: CPU time, memory and bytes written of a broker on this machine.
//! - [`page_cache`]: filled before a round, as on a machine that has run for a while.
//! - [`commits`]: groups that commit offsets.
//! - [`rebalance`]: how long groups take until all is somebody's again.
//! - [`compaction`]: how fast a log is compacted.
//! - [`compare`]: several brokers in turn, medians and ratios.
//! - [`startup`]: how long a start takes, with how much there is, after a clean stop or SIGKILL.

pub mod commits;
pub mod compaction;
pub mod compare;
pub mod consume;
mod error;
mod link;
pub mod page_cache;
pub mod process;
pub mod produce;
pub mod rebalance;
pub mod schedule;
pub mod startup;
pub mod summary;
pub mod topic;

pub use error::BenchError;

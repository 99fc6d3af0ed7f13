//! A load generator for any cluster that speaks the Kafka protocol, and what it measures.
//!
//! - [`workload`]: what is done to a cluster, and when each request is due, whatever the answers do (open loop).
//! - [`native`]: the load generator's own client; [`librdkafka`]: the same load through librdkafka.
//! - [`ledger`]: which records were acknowledged, and which were read.
//! - [`measure`]: a round, from its topics to what it cost.
//! - [`sequence`]: one workload after the other.
//! - [`latency`], [`recorder`]: histograms, and a run cut into seconds.
//! - [`round`], [`saved`], [`ratio`]: results; [`report`]: how they are shown.
//! - [`process`], [`environment`]: what the system says of a broker, and of the machine.
//! - [`stub`]: a server of known behaviour, to show that what is measured is true.
//! - [`null_server`]: the same as a process of its own; [`sendfile`]: the least that reading a log costs; [`fio`]: what the device has for a journal.
//! - [`journal`]: what Holdfast's journal wrote, by its metrics.
//! - [`targets`]: brokers that are started here to be measured.
//! - [`page_cache`]: filled before a round, as on a machine that has run for a while.
//! - [`commits`]: groups that commit offsets.
//! - [`rebalance`]: how long groups take until all is somebody's again.
//! - [`compaction`]: how fast a log is compacted.
//! - [`startup`]: how long a start takes, with how much there is, after a clean stop or SIGKILL.

mod busy;
pub mod commits;
pub mod compaction;
mod course;
pub mod environment;
mod error;
pub mod fault;
pub mod fio;
pub mod interrupt;
pub mod journal;
pub mod latency;
pub mod ledger;
pub mod librdkafka;
pub mod measure;
pub mod native;
pub mod null_server;
pub mod page_cache;
pub mod process;
pub mod progress;
pub mod ratio;
pub mod rebalance;
pub mod recorder;
pub mod report;
pub mod round;
pub mod saved;
pub mod sendfile;
pub mod sequence;
pub mod startup;
pub mod stub;
pub mod suite;
pub mod targets;
pub mod topic;
pub mod workload;

pub use error::BenchError;

//! Starts Apache Kafka and Holdfast as processes of their own, for tests and benches.
//!
//! Both listen on loopback, on ports picked here, and die with the value that started them: on
//! drop, and also when the test process is killed before it can drop anything.

mod apache;
mod await_that;
mod error;
mod holdfast;
mod holdfast_cluster;
mod jars;
mod ports;
mod process;
mod ready;
mod tools;

pub use apache::{ApacheKafka, ApacheKafkaConfig};
pub use await_that::await_that;
pub use error::PeerError;
pub use holdfast::{Holdfast, HoldfastConfig, holdfast_binary};
pub use holdfast_cluster::HoldfastCluster;
pub use jars::{KAFKA_VERSION, ensure_jars};
pub use tools::{tool, tool_with_jvm};

/// A running cluster, whoever made it: what a test case needs to know of one.
pub trait Cluster {
    /// The addresses a client is given, separated by commas.
    fn bootstrap(&self) -> String;

    /// `apache` or `holdfast`, for names of tests and columns of tables.
    fn name(&self) -> &'static str;

    /// The last lines every broker logged, for the report of a failure.
    fn log_tail(&self) -> String;
}

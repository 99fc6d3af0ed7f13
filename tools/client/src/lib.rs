//! A small blocking client on one connection to one broker.
//!
//! It does what tests and tools need and a real client hides: requests are pipelined by the caller, nothing
//! is retried, and batches, producer ids and sequences are the caller's own.
//!
//! - [`Connection`]: versions agreed once, then [`send`](Connection::send) and
//!   [`receive`](Connection::receive), or both at once with [`call`](Connection::call).
//! - `admin.rs`: [`Topic`]s made and looked up.
//! - `metadata.rs`: brokers, topics, and who leads what.
//! - `produce.rs`: acks=all, one batch for each partition.
//! - `fetch.rs`: offsets and record bytes; `fetch_many.rs`: of several partitions at once, waiting for what is not there yet.
//! - `partitioner.rs`: where a key goes.
//! - `groups.rs`: consumer groups, and committed offsets.
//! - `replicas.rs`: partitions moved to other brokers, and leaders elected.
//! - `cluster.rs`, `quorum.rs`, `partitions.rs`, `configs.rs`, `log_dirs.rs`: what there is to know of brokers, of the metadata quorum,
//!   of partitions, of settings, and of directories.
//! - [`metrics`]: what a page of metrics says.

mod admin;
mod cluster;
mod configs;
mod connection;
mod error;
mod fetch;
mod fetch_many;
mod groups;
mod log_dirs;
mod metadata;
pub mod metrics;
mod partitioner;
mod partitions;
mod produce;
mod quorum;
mod replicas;

pub use admin::Topic;
pub use cluster::DescribedBroker;
pub use configs::{ConfigChanges, ConfigResource, ConfigValue};
pub use connection::Connection;
pub use error::ClientError;
pub use fetch::{Fetched, OffsetSpec};
pub use fetch_many::{FetchAt, FetchLimits, FetchedPartition};
pub use groups::{CommittedOffset, DescribedGroup, GroupMember, ListedGroup};
pub use log_dirs::{LogDir, LogDirReplica};
pub use metadata::{ClusterMetadata, MetadataBroker, PartitionMetadata, TopicMetadata};
pub use partitioner::partition_of_key;
pub use partitions::DescribedPartition;
pub use produce::{PartitionBatch, Produced, ProducerIdAndEpoch};
pub use quorum::{Quorum, QuorumReplica};
pub use replicas::Reassignment;

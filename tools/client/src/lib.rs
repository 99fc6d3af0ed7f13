//! A small blocking client on one connection to one broker.
//!
//! It does what tests and tools need and a real client hides: requests are pipelined by the caller, nothing
//! is retried, and batches, producer ids and sequences are the caller's own.
//!
//! - [`Connection`]: versions agreed once, then [`send`](Connection::send) and
//!   [`receive`](Connection::receive), or both at once with [`call`](Connection::call).
//! - `admin.rs`: [`Topic`]s made and looked up.
//! - `produce.rs`: acks=all, one batch for each partition.
//! - `fetch.rs`: offsets and record bytes.
//! - `groups.rs`: committed offsets.
//! - `replicas.rs`: partitions moved to other brokers, and leaders elected.

mod admin;
mod connection;
mod error;
mod fetch;
mod groups;
mod produce;
mod replicas;

pub use admin::Topic;
pub use connection::Connection;
pub use error::ClientError;
pub use fetch::{Fetched, OffsetSpec};
pub use produce::{PartitionBatch, Produced, ProducerIdAndEpoch};

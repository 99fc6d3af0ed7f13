//! The broker: listeners, APIs, partitions.

pub mod admin;
pub mod api;
pub mod balance;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod coordinator;
pub mod data_dirs;
pub mod departure;
pub mod follow;
pub mod internal;
pub mod listed;
pub mod liveness;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod node;
pub mod observe;
pub mod open_files;
pub mod panics;
pub mod partition;
pub mod producer_ids;
pub mod quorum;
pub mod replication;
pub mod run;
pub mod space;
pub mod standing;
pub mod together;

#[cfg(test)]
mod testing;

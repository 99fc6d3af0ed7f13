//! The broker: listeners, APIs, partitions.

pub mod admin;
pub mod cli;
pub mod config;
pub mod logging;
pub mod metrics;
pub mod net;

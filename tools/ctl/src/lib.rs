//! What `holdfast-ctl` does, for any cluster that speaks the Kafka protocol.
//!
//! - [`cluster`]: how a cluster is, and what it can do without.
//! - [`format`]: tables, JSON and YAML.
//! - [`verify`]: writes, reads, and finds what is lost, doubled or in another order.

pub mod cluster;
mod error;
pub mod format;
mod seeds;
pub mod verify;

pub use error::CtlError;
pub use seeds::Seeds;

//! What `holdfast-ctl` does, for any cluster that speaks the Kafka protocol.
//!
//! - [`admin`]: what one broker does for who runs it.
//! - [`cluster`]: how a cluster is, and what it can do without.
//! - [`configs`]: settings of topics and brokers.
//! - [`consume`], [`produce`]: records read and written by hand.
//! - [`debug`]: what one sends with a report of a bug.
//! - [`doctor`]: the usual mistakes, looked for.
//! - [`format`]: tables, JSON and YAML.
//! - [`groups`]: members, committed offsets, lag.
//! - [`kubernetes`]: what a pod has to know of its node.
//! - [`topics`]: what there is, made, changed and deleted.
//! - [`verify`]: writes, reads, and finds what is lost, doubled or in another order.

pub mod admin;
mod clock;
pub mod cluster;
pub mod configs;
pub mod consume;
pub mod debug;
pub mod doctor;
mod error;
pub mod format;
pub mod groups;
pub mod kubernetes;
mod leaders;
mod log_ends;
pub mod produce;
mod seeds;
pub mod topics;
pub mod verify;

pub use error::CtlError;
pub use seeds::Seeds;

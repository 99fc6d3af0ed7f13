//! What brokers of a cluster say to each other besides Kafka's protocol: Raft, and what goes to the controller. It has a listener of its own.
//!
//! A connection begins with a [`wire::Hello`] each way, in which both say which versions they speak and who they are. Then one side asks and the
//! other answers, in any order, many at once.

mod client;
mod server;
pub mod wire;

pub use client::{Peer, PeerError};
pub use server::{Handler, Internal};

#[cfg(test)]
mod tests;

//! A broker to test, and a client that can also say what no client should.

pub(crate) mod batches;
pub(crate) mod broker;
pub(crate) mod bystander;
pub(crate) mod client;
pub(crate) mod directory;
pub(crate) mod http;
pub(crate) mod random;
pub(crate) mod topics;

pub(crate) use batches::{Sent, batch, idempotent, values_of};
pub(crate) use broker::{Node, NodeConfig};
pub(crate) use bystander::Bystander;
pub(crate) use client::{Client, Outcome};
pub(crate) use random::Random;
pub(crate) use topics::Topic;

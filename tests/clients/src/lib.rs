//! What the cases under `cases/` share: brokers to run against, records to send, and a harness that
//! names the clients it could not find.

mod brokers;
mod command;
mod corpus;
mod harness;
mod install;
mod record;

pub use brokers::{Backend, NUM_PARTITIONS, Target};
pub use command::{on_path, run, run_to_failure, run_with_input};
pub use corpus::{Content, bulk, edge_cases, in_turn, partition_of};
pub use harness::{Case, Client, main};
pub use install::{install, installed};
pub use record::{Record, assert_same, ends};

/// Every codec of the record batch format, by the name clients give it.
pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

//! Load that is meant to be cut off: several writers, each on a connection of its own, with
//! requests in flight whenever the broker dies.

mod batches;
mod committer;
mod lane;
mod writer;

pub use committer::Committer;
pub use writer::{Ending, Pulse, Writer, WriterKind, WriterReport};

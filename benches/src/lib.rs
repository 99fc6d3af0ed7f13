//! Benches: `cargo bench -p benches`. Each states the number its sketch expects; what was measured, and why it differs, is in `docs/`.

mod nodes;

pub use nodes::{Broker, Error, NODES, Nodes};

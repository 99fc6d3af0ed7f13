//! Partitioned logs over one journal per data directory.
pub mod io;

//! Partitioned logs over one journal per data directory.
pub mod io;
pub mod journal;
pub mod log;
pub mod data_dir;

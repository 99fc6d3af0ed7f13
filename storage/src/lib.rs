//! Partitioned logs over one journal per data directory.

pub mod data_dir;
#[cfg(test)]
mod fixture;
pub mod io;
pub mod journal;
pub mod log;

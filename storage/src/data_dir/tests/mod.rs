//! Tests of a data directory: its files, whose it is, deletion, pressure, and its threads on a real disk.

mod checkpoint_bytes;
mod failing;
mod full;
mod growth;
mod identity;
mod life;
mod retention_clock;
mod size;
mod stress;

//! Raft: its storage, and voters among each other.

mod cluster;
mod log;
mod suite;

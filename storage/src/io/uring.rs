//! The queue over io_uring: one thread owns one ring.
//!
//! Only `Read`, `Write` and `Fsync` are used: no SQPOLL, no links, no drain. Order is kept here,
//! where it can be read: a sync is submitted after the full-length completion of its write. Nothing
//! is cancelled, since a write that may or may not have happened helps nobody.
//!
//! This folder holds all the `unsafe` of the project.

mod cached;
mod ring;
mod slots;
mod writeback;

#[cfg(test)]
mod tests;

pub(super) use cached::is_cached;
pub(super) use ring::{RingQueue, probe};
pub(super) use writeback::start_writeback;

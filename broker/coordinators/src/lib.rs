//! Coordinators: state machines over a partition of an internal topic, and nothing but that.
//!
//! A [`Coordinator`] has two kinds of state. What is *recorded* (offsets, generations) is changed by records alone, so that loading is
//! replaying; what is *volatile* (who waits for whom, when who was heard of last) begins anew with each load, and clients are built for that.
//! Requests, timers and records go in, with the time as an argument; [`Effects`] come out: records to append, and replies.
//!
//! The caller owns the log. It appends the records of one call at once and in order, and gives a reply only when all that was
//! appended before it, the records of the same call included, is committed: so nothing is ever answered that could be undone. If it cannot append,
//! or what was appended is not committed, the coordinator is thrown away, and loaded again by whoever leads the partition then.
//!
//! Pure: no clock, no randomness, no I/O. New member ids come in as arguments.

mod effects;
pub mod group;
mod timers;

pub use effects::{Coordinator, Effects, Now, Ticket};
pub use timers::Timers;

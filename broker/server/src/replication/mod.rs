//! Replication: what leaders on this broker propose to the controller.

mod proposals;
mod view;

pub use proposals::{Proposals, ProposalsInbox};
pub use view::view_of;

/// `replica.lag.time.max.ms`: a follower that has not had everything for so long leaves the ISR, so that what waits for it goes on.
pub const LAG_MS_MAX: i64 = 2_000;

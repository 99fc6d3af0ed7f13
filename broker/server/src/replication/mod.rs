//! Replication between brokers: replicas that follow, and what leaders here propose to the controller.

mod fetch_session;
mod fetcher;
mod followed;
mod peers;
mod progress;
mod proposals;
mod resting;
mod throttle;
mod view;

pub use fetcher::Fetchers;
pub use followed::{Fetched, Followed, Position, Stopped};
pub use peers::{BrokerPeers, INTERNAL};
pub use progress::ProgressSink;
pub use proposals::{Proposals, ProposalsInbox};
pub use throttle::{Quota, Throttles};
pub use view::view_of;

/// `replica.lag.time.max.ms`: a follower that has not had everything for so long leaves the ISR, so that what waits for it goes on.
pub const LAG_MS_MAX: i64 = 2_000;

//! What an operator has to know of a cluster.
//!
//! - [`ask`]: asks brokers for [`Facts`].
//! - [`status`]: what of them is not as it should be.
//! - [`safe_to_stop`]: what would be missing without one of the brokers.
//! - [`report`]: both for people.
//!
//! What follows from facts is found without I/O.

mod ask;
mod facts;
pub mod report;
mod safe_to_stop;
mod status;

pub use ask::ask;
pub use facts::{
    BrokerFacts, Facts, PartitionFacts, PartitionName, QuorumFacts, QuorumMember, Unanswered,
};
pub use safe_to_stop::{StopVerdict, safe_to_stop};
pub use status::{PartitionProblem, PartitionStatus, Status, status};

#[cfg(test)]
mod tests;

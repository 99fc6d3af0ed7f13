//! What an operator has to know of a cluster.
//!
//! - [`apply`]: topics and settings as a file wants them.
//! - [`ask`]: asks brokers for [`Facts`].
//! - [`status`]: what of them is not as it should be.
//! - [`safe_to_stop`]: what would be missing without one of the brokers.
//! - [`moves`]: where replicas are to go when brokers come and go; [`carry_out`] has them go there.
//! - [`unregister`]: brokers that are gone for good are forgotten.
//! - [`report`]: all of it for people.
//!
//! What follows from facts is found without I/O.

pub mod apply;
mod ask;
mod carry_out;
mod facts;
pub mod moves;
pub mod report;
mod safe_to_stop;
mod status;
mod unregister;

pub use ask::ask;
pub use carry_out::carry_out;
pub use facts::{
    BrokerFacts, DirectoryFacts, Facts, PartitionFacts, PartitionName, QuorumFacts, QuorumMember,
    Unanswered,
};
pub use safe_to_stop::{StopVerdict, safe_to_stop};
pub use status::{PartitionProblem, PartitionStatus, Status, status};
pub use unregister::unregister;

#[cfg(test)]
mod tests;

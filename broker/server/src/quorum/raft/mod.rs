//! The metadata quorum by Raft (`openraft`).

mod entry;
mod log;
mod network;
mod observed;
mod quorum;
mod snapshot;
mod state_machine;
mod succession;
mod types;
mod voters;

#[cfg(test)]
mod tests;

pub use log::{METADATA_TOPIC, metadata_partition};
pub(crate) use quorum::FORWARD_PATIENCE;
pub use quorum::{RaftQuorum, RaftTiming};
pub use types::{HeardBroker, MetadataEntry, QuorumStatus, RaftTypes, Voter, VoterId, VoterStatus};
pub use voters::{ChangeVoters, HOST_BYTES_MAX, VoterChange};

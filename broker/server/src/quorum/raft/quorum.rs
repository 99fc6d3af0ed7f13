//! One voter.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use broker_controller::{DirectoryId, MetadataRecord};
use openraft::{Config, Raft, SnapshotPolicy};
use parking_lot::Mutex;
use storage::data_dir::DataDir;

use super::log::{METADATA_TOPIC, RaftLog};
use super::network::Peers;
use super::state_machine::StateMachine;
use super::types::{EntryOutcome, MetadataEntry, RaftTypes, Voter, VoterId};
use crate::internal::wire::{BrokerIdentity, Reply, Request};
use crate::quorum::{Committed, Images, MetadataQuorum, QuorumError};

/// How voters keep time, and how long the log gets.
#[derive(Clone, Debug)]
pub struct RaftTiming {
    /// Between two signs of life of a leader.
    pub heartbeat: Duration,
    /// Without one for so long, and a random part of as much again, voters elect another.
    pub election: Duration,
    /// Entries from one snapshot to the next.
    pub snapshot_entries: u64,
}

impl Default for RaftTiming {
    fn default() -> RaftTiming {
        RaftTiming {
            heartbeat: Duration::from_millis(100),
            election: Duration::from_millis(500),
            snapshot_entries: 5_000,
        }
    }
}

/// Entries that stay in the log behind a snapshot, as a part of those between two.
const KEPT_SHARE: u64 = 4;

/// Commits to the metadata log of the voters.
pub struct RaftQuorum {
    id: VoterId,
    images: Arc<Images>,
    /// What is opened, until it starts.
    opened: Mutex<Option<(RaftLog, StateMachine)>>,
    raft: OnceLock<Raft<RaftTypes>>,
}

fn failed(error: &dyn std::fmt::Display) -> QuorumError {
    QuorumError(error.to_string())
}

impl RaftQuorum {
    /// Over a data directory, whose threads need not run yet. A missing metadata log is made only where `may_create` says that there is no other
    /// log, in any directory.
    pub fn open(
        data_dir: &Arc<DataDir>,
        may_create: bool,
        now_ms: fn() -> i64,
    ) -> Result<RaftQuorum, QuorumError> {
        let id = VoterId::of(DirectoryId::new(data_dir.meta().directory_id));
        let log = RaftLog::open(data_dir, may_create, now_ms)?;
        let mut machine = StateMachine::open(data_dir, &log)?;
        let committed = match machine.is_alone(id) {
            // What is durable here is committed.
            true => log.last(),
            false => log.committed(),
        };
        machine.apply_through(committed)?;
        Ok(RaftQuorum {
            id,
            images: Arc::clone(machine.images()),
            opened: Mutex::new(Some((log, machine))),
            raft: OnceLock::new(),
        })
    }

    /// This voter.
    pub fn id(&self) -> VoterId {
        self.id
    }

    /// The images that it leads to.
    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    /// Takes part from now on. `identity` says who calls other voters.
    pub async fn start(
        &self,
        timing: &RaftTiming,
        identity: Arc<dyn Fn() -> BrokerIdentity + Send + Sync>,
    ) -> Result<(), QuorumError> {
        let Some((log, machine)) = self.opened.lock().take() else {
            return Err(QuorumError("it is started once".to_owned()));
        };
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let config = Config {
            cluster_name: METADATA_TOPIC.to_owned(),
            heartbeat_interval: millis(timing.heartbeat),
            election_timeout_min: millis(timing.election),
            election_timeout_max: millis(timing.election) * 2,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(timing.snapshot_entries),
            max_in_snapshot_log_to_keep: timing.snapshot_entries / KEPT_SHARE,
            ..Config::default()
        };
        let config = config.validate().map_err(|error| failed(&error))?;
        let raft = Raft::new(self.id, Arc::new(config), Peers { identity }, log, machine)
            .await
            .map_err(|error| failed(&error))?;
        assert!(self.raft.set(raft).is_ok(), "it is started once");
        Ok(())
    }

    /// Whether it is, or ever was, part of a quorum. False before the start.
    pub async fn is_founded(&self) -> Result<bool, QuorumError> {
        match self.raft.get() {
            Some(raft) => raft.is_initialized().await.map_err(|error| failed(&error)),
            None => Ok(false),
        }
    }

    /// Founds a quorum. All voters must be empty, and nobody else may do the same.
    pub async fn found(&self, voters: BTreeMap<VoterId, Voter>) -> Result<(), QuorumError> {
        let founded = self.raft()?.initialize(voters).await;
        founded.map_err(|error| failed(&error))
    }

    /// Waits until it knows of a leader.
    pub async fn wait_leader(&self, patience: Duration) -> Result<(), QuorumError> {
        let waiting = self.raft()?.wait(Some(patience));
        let has_leader = waiting.metrics(|it| it.current_leader.is_some(), "a leader");
        has_leader.await.map(drop).map_err(|error| failed(&error))
    }

    /// The voter that leads, as far as this one knows.
    pub fn leader(&self) -> Option<(VoterId, Voter)> {
        let metrics = self.raft.get()?.metrics();
        let metrics = metrics.borrow();
        let leader = metrics.current_leader?;
        let voter = metrics.membership_config.membership().get_node(&leader)?;
        Some((leader, voter.clone()))
    }

    /// Answers another voter.
    pub async fn answer(&self, request: Request) -> Reply {
        let Some(raft) = self.raft.get() else {
            return Reply::NotReady;
        };
        match request {
            Request::Append(request) => Reply::Append(raft.append_entries(request).await),
            Request::Vote(request) => Reply::Vote(raft.vote(request).await),
            Request::Snapshot(request) => Reply::Snapshot(raft.install_snapshot(request).await),
            Request::Status => Reply::NotReady,
        }
    }

    /// Takes part no longer: nothing is appended after this.
    pub async fn stop(&self) {
        if let Some(raft) = self.raft.get() {
            // If it has panicked, that was reported.
            let _ = raft.shutdown().await;
        }
    }

    fn raft(&self) -> Result<&Raft<RaftTypes>, QuorumError> {
        let raft = self.raft.get();
        raft.ok_or_else(|| QuorumError("this node is not part of the quorum yet".to_owned()))
    }
}

impl MetadataQuorum for RaftQuorum {
    async fn commit(
        &self,
        base: u64,
        records: &[MetadataRecord],
    ) -> Result<Committed, QuorumError> {
        let entry = MetadataEntry::new(base, records).map_err(|error| failed(&error))?;
        let written = self.raft()?.client_write(entry).await;
        match written.map_err(|error| failed(&error))?.data {
            EntryOutcome::Applied => Ok(Committed::Applied),
            EntryOutcome::Stale => Ok(Committed::Stale),
            EntryOutcome::NotMetadata => unreachable!("it is metadata"),
        }
    }
}

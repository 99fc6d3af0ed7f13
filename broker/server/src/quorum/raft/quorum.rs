//! One voter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use broker_controller::{ApiError, DirectoryId, MetadataRecord};
use openraft::error::{ClientWriteError, Fatal};
use openraft::{ChangeMembers, Config, Raft, SnapshotPolicy};
use parking_lot::Mutex;
use protocol::ErrorCode;
use storage::data_dir::DataDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::log::{METADATA_TOPIC, RaftLog};
use super::network::Peers;
use super::observed::{Told, ToldImage};
use super::state_machine::StateMachine;
use super::succession::succeed;
use super::types::{
    EntryOutcome, HeardBroker, MetadataEntry, QuorumStatus, RaftTypes, Voter, VoterId, VoterStatus,
};
use crate::config::host_port;
use crate::internal::wire::{FRAME_BYTES_MAX, Reply, Request};
use crate::internal::{Caller, Peer, PeerError};
use crate::quorum::{
    Committed, Controller, ControllerRequest, Images, MetadataQuorum, Observer, QuorumError,
    SubmitError, Submitted,
};

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

#[cfg(test)]
impl RaftTiming {
    /// For tests that take place on a machine with much else to do, which is not to be taken for the end of a leader.
    pub fn patient(snapshot_entries: u64) -> RaftTiming {
        RaftTiming {
            heartbeat: Duration::from_millis(100),
            election: Duration::from_millis(400),
            snapshot_entries,
        }
    }
}

impl Default for RaftTiming {
    fn default() -> RaftTiming {
        RaftTiming {
            heartbeat: Duration::from_millis(50),
            election: Duration::from_millis(150),
            snapshot_entries: 5_000,
        }
    }
}

/// How long the controller may take to answer.
pub(crate) const FORWARD_PATIENCE: Duration = Duration::from_secs(30);

/// A leader that has not heard of a majority for so long may have been replaced.
const QUORUM_SILENCE_MAX: Duration = Duration::from_secs(1);

/// Who takes part, and has heard nothing from a voter that leads for so long, asks whether it still does.
const ABANDONED: Duration = Duration::from_secs(2);

/// The largest entry, so that it fits a frame with what is around it.
const ENTRY_BYTES_MAX: usize = FRAME_BYTES_MAX - (1 << 20);

/// Entries that stay in the log behind a snapshot, as a part of those between two.
const KEPT_SHARE: u64 = 4;

/// Commits to the metadata log of the voters.
pub struct RaftQuorum {
    id: VoterId,
    images: Arc<Images>,
    /// What is opened, until it starts.
    opened: Mutex<Option<(RaftLog, StateMachine)>>,
    raft: OnceLock<Raft<RaftTypes>>,
    /// Who calls others.
    caller: OnceLock<Caller>,
    /// Until it stops.
    log: Mutex<Option<RaftLog>>,
    /// While it does not take part.
    told: watch::Sender<Told>,
    told_image: ToldImage,
    /// What it does beside, until it stops.
    tasks: Mutex<Vec<JoinHandle<()>>>,
    controller_peer: Mutex<Option<(VoterId, Arc<Peer>)>>,
    /// Held from the first step of a change of the voters to its last.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// When the voter that leads was heard last; at first, when this one was opened.
    led: Mutex<Instant>,
}

fn failed(error: &dyn std::fmt::Display) -> QuorumError {
    QuorumError::Failed(error.to_string())
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
            log: Mutex::new(Some(log.clone())),
            told: watch::Sender::default(),
            told_image: ToldImage::default(),
            tasks: Mutex::default(),
            opened: Mutex::new(Some((log, machine))),
            raft: OnceLock::new(),
            caller: OnceLock::new(),
            controller_peer: Mutex::new(None),
            changing: tokio::sync::Mutex::new(()),
            led: Mutex::new(Instant::now()),
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

    /// Takes part from now on. `caller` is who calls other voters.
    pub async fn start(&self, timing: &RaftTiming, caller: Caller) -> Result<(), QuorumError> {
        let Some((log, machine)) = self.opened.lock().take() else {
            return Err(failed(&"it is started once"));
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
        assert!(self.caller.set(caller.clone()).is_ok());
        let raft = Raft::new(self.id, Arc::new(config), Peers { caller }, log, machine)
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

    pub(super) fn log(&self) -> Option<RaftLog> {
        self.log.lock().clone()
    }

    pub(super) fn told(&self) -> &watch::Sender<Told> {
        &self.told
    }

    pub(super) fn told_image(&self) -> &ToldImage {
        &self.told_image
    }

    /// Who takes part in the quorum, by the newest entry of the log here, and the index of that.
    pub(super) fn members_here(&self) -> (u64, Vec<VoterId>) {
        let metrics = self.raft.get().map(Raft::metrics);
        let members = metrics.map(|it| it.borrow().membership_config.clone());
        members.map_or_else(Default::default, |it| {
            let index = it.log_id().map_or(0, |id| id.index);
            (index, it.nodes().map(|(id, _)| *id).collect())
        })
    }

    /// Whether it takes part in the quorum itself. Only its own log makes it a member: what others tell may never be committed. But they may know that it has
    /// been removed.
    pub fn is_member(&self) -> bool {
        let (index, members) = self.members_here();
        let told = &self.told.borrow().members;
        members.contains(&self.id) && (told.0 <= index || told.1.contains(&self.id))
    }

    /// Whether it takes part by its own log, and no voter that leads has told it anything for some time: it may have been removed meanwhile.
    pub(in crate::quorum) fn is_abandoned(&self) -> bool {
        let Some(raft) = self.raft.get() else {
            return false;
        };
        let leads = raft.metrics().borrow().current_leader == Some(self.id);
        !leads && self.led.lock().elapsed() > ABANDONED
    }

    /// Whether it takes part and votes, as far as it knows.
    pub(super) fn votes(&self) -> bool {
        self.is_member() && self.voters().contains(&self.id)
    }

    /// When a voter that leads was heard last.
    pub(super) fn led_at(&self) -> Instant {
        *self.led.lock()
    }

    /// Asks for votes only where it takes part, as far as it knows.
    pub(in crate::quorum) fn restrain_elections(&self) {
        if let Some(raft) = self.raft.get() {
            raft.runtime_config().elect(self.is_member());
        }
    }

    /// The last entry that is committed and applied, as far as its own log goes. `None` if it cannot speak for the quorum: it is no member, its Raft has ended, or
    /// it leads and has not heard of a majority for some time.
    pub(super) fn committed_here(&self) -> Option<u64> {
        if !self.is_member() {
            return None;
        }
        let metrics = self.raft.get()?.metrics();
        let metrics = metrics.borrow();
        metrics.running_state.as_ref().ok()?;
        let silent = metrics.millis_since_quorum_ack.map(Duration::from_millis);
        let leads = metrics.current_leader == Some(self.id);
        let is_cut_off = leads && silent.is_some_and(|silent| silent > QUORUM_SILENCE_MAX);
        let applied = metrics.last_applied.filter(|_| !is_cut_off)?;
        Some(applied.index)
    }

    /// The voter that leads, as far as this one knows; none once it has stopped.
    pub fn leader(&self) -> Option<(VoterId, Voter)> {
        if !self.is_member() {
            return self.told.borrow().leader.clone();
        }
        let metrics = self.raft.get()?.metrics();
        // What Raft said last stays there when it has stopped.
        metrics.has_changed().ok()?;
        let metrics = metrics.borrow();
        let leader = metrics.current_leader?;
        let voter = metrics.membership_config.membership().get_node(&leader)?;
        Some((leader, voter.clone()))
    }

    /// The number of the leadership, as far as this one knows; 0 for one that observes.
    pub fn term(&self) -> u64 {
        let metrics = self.raft.get().map(Raft::metrics);
        metrics.map_or(0, |metrics| metrics.borrow().current_term)
    }

    /// Who takes part, and where, as far as this one knows.
    pub(super) fn nodes(&self) -> Vec<(VoterId, Voter)> {
        let metrics = self.raft.get().map(Raft::metrics);
        let membership = metrics.map(|it| it.borrow().membership_config.clone());
        membership.map_or_else(Vec::new, |it| {
            let nodes = it.membership().nodes();
            nodes.map(|(id, voter)| (*id, voter.clone())).collect()
        })
    }

    /// Who votes, as far as this one knows.
    pub fn voters(&self) -> BTreeSet<VoterId> {
        let metrics = self.raft.get().map(Raft::metrics);
        let membership = metrics.map(|it| it.borrow().membership_config.clone());
        membership.map_or_else(BTreeSet::new, |it| it.membership().voter_ids().collect())
    }

    /// Who votes, and how far each is, if this one leads. Who else was `heard` its caller knows.
    pub fn status(&self, heard: Vec<HeardBroker>) -> Option<QuorumStatus> {
        let metrics = self.raft.get()?.metrics();
        let metrics = metrics.borrow();
        let replication = metrics.replication.as_ref()?;
        let behind = |index: Option<u64>| {
            index.map_or(0, |index| i64::try_from(index).unwrap_or(i64::MAX) + 1)
        };
        let membership = metrics.membership_config.membership();
        let voters = membership.voter_ids().filter_map(|id| {
            let matched = replication.get(&id).copied().flatten();
            let index = match id == self.id {
                true => metrics.last_log_index,
                false => matched.map(|matched| matched.index),
            };
            Some(VoterStatus {
                id,
                at: membership.get_node(&id)?.clone(),
                log_end: behind(index),
            })
        });
        Some(QuorumStatus {
            leader: membership.get_node(&self.id)?.broker_id,
            term: metrics.current_term,
            high_watermark: behind(metrics.last_applied.map(|it| it.index)),
            voters: voters.collect(),
            heard,
        })
    }

    /// Brings the voters one step nearer to these, as their leader: one that is new is told all there is, and votes then; one whose broker has another
    /// directory now votes no more; one that was to vote by request, and does not, is let go. Other voters stay. Done means: that step is committed, or there was none to take.
    pub async fn tend(&self, wanted: &BTreeMap<VoterId, Voter>) -> Result<(), QuorumError> {
        let _changing = self.changing.lock().await;
        let raft = self.raft()?;
        let membership = raft.metrics().borrow().membership_config.clone();
        let membership = membership.membership();
        let voters: BTreeSet<VoterId> = membership.voter_ids().collect();
        let known: BTreeMap<VoterId, &Voter> =
            membership.nodes().map(|(id, voter)| (*id, voter)).collect();
        let moved = wanted.iter().find(|(id, voter)| {
            let known = known.get(id);
            known.is_some_and(|known| known != voter)
        });
        if let Some((id, voter)) = moved {
            let nodes = BTreeMap::from([(*id, voter.clone())]);
            return self.change(ChangeMembers::SetNodes(nodes), false).await;
        }
        if let Some((id, voter)) = wanted.iter().find(|(id, _)| !voters.contains(id)) {
            tracing::info!(voter = %id, at = %voter, "a new voter joins the metadata quorum");
            let told = raft.add_learner(*id, voter.clone(), true).await;
            told.map_err(|error| failed(&error))?;
            let ids = BTreeSet::from([*id]);
            return self.change(ChangeMembers::AddVoterIds(ids), false).await;
        }
        let is_stray = |id: &&VoterId| !voters.contains(*id);
        let strays: BTreeSet<VoterId> = known.keys().filter(is_stray).copied().collect();
        if !strays.is_empty() {
            tracing::info!(learners = ?strays, "who does not become a voter is let go");
            return self.change(ChangeMembers::RemoveNodes(strays), false).await;
        }
        let is_replaced = |id: &VoterId| {
            let broker = known.get(id).map(|voter| voter.broker_id);
            !wanted.contains_key(id) && wanted.values().any(|it| Some(it.broker_id) == broker)
        };
        let replaced: BTreeSet<VoterId> = voters.into_iter().filter(is_replaced).collect();
        if !replaced.is_empty() {
            tracing::info!(voters = ?replaced, "voters whose directories were replaced leave the metadata quorum");
            // Who does not vote any more is told nothing any more.
            return self
                .change(ChangeMembers::RemoveVoters(replaced), false)
                .await;
        }
        Ok(())
    }

    /// Commits a change of the members. `retain` has voters that go become learners.
    pub(super) async fn change(
        &self,
        change: ChangeMembers<VoterId, Voter>,
        retain: bool,
    ) -> Result<(), QuorumError> {
        let changed = self.raft()?.change_membership(change, retain).await;
        changed.map(drop).map_err(|error| failed(&error))
    }

    /// Tells the controller, on another broker, something. `None` if it is not heard.
    pub async fn tell_controller(&self, request: &Request, patience: Duration) -> Option<Reply> {
        let peer = self.leader_peer()?;
        peer.ask(request, patience).await.ok()
    }

    /// Answers another voter.
    pub async fn answer(&self, request: Request) -> Reply {
        let Some(raft) = self.raft.get() else {
            return Reply::NotReady;
        };
        match request {
            Request::Append(to, _) | Request::Vote(to, _) | Request::Snapshot(to, _)
                if to != self.id =>
            {
                Reply::OtherVoter
            }
            Request::Append(_, request) => {
                let outcome = raft.append_entries(request).await;
                if outcome.is_ok() {
                    *self.led.lock() = Instant::now();
                }
                Reply::Append(outcome)
            }
            Request::Vote(_, request) => Reply::Vote(raft.vote(request).await),
            Request::Snapshot(_, request) => Reply::Snapshot(raft.install_snapshot(request).await),
            Request::Observe(observe) => self.observe(observe).await,
            Request::Status
            | Request::Quorum
            | Request::Submit(_)
            | Request::Progress(_)
            | Request::Heartbeat { .. }
            | Request::Watch
            | Request::ChangeVoters(_) => Reply::NotReady,
        }
    }

    /// Follows the metadata, until it stops, as an observer that asks these voters.
    pub fn start_observing(self: &Arc<Self>, voters: Vec<Arc<Peer>>) {
        let observer = Observer::new(Arc::clone(self), voters);
        self.tasks.lock().push(tokio::spawn(observer.run()));
    }

    /// Asks for votes, until it stops, when the process of a leader is gone.
    pub fn start_succeeding(self: &Arc<Self>) {
        let succession = succeed(Arc::clone(self));
        self.tasks.lock().push(tokio::spawn(succession));
    }

    /// Ends when it cannot go on, since its storage has failed, with the reason.
    pub async fn failed(&self) -> String {
        let mut metrics = match self.raft.get() {
            Some(raft) => raft.metrics(),
            None => return std::future::pending().await,
        };
        let has_failed = |state: &Result<(), Fatal<VoterId>>| match state {
            Ok(()) | Err(Fatal::Stopped) => None,
            Err(error) => Some(error.to_string()),
        };
        let failed = metrics.wait_for(|it| has_failed(&it.running_state).is_some());
        let failed = failed
            .await
            .ok()
            .and_then(|it| has_failed(&it.running_state));
        match failed {
            Some(reason) => format!("the metadata quorum cannot go on: {reason}"),
            // It has stopped.
            None => std::future::pending().await,
        }
    }

    /// Takes part no longer: nothing is appended or applied after this.
    pub async fn stop(&self) {
        let log = self.log.lock().take();
        if let Some(log) = log {
            log.stop();
        }
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        if let Some(raft) = self.raft.get() {
            // If it has panicked, that was reported.
            let _ = raft.shutdown().await;
        }
    }

    /// The way to the voter that leads, on another broker.
    pub fn leader_peer(&self) -> Option<Arc<Peer>> {
        let (leader, voter) = self.leader().filter(|(leader, _)| *leader != self.id)?;
        let caller = self.caller.get()?.clone();
        let mut known = self.controller_peer.lock();
        if let Some((id, peer)) = &*known
            && (id, peer.address()) == (&leader, &host_port(&voter.host, voter.port))
        {
            return Some(Arc::clone(peer));
        }
        let address = host_port(&voter.host, voter.port);
        let peer = Arc::new(Peer::new(voter.broker_id, address, caller));
        *known = Some((leader, Arc::clone(&peer)));
        Some(peer)
    }

    /// Who calls others, once it has started.
    pub(super) fn caller(&self) -> Option<Caller> {
        self.caller.get().cloned()
    }

    pub(super) fn raft(&self) -> Result<&Raft<RaftTypes>, QuorumError> {
        let raft = self.raft.get();
        raft.ok_or(QuorumError::NotLeader)
    }
}

impl MetadataQuorum for RaftQuorum {
    async fn commit(
        &self,
        base: u64,
        records: &[MetadataRecord],
    ) -> Result<Committed, QuorumError> {
        let entry = MetadataEntry::new(base, records).map_err(|error| failed(&error))?;
        // Other voters could never be told.
        if entry.records.len() > ENTRY_BYTES_MAX {
            let bytes = entry.records.len();
            return Err(failed(&format!(
                "a decision of {bytes} bytes, at most {ENTRY_BYTES_MAX} are committed"
            )));
        }
        let written = self.raft()?.client_write(entry).await;
        let written = written.map_err(|error| match error.api_error() {
            Some(ClientWriteError::ForwardToLeader(_)) => QuorumError::NotLeader,
            _ => failed(&error),
        });
        match written?.data {
            EntryOutcome::Applied => Ok(Committed::Applied),
            EntryOutcome::Stale => Ok(Committed::Stale),
            EntryOutcome::NotMetadata => unreachable!("it is metadata"),
        }
    }

    fn controller(&self) -> Controller {
        match self.leader() {
            Some((leader, _)) if leader == self.id => Controller::Here,
            Some(_) => Controller::There,
            None => Controller::Nowhere,
        }
    }

    async fn confirm(&self) -> Result<(), QuorumError> {
        let confirmed = self.raft()?.ensure_linearizable().await;
        confirmed
            .map(drop)
            .map_err(|error| match error.api_error() {
                Some(_) => QuorumError::NotLeader,
                None => failed(&error),
            })
    }

    fn controller_changed(&self) -> impl Future<Output = ()> + Send {
        let metrics = self.raft.get().map(Raft::server_metrics);
        let before = metrics.as_ref().map(|it| it.borrow().current_leader);
        let mut told = self.told.subscribe();
        async move {
            let (Some(mut metrics), Some(before)) = (metrics, before) else {
                // It has not started: there is nothing to see.
                return std::future::pending().await;
            };
            let changed = async {
                tokio::select! {
                    changed = metrics.wait_for(|it| it.current_leader != before) => changed.is_ok(),
                    changed = told.changed() => changed.is_ok(),
                }
            };
            // The senders are gone when Raft has stopped: nothing changes any more.
            if !changed.await {
                std::future::pending().await
            }
        }
    }

    async fn forward(&self, request: ControllerRequest) -> Result<Submitted, SubmitError> {
        let Some(peer) = self.leader_peer() else {
            return Err(SubmitError::NotController);
        };
        match peer.ask(&Request::Submit(request), FORWARD_PATIENCE).await {
            Ok(Reply::Submitted(outcome)) => outcome,
            Ok(Reply::NotReady) | Err(PeerError::Refused { .. }) => Err(SubmitError::NotController),
            Ok(_) => Err(SubmitError::Failed(ApiError::bare(
                ErrorCode::UnknownServerError,
            ))),
            // It may have heard the command, and decided.
            Err(error) => Err(SubmitError::Failed(ApiError::new(
                ErrorCode::RequestTimedOut,
                error.to_string(),
            ))),
        }
    }
}

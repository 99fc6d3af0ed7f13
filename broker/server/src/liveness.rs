//! Who is alive: brokers tell the controller, and the controller fences those that do not, or whose process is gone.
//!
//! | what the controller sees | what it does |
//! |---|---|
//! | a heartbeat of the life that is registered | the session goes on |
//! | none for [`SESSION`] | fences; not within the first [`SESSION`] of that life, of its own being controller, in which nobody could know of it, or of going on after it stood still |
//! | the connection is lost | connects again; a reset alone proves nothing |
//! | that is refused, twice | the process is gone: fences at once |
//!
//! It fences by its own decision only: one that was deposed while it stood still has no say, and does not ask its successor either.
//!
//! A broker whose disk [hangs](crate::data_dirs::DiskWatch) asks to be fenced, says nothing more, and tells who waits at it to look for another leader; it comes back
//! when the disk has done something.
//!
//! A broker that is told that it is fenced, and lives, asks to be so no more, unless it is [about to stop](crate::departure). One that is told nothing knows by [`Contact`] since when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use broker_controller::decide::{FenceBroker, UnfenceBroker};
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::model::{BrokerEpoch, BrokerId};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::monotonic_ms;
use crate::data_dirs::DiskWatch;
use crate::internal::Peer;
use crate::internal::wire::{Reply, Request};
use crate::quorum::{
    Controller, HeardBroker, Metadata, MetadataQuorum, RaftQuorum, RemoteCommand, SubmitError,
};
use crate::replication::BrokerPeers;

/// `broker.heartbeat.interval.ms`.
const HEARTBEAT: Duration = Duration::from_millis(200);
/// `broker.session.timeout.ms`.
pub const SESSION: Duration = Duration::from_millis(SESSION_MS.cast_unsigned());
/// For how long who is silent is said to have been there: Kafka's for observers.
const HEARD_FOR: Duration = Duration::from_secs(300);
/// Between two looks of the controller.
const LOOK: Duration = Duration::from_millis(50);
/// A controller that did not look for so long cannot tell who was silent.
const STANDSTILL: Duration = Duration::from_millis(500);

/// [`SESSION`] in milliseconds.
pub const SESSION_MS: i64 = 1_500;

/// What this broker knows of its own standing.
#[derive(Clone, Debug)]
pub struct Contact(Arc<Standing>);

#[derive(Debug)]
struct Standing {
    /// When this broker was last told, by a controller that had a majority behind it, that it is alive, in monotonic milliseconds: others may have taken it for dead a
    /// session's time later.
    answered_ms: AtomicI64,
    /// It has handed its leaderships on.
    hands_on: AtomicBool,
    /// It is to stop, and stays fenced.
    is_departing: AtomicBool,
}

impl Contact {
    /// Whether the session's time is over.
    pub fn is_lost(&self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.answered_ms()) > SESSION_MS
    }

    /// When the controller answered.
    pub fn answered_ms(&self) -> i64 {
        self.0.answered_ms.load(Ordering::Relaxed)
    }

    /// Whether the leaderships that this broker has, as far as it knows, are to be others'.
    pub fn hands_on(&self) -> bool {
        self.0.hands_on.load(Ordering::Relaxed)
    }

    fn answered(&self, asked_ms: i64) {
        self.0.answered_ms.store(asked_ms, Ordering::Relaxed);
    }

    /// Whether the broker is to stop, so that it does not ask to lead.
    pub fn is_departing(&self) -> bool {
        self.0.is_departing.load(Ordering::SeqCst)
    }

    /// The broker is to stop, or it is not after all.
    pub fn set_departing(&self, is_departing: bool) {
        self.0.is_departing.store(is_departing, Ordering::SeqCst);
    }

    fn set_hands_on(&self, hands_on: bool) -> bool {
        self.0.hands_on.swap(hands_on, Ordering::Relaxed)
    }
}

impl Default for Contact {
    /// Until heartbeats are sent there is nobody who could miss them.
    fn default() -> Contact {
        Contact(Arc::new(Standing {
            answered_ms: AtomicI64::new(i64::MAX),
            hands_on: AtomicBool::new(false),
            is_departing: AtomicBool::new(false),
        }))
    }
}

/// When brokers were heard of last, as the controller knows.
#[derive(Default)]
pub struct Sessions {
    heard: Mutex<BTreeMap<BrokerId, Heard>>,
}

/// What was heard of a broker.
#[derive(Clone, Copy, Debug)]
struct Heard {
    epoch: BrokerEpoch,
    at: Instant,
    /// The last entry of the metadata that it goes by; `None` before its first heartbeat.
    applied: Option<u64>,
    /// When it had all that was committed.
    caught_up: Option<Instant>,
}

impl Heard {
    /// Nothing yet; its session begins.
    fn begin(epoch: BrokerEpoch, now: Instant) -> Heard {
        Heard {
            epoch,
            at: now,
            applied: None,
            caught_up: None,
        }
    }
}

impl Sessions {
    /// A broker has sent a heartbeat: it goes by the metadata through `applied`, when it is `committed` through that.
    pub fn on_heartbeat(
        &self,
        (id, epoch): (BrokerId, BrokerEpoch),
        (applied, committed): (u64, u64),
        now: Instant,
    ) {
        let mut sessions = self.heard.lock();
        let begin = Heard::begin(epoch, now);
        let heard = sessions.entry(id).or_insert(begin);
        if heard.epoch != epoch {
            *heard = begin;
        }
        heard.at = now;
        heard.applied = Some(applied);
        if applied >= committed {
            heard.caught_up = Some(now);
        }
    }

    /// How long ago a life of a broker was heard, if it was.
    fn silent(&self, id: BrokerId, epoch: BrokerEpoch, now: Instant) -> Option<Duration> {
        let sessions = self.heard.lock();
        let heard = sessions.get(&id).filter(|it| it.epoch == epoch)?;
        heard.applied?;
        Some(now.saturating_duration_since(heard.at))
    }

    /// Of whom heartbeats came within the last [`HEARD_FOR`].
    pub fn heard(&self, now: Instant) -> Vec<HeardBroker> {
        let millis = |since: Instant| {
            let millis = now.saturating_duration_since(since).as_millis();
            i64::try_from(millis).unwrap_or(i64::MAX)
        };
        let sessions = self.heard.lock();
        let recent = sessions.iter().filter(|(_, it)| now - it.at < HEARD_FOR);
        let heard = recent.filter_map(|(id, it)| {
            let log_end = i64::try_from(it.applied?).unwrap_or(i64::MAX);
            Some(HeardBroker {
                broker_id: *id,
                log_end: log_end.saturating_add(1),
                silent_ms: millis(it.at),
                behind_ms: it.caught_up.map(millis),
            })
        });
        heard.collect()
    }

    /// Whether a life of a broker has been silent for too long, as seen by a controller that has been one `since`. Its session begins when it is asked for first.
    fn is_over(&self, id: BrokerId, epoch: BrokerEpoch, since: Instant, now: Instant) -> bool {
        let mut sessions = self.heard.lock();
        let begin = Heard::begin(epoch, now);
        let heard = sessions.entry(id).or_insert(begin);
        if heard.epoch != epoch {
            *heard = begin;
        }
        now - heard.at.max(since) > SESSION
    }
}

type Cluster = Arc<Metadata<RaftQuorum>>;

/// Sends heartbeats of this life for as long as it is polled.
pub async fn send_heartbeats(
    (id, epoch): (BrokerId, BrokerEpoch),
    metadata: Cluster,
    sessions: Arc<Sessions>,
    contact: Contact,
    (peers, mut disks): (Arc<BrokerPeers>, DiskWatch),
) {
    let mut tick = tokio::time::interval(HEARTBEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    contact.answered(monotonic_ms());
    let mut is_told = false;
    let mut is_decided = false;
    loop {
        tick.tick().await;
        let hanging = disks.hanging(Instant::now());
        if let Some(path) = hanging.filter(|_| others_live(&metadata, id)) {
            if !contact.set_hands_on(true) {
                let path = path.display();
                tracing::error!(%path, "the disk hangs: leaderships are handed on");
                is_decided = false;
            }
            is_decided = is_decided || ask_to_be_fenced((id, epoch), &metadata, &peers).await;
            // If nobody hears of it, the silence says so.
            continue;
        }
        let asked_ms = monotonic_ms();
        let answer = heartbeat((id, epoch), &metadata, &sessions).await;
        if answer.is_some() {
            contact.answered(asked_ms);
        }
        if answer == Some(false) && contact.set_hands_on(false) {
            tracing::info!("the disk works again");
        }
        if answer == Some(true) && !contact.is_departing() {
            let unfence = UnfenceBroker {
                broker_id: id,
                broker_epoch: epoch,
            };
            match metadata.submit(&unfence).await {
                Ok(Ok(())) => {
                    contact.set_hands_on(false);
                    tracing::info!("this broker may lead");
                }
                Ok(Err(error)) if error.code == ErrorCode::BrokerIdNotRegistered => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::error!(
                            "this broker was unregistered: restart it, and it is registered as a new one"
                        );
                    }
                }
                Ok(Err(error)) | Err(error) => {
                    tracing::warn!(%error, "this broker is fenced, and stays so");
                }
            }
        }
    }
}

/// Whether there is anybody to hand leaderships on to.
fn others_live(metadata: &Metadata<RaftQuorum>, id: BrokerId) -> bool {
    let image = metadata.image();
    image.brokers().any(|it| it.broker_id != id && !it.fenced)
}

/// Has the controller fence this life, and says whether that is decided. What is decided comes to this broker when its disk goes on, so it is not waited for; and if the
/// quorum's log is on that disk, this broker does not know who the controller is: everybody is asked.
async fn ask_to_be_fenced(
    (broker_id, broker_epoch): (BrokerId, BrokerEpoch),
    metadata: &Cluster,
    peers: &BrokerPeers,
) -> bool {
    let fence = FenceBroker {
        broker_id,
        broker_epoch,
    };
    let mut asked = JoinSet::new();
    if metadata.quorum().controller() == Controller::Here {
        let (metadata, fence) = (Arc::clone(metadata), fence.clone());
        asked.spawn(async move { metadata.submit_here(&fence).await.is_ok() });
    }
    let image = metadata.image();
    let others = image.brokers().map(|it| it.broker_id);
    for peer in others.filter_map(|id| peers.get(id)) {
        let request = Request::Submit(fence.to_request());
        asked.spawn(async move {
            let answer = peer.ask(&request, SESSION).await;
            matches!(answer, Ok(Reply::Submitted(Ok(_))))
        });
    }
    let decided = async {
        while let Some(answer) = asked.join_next().await {
            if matches!(answer, Ok(true)) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(SESSION, decided).await == Ok(true)
}

/// One heartbeat: whether the broker is fenced, if the controller answers.
async fn heartbeat(
    (id, epoch): (BrokerId, BrokerEpoch),
    metadata: &Metadata<RaftQuorum>,
    sessions: &Sessions,
) -> Option<bool> {
    let quorum = metadata.quorum();
    match quorum.controller() {
        Controller::Here => {
            let applied = metadata.applied();
            sessions.on_heartbeat((id, epoch), (applied, applied), Instant::now());
            // Others may have another by now.
            let confirmed = tokio::time::timeout(SESSION, quorum.confirm()).await;
            confirmed.ok()?.ok()?;
            let image = metadata.image();
            Some(image.broker(id).is_some_and(|broker| broker.fenced))
        }
        Controller::There => {
            let request = Request::Heartbeat {
                epoch,
                applied: metadata.applied(),
            };
            match quorum.tell_controller(&request, SESSION).await {
                Some(Reply::Heartbeat { fenced }) => Some(fenced),
                _ => None,
            }
        }
        Controller::Nowhere => None,
    }
}

/// Fences, while this broker is the controller, whoever is not alive.
pub async fn fence_the_dead(
    id: BrokerId,
    metadata: Cluster,
    peers: Arc<BrokerPeers>,
    sessions: Arc<Sessions>,
) {
    let mut since = None;
    let mut looked = Instant::now();
    let mut watched: BTreeMap<BrokerId, tokio::task::JoinHandle<()>> = BTreeMap::new();
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let changed = metadata.quorum().controller_changed();
        tokio::select! {
            _ = tick.tick() => {}
            // It may be the controller now: what is wrong with others is its business at once.
            () = changed => {}
        }
        let now = Instant::now();
        let stood_still = now - std::mem::replace(&mut looked, now) > STANDSTILL;
        if metadata.quorum().controller() != Controller::Here {
            since = None;
            watched.retain(|_, task| {
                task.abort();
                false
            });
            continue;
        }
        if since.is_none() {
            tracing::info!("this broker is the controller");
        } else if stood_still {
            // It has heard nobody, which says nothing of the others.
            since = None;
        }
        let since = *since.get_or_insert(now);
        let image = metadata.image();
        watched.retain(|_, task| !task.is_finished());
        for broker in image.brokers().filter(|broker| !broker.fenced) {
            let (other, epoch) = (broker.broker_id, broker.broker_epoch);
            if other == id {
                continue;
            }
            if sessions.is_over(other, epoch, since, now) {
                let reason = "it has been silent for too long";
                fence(&metadata, &sessions, (other, epoch), reason).await;
            } else if !watched.contains_key(&other)
                && let Some(peer) = peers.get(other)
            {
                let (metadata, sessions) = (Arc::downgrade(&metadata), Arc::clone(&sessions));
                let watch = watch((other, epoch), peer, metadata, sessions);
                watched.insert(other, tokio::spawn(watch));
            }
        }
    }
}

/// Ends when the process of a broker is gone, and it is fenced.
async fn watch(
    (id, epoch): (BrokerId, BrokerEpoch),
    peer: Arc<Peer>,
    metadata: Weak<Metadata<RaftQuorum>>,
    sessions: Arc<Sessions>,
) {
    peer.until_gone().await;
    if let Some(metadata) = metadata.upgrade() {
        fence(&metadata, &sessions, (id, epoch), "its process is gone").await;
    }
}

/// Fences by this broker's own decision, if it is the controller.
pub(crate) async fn fence(
    metadata: &Metadata<RaftQuorum>,
    sessions: &Sessions,
    (broker_id, broker_epoch): (BrokerId, BrokerEpoch),
    reason: &str,
) {
    let fence = FenceBroker {
        broker_id,
        broker_epoch,
    };
    match metadata.submit_here(&fence).await {
        Ok((_, Ok(()))) => {
            if let Some(silent) = sessions.silent(broker_id, broker_epoch, Instant::now()) {
                metadata.metrics().failovers.observe_duration(silent);
            }
            tracing::warn!(broker = %broker_id, epoch = %broker_epoch, reason, "a broker is fenced");
        }
        Err(SubmitError::NotController) => {
            tracing::info!(broker = %broker_id, "another controller says whether a broker is fenced");
        }
        // Another life has begun meanwhile.
        Ok((_, Err(error))) | Err(SubmitError::Failed(error)) => {
            tracing::warn!(broker = %broker_id, %error, "a broker is not fenced");
        }
    }
}

#[cfg(test)]
mod tests;

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
//! A broker that is told that it is fenced, and lives, asks to be so no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use broker_controller::decide::{FenceBroker, UnfenceBroker};
use parking_lot::Mutex;
use protocol::model::{BrokerEpoch, BrokerId};
use tokio::time::{Instant, MissedTickBehavior};

use crate::internal::wire::{Reply, Request};
use crate::internal::{Peer, PeerError};
use crate::quorum::{Controller, Metadata, MetadataQuorum, RaftQuorum, SubmitError};
use crate::replication::BrokerPeers;

/// `broker.heartbeat.interval.ms`.
const HEARTBEAT: Duration = Duration::from_millis(200);
/// `broker.session.timeout.ms`.
const SESSION: Duration = Duration::from_millis(1_500);
/// How long a stop waits until its leaderships are handed over.
const HAND_OVER_MAX: Duration = Duration::from_secs(3);
/// Between two looks of the controller.
const LOOK: Duration = Duration::from_millis(50);
/// A controller that did not look for so long cannot tell who was silent.
const STANDSTILL: Duration = Duration::from_millis(500);
/// How long a broker keeps the question open that only tells the controller that it is there.
pub const WATCH: Duration = Duration::from_secs(5);

/// When brokers were heard of last, as the controller knows.
#[derive(Default)]
pub struct Sessions {
    heard: Mutex<BTreeMap<BrokerId, (BrokerEpoch, Instant)>>,
}

impl Sessions {
    /// A broker has sent a heartbeat.
    pub fn on_heartbeat(&self, id: BrokerId, epoch: BrokerEpoch, now: Instant) {
        self.heard.lock().insert(id, (epoch, now));
    }

    /// Whether a life of a broker has been silent for too long, as seen by a controller that has been one `since`. Its session begins when it is asked for first.
    fn is_over(&self, id: BrokerId, epoch: BrokerEpoch, since: Instant, now: Instant) -> bool {
        let mut sessions = self.heard.lock();
        let (known, heard) = sessions.entry(id).or_insert((epoch, now));
        if *known != epoch {
            (*known, *heard) = (epoch, now);
        }
        now - (*heard).max(since) > SESSION
    }
}

type Cluster = Arc<Metadata<RaftQuorum>>;

/// Hands the leaderships of this life on before it ends. Done means: the controller has fenced it; or it did not answer in time, and will notice.
pub async fn hand_over(
    (broker_id, broker_epoch): (BrokerId, BrokerEpoch),
    metadata: &Metadata<RaftQuorum>,
) {
    let fence = FenceBroker {
        broker_id,
        broker_epoch,
    };
    match tokio::time::timeout(HAND_OVER_MAX, metadata.submit(&fence)).await {
        Ok(Ok(Ok(()))) => tracing::info!("leaderships are handed over"),
        Ok(Ok(Err(error)) | Err(error)) => {
            tracing::warn!(%error, "leaderships are not handed over")
        }
        Err(_) => tracing::warn!("leaderships are not handed over: no controller answers"),
    }
}

/// Sends heartbeats of this life for as long as it is polled.
pub async fn send_heartbeats(
    (id, epoch): (BrokerId, BrokerEpoch),
    metadata: Cluster,
    sessions: Arc<Sessions>,
) {
    let mut tick = tokio::time::interval(HEARTBEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let quorum = metadata.quorum();
        let is_fenced = match quorum.controller() {
            Controller::Here => {
                sessions.on_heartbeat(id, epoch, Instant::now());
                let image = metadata.image();
                image.broker(id).is_some_and(|broker| broker.fenced)
            }
            Controller::There => match quorum
                .tell_controller(&Request::Heartbeat(epoch), SESSION)
                .await
            {
                Some(Reply::Heartbeat { fenced }) => fenced,
                _ => false,
            },
            Controller::Nowhere => false,
        };
        if is_fenced {
            let unfence = UnfenceBroker {
                broker_id: id,
                broker_epoch: epoch,
            };
            match metadata.submit(&unfence).await {
                Ok(Ok(())) => tracing::info!("this broker may lead"),
                Ok(Err(error)) | Err(error) => {
                    tracing::warn!(%error, "this broker is fenced, and stays so");
                }
            }
        }
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
        tick.tick().await;
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
                fence(&metadata, (other, epoch), "it has been silent for too long").await;
            } else if !watched.contains_key(&other)
                && let Some(peer) = peers.get(other)
            {
                let watch = watch((other, epoch), peer, Arc::downgrade(&metadata));
                watched.insert(other, tokio::spawn(watch));
            }
        }
    }
}

/// Keeps a question open with a broker; ends when its process is gone, and it is fenced.
async fn watch(
    (id, epoch): (BrokerId, BrokerEpoch),
    peer: Arc<Peer>,
    metadata: Weak<Metadata<RaftQuorum>>,
) {
    let mut refused = 0;
    let mut was_lost = false;
    while refused < 2 {
        match peer.ask(&Request::Watch, WATCH * 2).await {
            Ok(_) => (refused, was_lost) = (0, false),
            Err(PeerError::Refused { .. }) => refused += 1,
            // The connection is gone. Whether the process is too, another attempt says at once.
            Err(PeerError::Io { .. }) if !was_lost => (refused, was_lost) = (0, true),
            // It may be starting, or cannot be reached: its session says.
            Err(_) => {
                tokio::time::sleep(HEARTBEAT).await;
                (refused, was_lost) = (0, false);
            }
        }
    }
    if let Some(metadata) = metadata.upgrade() {
        fence(&metadata, (id, epoch), "its process is gone").await;
    }
}

/// Fences by this broker's own decision, if it is the controller.
pub(crate) async fn fence(
    metadata: &Metadata<RaftQuorum>,
    (broker_id, broker_epoch): (BrokerId, BrokerEpoch),
    reason: &str,
) {
    let fence = FenceBroker {
        broker_id,
        broker_epoch,
    };
    match metadata.submit_here(&fence).await {
        Ok((_, Ok(()))) => {
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

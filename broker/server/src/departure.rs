//! A broker that is about to stop: whether it would be missed, and how it hands over what it leads.
//!
//! Who stops a broker by a signal has said so: others lead at once, as far as there are any. Who asks before, as a rolling restart does, waits here
//! until others have caught up, so that no partition falls below `min.insync.replicas`. Then the broker is fenced, leads nothing, and waits for the signal; if none
//! comes, it takes part again.

mod patience;

use std::sync::Arc;
use std::time::Duration;

use broker_controller::decide::{FenceBroker, HandOver, Missed};
use protocol::ErrorCode;
use protocol::model::{BrokerEpoch, BrokerId};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use self::patience::Patience;
use crate::admin::Readiness;
use crate::api::configs::ConfigTables;
use crate::broker::Broker;
use crate::liveness::Contact;
use crate::quorum::{Metadata, RaftQuorum};

/// How long a stop waits until its leaderships are handed over.
const HAND_OVER_MAX: Duration = Duration::from_secs(3);
/// The controller is asked again when the metadata has changed, or after so long.
const RETRY: Duration = Duration::from_millis(500);
/// What keeps a broker from going is said so often.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// Brokers that are gone, and whose coming back is all that is waited for, are not any more after so long: when all of a cluster is taken down, they do not come back.
const GONE_MAX: Duration = Duration::from_secs(60);
/// For so long a broker that has handed over waits for the signal.
const SIGNAL_PATIENCE: Duration = Duration::from_secs(30);

/// Hands the leaderships of this life on before it ends, whoever is left. Done means: the controller has fenced it; or it did not answer in time, and will notice.
pub async fn hand_over_at_once(
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
            tracing::warn!(%error, "leaderships are not handed over");
        }
        Err(_) => tracing::warn!("leaderships are not handed over: no controller answers"),
    }
}

/// The departure of a running broker.
pub struct Departure {
    broker: Arc<Broker>,
    /// Others are there that could take over.
    has_peers: bool,
    readiness: watch::Sender<Readiness>,
    /// One who asks at a time.
    turn: Mutex<()>,
    patience: Patience,
}

impl Departure {
    /// Of this broker, which says by `readiness` whether it serves.
    pub fn new(
        broker: Arc<Broker>,
        has_peers: bool,
        readiness: watch::Sender<Readiness>,
    ) -> Departure {
        let contact = broker.node.contact().clone();
        Departure {
            broker,
            has_peers,
            patience: Patience::new(readiness.clone(), contact, SIGNAL_PATIENCE),
            readiness,
            turn: Mutex::new(()),
        }
    }

    /// The broker.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Whether nothing would be missing if the broker were stopped now, as far as it knows; else what.
    pub async fn is_safe(&self) -> Result<(), String> {
        if !self.has_peers {
            return Err("there is no other broker".to_owned());
        }
        let missed = self.missed(&self.voters().await?);
        let said: Vec<String> = [missed.for_now(), missed.for_good()]
            .into_iter()
            .flatten()
            .collect();
        match said.is_empty() {
            true => Ok(()),
            false => Err(said.join("; ")),
        }
    }

    /// Waits until the broker would not be missed, and hands over. Done means: it leads nothing, and others do. What nobody else could take over is not waited for, and who is gone for a minute
    /// only.
    /// Whoever stops polling has not asked, unless it is done already.
    ///
    /// # Errors
    /// It stops already.
    pub async fn when_safe(&self) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        if !self.has_peers || self.patience.prolong() {
            return Ok(());
        }
        let mut readiness = self.readiness.subscribe();
        let stops = async {
            let is_not_ready = |it: &Readiness| *it != Readiness::Ready;
            // The sender is this one's own.
            let _ = readiness.wait_for(is_not_ready).await;
        };
        let stops_already = || "it stops already".to_owned();
        tokio::select! {
            () = self.until_handed_over() => {}
            () = stops => return Err(stops_already()),
        }
        if !self.patience.begin() {
            return Err(stops_already());
        }
        tracing::info!("leaderships are handed over; waiting for the signal to stop");
        Ok(())
    }

    async fn until_handed_over(&self) {
        let metadata = &self.broker.metadata;
        let mut said: Option<Instant> = None;
        let mut hopeless_since: Option<Instant> = None;
        loop {
            let seen = metadata.applied();
            let for_long = hopeless_since.is_some_and(|it| it.elapsed() >= GONE_MAX);
            let kept = match self.try_to_hand_over(!for_long).await {
                Ok(()) => return,
                Err(kept) => kept,
            };
            match &kept {
                Kept::CatchesUp(_) => hopeless_since = None,
                Kept::NoController(why) if for_long => {
                    tracing::warn!(why, "leaderships are not handed over: nobody is left");
                    return;
                }
                Kept::Gone(_) | Kept::NoController(_) => {
                    hopeless_since.get_or_insert_with(Instant::now);
                }
            }
            if said.is_none_or(|it| it.elapsed() >= SAID_EVERY) {
                let why = kept.why();
                tracing::info!(why, "this broker is to stop, and would be missed: it waits");
                said = Some(Instant::now());
            }
            let changed = metadata.changed_since(seen);
            let _ = tokio::time::timeout(RETRY, changed).await;
        }
    }

    async fn try_to_hand_over(&self, waits_for_the_gone: bool) -> Result<(), Kept> {
        let broker = &self.broker;
        let voters = self.voters().await.map_err(Kept::NoController)?;
        let catches_up = self.missed(&voters).until_caught_up().is_some();
        let command = HandOver {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            voters,
            waits_for_the_gone,
        };
        // From now on it does not ask to lead again: before it is fenced, so that no heartbeat comes between. Given back if it is not.
        let mut departing = Departing::begin(broker.node.contact());
        match broker.metadata.submit(&command).await.flatten() {
            Ok(()) => {
                departing.is_decided = true;
                Ok(())
            }
            Err(error) if error.code == ErrorCode::NotEnoughReplicas => {
                let why = error.message.unwrap_or_default();
                Err(match catches_up {
                    true => Kept::CatchesUp(why),
                    false => Kept::Gone(why),
                })
            }
            Err(error) => Err(Kept::NoController(error.to_string())),
        }
    }

    /// What would be missing, as far as this broker knows.
    fn missed(&self, voters: &[BrokerId]) -> Missed {
        let broker = &self.broker;
        let configs = ConfigTables::new(Arc::clone(&broker.settings));
        Missed::without(&broker.metadata.image(), &configs, broker.id, voters)
    }

    async fn voters(&self) -> Result<Vec<BrokerId>, String> {
        let status = self.broker.node.quorum_status().await;
        let status = status.ok_or("no controller answers")?;
        Ok(status.voters.iter().map(|it| it.at.broker_id).collect())
    }
}

/// Why a broker may not go yet.
enum Kept {
    /// Others are there, and catch up.
    CatchesUp(String),
    /// Others would have to come back first.
    Gone(String),
    /// Nobody decides.
    NoController(String),
}

impl Kept {
    fn why(&self) -> &str {
        match self {
            Kept::CatchesUp(why) | Kept::Gone(why) | Kept::NoController(why) => why,
        }
    }
}

/// A broker that asks to go. Unless that is decided, it stays.
struct Departing<'a> {
    contact: &'a Contact,
    is_decided: bool,
}

impl Departing<'_> {
    fn begin(contact: &Contact) -> Departing<'_> {
        contact.set_departing(true);
        Departing {
            contact,
            is_decided: false,
        }
    }
}

impl Drop for Departing<'_> {
    fn drop(&mut self) {
        if !self.is_decided {
            self.contact.set_departing(false);
        }
    }
}

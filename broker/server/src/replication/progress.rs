//! What followers here have on their disks, on its way to their leaders. One report is under way to each leader at a time: what gets durable meanwhile is in the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use protocol::model::{BrokerEpoch, BrokerId, TopicIdPartition};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::peers::BrokerPeers;
use crate::broker::Partitions;
use crate::internal::wire::{Progress, Reply, Request};

/// How long a leader may take to hear a report.
const PATIENCE: Duration = Duration::from_secs(2);
/// Before a leader that did not hear it is told again.
const RETRY: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Changed {
    partitions: Mutex<BTreeSet<TopicIdPartition>>,
    some: Notify,
}

/// Where replicas say that they have got on.
#[derive(Clone, Default)]
pub struct ProgressSink(Arc<Changed>);

impl ProgressSink {
    /// A partition has more on its disk, or its leader may know of it now.
    pub fn on_durable(&self, partition: TopicIdPartition) {
        self.0.partitions.lock().insert(partition);
        self.0.some.notify_one();
    }

    /// Tells leaders, for as long as there are partitions.
    pub async fn run(
        self,
        broker_epoch: BrokerEpoch,
        peers: Arc<BrokerPeers>,
        partitions: Weak<Partitions>,
    ) {
        let mut telling: JoinSet<(BrokerId, Vec<TopicIdPartition>)> = JoinSet::new();
        let mut busy: BTreeSet<BrokerId> = BTreeSet::new();
        loop {
            tokio::select! {
                () = self.0.some.notified() => {}
                Some(told) = telling.join_next() => {
                    let Ok((leader, again)) = told else {
                        return;
                    };
                    busy.remove(&leader);
                    self.0.partitions.lock().extend(again);
                }
            }
            let Some(partitions) = partitions.upgrade() else {
                return;
            };
            let changed = std::mem::take(&mut *self.0.partitions.lock());
            let mut by_leader: BTreeMap<BrokerId, Vec<_>> = BTreeMap::new();
            for id in changed {
                let followed = partitions.followed(id);
                let Some((leader, epoch, end)) = followed.and_then(|it| it.durable_end()) else {
                    continue;
                };
                if busy.contains(&leader) {
                    self.0.partitions.lock().insert(id);
                } else {
                    by_leader.entry(leader).or_default().push((id, epoch, end));
                }
            }
            for (leader, durable_ends) in by_leader {
                busy.insert(leader);
                let peer = peers.get(leader);
                telling.spawn(async move {
                    let ids = durable_ends.iter().map(|(id, ..)| *id).collect();
                    let request = Request::Progress(Progress {
                        broker_epoch,
                        durable_ends,
                    });
                    let again = match peer {
                        Some(peer) => match peer.ask(&request, PATIENCE).await {
                            Ok(Reply::Progress(again)) => again,
                            _ => ids,
                        },
                        None => ids,
                    };
                    if !again.is_empty() {
                        tokio::time::sleep(RETRY).await;
                    }
                    (leader, again)
                });
            }
        }
    }
}

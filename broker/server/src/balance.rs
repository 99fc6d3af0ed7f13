//! What the controller does for the balance of the cluster, unasked.
//!
//! - Preferred leaders lead again once they are in sync: `auto.leader.rebalance.enable`, as Kafka's `ReplicationControlManager.maybeBalancePartitionLeaders`.
//! - Internal topics with a single replica get those they are to have once there are so many brokers: a node that was alone made them with one.

use std::sync::Arc;
use std::time::Duration;

use broker_controller::decide::{ElectLeaders, ElectionType, ReplicateInternalTopics};
use tokio::time::MissedTickBehavior;

use crate::quorum::{Controller, Metadata, MetadataQuorum, RaftQuorum};

/// Between two looks at internal topics.
const LOOK: Duration = Duration::from_secs(1);
/// Elections of one decision.
const ELECTIONS_MAX: usize = 1_000;

/// Gives partitions back to their preferred leaders, every `interval` (`leader.imbalance.check.interval.seconds`), while this broker is the controller.
pub async fn balance_leaders(metadata: Arc<Metadata<RaftQuorum>>, interval: Duration) {
    let begin = tokio::time::Instant::now() + interval;
    let mut tick = tokio::time::interval_at(begin, interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        while balance(&metadata).await == ELECTIONS_MAX {}
    }
}

/// Returns how many leaders were elected.
async fn balance(metadata: &Metadata<RaftQuorum>) -> usize {
    if metadata.quorum().controller() != Controller::Here {
        return 0;
    }
    let command = ElectLeaders {
        election: ElectionType::Preferred,
        partitions: None,
        elections_max: ELECTIONS_MAX,
    };
    match metadata.submit_here(&command).await {
        Ok((_, results)) => {
            let results = results.iter().flatten();
            let elected = results.filter(|it| it.result.is_ok()).count();
            if elected > 0 {
                tracing::info!(partitions = elected, "preferred leaders lead again");
            }
            elected
        }
        Err(error) => {
            tracing::debug!(?error, "preferred leaders are not elected");
            0
        }
    }
}

/// Gives internal topics `replication_factor` replicas (`offsets.topic.replication.factor`), while this broker is the controller.
pub async fn replicate_internal_topics(
    metadata: Arc<Metadata<RaftQuorum>>,
    replication_factor: usize,
) {
    let command = ReplicateInternalTopics { replication_factor };
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let is_here = metadata.quorum().controller() == Controller::Here;
        if !is_here || command.lacking(&metadata.image()).is_empty() {
            continue;
        }
        match metadata.submit_here(&command).await {
            Ok((_, partitions)) => {
                tracing::info!(partitions, "internal topics get more replicas");
            }
            Err(error) => tracing::debug!(?error, "internal topics get no replicas"),
        }
    }
}

//! How far followers are behind: as they see it themselves, under the names that the JMX exporter gives Apache Kafka's metrics, and as their leaders do.
//!
//! Of followers that are in sync, a leader shows the largest lag alone: a broker may lead thousands of partitions, and only those that are out of sync are looked for one
//! by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::exposition::Exposition;

/// A replica here that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedSample {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Whom it follows.
    pub leader: i32,
    /// What is committed and not here, in offsets.
    pub lag: i64,
}

/// A follower of a partition led here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowerSample {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The follower.
    pub follower: i32,
    /// What is here and not on its disk, in offsets.
    pub lag: i64,
    /// Whether it is in the ISR.
    pub in_sync: bool,
}

/// What a scrape has collected.
#[derive(Debug, Default)]
pub(super) struct LagSamples {
    followed: Vec<FollowedSample>,
    out_of_sync: Vec<FollowerSample>,
    lag_max: BTreeMap<i32, i64>,
    stopped: usize,
}

impl LagSamples {
    pub(super) fn followed(&mut self, sample: FollowedSample) {
        self.followed.push(sample);
    }

    pub(super) fn stopped(&mut self) {
        self.stopped += 1;
    }

    pub(super) fn follower(&mut self, sample: FollowerSample) {
        let max = self.lag_max.entry(sample.follower).or_default();
        *max = sample.lag.max(*max);
        if !sample.in_sync {
            self.out_of_sync.push(sample);
        }
    }

    pub(super) fn expose(&self, out: &mut Exposition) {
        let of_all = [("clientId", "Replica")];
        let lags = self.followed.iter().map(|it| it.lag);
        out.gauge(
            "kafka_server_replicafetchermanager_maxlag",
            "The largest lag of a replica here that follows, in offsets.",
        )
        .value(&of_all, lags.max().unwrap_or(0));
        out.gauge(
            "kafka_server_replicafetchermanager_failedpartitionscount",
            "Replicas here that should follow and do not any more.",
        )
        .value(&of_all, self.stopped);
        let mut family = out.gauge(
            "kafka_server_fetcherlagmetrics_consumerlag",
            "What is committed and not in a replica here that follows, in offsets.",
        );
        for it in &self.followed {
            let client = format!("ReplicaFetcherThread-0-{}", it.leader);
            let partition = it.partition.to_string();
            let labels = [
                ("clientId", client.as_str()),
                ("topic", &it.topic),
                ("partition", &partition),
            ];
            family.value(&labels, it.lag);
        }
        let mut family = out.gauge(
            "holdfast_replication_follower_lag_max",
            "The largest lag of a follower's replicas of what is led here, in offsets: what is not on its disk.",
        );
        for (follower, lag) in &self.lag_max {
            family.value(&[("follower", &follower.to_string())], *lag);
        }
        let mut family = out.gauge(
            "holdfast_partition_follower_lag",
            "The lag of a follower that is out of sync with a partition led here, in offsets: what is not on its disk.",
        );
        for it in &self.out_of_sync {
            let (partition, follower) = (it.partition.to_string(), it.follower.to_string());
            let labels = [
                ("topic", &*it.topic),
                ("partition", &partition),
                ("follower", &follower),
            ];
            family.value(&labels, it.lag);
        }
    }
}

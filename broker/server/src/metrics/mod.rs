//! What the broker counts, and how `/metrics` shows it.
//!
//! Nothing is looked up on the way of a request: counters of an API, a topic or the journal are
//! resolved once and then plain atomics. Values that someone else already holds (log end offsets,
//! sizes) are not counted a second time; a [`Scrape`] is asked for them. Labels are bounded: API
//! names come from the table of APIs served, errors from the protocol's codes, topics and
//! partitions from what the broker hosts.
//!
//! Names start with `holdfast_`. Beside them stand the names that the JMX exporter gives Apache
//! Kafka's metrics under Strimzi's rules (`kafka_server_brokertopicmetrics_bytesin_total`), where
//! the meaning is the same, so that dashboards made for Kafka work.

mod api;
mod atomics;
mod cluster;
mod exposition;
mod fetched;
mod groups;
mod histogram;
mod journal;
mod lags;
mod network;
mod process;
mod samples;
mod start;
mod storage;
mod topic;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::RwLock;

pub use api::{ApiMetrics, RequestMetrics};
pub use atomics::{Counter, Gauge};
pub use cluster::ClusterMetrics;
pub use exposition::Exposition;
pub use fetched::FetchMetrics;
pub use groups::{GroupSample, GroupTotals, OffsetSample};
pub use histogram::{BYTES_BOUNDS, COUNT_BOUNDS, Histogram, LATENCY_BOUNDS, Unit};
pub use journal::JournalMetrics;
pub use lags::{FollowedSample, FollowerSample};
pub use network::NetworkMetrics;
pub use samples::{ControllerSample, PartitionSample, Samples, Scrape};
pub use start::{StartMetrics, StartReport};
pub use storage::StorageSample;
pub use topic::{TopicMetrics, TopicsMetrics};

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything a broker counts. Owned by the broker; there is no global registry, so several brokers
/// can live in one process.
#[derive(Debug)]
pub struct Metrics {
    /// Requests, by API.
    pub requests: RequestMetrics,
    /// Connections and bytes.
    pub network: NetworkMetrics,
    /// Records and bytes, by topic.
    pub topics: TopicsMetrics,
    /// Records that were fetched.
    pub fetched: FetchMetrics,
    /// Group commits.
    pub journal: Arc<JournalMetrics>,
    /// What it does as a leader, and as the controller.
    pub cluster: Arc<ClusterMetrics>,
    /// The start of this process.
    pub start: StartMetrics,
    scrapes: Scrapes,
}

#[derive(Default)]
struct Scrapes(RwLock<Vec<Arc<dyn Scrape>>>);

impl std::fmt::Debug for Scrapes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Scrapes")
            .field(&self.0.read().len())
            .finish()
    }
}

impl Metrics {
    /// Counters at zero. `apis` are the APIs served, key and name.
    pub fn new(apis: &[(i16, &'static str)]) -> Metrics {
        process::note_start();
        Metrics {
            requests: RequestMetrics::new(apis),
            network: NetworkMetrics::default(),
            topics: TopicsMetrics::default(),
            fetched: FetchMetrics::default(),
            journal: Arc::default(),
            cluster: Arc::default(),
            start: StartMetrics::default(),
            scrapes: Scrapes::default(),
        }
    }

    /// Has `scrape` asked for its values at each scrape from now on.
    pub fn register(&self, scrape: Arc<dyn Scrape>) {
        self.scrapes.0.write().push(scrape);
    }

    /// All values in Prometheus' text format. Takes time in proportion to the partitions: not for a
    /// thread that serves requests.
    pub fn render(&self) -> String {
        let mut samples = Samples::default();
        let scrapes = self.scrapes.0.read().clone();
        scrapes
            .iter()
            .for_each(|scrape| scrape.collect(&mut samples));

        let mut out = Exposition::default();
        self.start.expose(&mut out);
        self.requests.expose(&mut out);
        self.network.expose(&mut out);
        self.topics.expose(&mut out);
        self.fetched.expose(&mut out);
        self.journal.expose(&mut out);
        self.cluster.expose(&mut out);
        samples.expose(&mut out);
        process::expose(&mut out);
        out.into_text()
    }
}

//! The clusters that the cases share: one of each kind in a test process, started when first needed.

use std::{
    env,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, Holdfast, HoldfastCluster, HoldfastConfig};

/// How many partitions an automatically created topic gets.
pub const NUM_PARTITIONS: i32 = 3;

/// How many brokers the cluster of Holdfast has, and so how many replicas a topic gets by default.
const NODES: usize = 3;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Apache Kafka, to find expectations that are wrong; one broker.
    Apache,
    /// Holdfast as it is run: three brokers, of whose replicas two must have a record.
    Holdfast,
    /// Holdfast as it is tried out: one broker alone, and with the other I/O engine.
    HoldfastSingle,
}

impl Backend {
    /// The last part of a case's name.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Apache => "apache",
            Backend::Holdfast => "holdfast",
            Backend::HoldfastSingle => "holdfast_single",
        }
    }

    fn start(self) -> Result<Box<dyn Cluster + Send>, String> {
        let partitions = NUM_PARTITIONS.to_string();
        // Small journals, since there are four of them.
        let holdfast = HoldfastConfig::default()
            .set("num.partitions", &partitions)
            .set("journal.file.bytes", "67108864");
        let cluster: Result<Box<dyn Cluster + Send>, _> = match self {
            Backend::Apache => {
                let brokers = env::var("HOLDFAST_CLIENTS_APACHE_NODES").ok();
                let brokers = brokers.filter(|text| !text.is_empty());
                let config = ApacheKafkaConfig {
                    brokers: brokers.map_or(1, |text| text.parse().expect("a number")),
                    heap: "512m".to_owned(),
                    properties: vec![("num.partitions".to_owned(), partitions)],
                    ..ApacheKafkaConfig::default()
                };
                ApacheKafka::start(config).map(|kafka| Box::new(kafka) as _)
            }
            Backend::Holdfast => {
                HoldfastCluster::start(NODES, &holdfast).map(|cluster| Box::new(cluster) as _)
            }
            Backend::HoldfastSingle => {
                let config = holdfast.set("io.engine", "threads");
                Holdfast::start(config).map(|broker| Box::new(broker) as _)
            }
        };
        cluster.map_err(|error| error.to_string())
    }
}

/// What a case runs against.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who answers there.
    pub backend: Backend,
    /// The addresses to give to clients.
    pub bootstrap: String,
}

impl Target {
    /// A topic name that no other case uses.
    pub fn topic(&self, purpose: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("{purpose}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The addresses of the brokers, in the order of their ids, which are from 1.
    pub fn brokers(&self) -> Vec<&str> {
        self.bootstrap.split(',').collect()
    }

    /// How many replicas a topic gets that is created without a word on it: one on each broker.
    pub fn replicas(&self) -> usize {
        self.brokers().len()
    }
}

type Started = Result<Mutex<Box<dyn Cluster + Send>>, String>;

/// The clusters of this process. Dropping it stops them.
#[derive(Default)]
pub(crate) struct Brokers {
    apache: OnceLock<Started>,
    holdfast: OnceLock<Started>,
    holdfast_single: OnceLock<Started>,
}

impl Brokers {
    /// The cluster of that kind; starts it if this is the first to ask. A start that failed is not
    /// tried again.
    pub(crate) fn target(&self, backend: Backend) -> Result<Target, String> {
        let started = self
            .cell(backend)
            .get_or_init(|| Ok(Mutex::new(backend.start()?)));
        let cluster = started.as_ref().map_err(String::clone)?;
        let cluster = cluster.lock().map_err(|error| error.to_string())?;
        Ok(Target {
            backend,
            bootstrap: cluster.bootstrap(),
        })
    }

    /// What its brokers logged last.
    pub(crate) fn log_tail(&self, backend: Backend) -> String {
        match self.cell(backend).get() {
            Some(Ok(cluster)) => cluster.lock().map(|it| it.log_tail()).unwrap_or_default(),
            _ => String::new(),
        }
    }

    fn cell(&self, backend: Backend) -> &OnceLock<Started> {
        match backend {
            Backend::Apache => &self.apache,
            Backend::Holdfast => &self.holdfast,
            Backend::HoldfastSingle => &self.holdfast_single,
        }
    }
}

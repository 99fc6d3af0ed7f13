//! The brokers that the cases share: one of each kind in a test process, started when first needed.

use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicU32, Ordering},
};

use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, Holdfast, HoldfastConfig};

/// How many partitions an automatically created topic gets.
pub const NUM_PARTITIONS: i32 = 3;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Apache Kafka, to find expectations that are wrong.
    Apache,
    /// Holdfast as it starts by default.
    Holdfast,
    /// Holdfast with `io.engine=threads`.
    HoldfastThreads,
}

impl Backend {
    /// The last part of a case's name.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Apache => "apache",
            Backend::Holdfast => "holdfast",
            Backend::HoldfastThreads => "holdfast_threads",
        }
    }

    fn start(self) -> Result<Box<dyn Cluster + Send>, String> {
        let partitions = NUM_PARTITIONS.to_string();
        if self == Backend::Apache {
            let config = ApacheKafkaConfig {
                heap: "512m".to_owned(),
                properties: vec![("num.partitions".to_owned(), partitions)],
                ..ApacheKafkaConfig::default()
            };
            let kafka = ApacheKafka::start(config).map_err(|error| error.to_string())?;
            return Ok(Box::new(kafka));
        }
        let mut config = HoldfastConfig::default().set("num.partitions", &partitions);
        if self == Backend::HoldfastThreads {
            config = config.set("io.engine", "threads");
        }
        let holdfast = Holdfast::start(config).map_err(|error| error.to_string())?;
        Ok(Box::new(holdfast))
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
}

type Started = Result<Mutex<Box<dyn Cluster + Send>>, String>;

/// The brokers of this process. Dropping it stops them.
#[derive(Default)]
pub(crate) struct Brokers {
    apache: OnceLock<Started>,
    holdfast: OnceLock<Started>,
    holdfast_threads: OnceLock<Started>,
}

impl Brokers {
    /// The broker of that kind; starts it if this is the first to ask. A start that failed is not
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

    /// What the broker logged last.
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
            Backend::HoldfastThreads => &self.holdfast_threads,
        }
    }
}

//! A broker for one case alone.

use std::path::PathBuf;

use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, Holdfast, HoldfastConfig};
use tests_clients::{Backend, Target};

const SETTINGS: [(&str, &str); 3] = [
    ("num.partitions", "3"),
    // The smallest there is, so that segments are rolled.
    ("log.segment.bytes", "1048576"),
    ("auto.create.topics.enable", "true"),
];

/// The broker that others share is not to be stopped or set otherwise, so some cases have their own.
pub(crate) enum Broker {
    Apache(ApacheKafka),
    Holdfast(Box<Holdfast>),
}

impl Broker {
    /// One, with small segments, and these settings.
    pub(crate) fn start(backend: Backend, more: &[(&str, &str)]) -> Broker {
        let settings = SETTINGS.iter().chain(more);
        let settings: Vec<_> = settings
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        match backend {
            Backend::Apache => {
                let config = ApacheKafkaConfig {
                    heap: "512m".to_owned(),
                    properties: settings,
                    ..ApacheKafkaConfig::default()
                };
                Broker::Apache(ApacheKafka::start(config).expect("Apache Kafka starts"))
            }
            Backend::Holdfast | Backend::HoldfastSingle => {
                let mut config = HoldfastConfig {
                    settings,
                    ..HoldfastConfig::default()
                };
                if backend == Backend::HoldfastSingle {
                    config = config.set("io.engine", "threads");
                }
                Broker::Holdfast(Box::new(Holdfast::start(config).expect("Holdfast starts")))
            }
        }
    }

    /// As the cases know it.
    pub(crate) fn target(&self, backend: Backend) -> Target {
        let bootstrap = match self {
            Broker::Apache(kafka) => kafka.bootstrap(),
            Broker::Holdfast(holdfast) => holdfast.bootstrap(),
        };
        Target { backend, bootstrap }
    }

    /// SIGTERM, and waits.
    pub(crate) fn stop(&mut self) {
        match self {
            Broker::Apache(kafka) => kafka.stop(0).expect("it stops"),
            Broker::Holdfast(holdfast) => assert!(holdfast.stop().expect("it stops").success()),
        }
    }

    /// SIGKILL.
    pub(crate) fn kill9(&mut self) {
        match self {
            Broker::Apache(kafka) => kafka.kill9(0),
            Broker::Holdfast(holdfast) => holdfast.kill9(),
        }
    }

    /// On the same data.
    pub(crate) fn restart(&mut self) {
        match self {
            Broker::Apache(kafka) => kafka.restart(0).expect("it starts again"),
            Broker::Holdfast(holdfast) => holdfast.restart().expect("it starts again"),
        }
    }

    /// Where its data is.
    pub(crate) fn data_dir(&self) -> PathBuf {
        match self {
            Broker::Apache(kafka) => kafka.data_dir(0),
            Broker::Holdfast(holdfast) => holdfast.data_dir().to_owned(),
        }
    }
}

//! Brokers that are started here to be measured.

use std::path::PathBuf;

use peer::{ApacheKafka, ApacheKafkaConfig, Holdfast, HoldfastCluster, HoldfastConfig};
use serde::Serialize;

use crate::BenchError;
use crate::journal::JournalTotals;
use crate::measure::Target;
use crate::null_server::NullServer;
use crate::process;

/// A broker to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// Holdfast, with its defaults.
    Holdfast,
    /// Apache Kafka, with its defaults: it acknowledges from memory.
    Apache,
}

impl TargetKind {
    /// What it is called in results.
    pub fn name(self) -> &'static str {
        match self {
            TargetKind::Holdfast => "holdfast",
            TargetKind::Apache => "apache",
        }
    }
}

/// Ids count from 1 on.
fn at(id: i32) -> Option<usize> {
    usize::try_from(id.checked_sub(1)?).ok()
}

/// A running broker.
pub enum Running {
    /// Holdfast.
    Holdfast(Box<Holdfast>),
    /// Several of them that are one cluster.
    HoldfastCluster(HoldfastCluster),
    /// Apache Kafka, one or several.
    Apache(Box<ApacheKafka>),
    /// None, but what they are held against.
    Null(Box<NullServer>),
}

impl Running {
    /// Starts one broker with its defaults.
    pub fn start(target: TargetKind) -> Result<Running, BenchError> {
        Running::start_with(target, 1, &[])
    }

    /// Starts so many brokers with some settings.
    pub fn start_with(
        target: TargetKind,
        nodes: usize,
        settings: &[(&str, &str)],
    ) -> Result<Running, BenchError> {
        let settings = settings.iter().copied();
        Ok(match target {
            TargetKind::Holdfast => {
                let config = settings.fold(HoldfastConfig::default(), |config, (name, value)| {
                    config.set(name, value)
                });
                match nodes {
                    1 => Running::Holdfast(Box::new(Holdfast::start(config)?)),
                    _ => Running::HoldfastCluster(HoldfastCluster::start(nodes, &config)?),
                }
            }
            TargetKind::Apache => {
                let config = ApacheKafkaConfig {
                    properties: settings
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect(),
                    brokers: nodes,
                    ..ApacheKafkaConfig::default()
                };
                Running::Apache(Box::new(ApacheKafka::start(config)?))
            }
        })
    }

    /// Where clients find it.
    pub fn bootstrap(&self) -> String {
        match self {
            Running::Holdfast(broker) => peer::Cluster::bootstrap(broker.as_ref()),
            Running::HoldfastCluster(cluster) => peer::Cluster::bootstrap(cluster),
            Running::Apache(broker) => peer::Cluster::bootstrap(broker.as_ref()),
            Running::Null(server) => server.address().to_owned(),
        }
    }

    /// As it is measured.
    pub fn target(&self) -> Target {
        Target {
            bootstrap: self.bootstrap(),
            pids: self.pids(),
        }
    }

    /// Where its data is; that of the first of several.
    pub fn data_dir(&self) -> PathBuf {
        match self {
            Running::HoldfastCluster(cluster) => cluster.data_dir(0).to_owned(),
            Running::Holdfast(broker) => broker.data_dir().to_owned(),
            Running::Apache(broker) => broker.data_dir(0),
            Running::Null(server) => server.directory().to_owned(),
        }
    }

    /// Where the data of each broker is.
    pub fn data_dirs(&self) -> Vec<PathBuf> {
        let all = 0..self.pids().len();
        match self {
            Running::HoldfastCluster(cluster) => {
                all.map(|at| cluster.data_dir(at).to_owned()).collect()
            }
            Running::Apache(broker) => all.map(|at| broker.data_dir(at)).collect(),
            Running::Holdfast(_) | Running::Null(_) => vec![self.data_dir()],
        }
    }

    /// The process of the broker of that id.
    pub fn pid_of(&self, id: i32) -> Option<u32> {
        self.pids().get(at(id)?).copied()
    }

    /// Starts the broker of that id again, and waits until it serves.
    pub fn restart(&mut self, id: i32) -> Result<(), BenchError> {
        let Some(at) = at(id) else {
            return Err(BenchError::Unexpected("no broker has that id"));
        };
        match self {
            Running::Holdfast(broker) => broker.restart(),
            Running::HoldfastCluster(cluster) => cluster.node(at).restart(),
            Running::Apache(cluster) => cluster.restart(at),
            Running::Null(_) => {
                return Err(BenchError::Unexpected("a null server is started once"));
            }
        }?;
        Ok(())
    }

    /// Its processes.
    pub fn pids(&self) -> Vec<u32> {
        match self {
            Running::Holdfast(broker) => vec![broker.pid()],
            Running::HoldfastCluster(cluster) => cluster.pids(),
            Running::Apache(cluster) => cluster.pids(),
            Running::Null(server) => vec![server.pid()],
        }
    }

    /// What the journal of a single Holdfast has written; `None` of others, and while it does not say.
    pub fn journal(&self) -> Option<JournalTotals> {
        let Running::Holdfast(broker) = self else {
            return None;
        };
        let page = broker.metrics().ok()?;
        let usage = process::Usage::of(broker.pid()).ok()?;
        JournalTotals::of_page(&page, usage.written_bytes)
    }
}

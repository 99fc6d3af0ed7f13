use clap::ValueEnum;
use client::{ClientError, Connection};
use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, HoldfastCluster, HoldfastConfig};

use std::time::Duration;

/// Whatever went wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// How many brokers there are.
pub const NODES: usize = 3;
/// A broker that does not answer for so long is broken.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// Whose brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Broker {
    /// This one.
    Holdfast,
    /// Apache Kafka.
    Apache,
}

/// Three brokers of either kind. Topics have three replicas, of which two must have a record.
pub enum Nodes {
    /// This one.
    Holdfast(HoldfastCluster),
    /// Apache Kafka.
    Apache(ApacheKafka),
}

impl Nodes {
    /// Starts them.
    pub fn start(broker: Broker) -> Result<Nodes, Error> {
        let properties = [
            ("default.replication.factor", "3"),
            ("min.insync.replicas", "2"),
        ];
        Ok(match broker {
            Broker::Holdfast => {
                let config = properties
                    .iter()
                    .fold(HoldfastConfig::default(), |config, (name, value)| {
                        config.set(name, value)
                    });
                Nodes::Holdfast(HoldfastCluster::start(NODES, &config)?)
            }
            Broker::Apache => {
                let properties =
                    properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
                Nodes::Apache(ApacheKafka::start(ApacheKafkaConfig {
                    brokers: NODES,
                    properties: properties.to_vec(),
                    ..ApacheKafkaConfig::default()
                })?)
            }
        })
    }

    /// All addresses, with commas.
    pub fn bootstrap(&self) -> String {
        match self {
            Nodes::Holdfast(cluster) => cluster.bootstrap(),
            Nodes::Apache(cluster) => cluster.bootstrap(),
        }
    }

    /// To one of them, from 0.
    pub fn connect(&self, at: usize) -> Result<Connection, ClientError> {
        let bootstrap = self.bootstrap();
        let address = bootstrap.split(',').nth(at).unwrap_or_default();
        Connection::connect(address, "benches", SILENCE_MAX)
    }

    /// Their processes.
    pub fn pids(&self) -> Vec<u32> {
        match self {
            Nodes::Holdfast(cluster) => cluster.pids(),
            Nodes::Apache(cluster) => cluster.pids(),
        }
    }

    /// SIGTERM to all, one after the other, each waited for.
    pub fn stop_all(&mut self) -> Result<(), Error> {
        for at in 0..NODES {
            match self {
                Nodes::Holdfast(cluster) => drop(cluster.node(at).stop()?),
                Nodes::Apache(cluster) => cluster.stop(at)?,
            }
        }
        Ok(())
    }

    /// Starts all of them again, at once, and waits for none.
    pub fn launch_all(&mut self) -> Result<(), Error> {
        match self {
            Nodes::Holdfast(cluster) => {
                for at in 0..NODES {
                    cluster.node(at).relaunch()?;
                }
            }
            Nodes::Apache(cluster) => cluster.launch_all()?,
        }
        Ok(())
    }

    /// SIGKILL to one of them, from 0.
    pub fn kill(&mut self, at: usize) {
        match self {
            Nodes::Holdfast(cluster) => cluster.node(at).kill9(),
            Nodes::Apache(cluster) => cluster.kill9(at),
        }
    }

    /// Starts one of them again, from 0, and waits until it is ready.
    pub fn restart(&mut self, at: usize) -> Result<(), Error> {
        match self {
            Nodes::Holdfast(cluster) => cluster.node(at).restart()?,
            Nodes::Apache(cluster) => cluster.restart(at)?,
        }
        Ok(())
    }
}

//! Apache Kafka in KRaft mode, every node both broker and controller.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    Cluster, PeerError,
    ports::Port,
    process::{Daemon, run_to_end},
    ready::live_brokers,
    tools::tool_with_jvm,
};

const CLUSTER_ID: &str = "aG9sZGZhc3QtcGVlcjAwMQ";
const READY_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// How an Apache Kafka cluster is started.
#[derive(Clone, Debug)]
pub struct ApacheKafkaConfig {
    /// How many nodes; each is broker and controller.
    pub brokers: usize,
    /// Properties of every broker, over the ones set here.
    pub properties: Vec<(String, String)>,
    /// The directory of data, properties and logs. Without one, a temporary one that is removed
    /// when the cluster is dropped.
    pub dir: Option<PathBuf>,
    /// The JVM's heap (`-Xmx` and `-Xms`), such as `1g`.
    pub heap: String,
    /// More options of the JVM.
    pub jvm: Vec<String>,
}

impl Default for ApacheKafkaConfig {
    fn default() -> ApacheKafkaConfig {
        ApacheKafkaConfig {
            brokers: 1,
            properties: Vec::new(),
            dir: None,
            heap: "1g".to_owned(),
            jvm: Vec::new(),
        }
    }
}

/// A running Apache Kafka cluster; its processes are killed on drop.
#[derive(Debug)]
pub struct ApacheKafka {
    config: ApacheKafkaConfig,
    nodes: Vec<Node>,
    dir: PathBuf,
    // After the nodes, so that they are gone before their directory is.
    _temporary: Option<TempDir>,
}

#[derive(Debug)]
struct Node {
    id: usize,
    kafka: Port,
    controller: Port,
    daemon: Option<Daemon>,
}

impl ApacheKafka {
    /// Formats the data directories, starts the brokers and waits until each of them sees them all.
    pub fn start(config: ApacheKafkaConfig) -> Result<ApacheKafka, PeerError> {
        let (dir, temporary) = match &config.dir {
            Some(dir) => (dir.clone(), None),
            None => {
                let dir = TempDir::with_prefix("apache-kafka-");
                let dir = dir.map_err(PeerError::io("create a temporary directory"))?;
                (dir.path().to_owned(), Some(dir))
            }
        };
        fs::create_dir_all(&dir).map_err(PeerError::at("create", &dir))?;
        let nodes = (1..=config.brokers)
            .map(Node::new)
            .collect::<Result<Vec<_>, _>>()?;
        let mut cluster = ApacheKafka {
            config,
            nodes,
            dir,
            _temporary: temporary,
        };
        for index in 0..cluster.nodes.len() {
            cluster.format(index)?;
        }
        for index in 0..cluster.nodes.len() {
            cluster.launch(index)?;
        }
        cluster.wait_ready()?;
        Ok(cluster)
    }

    /// SIGKILL to the broker at `index` (from 0).
    pub fn kill9(&mut self, index: usize) {
        if let Some(daemon) = &mut self.nodes[index].daemon {
            daemon.kill9();
        }
    }

    /// SIGTERM to the broker at `index`, and waits for its controlled shutdown.
    pub fn stop(&mut self, index: usize) -> Result<(), PeerError> {
        match &mut self.nodes[index].daemon {
            Some(daemon) => daemon.terminate(STOP_TIMEOUT).map(drop),
            None => Ok(()),
        }
    }

    /// Starts the broker at `index` again, on its data and ports, and waits for the whole cluster.
    pub fn restart(&mut self, index: usize) -> Result<(), PeerError> {
        self.kill9(index);
        self.launch(index)?;
        self.wait_ready()
    }

    /// Starts all brokers again, on their data and ports, without waiting for them.
    pub fn launch_all(&mut self) -> Result<(), PeerError> {
        (0..self.nodes.len()).try_for_each(|index| self.launch(index))
    }

    /// The process of the broker at `index`, if it was started.
    pub fn pid(&self, index: usize) -> Option<u32> {
        self.nodes[index].daemon.as_ref().map(Daemon::pid)
    }

    /// The process ids of the brokers that run.
    pub fn pids(&self) -> Vec<u32> {
        let daemons = self.nodes.iter().filter_map(|node| node.daemon.as_ref());
        daemons.map(Daemon::pid).collect()
    }

    /// `127.0.0.1:port` of the broker at `index`.
    pub fn address(&self, index: usize) -> String {
        self.nodes[index].kafka.address()
    }

    /// The log directory (`log.dirs`) of the broker at `index`.
    pub fn data_dir(&self, index: usize) -> PathBuf {
        self.dir.join(format!("data{}", self.nodes[index].id))
    }

    /// What the broker at `index` printed so far.
    pub fn stderr_path(&self, index: usize) -> Option<&Path> {
        self.nodes[index].daemon.as_ref().map(Daemon::stderr)
    }

    fn wait_ready(&mut self) -> Result<(), PeerError> {
        let running = |node: &mut Node| {
            node.daemon
                .as_mut()
                .is_some_and(|daemon| daemon.ended().is_none())
        };
        let expected = self
            .nodes
            .iter_mut()
            .map(running)
            .filter(|running| *running)
            .count();
        for node in &mut self.nodes {
            let address = node.kafka.address();
            if let Some(daemon) = &mut node.daemon
                && daemon.ended().is_none()
            {
                daemon.wait_ready(READY_TIMEOUT, || {
                    live_brokers(&address).is_ok_and(|live| live >= expected.max(1))
                })?;
            }
        }
        Ok(())
    }

    fn format(&self, index: usize) -> Result<(), PeerError> {
        let properties = self.properties_path(index);
        let text = self.properties(index);
        fs::write(&properties, text).map_err(PeerError::at("write", &properties))?;
        if self.data_dir(index).join("meta.properties").exists() {
            return Ok(());
        }
        let mut storage = crate::tool("storage")?;
        storage
            .args(["format", "--cluster-id", CLUSTER_ID, "--config"])
            .arg(&properties);
        run_to_end("kafka.tools.StorageTool", &mut storage).map(drop)
    }

    fn launch(&mut self, index: usize) -> Result<(), PeerError> {
        let mut kafka = self.broker_command()?;
        kafka.arg(self.properties_path(index));
        let node = &mut self.nodes[index];
        let what = format!("Apache Kafka broker {}", node.id);
        let stem = format!("broker{}", node.id);
        node.daemon = Some(Daemon::spawn(&what, &mut kafka, &self.dir, &stem)?);
        Ok(())
    }

    fn broker_command(&self) -> Result<Command, PeerError> {
        let heap = &self.config.heap;
        let sizes = [
            format!("-Xmx{heap}"),
            format!("-Xms{heap}"),
            "-XX:+UseG1GC".to_owned(),
        ];
        let jvm: Vec<&str> = sizes
            .iter()
            .chain(&self.config.jvm)
            .map(String::as_str)
            .collect();
        let mut kafka = tool_with_jvm("kafka.Kafka", &jvm)?;
        kafka.stdin(Stdio::null());
        Ok(kafka)
    }

    fn properties_path(&self, index: usize) -> PathBuf {
        self.dir
            .join(format!("broker{}.properties", self.nodes[index].id))
    }

    fn properties(&self, index: usize) -> String {
        let node = &self.nodes[index];
        let nodes = self.nodes.len();
        let replicas = nodes.min(3);
        let voters: Vec<String> = (self.nodes.iter())
            .map(|node| format!("{}@{}", node.id, node.controller.address()))
            .collect();
        let (kafka, controller) = (node.kafka.address(), node.controller.address());
        let ours = [
            ("process.roles", "broker,controller".to_owned()),
            ("node.id", node.id.to_string()),
            ("controller.quorum.voters", voters.join(",")),
            (
                "listeners",
                format!("PLAINTEXT://{kafka},CONTROLLER://{controller}"),
            ),
            ("advertised.listeners", format!("PLAINTEXT://{kafka}")),
            (
                "listener.security.protocol.map",
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".into(),
            ),
            ("controller.listener.names", "CONTROLLER".to_owned()),
            ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
            ("log.dirs", self.data_dir(index).display().to_string()),
            ("default.replication.factor", replicas.to_string()),
            ("min.insync.replicas", replicas.div_ceil(2).to_string()),
            ("offsets.topic.replication.factor", replicas.to_string()),
            (
                "transaction.state.log.replication.factor",
                replicas.to_string(),
            ),
            (
                "transaction.state.log.min.isr",
                replicas.div_ceil(2).to_string(),
            ),
            (
                "share.coordinator.state.topic.replication.factor",
                replicas.to_string(),
            ),
            (
                "share.coordinator.state.topic.min.isr",
                replicas.div_ceil(2).to_string(),
            ),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ];
        let ours = ours
            .into_iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        // The last line of a name wins in a properties file.
        let theirs = self
            .config
            .properties
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        ours.chain(theirs).collect()
    }
}

impl Node {
    fn new(id: usize) -> Result<Node, PeerError> {
        Ok(Node {
            id,
            kafka: Port::claim()?,
            controller: Port::claim()?,
            daemon: None,
        })
    }
}

impl Cluster for ApacheKafka {
    fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|node| node.kafka.address()).collect();
        addresses.join(",")
    }

    fn name(&self) -> &'static str {
        "apache"
    }

    fn log_tail(&self) -> String {
        self.nodes
            .iter()
            .flat_map(|node| &node.daemon)
            .map(Daemon::log_tail)
            .collect()
    }
}

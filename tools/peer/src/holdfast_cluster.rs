//! Several `holdfast` brokers that are one cluster.

use std::path::Path;

use crate::{Cluster, Holdfast, HoldfastConfig, PeerError, ports::Port};

/// Brokers that were told of each other; their processes are killed on drop.
#[derive(Debug)]
pub struct HoldfastCluster {
    nodes: Vec<Holdfast>,
    /// What each was told of the voters.
    peers: String,
    // Held for as long as the brokers may come back.
    internal: Vec<Port>,
}

impl HoldfastCluster {
    /// Starts `count` brokers, numbered from 1, each as `config` says, and waits until all are ready.
    pub fn start(count: usize, config: &HoldfastConfig) -> Result<HoldfastCluster, PeerError> {
        HoldfastCluster::start_each(vec![config.clone(); count])
    }

    /// Starts a broker for each of `configs`, numbered from 1, and waits until all are ready.
    pub fn start_each(configs: Vec<HoldfastConfig>) -> Result<HoldfastCluster, PeerError> {
        HoldfastCluster::begin(None, configs)
    }

    /// Has a broker that was alone, number 1, and is stopped, be the first of `count`, and waits until all are ready.
    pub fn grow(
        first: Holdfast,
        count: usize,
        config: &HoldfastConfig,
    ) -> Result<HoldfastCluster, PeerError> {
        HoldfastCluster::begin(Some(first), vec![config.clone(); count])
    }

    /// The first of `configs` is not looked at if its broker is there.
    fn begin(
        first: Option<Holdfast>,
        configs: Vec<HoldfastConfig>,
    ) -> Result<HoldfastCluster, PeerError> {
        let internal = configs.iter().map(|_| Port::claim());
        let internal = internal.collect::<Result<Vec<_>, _>>()?;
        let peers = internal.iter().zip(&configs).zip(1..);
        let peers: Vec<String> = peers
            .map(|((port, config), id)| format!("{id}@{}", port.address_at(&config.host)))
            .collect();
        let peers = peers.join(",");
        let args = |id: usize| {
            let of_node = ["--node-id".to_owned(), id.to_string()];
            let of_cluster = ["--peers".to_owned(), peers.clone()];
            of_node.into_iter().chain(of_cluster)
        };
        let mut nodes = Vec::with_capacity(configs.len());
        if let Some(mut first) = first {
            first.config_mut().args.extend(args(1));
            first.relaunch()?;
            nodes.push(first);
        }
        for (id, mut config) in (1..).zip(configs).skip(nodes.len()) {
            config.args.extend(args(id));
            nodes.push(Holdfast::launch(config)?);
        }
        let mut cluster = HoldfastCluster {
            nodes,
            peers,
            internal,
        };
        for node in &mut cluster.nodes {
            node.wait_ready()?;
        }
        Ok(cluster)
    }

    /// Starts one more, which does not vote, and waits until it is ready.
    pub fn add(&mut self, config: &HoldfastConfig) -> Result<(), PeerError> {
        let port = Port::claim()?;
        let mut config = config.clone();
        let id = (self.nodes.len() + 1).to_string();
        config.args.extend(["--node-id".to_owned(), id]);
        let of_cluster = ["--peers".to_owned(), self.peers.clone()];
        config.args.extend(of_cluster);
        let listen = [
            "--internal-listen".to_owned(),
            port.address_at(&config.host),
        ];
        config.args.extend(listen);
        self.internal.push(port);
        self.nodes.push(Holdfast::start(config)?);
        Ok(())
    }

    /// A broker, from 0.
    pub fn node(&mut self, at: usize) -> &mut Holdfast {
        &mut self.nodes[at]
    }

    /// Where a broker's data is, from 0.
    pub fn data_dir(&self, at: usize) -> &Path {
        self.nodes[at].data_dir()
    }

    /// The process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().map(Holdfast::pid).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

impl Cluster for HoldfastCluster {
    fn bootstrap(&self) -> String {
        let addresses = self.nodes.iter().map(Cluster::bootstrap);
        addresses.collect::<Vec<_>>().join(",")
    }

    fn name(&self) -> &'static str {
        "holdfast"
    }

    fn log_tail(&self) -> String {
        let tails = self.nodes.iter().map(Cluster::log_tail);
        tails.collect::<Vec<_>>().join("\n")
    }
}

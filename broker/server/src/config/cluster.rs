//! The other nodes of the cluster: `peers`, `internal.listen` and `internal.advertise`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::Problem;
use super::listener::Endpoint;
use super::settings::Settings;

/// The other nodes of the cluster, and where they reach this one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterConfig {
    /// `peers`: host and port of each voter's internal listener, by `node.id`. Empty for a node that is a cluster of its own.
    pub peers: BTreeMap<i32, (String, u16)>,
    /// `internal.listen`, or as `peers` says.
    pub internal_listen: Option<(String, u16)>,
    /// Where others reach that, if it is not where it listens: `internal.advertise`, or as `peers` says.
    pub internal_advertise: Option<(String, u16)>,
    /// How often preferred leaders are elected again: `leader.imbalance.check.interval.seconds`, with `auto.leader.rebalance.enable`.
    pub leader_balance_interval: Option<Duration>,
}

const PEERS: &str = "peers";

impl ClusterConfig {
    pub(super) fn from_settings(settings: &Settings) -> Result<ClusterConfig, Problem> {
        let problem = |message| Problem::new(&settings.get(PEERS).origin, PEERS, message);
        let mut peers = BTreeMap::new();
        for text in settings.list(PEERS) {
            let parsed = parse(text)
                .ok_or_else(|| problem(format!("expected ID@HOST:PORT, found \"{text}\"")));
            let (id, address) = parsed?;
            if peers.insert(id, address).is_some() {
                return Err(problem(format!("node {id} is there twice")));
            }
        }
        let own: i32 = settings.number("node.id");
        let address = |name| {
            let text = settings.text(name);
            text.and_then(|text| Endpoint::parse_host_port(&text).ok())
        };
        let listen = address("internal.listen");
        let advertise = address("internal.advertise");
        let is_reachable = |(host, _): &(String, u16)| {
            let address = host.parse::<std::net::IpAddr>();
            !address.is_ok_and(|address| address.is_unspecified())
        };
        let is_observer = !peers.is_empty() && !peers.contains_key(&own);
        if is_observer && listen.is_none() {
            return Err(problem(format!(
                "this node, {own} (node.id), is not among them: it needs internal.listen"
            )));
        }
        let told = advertise.as_ref().or(listen.as_ref());
        if is_observer && !told.is_some_and(is_reachable) {
            return Err(problem(format!(
                "this node, {own} (node.id), is not among them: it needs internal.advertise, an address at which the others reach it"
            )));
        }
        let is_balanced = settings.boolean("auto.leader.rebalance.enable");
        let seconds: u64 = settings.number("leader.imbalance.check.interval.seconds");
        Ok(ClusterConfig {
            leader_balance_interval: is_balanced.then_some(Duration::from_secs(seconds)),
            internal_advertise: advertise.or_else(|| peers.get(&own).cloned()),
            internal_listen: listen.or_else(|| peers.get(&own).cloned()),
            peers,
        })
    }
}

fn parse(text: &str) -> Option<(i32, (String, u16))> {
    let (id, address) = text.split_once('@')?;
    let id = id.parse().ok().filter(|id| *id >= 0)?;
    let (host, port) = Endpoint::parse_host_port(address).ok()?;
    (!host.is_empty() && port > 0).then_some((id, (host, port)))
}

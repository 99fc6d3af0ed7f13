use std::{collections::BTreeMap, net::IpAddr};

use protocol::wire::VersionRange;

use crate::{
    cluster::{Facts, Unanswered},
    groups,
};

/// All that was seen of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The addresses that one was told of.
    pub seeds: Vec<SeedLook>,
    /// What the cluster says of itself. `None`: nobody can be asked.
    pub facts: Option<Facts>,
    /// Brokers, by id, as they are seen from here.
    pub brokers: BTreeMap<i32, BrokerLook>,
    /// Topics, by name.
    pub topics: BTreeMap<String, TopicLook>,
    /// Groups. `None`: nobody would say.
    pub groups: Option<GroupsLook>,
    /// The admin ports that one was told of.
    pub admins: Vec<AdminLook>,
    /// Clocks of brokers.
    pub clocks: Vec<Clock>,
    /// What could not be asked for.
    pub unanswered: Vec<Unanswered>,
}

/// An address that clients begin at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeedLook {
    /// `HOST:PORT`.
    pub address: String,
    /// What the host is, as it is resolved here.
    pub addresses: Vec<IpAddr>,
    /// Why it does not answer. `None`: it does.
    pub error: Option<String>,
}

/// A broker, at the address that it tells clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerLook {
    /// What the host is, as it is resolved here.
    pub addresses: Vec<IpAddr>,
    /// Why the host is not resolved.
    pub unresolved: Option<String>,
    /// The versions of its APIs, by key. Empty: it does not answer.
    pub versions: BTreeMap<i16, VersionRange>,
}

/// Settings of a topic that mistakes are made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicLook {
    /// `durability`. `None` from brokers that have no such setting.
    pub durability: Option<String>,
    /// `unclean.leader.election.enable`.
    pub is_unclean: bool,
}

/// The groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupsLook {
    /// Those that were looked at.
    pub groups: Vec<groups::Described>,
    /// How many more there are.
    pub left_out: usize,
}

/// The admin port of a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminLook {
    /// `HOST:PORT`.
    pub address: String,
    /// The page of its metrics.
    pub metrics: String,
    /// Why it says that it does not serve clients.
    pub not_ready: Option<String>,
    /// Why it does not answer. `None`: it does.
    pub error: Option<String>,
}

/// A clock of a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Whose it is.
    pub of: String,
    /// How far it is ahead of the one of this machine; behind, if negative.
    pub ahead_ms: i64,
}

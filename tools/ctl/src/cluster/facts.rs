use std::{collections::BTreeMap, fmt};

use serde::Serialize;

/// What brokers say of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller, or a broker that speaks for it.
    pub controller: Option<i32>,
    /// The brokers, by id.
    pub brokers: Vec<BrokerFacts>,
    /// The metadata quorum. `None`: nobody would say.
    pub quorum: Option<QuorumFacts>,
    /// How many topics there are.
    pub topics: usize,
    /// Their partitions, by topic and number.
    pub partitions: Vec<PartitionFacts>,
    /// What could not be asked for.
    pub unanswered: Vec<Unanswered>,
}

/// A question without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unanswered {
    /// What was asked for.
    pub what: &'static str,
    /// Why there is no answer.
    pub why: String,
}

impl Unanswered {
    /// What the question for the metadata quorum is called.
    pub const QUORUM: &'static str = "the metadata quorum";
}

/// A broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BrokerFacts {
    /// Its id.
    pub id: i32,
    /// `HOST:PORT`.
    pub address: String,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether the controller takes it for gone. `None`: not told.
    pub is_fenced: Option<bool>,
    /// Whether it answers.
    pub answers: bool,
    /// What is wrong with it or its data directories, in its own words.
    pub problems: Vec<String>,
    /// Its data directories, as far as it tells.
    pub directories: Vec<DirectoryFacts>,
}

impl BrokerFacts {
    /// Whether it can do what it is for.
    pub fn is_up(&self) -> bool {
        self.answers && self.is_fenced != Some(true)
    }
}

/// A data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DirectoryFacts {
    /// Its path on the broker's machine.
    pub path: String,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Bytes that are free on its volume. `None`: not told.
    pub usable_bytes: Option<u64>,
    /// Bytes of its volume. `None`: not told.
    pub total_bytes: Option<u64>,
}

/// The metadata quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuorumFacts {
    /// Who leads it.
    pub leader: i32,
    /// Those that vote.
    pub voters: Vec<QuorumMember>,
    /// Those that only follow.
    pub observers: Vec<QuorumMember>,
}

/// One of those that have the metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QuorumMember {
    /// The node.
    pub id: i32,
    /// How many offsets its log end is behind the leader's.
    pub lag: i64,
    /// For how many milliseconds it has not had all that there is. `None`: unknown.
    pub behind_ms: Option<i64>,
    /// Whether it has all that is committed, and is there.
    pub is_caught_up: bool,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionFacts {
    /// Which.
    #[serde(flatten)]
    pub name: PartitionName,
    /// Who leads it.
    pub leader: Option<i32>,
    /// Who has it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Who is in sync.
    pub isr: Vec<i32>,
    /// Who may lead although it is not in sync (KIP-966).
    pub eligible_leader_replicas: Vec<i32>,
    /// Whose broker or disk is not there.
    pub offline_replicas: Vec<i32>,
    /// Who is to have it.
    pub adding: Vec<i32>,
    /// Who is not to have it any more.
    pub removing: Vec<i32>,
    /// `min.insync.replicas` of its topic. `None`: not told.
    pub min_insync_replicas: Option<usize>,
    /// By broker that is behind: how many offsets, as it says itself.
    pub offset_lags: BTreeMap<i32, i64>,
}

impl PartitionFacts {
    /// How many have to be in sync for a write: never more than there are, and 1 where nobody told.
    pub fn min_isr(&self) -> usize {
        let configured = self.min_insync_replicas.unwrap_or(1);
        configured.min(self.replicas.len()).max(1)
    }
}

/// A partition by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PartitionName {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

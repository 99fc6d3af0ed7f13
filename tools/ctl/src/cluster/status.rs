use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::facts::{BrokerFacts, Facts, PartitionFacts, PartitionName, QuorumFacts, Unanswered};

/// How a cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether everything that was acknowledged has as many replicas as it should, and everything can be written and read.
    pub is_healthy: bool,
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller, or a broker that speaks for it.
    pub controller: Option<i32>,
    /// The brokers.
    pub brokers: Vec<BrokerFacts>,
    /// The metadata quorum.
    pub quorum: Option<QuorumFacts>,
    /// How many topics there are.
    pub topics: usize,
    /// How many partitions.
    pub partitions: usize,
    /// What is wrong with brokers and quorum, a sentence each.
    pub problems: Vec<String>,
    /// How many partitions have which problem.
    pub partition_problems: BTreeMap<PartitionProblem, usize>,
    /// Partitions with problems, the worst first.
    pub unhealthy_partitions: Vec<PartitionStatus>,
    /// Those that are left out of the list.
    pub partitions_left_out: usize,
    /// What could not be asked for.
    pub unanswered: Vec<Unanswered>,
}

/// What may be said of a partition, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionProblem {
    /// Nobody leads it: it can be neither written nor read.
    NoLeader,
    /// Fewer are in sync than `min.insync.replicas`: acks=all is refused.
    UnderMinIsr,
    /// There are eligible leader replicas besides those in sync.
    HasElr,
    /// A replica's broker or disk is not there.
    OfflineReplica,
    /// A replica is not in sync.
    UnderReplicated,
    /// It moves to other brokers. Nothing is wrong with that.
    Reassigning,
    /// Its first replica is there, and another one leads. Nothing is wrong with that.
    NotPreferredLeader,
}

impl PartitionProblem {
    /// As people and programs read it.
    pub fn name(self) -> &'static str {
        match self {
            PartitionProblem::NoLeader => "no-leader",
            PartitionProblem::UnderMinIsr => "under-min-isr",
            PartitionProblem::HasElr => "has-elr",
            PartitionProblem::OfflineReplica => "offline-replica",
            PartitionProblem::UnderReplicated => "under-replicated",
            PartitionProblem::Reassigning => "reassigning",
            PartitionProblem::NotPreferredLeader => "not-preferred-leader",
        }
    }

    /// Whether it makes a cluster unhealthy.
    pub fn is_unhealthy(self) -> bool {
        self < PartitionProblem::Reassigning
    }
}

/// A partition with problems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// Which.
    #[serde(flatten)]
    pub name: PartitionName,
    /// What is said of it.
    pub problems: Vec<PartitionProblem>,
    /// Who leads it.
    pub leader: Option<i32>,
    /// Who has it.
    pub replicas: Vec<i32>,
    /// Who is in sync.
    pub isr: Vec<i32>,
    /// How many have to be.
    pub min_isr: usize,
    /// Who may lead besides.
    pub eligible_leader_replicas: Vec<i32>,
    /// By broker that is behind: how many offsets, as it says itself.
    pub offset_lags: BTreeMap<i32, i64>,
}

/// What follows from the facts. At most `partitions_max` partitions are listed.
pub fn status(facts: &Facts, partitions_max: usize) -> Status {
    let problems = problems(facts);
    let mut unhealthy: Vec<PartitionStatus> = facts
        .partitions
        .iter()
        .map(|partition| of_partition(partition, &facts.brokers))
        .filter(|partition| !partition.problems.is_empty())
        .collect();
    let mut partition_problems = BTreeMap::new();
    for problem in unhealthy.iter().flat_map(|it| &it.problems) {
        *partition_problems.entry(*problem).or_default() += 1;
    }
    let mut kinds = partition_problems.keys();
    let is_healthy = problems.is_empty() && !kinds.any(|it| it.is_unhealthy());
    unhealthy.sort_by(|one, other| {
        let key = |it: &PartitionStatus| (it.problems.first().copied(), it.name.clone());
        key(one).cmp(&key(other))
    });
    let partitions_left_out = unhealthy.len().saturating_sub(partitions_max);
    unhealthy.truncate(partitions_max);
    Status {
        is_healthy,
        cluster_id: facts.cluster_id.clone(),
        controller: facts.controller,
        brokers: facts.brokers.clone(),
        quorum: facts.quorum.clone(),
        topics: facts.topics,
        partitions: facts.partitions.len(),
        problems,
        partition_problems,
        unhealthy_partitions: unhealthy,
        partitions_left_out,
        unanswered: facts.unanswered.clone(),
    }
}

fn of_partition(partition: &PartitionFacts, brokers: &[BrokerFacts]) -> PartitionStatus {
    use PartitionProblem as Is;
    let preferred = partition.replicas.first().copied();
    let is_up = |id: i32| brokers.iter().any(|it| it.id == id && it.is_up());
    let could_lead = preferred.filter(|it| partition.isr.contains(it) && is_up(*it));
    let is_moving = !partition.adding.is_empty() || !partition.removing.is_empty();
    // Those that come are behind by nature.
    let mut old = partition.replicas.iter();
    let is_behind = old.any(|it| !partition.isr.contains(it) && !partition.adding.contains(it));
    let said = [
        (Is::NoLeader, partition.leader.is_none()),
        (Is::UnderMinIsr, partition.isr.len() < partition.min_isr()),
        (Is::HasElr, !partition.eligible_leader_replicas.is_empty()),
        (Is::OfflineReplica, !partition.offline_replicas.is_empty()),
        (Is::UnderReplicated, is_behind),
        (Is::Reassigning, is_moving),
        (
            Is::NotPreferredLeader,
            could_lead.is_some() && partition.leader.is_some() && could_lead != partition.leader,
        ),
    ];
    let problems = said.into_iter().filter(|(_, is_so)| *is_so);
    PartitionStatus {
        name: partition.name.clone(),
        problems: problems.map(|(problem, _)| problem).collect(),
        leader: partition.leader,
        replicas: partition.replicas.clone(),
        isr: partition.isr.clone(),
        min_isr: partition.min_isr(),
        eligible_leader_replicas: partition.eligible_leader_replicas.clone(),
        offset_lags: partition.offset_lags.clone(),
    }
}

/// What is wrong with brokers and quorum.
fn problems(facts: &Facts) -> Vec<String> {
    let mut problems = Vec::new();
    for broker in &facts.brokers {
        let name = format!("broker {} ({})", broker.id, broker.address);
        if broker.is_fenced == Some(true) {
            problems.push(format!("{name} is fenced"));
        }
        if !broker.answers {
            problems.push(format!("{name} does not answer"));
        }
        let own = broker.problems.iter().filter(|_| broker.answers);
        problems.extend(own.map(|problem| format!("{name}: {problem}")));
    }
    let known: BTreeSet<i32> = facts.brokers.iter().map(|it| it.id).collect();
    let mut gone: BTreeMap<i32, usize> = BTreeMap::new();
    for replica in facts.partitions.iter().flat_map(|it| &it.replicas) {
        if !known.contains(replica) {
            *gone.entry(*replica).or_default() += 1;
        }
    }
    problems.extend(gone.iter().map(|(id, count)| {
        format!("broker {id} is not there, and should have replicas of {count} partitions")
    }));
    match &facts.quorum {
        None => problems.push("nobody can say how the metadata quorum is".to_owned()),
        Some(quorum) => {
            let behind = quorum.voters.iter().filter(|it| !it.is_caught_up);
            problems.extend(behind.map(|it| {
                let (id, lag) = (it.id, it.lag);
                format!("voter {id} of the metadata quorum is gone or behind (lag {lag})")
            }));
        }
    }
    problems
}

use serde::Serialize;

use super::facts::{Facts, PartitionFacts, PartitionName, QuorumFacts};
use crate::CtlError;

/// Whether a broker can be stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StopVerdict {
    /// The broker.
    pub broker: i32,
    /// Whether nothing else is said of it here that speaks against it.
    pub is_safe: bool,
    /// Whether it is there at all.
    pub is_up: bool,
    /// Partitions that nobody could lead.
    pub offline: Vec<PartitionName>,
    /// Those that are left out of the list.
    pub offline_left_out: usize,
    /// Partitions that would refuse acks=all.
    pub under_min_isr: Vec<PartitionName>,
    /// Those that are left out of the list.
    pub under_min_isr_left_out: usize,
    /// What would become of the metadata quorum, if it could not decide any more.
    pub quorum: Option<String>,
    /// What would have to be known, and is not.
    pub unknown: Vec<String>,
}

/// What would be missing if a broker were stopped now. Brokers that do not answer count as stopped already. At most
/// `partitions_max` partitions of each kind are listed.
pub fn safe_to_stop(
    facts: &Facts,
    broker: i32,
    partitions_max: usize,
) -> Result<StopVerdict, CtlError> {
    let Some(it) = facts.brokers.iter().find(|it| it.id == broker) else {
        let ids: Vec<String> = facts.brokers.iter().map(|it| it.id.to_string()).collect();
        return Err(CtlError::Refused(format!(
            "there is no broker {broker}; there are {}",
            ids.join(", ")
        )));
    };
    let is_up = |id: i32| facts.brokers.iter().any(|it| it.id == id && it.is_up());
    let (mut offline, mut under_min_isr) = (Vec::new(), Vec::new());
    for partition in &facts.partitions {
        match without(partition, broker, is_up) {
            After::Same => {}
            After::Offline => offline.push(partition.name.clone()),
            After::UnderMinIsr => under_min_isr.push(partition.name.clone()),
        }
    }
    let quorum = match &facts.quorum {
        Some(quorum) => quorum_without(quorum, broker),
        None => Some("nobody can say how the metadata quorum is".to_owned()),
    };
    let unknown = unknown(facts);
    Ok(StopVerdict {
        broker,
        is_safe: offline.is_empty()
            && under_min_isr.is_empty()
            && quorum.is_none()
            && unknown.is_empty(),
        is_up: it.is_up(),
        offline_left_out: offline.len().saturating_sub(partitions_max),
        under_min_isr_left_out: under_min_isr.len().saturating_sub(partitions_max),
        offline: offline.into_iter().take(partitions_max).collect(),
        under_min_isr: under_min_isr.into_iter().take(partitions_max).collect(),
        quorum,
        unknown,
    })
}

/// What becomes of a partition.
enum After {
    Same,
    Offline,
    UnderMinIsr,
}

fn without(partition: &PartitionFacts, broker: i32, is_up: impl Fn(i32) -> bool) -> After {
    if !partition.isr.contains(&broker) {
        return After::Same;
    }
    let isr = partition.isr.iter().copied();
    let left = isr.filter(|id| *id != broker && is_up(*id)).count();
    match left {
        0 => After::Offline,
        left if left < partition.min_isr() => After::UnderMinIsr,
        _ => After::Same,
    }
}

fn quorum_without(quorum: &QuorumFacts, broker: i32) -> Option<String> {
    if !quorum.voters.iter().any(|it| it.id == broker) {
        return None;
    }
    let left = quorum.voters.iter().filter(|it| it.id != broker);
    let left = left.filter(|it| it.is_caught_up).count();
    let voters = quorum.voters.len();
    let majority = voters / 2 + 1;
    (left < majority).then(|| {
        format!("of {voters} voters of the metadata quorum {left} would be left, and it takes {majority}")
    })
}

/// Without min.insync.replicas nobody knows what is enough.
fn unknown(facts: &Facts) -> Vec<String> {
    let mut partitions = facts.partitions.iter();
    let first = partitions.find(|it| it.min_insync_replicas.is_none());
    let first = first.map(|it| format!("min.insync.replicas of {}", it.name.topic));
    first.into_iter().collect()
}

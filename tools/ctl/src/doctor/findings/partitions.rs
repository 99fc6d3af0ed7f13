//! Whether partitions can be written and read, and who has them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity, or_ok, some_of};
use crate::cluster::{self, Facts, PartitionFacts, PartitionProblem};

/// Brokers whose leaderships differ by no more are even, however few there are.
const UNEVEN_MIN: usize = 4;

/// What cannot be written or read, or not for long.
pub(super) fn states(facts: &Facts) -> Vec<Finding> {
    use PartitionProblem as Is;
    let status = cluster::status(facts, usize::MAX);
    let with = |problems: &[PartitionProblem]| -> Vec<String> {
        let partitions = status.unhealthy_partitions.iter();
        let of_them = partitions.filter(|it| it.problems.iter().any(|it| problems.contains(it)));
        of_them.map(|it| it.name.to_string()).collect()
    };
    let kinds = [
        (
            Severity::Error,
            "partition-offline",
            "have no leader",
            with(&[Is::NoLeader]),
            "They can be neither written nor read.",
            "Bring one of the brokers back that were in sync (`holdfast-ctl cluster status` names them). Do not delete their data.",
        ),
        (
            Severity::Error,
            "under-min-isr",
            "have fewer replicas in sync than `min.insync.replicas`",
            with(&[Is::UnderMinIsr]),
            "Requests with acks=all are refused.",
            "Bring the brokers back that are not in sync, or see why they are slow.",
        ),
        (
            Severity::Warning,
            "under-replicated",
            "have replicas that are not in sync, or not there",
            with(&[Is::UnderReplicated, Is::OfflineReplica]),
            "One failure more may be one too many.",
            "Wait, if a broker has just come back. Else its disk or its network is too slow, or it is gone.",
        ),
    ];
    let findings = kinds
        .into_iter()
        .filter(|(.., names, _, _)| !names.is_empty());
    let findings = findings.map(|(severity, check, what, names, why, remedy)| Finding {
        check,
        severity,
        seen: format!("{} partitions {what}: {}", names.len(), some_of(names)),
        why,
        remedy,
    });
    or_ok(findings.collect(), "partitions", || {
        let count = facts.partitions.len();
        format!("{count} partitions have a leader, and all their replicas in sync")
    })
}

/// Whether some brokers lead much more than others.
pub(super) fn leaders(facts: &Facts) -> Vec<Finding> {
    let up: BTreeSet<i32> = facts
        .brokers
        .iter()
        .filter(|it| it.is_up())
        .map(|it| it.id)
        .collect();
    if up.len() < 2 || facts.partitions.is_empty() {
        return Vec::new();
    }
    let led = counts(&up, facts.partitions.iter().filter_map(|it| it.leader));
    let first = |it: &PartitionFacts| it.replicas.first().copied();
    let preferred = counts(&up, facts.partitions.iter().filter_map(first));
    let shares = led
        .iter()
        .map(|(id, count)| format!("broker {id}: {count}"));
    let seen = format!("leaderships: {}", some_of(shares));
    let why = "Who leads has the work of producers and of most consumers.";
    let finding = match (is_uneven(&led), is_uneven(&preferred)) {
        (false, _) => Finding::ok("leaders", seen),
        (true, false) => Finding {
            check: "leaders-uneven",
            severity: Severity::Note,
            seen,
            why,
            remedy: "Preferred leaders lead again by themselves, within `leader.imbalance.check.interval.seconds`, where `auto.leader.rebalance.enable` is true; at once with `kafka-leader-election --election-type preferred --all-topic-partitions`.",
        },
        (true, true) => Finding {
            check: "leaders-uneven",
            severity: Severity::Warning,
            seen,
            why,
            remedy: "`holdfast-ctl cluster rebalance`, where some brokers have fewer replicas than others, as after brokers were added. Else give partitions another first replica with `kafka-reassign-partitions`.",
        },
    };
    vec![finding]
}

/// How often each of `brokers` is named.
fn counts(brokers: &BTreeSet<i32>, named: impl Iterator<Item = i32>) -> BTreeMap<i32, usize> {
    let mut counts: BTreeMap<i32, usize> = brokers.iter().map(|id| (*id, 0)).collect();
    for id in named {
        if let Some(count) = counts.get_mut(&id) {
            *count += 1;
        }
    }
    counts
}

/// They differ by more than half of what each should have.
fn is_uneven(counts: &BTreeMap<i32, usize>) -> bool {
    let most = counts.values().max().copied().unwrap_or_default();
    let fewest = counts.values().min().copied().unwrap_or_default();
    let fair = counts.values().sum::<usize>() / counts.len().max(1);
    most - fewest > (fair / 2).max(UNEVEN_MIN)
}

/// Whether replicas are spread over racks, where there are any.
pub(super) fn racks(facts: &Facts) -> Vec<Finding> {
    let (with, without): (Vec<_>, Vec<_>) = facts.brokers.iter().partition(|it| it.rack.is_some());
    if with.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !without.is_empty() {
        findings.push(Finding {
            check: "rack-missing",
            severity: Severity::Warning,
            seen: format!(
                "brokers without a rack, where others have one: {}",
                some_of(without.iter().map(|it| it.id))
            ),
            why: "Replicas are placed as if these were in no rack: all of a partition's may be lost with one.",
            remedy: "Set `broker.rack` on all brokers, or on none.",
        });
    }
    let racks: BTreeMap<i32, &str> = with
        .iter()
        .filter_map(|it| Some((it.id, it.rack.as_deref()?)))
        .collect();
    let distinct: BTreeSet<&str> = racks.values().copied().collect();
    let in_one = facts.partitions.iter().filter(|it| {
        let of_replicas: Option<BTreeSet<&str>> = it
            .replicas
            .iter()
            .map(|id| racks.get(id).copied())
            .collect();
        it.replicas.len() > 1 && of_replicas.is_some_and(|it| it.len() == 1)
    });
    let in_one: Vec<String> = in_one.map(|it| it.name.to_string()).collect();
    if distinct.len() > 1 && !in_one.is_empty() {
        findings.push(Finding {
            check: "rack-alone",
            severity: Severity::Warning,
            seen: format!(
                "{} partitions have all replicas in one rack, of {}: {}",
                in_one.len(),
                distinct.len(),
                some_of(in_one)
            ),
            why: "They are lost with that rack, though others could have them.",
            remedy: "Move a replica of each to another rack with `kafka-reassign-partitions`. Topics that are made when all brokers have their `broker.rack` are spread by themselves.",
        });
    }
    or_ok(findings, "racks", || {
        let racks = some_of(distinct);
        format!("nothing against how replicas are spread over the racks {racks}")
    })
}

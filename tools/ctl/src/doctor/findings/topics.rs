//! What topics promise.

use std::collections::BTreeMap;

use super::{Finding, Severity, or_ok, some_of};
use crate::{
    cluster::{Facts, PartitionFacts},
    doctor::Snapshot,
};

/// With as many brokers there is no reason for a single replica.
const BROKERS_MANY: usize = 3;
/// What `durability` is by default.
const FSYNC: &str = "fsync";

/// How many replicas a topic has, and how many have to be in sync.
struct Replication<'a> {
    topic: &'a str,
    /// The fewest of its partitions'.
    replicas: usize,
    /// As it is set, which may be more.
    min_isr: Option<usize>,
}

/// Replicas that come do not count yet.
fn replicas(partition: &PartitionFacts) -> usize {
    let old = partition.replicas.iter();
    old.filter(|id| !partition.adding.contains(id)).count()
}

fn replications(facts: &Facts) -> Vec<Replication<'_>> {
    let mut topics: BTreeMap<&str, Replication<'_>> = BTreeMap::new();
    for partition in &facts.partitions {
        let topic = partition.name.topic.as_str();
        let of_topic = topics.entry(topic).or_insert(Replication {
            topic,
            replicas: usize::MAX,
            min_isr: partition.min_insync_replicas,
        });
        of_topic.replicas = of_topic.replicas.min(replicas(partition));
    }
    topics.into_values().collect()
}

fn named<'a>(topics: &[Replication<'a>], is_so: impl Fn(&Replication<'a>) -> bool) -> Vec<&'a str> {
    let topics = topics.iter().filter(|it| is_so(it));
    topics.map(|it| it.topic).collect()
}

/// Numbers of replicas that do not go together.
pub(super) fn replication(facts: &Facts) -> Vec<Finding> {
    let topics = replications(facts);
    let brokers = facts.brokers.len();
    let kinds = [
        (
            "replication-factor",
            "with one replica, where there are brokers for three",
            named(&topics, |it| it.replicas == 1 && brokers >= BROKERS_MANY),
            "They cannot be written or read while that broker restarts, and are lost with its disk.",
            "Give them more replicas with `kafka-reassign-partitions`, and set `default.replication.factor=3` for those to come.",
        ),
        (
            "min-isr-all",
            "that need all their replicas in sync to be written (`min.insync.replicas`)",
            named(&topics, |it| {
                it.replicas > 1 && it.min_isr.is_some_and(|min| min >= it.replicas)
            }),
            "Writes with acks=all are refused as soon as a single broker restarts.",
            "`holdfast-ctl topic alter TOPIC --set min.insync.replicas=N` with N one less than there are replicas; or give them one replica more.",
        ),
        (
            "min-isr-one",
            "of which one replica in sync is enough, though there are three (`min.insync.replicas`)",
            named(&topics, |it| {
                it.replicas >= BROKERS_MANY && it.min_isr == Some(1)
            }),
            "A record may be acknowledged while one broker alone has it, and is lost with that one.",
            "`holdfast-ctl topic alter TOPIC --set min.insync.replicas=2`; for all topics `min.insync.replicas=2` on the brokers.",
        ),
    ];
    let kinds = kinds
        .into_iter()
        .filter(|(_, _, names, ..)| !names.is_empty());
    let findings = kinds.map(|(check, what, names, why, remedy)| Finding {
        check,
        severity: Severity::Warning,
        seen: format!("{} topics {what}: {}", names.len(), some_of(names)),
        why,
        remedy,
    });
    or_ok(findings.collect(), "replication", || {
        format!(
            "nothing against the numbers of replicas of {} topics",
            topics.len()
        )
    })
}

/// Settings that promise less.
pub(super) fn settings(snapshot: &Snapshot) -> Vec<Finding> {
    let topics = &snapshot.topics;
    let not_synced = topics.iter().filter_map(|(name, it)| {
        let durability = it.durability.as_deref()?;
        (durability != FSYNC).then(|| format!("{name} ({durability})"))
    });
    let not_synced: Vec<String> = not_synced.collect();
    let unclean = topics.iter().filter(|(_, it)| it.is_unclean);
    let unclean: Vec<&String> = unclean.map(|(name, _)| name).collect();
    let mut findings = Vec::new();
    if !unclean.is_empty() {
        findings.push(Finding {
            check: "unclean-election",
            severity: Severity::Warning,
            seen: format!(
                "{} topics with `unclean.leader.election.enable`: {}",
                unclean.len(),
                some_of(unclean)
            ),
            why: "A replica may lead that lacks what was acknowledged: those records are lost.",
            remedy: "`holdfast-ctl topic alter TOPIC --set unclean.leader.election.enable=false`, where that was not meant.",
        });
    }
    if !not_synced.is_empty() {
        findings.push(Finding {
            check: "durability",
            severity: Severity::Note,
            seen: format!(
                "{} topics without `durability=fsync`: {}",
                not_synced.len(),
                some_of(not_synced)
            ),
            why: "Records are acknowledged from the page cache: they survive the process, and not the power, unless `flush.messages` or `flush.ms` say more.",
            remedy: "Nothing, if that was meant. `durability` is chosen when a topic is made: make another one with `durability=fsync`.",
        });
    }
    or_ok(findings, "settings", || {
        format!(
            "no setting of {} topics promises less than the default",
            topics.len()
        )
    })
}

//! Whether brokers are there, where they tell clients to go, and have what they need.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{ApiKey, wire::VersionRange};

use super::{Finding, Severity, or_ok, some_of};
use crate::{
    cluster::{BrokerFacts, Facts},
    doctor::{BrokerLook, Snapshot},
};

/// A volume with a smaller part of it free is nearly full.
const FREE_MIN: f64 = 0.15;

/// The addresses that one was told of.
pub(super) fn seeds(snapshot: &Snapshot) -> Vec<Finding> {
    let silent = snapshot.seeds.iter().filter_map(|it| {
        let why = it.error.as_ref()?;
        Some(format!("{}: {why}", it.address))
    });
    let silent: Vec<String> = silent.collect();
    let mut findings = Vec::new();
    if !silent.is_empty() && silent.len() == snapshot.seeds.len() {
        findings.push(Finding {
            check: "bootstrap",
            severity: Severity::Error,
            seen: format!("nobody answers; {}", some_of(silent)),
            why: "Clients begin at these addresses, and get no further.",
            remedy: "Check host and port; that a broker runs there; that its `listeners` are on an interface that is reached from here, and not on loopback alone; and what lies between: firewalls, security groups, Services.",
        });
    } else if !silent.is_empty() {
        findings.push(Finding {
            check: "bootstrap",
            severity: Severity::Warning,
            seen: format!("some bootstrap addresses do not answer; {}", some_of(silent)),
            why: "A client that is told of these alone does not find the cluster.",
            remedy: "Start the brokers there, or leave the addresses out of the configuration of clients.",
        });
    }
    or_ok(findings, "bootstrap", || {
        let addresses = snapshot.seeds.iter().map(|it| &it.address);
        format!("all bootstrap addresses answer: {}", some_of(addresses))
    })
}

/// The addresses that brokers tell clients, which is where most mistakes are made. A broker is named once, for the first thing that is wrong.
pub(super) fn advertised(snapshot: &Snapshot, facts: &Facts) -> Vec<Finding> {
    let is_remote = is_remote(snapshot);
    let (mut unspecified, mut loopback) = (Vec::new(), Vec::new());
    let (mut unresolved, mut unreachable) = (Vec::new(), Vec::new());
    for broker in &facts.brokers {
        let look = snapshot.brokers.get(&broker.id);
        let name = format!("broker {} ({})", broker.id, broker.address);
        let is_gone = !broker.answers && broker.is_fenced == Some(true);
        if look.is_some_and(is_unspecified) {
            unspecified.push(name);
        } else if is_remote && look.is_some_and(is_loopback) {
            loopback.push(name);
        } else if let Some(why) = look.and_then(|it| it.unresolved.as_ref()) {
            unresolved.push(format!("{name}: {why}"));
        } else if !broker.answers && !is_gone {
            unreachable.push(format!("{name}: {}", some_of(&broker.problems)));
        }
    }
    let kinds = [
        Kind {
            check: "advertised-unspecified",
            brokers: unspecified,
            what: "brokers tell clients an address that stands for all interfaces",
            why: "0.0.0.0 and :: can be listened on; a client that connects to them reaches itself, or nobody.",
            remedy: "Set `advertised.listeners` of these brokers to a name or an address that clients resolve and reach.",
        },
        Kind {
            check: "advertised-loopback",
            brokers: loopback,
            what: "brokers tell clients from elsewhere an address of their own machine",
            why: "Clients go on to the address that they are told, and find nobody on their own machine: the first connection works, and nothing after it.",
            remedy: "Set `advertised.listeners` of these brokers to a name or an address that clients resolve and reach. Without it a broker tells what it listens on.",
        },
        Kind {
            check: "advertised-unresolved",
            brokers: unresolved,
            what: "brokers tell clients a name that is not resolved here",
            why: "Clients on this machine cannot reach them, though the first connection works.",
            remedy: "Set `advertised.listeners` to names that clients resolve, or add the names to their DNS. Pods' names are resolved inside of their Kubernetes cluster only: clients outside need a listener of their own.",
        },
        Kind {
            check: "advertised-unreachable",
            brokers: unreachable,
            what: "brokers do not answer where they tell clients to go, though the controller takes them for there",
            why: "Clients on this machine cannot reach what they lead: requests time out, though the first connection works.",
            remedy: "Set `advertised.listeners` of these brokers to what is reached from here, or open the way: firewalls, security groups, Services. A client is told the addresses of the listener that it has connected to.",
        },
    ];
    let mut findings: Vec<Finding> = kinds.into_iter().filter_map(Kind::finding).collect();
    findings.extend(same_address(facts));
    or_ok(findings, "advertised", || {
        let up = facts.brokers.iter().filter(|it| it.answers).count();
        let all = facts.brokers.len();
        format!("{up} of {all} brokers answer at the address that clients are told")
    })
}

/// What may be wrong with an address.
struct Kind {
    check: &'static str,
    brokers: Vec<String>,
    what: &'static str,
    why: &'static str,
    remedy: &'static str,
}

impl Kind {
    fn finding(self) -> Option<Finding> {
        let is_so = !self.brokers.is_empty();
        is_so.then(|| Finding {
            check: self.check,
            severity: Severity::Error,
            seen: format!("{}: {}", self.what, some_of(self.brokers)),
            why: self.why,
            remedy: self.remedy,
        })
    }
}

/// Whether a broker was reached over a network.
fn is_remote(snapshot: &Snapshot) -> bool {
    let mut reached = snapshot.seeds.iter().filter(|it| it.error.is_none());
    reached.any(|it| {
        let mut addresses = it.addresses.iter();
        !it.addresses.is_empty() && addresses.all(|it| !it.is_loopback())
    })
}

fn is_unspecified(look: &BrokerLook) -> bool {
    look.addresses.iter().any(|it| it.is_unspecified())
}

fn is_loopback(look: &BrokerLook) -> bool {
    let mut addresses = look.addresses.iter();
    !look.addresses.is_empty() && addresses.all(|it| it.is_loopback())
}

fn same_address(facts: &Facts) -> Option<Finding> {
    let mut by_address: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for broker in &facts.brokers {
        by_address
            .entry(&broker.address)
            .or_default()
            .push(broker.id);
    }
    by_address.retain(|_, ids| ids.len() > 1);
    let shared = by_address
        .iter()
        .map(|(address, ids)| format!("{address} by brokers {}", some_of(ids)));
    (!by_address.is_empty()).then(|| Finding {
        check: "advertised-same",
        severity: Severity::Error,
        seen: format!("one address is told by several brokers: {}", some_of(shared)),
        why: "Clients have to reach the broker that leads a partition, and not any of them.",
        remedy: "Give each broker an address or a port of its own in `advertised.listeners`; a load balancer can be where clients begin, and no more.",
    })
}

/// Brokers that do not take part.
pub(super) fn states(facts: &Facts) -> Vec<Finding> {
    let named = |broker: &BrokerFacts| format!("broker {} ({})", broker.id, broker.address);
    let fenced = facts.brokers.iter().filter(|it| it.is_fenced == Some(true));
    let (there, gone): (Vec<&BrokerFacts>, Vec<&BrokerFacts>) = fenced.partition(|it| it.answers);
    let mut gone: Vec<String> = gone.into_iter().map(named).collect();
    let there: Vec<String> = there.into_iter().map(named).collect();
    let known: BTreeSet<i32> = facts.brokers.iter().map(|it| it.id).collect();
    let replicas = facts.partitions.iter().flat_map(|it| &it.replicas);
    let unknown: BTreeSet<i32> = replicas.copied().filter(|id| !known.contains(id)).collect();
    gone.extend(unknown.iter().map(|id| format!("broker {id}")));
    let mut findings = Vec::new();
    if !gone.is_empty() {
        findings.push(Finding {
            check: "broker-gone",
            severity: Severity::Error,
            seen: format!("not there: {}", some_of(gone)),
            why: "What it has is one replica short, and the next failure may be one too many.",
            remedy: "Start it. If it is lost for good, move what it has to others (`holdfast-ctl broker drain ID`) and forget it (`kafka-cluster unregister --id ID`).",
        });
    }
    if !there.is_empty() {
        findings.push(Finding {
            check: "broker-fenced",
            severity: Severity::Error,
            seen: format!("there, and taken for gone by the controller: {}", some_of(there)),
            why: "It leads nothing, and clients are not told of it.",
            remedy: "It has just started, or does not reach the controller: its log says which. Voters have to be reached on `internal.listen`.",
        });
    }
    or_ok(findings, "brokers", || {
        format!("{} brokers take part", facts.brokers.len())
    })
}

/// Disks that failed, or are nearly full.
pub(super) fn directories(facts: &Facts) -> Vec<Finding> {
    let all = || {
        let brokers = facts.brokers.iter();
        brokers.flat_map(|broker| broker.directories.iter().map(move |it| (broker.id, it)))
    };
    let failed = all().filter_map(|(id, it)| {
        let error = it.error.as_ref()?;
        Some(format!("{} of broker {id}: {error}", it.path))
    });
    let failed: Vec<String> = failed.collect();
    let full = all().filter_map(|(id, it)| {
        let total = it.total_bytes.filter(|total| *total > 0)?;
        let free = it.usable_bytes? as f64 / total as f64;
        (free < FREE_MIN)
            .then(|| format!("{} of broker {id} ({:.0} % free)", it.path, free * 100.0))
    });
    let full: Vec<String> = full.collect();
    let mut findings = Vec::new();
    if !failed.is_empty() {
        findings.push(Finding {
            check: "directory-failed",
            severity: Severity::Error,
            seen: format!("data directories are offline: {}", some_of(failed)),
            why: "What is on such a disk is served by other brokers, where they have it, and not at all where they do not.",
            remedy: "Replace the disk and restart the broker: an empty directory is filled again from the others.",
        });
    }
    if !full.is_empty() {
        findings.push(Finding {
            check: "disk-filling",
            severity: Severity::Warning,
            seen: format!("disks are nearly full: {}", some_of(full)),
            why: "Below `disk.free.bytes.min` produce requests are refused.",
            remedy: "Make the volume larger, or have less kept: a shorter `retention.ms`, DeleteRecords, topics that nobody needs.",
        });
    }
    let count = all().count();
    match count {
        0 => findings,
        _ => or_ok(findings, "directories", || {
            format!("{count} data directories, none offline or nearly full")
        }),
    }
}

/// Brokers of one version have the same APIs.
pub(super) fn versions(snapshot: &Snapshot) -> Vec<Finding> {
    let mut alike: Vec<(Vec<i32>, &BTreeMap<i16, VersionRange>)> = Vec::new();
    for (id, look) in &snapshot.brokers {
        if look.versions.is_empty() {
            continue;
        }
        match alike.iter_mut().find(|(_, it)| **it == look.versions) {
            Some((ids, _)) => ids.push(*id),
            None => alike.push((vec![*id], &look.versions)),
        }
    }
    match alike.as_slice() {
        [] => Vec::new(),
        [(ids, _)] => {
            let brokers = some_of(ids);
            let seen = format!("the same versions of all APIs on brokers {brokers}");
            vec![Finding::ok("versions", seen)]
        }
        _ => {
            let ids = alike.iter().map(|(ids, _)| format!("[{}]", some_of(ids)));
            let versions: Vec<_> = alike.iter().map(|(_, it)| *it).collect();
            vec![Finding {
                check: "versions",
                severity: Severity::Warning,
                seen: format!(
                    "brokers {} have other versions of {}",
                    some_of(ids),
                    some_of(different(&versions))
                ),
                why: "Brokers of several versions are for the time of an upgrade: what only the newer ones can is not turned on, and clients are told different things.",
                remedy: "Finish the upgrade: the same version on all brokers, one after the other.",
            }]
        }
    }
}

/// The names of APIs that are not everywhere the same.
fn different(all: &[&BTreeMap<i16, VersionRange>]) -> Vec<String> {
    let keys: BTreeSet<i16> = all.iter().flat_map(|it| it.keys().copied()).collect();
    let first = all.first();
    let differs = |key: &i16| {
        let of_first = first.and_then(|it| it.get(key));
        all.iter().any(|it| it.get(key) != of_first)
    };
    let different = keys.into_iter().filter(differs);
    different
        .map(|key| match ApiKey::try_from(key) {
            Ok(api) => format!("{api:?}"),
            Err(()) => format!("API {key}"),
        })
        .collect()
}

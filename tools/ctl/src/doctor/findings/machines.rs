//! Clocks, and what brokers show at their admin ports.

use std::collections::BTreeSet;

use client::metrics::{Sample, samples};

use super::{Finding, Severity, or_ok, some_of};
use crate::doctor::{AdminLook, Clock, Snapshot};

/// Clocks that differ by more are not kept by the same servers. Some are read with a second more or less.
const CLOCK_MS_MAX: i64 = 5_000;
/// A journal that is fuller is not emptied as fast as it is filled.
const JOURNAL_USED_MAX: f64 = 0.8;

/// Clocks that differ.
pub(super) fn clocks(snapshot: &Snapshot) -> Vec<Finding> {
    let ahead = || snapshot.clocks.iter().map(|it| it.ahead_ms);
    let (Some(first), Some(last)) = (ahead().min(), ahead().max()) else {
        return Vec::new();
    };
    let shown = |it: &Clock| format!("{} {:+.1} s", it.of, it.ahead_ms as f64 / 1e3);
    let seen = format!(
        "compared with this machine: {}",
        some_of(snapshot.clocks.iter().map(shown))
    );
    let finding = if last - first > CLOCK_MS_MAX {
        Finding {
            check: "clocks",
            severity: Severity::Warning,
            seen: format!("the clocks of brokers differ; {seen}"),
            why: "Records are stamped and deleted by these clocks, and the logs of several brokers cannot be read beside each other.",
            remedy: "Have all brokers follow the same time servers: chrony, ntpd, systemd-timesyncd.",
        }
    } else if last > CLOCK_MS_MAX || first < -CLOCK_MS_MAX {
        Finding {
            check: "clocks",
            severity: Severity::Note,
            seen: format!("brokers have another time than this machine; {seen}"),
            why: "Clients here stamp records with their own time; too far from that of brokers they are refused (`message.timestamp.after.max.ms`).",
            remedy: "Have this machine and the brokers follow the same time servers.",
        }
    } else {
        Finding::ok("clocks", seen)
    };
    vec![finding]
}

/// A value of a metric that should be 0.
struct Alarm {
    metric: &'static str,
    /// The label that says of what.
    of: &'static str,
    severity: Severity,
    check: &'static str,
    what: &'static str,
    why: &'static str,
    remedy: &'static str,
}

const ALARMS: [Alarm; 4] = [
    Alarm {
        metric: "holdfast_disk_refusing",
        of: "directory",
        severity: Severity::Error,
        check: "disk-refusing",
        what: "refuses produce requests for want of space",
        why: "Producers are told to try again, until there is space.",
        remedy: "Make the volume larger, or have less kept: a shorter `retention.ms`, DeleteRecords, topics that nobody needs. Whatever frees space is never refused.",
    },
    Alarm {
        metric: "kafka_server_replicafetchermanager_failedpartitionscount",
        of: "",
        severity: Severity::Error,
        check: "replica-failed",
        what: "has stopped following partitions",
        why: "It would have had to cut off what is committed, or its log contradicts the leader's. Every byte is kept.",
        remedy: "Its log says which partition, at level ERROR. Keep a copy of its directory before anything is done about it, and report it.",
    },
    Alarm {
        metric: "holdfast_retention_paused",
        of: "directory",
        severity: Severity::Warning,
        check: "retention-paused",
        what: "deletes nothing for its age, since its clock has jumped",
        why: "The disk fills up meanwhile (`log.retention.clock.jump.pause.ms`).",
        remedy: "See whether the clock is right. If it is now, that is all.",
    },
    Alarm {
        metric: "kafka_log_logcleanermanager_uncleanable_partitions_count",
        of: "directory",
        severity: Severity::Warning,
        check: "uncleanable",
        what: "does not compact partitions any more",
        why: "A record of them is damaged, or cannot be read; they grow without end.",
        remedy: "Its log names them. Move such a partition off this broker and back: a replica that is whole takes its place.",
    },
];

/// What the admin ports show.
pub(super) fn admins(snapshot: &Snapshot) -> Vec<Finding> {
    if snapshot.admins.is_empty() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = snapshot.admins.iter().flat_map(of_one).collect();
    findings.extend(engines(&snapshot.admins));
    findings.extend(builds(&snapshot.admins));
    or_ok(findings, "admin", || {
        format!(
            "nothing against what {} admin ports show",
            snapshot.admins.len()
        )
    })
}

fn of_one(admin: &AdminLook) -> Vec<Finding> {
    let address = &admin.address;
    if let Some(error) = &admin.error {
        return vec![Finding {
            check: "admin-silent",
            severity: Severity::Warning,
            seen: format!("the admin port {address} does not answer: {error}"),
            why: "Metrics are not collected there, and probes fail.",
            remedy: "Check `admin.listen` of the broker, which is on loopback by default, and what lies between.",
        }];
    }
    let mut findings = Vec::new();
    if let Some(why) = &admin.not_ready {
        findings.push(Finding {
            check: "not-ready",
            severity: Severity::Error,
            seen: format!("{address} does not serve clients: {why}"),
            why: "It has not started yet, or has not found the others.",
            remedy: "Wait, if it recovers: that takes as long as it has to read. Else its log says what it waits for.",
        });
    }
    for alarm in &ALARMS {
        let raised = samples(&admin.metrics, alarm.metric).filter(|it| it.value > 0.0);
        findings.extend(raised.map(|it| Finding {
            check: alarm.check,
            severity: alarm.severity,
            seen: format!("{address} {}{}", alarm.what, of(&it, alarm.of)),
            why: alarm.why,
            remedy: alarm.remedy,
        }));
    }
    findings.extend(journals(admin));
    findings
}

fn of(sample: &Sample, label: &str) -> String {
    match sample.label(label) {
        "" => String::new(),
        value => format!(" ({value})"),
    }
}

fn journals(admin: &AdminLook) -> Vec<Finding> {
    let capacities: Vec<Sample> =
        samples(&admin.metrics, "holdfast_journal_bytes_capacity").collect();
    let full = samples(&admin.metrics, "holdfast_journal_bytes_used").filter_map(|used| {
        let directory = used.label("directory");
        let mut capacities = capacities.iter();
        let capacity = capacities.find(|it| it.label("directory") == directory)?;
        let part = used.value / capacity.value;
        (part > JOURNAL_USED_MAX).then(|| format!("{directory} ({:.0} %)", part * 100.0))
    });
    let full = full.map(|it| Finding {
        check: "journal-filling",
        severity: Severity::Warning,
        seen: format!("the journal of {} is nearly full: {it}", admin.address),
        why: "What is acknowledged comes faster than it is written to segments; in the end producers wait.",
        remedy: "The disk takes each byte twice: see to its throughput, and to what else uses it.",
    });
    full.collect()
}

/// Brokers that drive the disk by threads.
fn engines(admins: &[AdminLook]) -> Option<Finding> {
    let threads = admins.iter().filter_map(|admin| {
        let mut engines = samples(&admin.metrics, "holdfast_io_engine");
        let engine = engines.find(|it| it.label("engine") == "threads")?;
        Some(match engine.label("fallback_reason") {
            "" => admin.address.clone(),
            reason => format!("{} ({reason})", admin.address),
        })
    });
    let threads: Vec<String> = threads.collect();
    (!threads.is_empty()).then(|| Finding {
        check: "io-engine",
        severity: Severity::Note,
        seen: format!("the disk is driven by threads, and not by io_uring: {}", some_of(threads)),
        why: "That costs CPU and time, and no promise.",
        remedy: "Let io_uring through: a kernel that has it, `kernel.io_uring_disabled=0`, and a seccomp profile that allows it (docs/operating/kubernetes.md has one).",
    })
}

/// Brokers of several versions.
fn builds(admins: &[AdminLook]) -> Option<Finding> {
    let version = |admin: &AdminLook| {
        let build = samples(&admin.metrics, "holdfast_build_info").next()?;
        Some(build.label("version").to_owned())
    };
    let versions: BTreeSet<String> = admins.iter().filter_map(version).collect();
    (versions.len() > 1).then(|| Finding {
        check: "builds",
        severity: Severity::Warning,
        seen: format!("brokers are of the versions {}", some_of(versions)),
        why: "Brokers of several versions are for the time of an upgrade.",
        remedy: "Finish the upgrade: the same version on all brokers, one after the other.",
    })
}

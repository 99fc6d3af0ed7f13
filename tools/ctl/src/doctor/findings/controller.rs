//! Who decides.

use protocol::ApiKey;

use super::{Finding, Severity, or_ok, some_of};
use crate::{
    cluster::{Facts, QuorumFacts, Unanswered},
    doctor::Snapshot,
};

/// What is asked for, and told of here where there is no answer.
pub(super) const QUORUM: &str = Unanswered::QUORUM;
/// With as many brokers one vote is too few.
const BROKERS_MANY: usize = 3;

/// The metadata quorum.
pub(super) fn quorum(snapshot: &Snapshot, facts: &Facts) -> Vec<Finding> {
    let Some(quorum) = &facts.quorum else {
        let mut unanswered = facts.unanswered.iter();
        let why = unanswered.find(|it| it.what == QUORUM);
        let why = why.map_or("nobody says who it is", |it| it.why.as_str());
        return match facts.controller {
            // Brokers older than quorums have a controller all the same.
            Some(id) if !tells_quorum(snapshot) => {
                vec![Finding::ok(
                    "controller",
                    format!("broker {id} is the controller"),
                )]
            }
            _ => vec![nobody(why)],
        };
    };
    if quorum.leader < 0 {
        return vec![nobody("nobody leads the metadata quorum")];
    }
    let findings = voters(quorum, facts.brokers.len());
    or_ok(findings, "controller", || {
        let voters = quorum.voters.len();
        format!(
            "{} leads the metadata quorum of {voters} voters",
            quorum.leader
        )
    })
}

fn tells_quorum(snapshot: &Snapshot) -> bool {
    let key = ApiKey::DescribeQuorum as i16;
    let mut brokers = snapshot.brokers.values();
    brokers.any(|it| it.versions.contains_key(&key))
}

fn nobody(why: &str) -> Finding {
    Finding {
        check: "no-controller",
        severity: Severity::Error,
        seen: format!("there is no controller: {why}"),
        why: "Nobody takes over for a broker that fails, and no topic can be made or changed.",
        remedy: "More than half of the voters have to run, and to reach each other on `internal.listen`: start those that are missing, and look at their logs.",
    }
}

fn voters(quorum: &QuorumFacts, brokers: usize) -> Vec<Finding> {
    let voters = quorum.voters.len();
    let ids = || some_of(quorum.voters.iter().map(|it| it.id));
    let mut findings = Vec::new();
    if voters == 1 && brokers >= BROKERS_MANY {
        findings.push(Finding {
            check: "voter-alone",
            severity: Severity::Warning,
            seen: format!("of {brokers} brokers only {} votes on the metadata", ids()),
            why: "Without that one there is no controller, however many others there are; and nobody else has the metadata if its disk is lost.",
            remedy: "Have three brokers vote: `kafka-metadata-quorum add-controller`.",
        });
    }
    if voters > 0 && voters.is_multiple_of(2) {
        findings.push(Finding {
            check: "voters-even",
            severity: Severity::Warning,
            seen: format!("{voters} brokers vote on the metadata: {}", ids()),
            why: "It takes more than half of them. An even number can do without no more of them than one fewer could, and there is one more that may fail.",
            remedy: "Have 3 or 5 vote: `kafka-metadata-quorum add-controller`, or `remove-controller`.",
        });
    }
    let behind = quorum.voters.iter().filter(|it| !it.is_caught_up);
    let behind: Vec<String> = behind
        .map(|it| format!("{} (lag {})", it.id, it.lag))
        .collect();
    if !behind.is_empty() {
        findings.push(Finding {
            check: "voter-behind",
            severity: Severity::Warning,
            seen: format!("of {voters} voters some are gone or behind: {}", some_of(behind)),
            why: "They do not count towards the majority that it takes: one failure more may leave the cluster without a controller.",
            remedy: "Start them, or see to the network between them and the controller.",
        });
    }
    findings
}

//! What a snapshot says is wrong, without I/O: a file for each subject.

mod brokers;
mod controller;
mod groups;
mod machines;
mod partitions;
mod topics;

use serde::Serialize;

use super::Snapshot;

/// So many names are listed of those that a finding is about.
const NAMES_MAX: usize = 10;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Looked at, and as it should be.
    Ok,
    /// Perhaps meant so.
    Note,
    /// It works, and will not when something else happens.
    Warning,
    /// It does not work.
    Error,
}

impl Severity {
    /// As people and programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of finding it is: a name that stays.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen.
    pub seen: String,
    /// Why it matters. Empty where all is well.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub why: &'static str,
    /// What to do. Empty where all is well.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub remedy: &'static str,
}

/// What there is to say of a snapshot, the worst first.
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = brokers::seeds(snapshot);
    if let Some(facts) = &snapshot.facts {
        findings.extend(brokers::advertised(snapshot, facts));
        findings.extend(brokers::states(facts));
        findings.extend(brokers::directories(facts));
        findings.extend(brokers::versions(snapshot));
        findings.extend(controller::quorum(snapshot, facts));
        findings.extend(partitions::states(facts));
        findings.extend(partitions::leaders(facts));
        findings.extend(partitions::racks(facts));
        findings.extend(topics::replication(facts));
        findings.extend(topics::settings(snapshot));
    }
    if let Some(groups) = &snapshot.groups {
        findings.extend(groups::groups(groups));
    }
    findings.extend(machines::clocks(snapshot));
    findings.extend(machines::admins(snapshot));
    findings.extend(unanswered(snapshot));
    findings.sort_by_key(|it| std::cmp::Reverse(it.severity));
    findings
}

/// What nobody knows may be well or not. Without anything that the cluster says of itself nothing was looked at.
fn unanswered(snapshot: &Snapshot) -> Vec<Finding> {
    let of_cluster = snapshot.facts.iter().flat_map(|facts| &facts.unanswered);
    let unanswered = of_cluster.chain(&snapshot.unanswered);
    let severity = match snapshot.facts {
        Some(_) => Severity::Note,
        None => Severity::Error,
    };
    unanswered
        .filter(|it| it.what != controller::QUORUM)
        .map(|it| Finding {
            check: "unanswered",
            severity,
            seen: format!("{} not known: {}", it.what, it.why),
            why: "What could not be asked for was not looked at.",
            remedy: "Where the broker is older than the question nothing is to be done; else ask again when all brokers answer.",
        })
        .collect()
}

impl Finding {
    fn ok(check: &'static str, seen: String) -> Finding {
        Finding {
            check,
            severity: Severity::Ok,
            seen,
            why: "",
            remedy: "",
        }
    }
}

/// What was found, or that nothing was.
fn or_ok(
    findings: Vec<Finding>,
    check: &'static str,
    seen: impl FnOnce() -> String,
) -> Vec<Finding> {
    match findings.is_empty() {
        true => vec![Finding::ok(check, seen())],
        false => findings,
    }
}

/// The first of some names, and how many more there are.
fn some_of<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names
        .by_ref()
        .take(NAMES_MAX)
        .map(|it| it.to_string())
        .collect();
    let text = first.join(", ");
    match names.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests;

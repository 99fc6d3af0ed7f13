use std::fmt;

use crate::history::{Anomaly, TopicPartition};

/// How many findings a message shows; a lost log is one after the other.
const SHOWN_MAX: usize = 20;

/// Why a run of crashes is not as it should be.
#[derive(Debug)]
pub enum Failure {
    /// The logs contradict what was sent, acknowledged or read before.
    Contradicted(Vec<Finding>),
    /// Something other than the logs: a start that failed, a refused write, a missing topic.
    Broken(String),
}

/// An anomaly and where it is.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The partition.
    pub at: TopicPartition,
    /// What is wrong there.
    pub anomaly: Anomaly,
}

impl Failure {
    /// Makes anything that can be shown one that broke.
    pub fn broken(doing: &str, error: impl fmt::Display) -> Failure {
        Failure::Broken(format!("{doing}: {error}"))
    }

    /// How many anomalies of that name there are.
    pub fn count(&self, name: &str) -> usize {
        match self {
            Failure::Contradicted(findings) => findings
                .iter()
                .filter(|finding| finding.anomaly.name() == name)
                .count(),
            Failure::Broken(_) => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Broken(what) => f.write_str(what),
            Failure::Contradicted(findings) => {
                write!(f, "{} anomalies", findings.len())?;
                for Finding { at, anomaly } in findings.iter().take(SHOWN_MAX) {
                    write!(f, "\n  {at}: {anomaly}")?;
                }
                match findings.len().saturating_sub(SHOWN_MAX) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
        }
    }
}

//! The usual mistakes, looked for.
//!
//! - [`look`]: asks a cluster, and the admin ports of its brokers, for a [`Snapshot`].
//! - [`findings`]: what of it is a mistake, without I/O.
//! - [`report`]: all of it for people.

pub mod findings;
mod look;
pub mod report;
mod snapshot;

use serde::Serialize;

use findings::{Finding, Severity};

pub use look::look;
pub use snapshot::{AdminLook, BrokerLook, Clock, GroupsLook, SeedLook, Snapshot, TopicLook};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// How many findings are errors.
    pub errors: usize,
    /// How many are warnings.
    pub warnings: usize,
    /// How many are notes.
    pub notes: usize,
    /// All of them, the worst first.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// What a snapshot shows.
    pub fn of(snapshot: &Snapshot) -> Diagnosis {
        let findings = findings::findings(snapshot);
        let count = |severity| {
            let of_it = findings.iter().filter(|it| it.severity == severity);
            of_it.count()
        };
        Diagnosis {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            findings,
        }
    }
}

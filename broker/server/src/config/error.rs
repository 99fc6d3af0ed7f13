//! What is wrong with a configuration, and where it was given.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded default.
    Default,
    /// The configuration file.
    File {
        /// As given.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// A variable of the environment, by its name.
    Environment(String),
    /// A flag, as it was typed.
    Flag(String),
    /// The cluster's metadata, for all brokers (KIP-226).
    AllBrokers,
    /// The cluster's metadata, for this broker.
    ThisBroker,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(variable) => f.write_str(variable),
            Origin::Flag(flag) => f.write_str(flag),
            Origin::AllBrokers => f.write_str("set for all brokers"),
            Origin::ThisBroker => f.write_str("set for this broker"),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The setting, if the place does not name it already.
    pub name: Option<String>,
    /// What was expected, and what was found.
    pub message: String,
}

impl Problem {
    pub(super) fn new(origin: &Origin, name: &str, message: impl Into<String>) -> Problem {
        Problem {
            origin: origin.clone(),
            name: Some(name.to_owned()),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Mistakes, at least one, in the order of the sources.
    #[error("the configuration is not valid{}", lines(.0))]
    Invalid(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect()
}

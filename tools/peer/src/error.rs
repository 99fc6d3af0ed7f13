use std::{io, path::Path, process::ExitStatus, time::Duration};

/// Why a broker or a tool could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// A program that has to be installed is not on the path.
    #[error("`{program}` is not on the path")]
    Missing {
        /// Its name.
        program: String,
    },
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was attempted, with the path or program concerned.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A helper program (Maven, cargo, the storage formatter) ended with an error.
    #[error("{what} failed with {status}:\n{output}")]
    Failed {
        /// Which program.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        output: String,
    },
    /// The broker ended before it was ready.
    #[error("{what} ended with {status} before it was ready:\n{log}")]
    Exited {
        /// Which broker.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The broker runs, but did not become ready (or did not stop) in time.
    #[error("{what} {waiting_for} not within {waited:?}:\n{log}")]
    TimedOut {
        /// Which broker.
        what: String,
        /// What was awaited.
        waiting_for: &'static str,
        /// For how long.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// What was awaited did not come to be in time.
    #[error("not within {waited:?}: {what}; last: {last}")]
    NotSo {
        /// What was awaited.
        what: &'static str,
        /// For how long.
        waited: Duration,
        /// What the last look gave.
        last: String,
    },
    /// Cargo built no binary named `holdfast`.
    #[error("cargo reported no binary `holdfast`")]
    NoBinary,
    /// Every port that was tried is taken.
    #[error("no free port between {first} and {last}")]
    NoPort {
        /// The first port tried.
        first: u16,
        /// The last port tried.
        last: u16,
    },
}

impl PeerError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> PeerError {
        move |source| PeerError::Io {
            doing: doing.into(),
            source,
        }
    }

    pub(crate) fn at(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> PeerError {
        PeerError::io(format!("{verb} {}", path.display()))
    }
}

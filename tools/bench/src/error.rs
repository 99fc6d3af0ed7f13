use std::io;
use std::process::ExitStatus;

use client::ClientError;
use peer::PeerError;
use protocol::ErrorCode;
use protocol::wire::WireError;

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The cluster does not answer as it should.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A broker could not be started or stopped.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A broker ended by itself.
    #[error("the broker ended ({status}):\n{log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// A connection broke, or a file could not be read.
    #[error("{doing}: {source}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that are no answer.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A request was refused.
    #[error("{doing} was answered with {code:?}")]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// Kafka's code.
        code: ErrorCode,
    },
    /// An answer that leaves out what was asked for.
    #[error("{0}")]
    Unexpected(&'static str),
}

impl BenchError {
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> BenchError {
        move |source| BenchError::Io { doing, source }
    }
}

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

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
    /// A broker that is not there, or does not speak the protocol.
    #[error("{address}: {source}")]
    Reach {
        /// `HOST:PORT`.
        address: String,
        /// What is wrong.
        source: ClientError,
    },
    /// A broker does not take a connection.
    #[error("connect to {address}: {source}")]
    Connect {
        /// `HOST:PORT`.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// A broker ended a connection.
    #[error("the broker closed the connection")]
    HungUp,
    /// A broker does not answer.
    #[error("the broker has not answered for {} s", .0.as_secs())]
    Silent(Duration),
    /// librdkafka gives up.
    #[error("{doing}: {reason}")]
    Librdkafka {
        /// What was attempted.
        doing: &'static str,
        /// What it says.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that should be a saved run.
    #[error("{} is no saved run: {reason}", path.display())]
    NoSavedRun {
        /// Which one.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A workload that is none.
    #[error("the workload cannot be run: {what}")]
    Workload {
        /// What is wrong with it.
        what: String,
    },
    /// A topic is there, and another than is wanted.
    #[error("topic {name} has {found} partitions, not {wanted}: name another, or delete it")]
    OtherShape {
        /// Its name.
        name: String,
        /// What it has.
        found: i32,
        /// What it should have.
        wanted: i32,
    },
    /// Records were acknowledged, and a consumer did not get them.
    #[error("{records} acknowledged records were not read within {} s", waited.as_secs())]
    Unread {
        /// How many.
        records: u64,
        /// How long nothing more came.
        waited: Duration,
    },
    /// Records were acknowledged, and are not there after a fault.
    #[error("{0} acknowledged records are lost")]
    Lost(u64),
    /// Figures of a later run are worse than is borne.
    #[error("worse than is borne: {}", .0.join("; "))]
    Worse(Vec<String>),
    /// A run ended before its time; what it measured until then was shown.
    #[error("ended before its time: {0}")]
    Partial(String),
    /// Somebody pressed Ctrl-C, or asked for an end with SIGTERM.
    #[error("interrupted")]
    Interrupted,
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

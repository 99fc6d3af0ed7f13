use std::{io, path::PathBuf};

use client::ClientError;

use crate::verify::history::HistoryError;

/// Why a command could not do what it is for.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    /// No broker could be asked.
    #[error(
        "none of {addresses} can be asked; the last one: {last}\nCheck --bootstrap-server, and that a broker runs there."
    )]
    NoBroker {
        /// Where it was tried.
        addresses: String,
        /// What went wrong with the last of them.
        last: ClientError,
    },
    /// A request failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file of a history cannot be used.
    #[error("{}: {source}", path.display())]
    History {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: HistoryError,
    },
    /// The system would not let us.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A server that is asked over HTTP does not answer as it should.
    #[error("{url}: {source}")]
    Http {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// Something in the way of it that the person at the keyboard can change.
    #[error("{0}")]
    Refused(String),
}

impl CtlError {
    pub(crate) fn http(url: &str) -> impl FnOnce(ureq::Error) -> CtlError {
        let url = url.to_owned();
        move |source| CtlError::Http {
            url,
            source: Box::new(source),
        }
    }

    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> CtlError {
        let path = path.into();
        move |source| CtlError::File {
            doing,
            path,
            source,
        }
    }
}

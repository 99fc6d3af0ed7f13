use std::io;

use protocol::{ApiKey, ErrorCode, UnknownErrorCode, wire::WireError};

/// Why a request has no answer, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection could not be made, broke, or was silent for too long.
    #[error("{doing}: {source}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes that came are not an answer.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Client and broker have no version of an API in common.
    #[error("the broker has no version of {0:?} that is known here")]
    NoVersion(ApiKey),
    /// The answer is to another request than the one whose turn it is.
    #[error("correlation id {found} where {expected} was next")]
    OutOfTurn {
        /// Of the request that was sent first.
        expected: i32,
        /// Of the answer.
        found: i32,
    },
    /// The answer leaves out what was asked for, or adds what was not.
    #[error("the answer to {0:?} is not about what was asked")]
    Unrelated(ApiKey),
    /// The broker refused.
    #[error("{doing}: {}", code.name())]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// Why not.
        code: ErrorCode,
    },
    /// The broker refused with a code that Kafka does not have.
    #[error(transparent)]
    UnknownCode(#[from] UnknownErrorCode),
}

impl ClientError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> ClientError {
        move |source| {
            // That a read waited for as long as it may is "Resource temporarily unavailable" in the system's words.
            let source = match source.kind() {
                io::ErrorKind::WouldBlock => {
                    io::Error::new(io::ErrorKind::TimedOut, "the broker is silent")
                }
                _ => source,
            };
            ClientError::Io { doing, source }
        }
    }

    /// Whether the same request may well succeed a little later.
    pub fn is_retriable(&self) -> bool {
        matches!(self, ClientError::Refused { code, .. } if code.is_retriable())
    }
}

/// Turns the error code of an answer into an error.
pub(crate) fn check(doing: &'static str, code: i16) -> Result<(), ClientError> {
    match error_code(code)? {
        ErrorCode::None => Ok(()),
        code => Err(ClientError::Refused { doing, code }),
    }
}

pub(crate) fn error_code(code: i16) -> Result<ErrorCode, ClientError> {
    Ok(ErrorCode::try_from(code)?)
}

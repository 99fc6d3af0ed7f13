//! The client's failure: a code, and a sentence where the code's own does not say enough.

use protocol::ErrorCode;
use serde::{Deserialize, Serialize};

/// An error as an API answers it. The messages are worded as Kafka words them, since people search for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {}", .code.name(), .message.as_deref().unwrap_or(.code.message()))]
pub struct ApiError {
    /// The code; never [`ErrorCode::None`].
    pub code: ErrorCode,
    /// What `error_message` says; `None` where Kafka sends null and clients use their own words.
    pub message: Option<String>,
}

impl ApiError {
    /// An error that is said in its own words.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            message: Some(message.into()),
        }
    }

    /// An error that its code says completely.
    pub fn bare(code: ErrorCode) -> ApiError {
        ApiError {
            code,
            message: None,
        }
    }
}

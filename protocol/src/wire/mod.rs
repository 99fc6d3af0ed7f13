//! Frames, headers and bodies, between bytes and values. Pure: nothing here reads or writes a
//! socket.
//!
//! A request is a frame ([`frame`]) of header ([`request`]) and body ([`body`]). A response is
//! made in one buffer ([`response`]), or, for a fetch, as pieces around record bytes that are
//! never copied ([`fetch_response`]). Produce requests are taken apart without copying
//! ([`produce`]).
//!
//! Input is hostile until it has passed: everything that decodes is bounded by the bytes that are
//! there and answers a [`WireError`].

pub mod body;
pub mod fetch_response;
pub mod frame;
pub(crate) mod primitive;
pub mod produce;
pub mod request;
pub mod response;
pub mod versions;

pub use body::{MessageBody, RequestBody, decode_body, decode_request_body};
pub use frame::{FRAME_SIZE_BYTES, frame_size, split_frame};
pub use request::{RequestHeader, RequestPrefix};
pub use response::{encode_frame, encode_request_frame};
pub use versions::{ApiVersionTable, Support, VersionRange, supported};

use crate::messages::ApiKey;

/// Why bytes are not what they should be, or a value cannot be written at a version.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The size before a frame is negative or over the limit. Nothing was allocated for it.
    #[error("a frame of {size} bytes, where 0 to {max} are allowed")]
    FrameSize {
        /// The size as it stands.
        size: i32,
        /// The limit.
        max: usize,
    },
    /// Kafka has no such API, or none that is known here. Its header cannot be read.
    #[error("unknown API key {0}")]
    UnknownApi(i16),
    /// The API has no such version, or none that is known here.
    #[error("version {version} of {api:?} is unknown")]
    UnknownVersion {
        /// The API.
        api: ApiKey,
        /// The version asked for.
        version: i16,
    },
    /// The bytes contradict the schema.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The codec found the same, or cannot write a value at a version.
    #[error("malformed: {0}")]
    Codec(#[from] kafka_protocol::error::ProtoError),
    /// The body ended before its bytes did.
    #[error("{0} bytes follow the body")]
    TrailingBytes(usize),
    /// The message is larger than a frame can be.
    #[error("a message of {0} bytes is too large for a frame")]
    TooLarge(usize),
}

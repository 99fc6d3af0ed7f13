//! The Kafka wire protocol: the only crate that knows the codec.
//!
//! - [`model`]: typed ids.
//! - [`batch`]: the record batch, read and patched in place.
//! - [`wire`]: frames, headers, bodies, versions.
//! - [`messages`]: the bodies of every API.
//! - [`consumer_protocol`]: what a broker reads of what consumers tell each other.
//! - [`group_records`]: the records of `__consumer_offsets`.
//! - [`ErrorCode`].

pub mod batch;
pub mod consumer_protocol;
mod error_code;
pub mod group_records;
pub mod messages;
pub mod model;
pub mod wire;

pub use error_code::{ErrorCode, UnknownErrorCode};
pub use messages::ApiKey;

/// What the codec's messages are made of.
pub mod codec {
    pub use kafka_protocol::error::ProtoError;
    pub use kafka_protocol::protocol::{Decodable, Encodable, Message, StrBytes};
}

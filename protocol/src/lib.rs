//! The Kafka wire protocol: the only crate that knows the codec.
pub mod model;

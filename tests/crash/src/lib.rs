//! Crashes.
pub mod client;

//! The network shell: accept, frame, dispatch in order, answer in order.
//!
//! It knows nothing of Kafka's APIs beyond the size before a frame. A [`Service`] is called with
//! each frame in the order of arrival; its [`Reply`] may come at once or later, and may have the
//! connection pause until it does; answers leave in the order of the requests, whatever the order
//! they were ready in.
//!
//! - [`Server`]: binds and accepts ([`server`]), within the limits of [`admission`].
//! - `connection`: one task per connection, that reads, dispatches, awaits and writes.
//! - `frame_reader` and `output`: its two halves.
//! - [`MemoryBudget`]: bytes in flight in the whole process ([`memory_budget`]).
//! - [`Observer`]: what metrics need to know.
//!
//! What protects the broker, and where it is decided:
//!
//! | against | by |
//! |---|---|
//! | a huge or negative size | checked before anything is allocated: [`NetConfig::frame_size_max`] |
//! | a size claimed and not sent | memory grows with what arrives (`frame_reader`) |
//! | many large requests | [`MemoryBudget`]: over it, connections are not read; small requests pass |
//! | memory held and not used | [`NetConfig::memory_shortage_timeout`] |
//! | endless pipelining | [`NetConfig::in_flight_max`]: beyond it, the connection is not read |
//! | answers never read | [`NetConfig::output_backlog_bytes_max`], [`NetConfig::write_stall_timeout`] |
//! | frames that never end | [`NetConfig::slow_sender_timeout`] |
//! | idle connections | [`NetConfig::idle_timeout`]; and each costs a few kilobytes at most |
//! | too many connections | [`NetConfig::connections_max`], [`NetConfig::connections_per_ip_max`] |

pub mod admission;
pub mod close;
pub mod config;
mod connection;
pub mod context;
mod frame_reader;
mod log_limiter;
pub mod memory_budget;
pub mod observer;
mod output;
mod send_file;
pub mod server;
pub mod service;

pub use close::{Close, CloseReason};
pub use config::{ListenerConfig, NetConfig};
pub use context::ConnectionContext;
pub use memory_budget::{MemoryBudget, MemoryPermit};
pub use observer::Observer;
pub use server::{BindError, Guest, PeerBroker, Server};
pub use service::{Chunk, LaterReply, PausingReply, Reply, ResponseBytes, Service};

#[cfg(test)]
mod tests;

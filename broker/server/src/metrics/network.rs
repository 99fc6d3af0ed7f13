//! Connections and bytes.

use super::atomics::{Counter, Gauge};
use super::exposition::Exposition;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it.
    Client,
    /// No request for `connections.max.idle.ms`.
    Idle,
    /// A request that is none, or too large.
    Malformed,
    /// One of the bounds on connections.
    Limit,
    /// Reading or writing failed, or the client did not read.
    Failed,
    /// An answer that ends the connection.
    Refused,
    /// The broker stops.
    Shutdown,
}

impl CloseReason {
    const ALL: [CloseReason; 7] = [
        CloseReason::Client,
        CloseReason::Idle,
        CloseReason::Malformed,
        CloseReason::Limit,
        CloseReason::Failed,
        CloseReason::Refused,
        CloseReason::Shutdown,
    ];

    const fn name(self) -> &'static str {
        match self {
            CloseReason::Client => "client",
            CloseReason::Idle => "idle",
            CloseReason::Malformed => "malformed",
            CloseReason::Limit => "limit",
            CloseReason::Failed => "failed",
            CloseReason::Refused => "refused",
            CloseReason::Shutdown => "shutdown",
        }
    }
}

/// Connections and bytes of all listeners.
#[derive(Debug, Default)]
pub struct NetworkMetrics {
    /// Bytes read from clients.
    pub bytes_in: Counter,
    /// Bytes written to clients.
    pub bytes_out: Counter,
    /// Requests that were none: they could not be read, or were too large.
    pub malformed_requests: Counter,
    opened: Counter,
    current: Gauge,
    closed: [Counter; CloseReason::ALL.len()],
}

impl NetworkMetrics {
    /// A connection was accepted.
    pub fn on_open(&self) {
        self.opened.increment();
        self.current.add(1);
    }

    /// A connection that was accepted ended.
    pub fn on_close(&self, reason: CloseReason) {
        self.current.add(-1);
        self.closed[reason as usize].increment();
    }

    /// Connections open now.
    pub fn connections(&self) -> i64 {
        self.current.get()
    }

    pub(super) fn expose(&self, out: &mut Exposition) {
        out.counter(
            "holdfast_network_bytes_in_total",
            "Bytes read from clients.",
        )
        .value(&[], self.bytes_in.get());
        out.counter(
            "holdfast_network_bytes_out_total",
            "Bytes written to clients.",
        )
        .value(&[], self.bytes_out.get());
        out.counter(
            "holdfast_malformed_requests_total",
            "Requests that could not be read.",
        )
        .value(&[], self.malformed_requests.get());
        out.counter("holdfast_connections_opened_total", "Connections accepted.")
            .value(&[], self.opened.get());
        let mut family = out.counter(
            "holdfast_connections_closed_total",
            "Connections ended, by reason.",
        );
        for reason in CloseReason::ALL {
            family.value(
                &[("reason", reason.name())],
                self.closed[reason as usize].get(),
            );
        }
        out.gauge("holdfast_connections", "Connections open now.")
            .value(&[], self.current.get());
        out.gauge(
            "kafka_server_socket_server_metrics_connection_count",
            "Connections open now.",
        )
        .value(&[], self.current.get());
    }
}

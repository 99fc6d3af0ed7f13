//! Connections and bytes.

use super::atomics::{Counter, Gauge};
use super::exposition::Exposition;
use crate::net::CloseReason;

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

    /// A connection was accepted and closed at once.
    pub fn on_refused(&self, reason: CloseReason) {
        self.opened.increment();
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
                &[("reason", reason.label())],
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

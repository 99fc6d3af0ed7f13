//! The start of this process: what it runs, and what recovery found.

use std::time::Duration;

use parking_lot::RwLock;

use super::exposition::Exposition;

/// What recovery did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StartReport {
    /// The broker before was stopped, not killed.
    pub clean: bool,
    /// How long recovery took.
    pub recovery: Duration,
    /// Records replayed from the journal.
    pub records: u64,
    /// Bytes replayed from the journal.
    pub bytes: u64,
}

/// The start of this process.
#[derive(Debug, Default)]
pub struct StartMetrics {
    engine: RwLock<Option<(&'static str, String)>>,
    report: RwLock<Option<StartReport>>,
}

impl StartMetrics {
    /// The I/O engine in use, and why it is not the ring when it could have been.
    pub fn set_engine(&self, engine: &'static str, fallback_reason: Option<&str>) {
        *self.engine.write() = Some((engine, fallback_reason.unwrap_or_default().to_owned()));
    }

    /// The same, once it is known; empty where there is nothing to say why.
    pub fn engine(&self) -> Option<(&'static str, String)> {
        self.engine.read().clone()
    }

    /// Recovery is done.
    pub fn on_recovered(&self, report: StartReport) {
        *self.report.write() = Some(report);
    }

    pub(super) fn expose(&self, out: &mut Exposition) {
        out.gauge("holdfast_build_info", "1, with the version.")
            .value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        if let Some((engine, reason)) = self.engine.read().as_ref() {
            out.gauge(
                "holdfast_io_engine",
                "1, with the engine that drives the disk.",
            )
            .value(&[("engine", engine), ("fallback_reason", reason)], 1);
        }
        let Some(report) = self.report.read().clone() else {
            return;
        };
        out.counter(
            "holdfast_starts_total",
            "Starts of this process, by how the last one ended.",
        )
        .value(&[("last_stop", "clean")], u8::from(report.clean))
        .value(&[("last_stop", "unclean")], u8::from(!report.clean));
        out.gauge(
            "holdfast_recovery_seconds",
            "How long recovery took at the start.",
        )
        .value(&[], report.recovery.as_secs_f64());
        out.gauge(
            "holdfast_recovery_records",
            "Records replayed from the journal at the start.",
        )
        .value(&[], report.records);
        out.gauge(
            "holdfast_recovery_bytes",
            "Bytes replayed from the journal at the start.",
        )
        .value(&[], report.bytes);
    }
}

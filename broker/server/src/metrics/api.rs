//! Requests, by API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::ErrorCode;

use super::atomics::Gauge;
use super::exposition::Exposition;
use super::histogram::Histogram;

const QUANTILES: [(f64, &str); 4] = [
    (0.5, "0.50"),
    (0.95, "0.95"),
    (0.99, "0.99"),
    (0.999, "0.999"),
];

/// Requests of all APIs.
#[derive(Debug)]
pub struct RequestMetrics {
    /// By API key; `None` for a key that is not served.
    by_key: Vec<Option<Arc<ApiMetrics>>>,
    unknown: Arc<ApiMetrics>,
    /// Bytes of requests that are held, against `queued.max.request.bytes`.
    pub bytes_in_flight: Gauge,
}

/// Requests of one API.
#[derive(Debug)]
pub struct ApiMetrics {
    name: &'static str,
    by_error: Box<[AtomicU64]>,
    duration: Histogram,
}

impl RequestMetrics {
    pub(super) fn new(apis: &[(i16, &'static str)]) -> RequestMetrics {
        let keys = apis
            .iter()
            .filter_map(|(key, name)| Some((usize::try_from(*key).ok()?, *name)));
        let length = keys
            .clone()
            .map(|(key, _)| key + 1)
            .max()
            .unwrap_or_default();
        let mut by_key = vec![None; length];
        keys.for_each(|(key, name)| by_key[key] = Some(Arc::new(ApiMetrics::new(name))));
        RequestMetrics {
            by_key,
            unknown: Arc::new(ApiMetrics::new("unknown")),
            bytes_in_flight: Gauge::default(),
        }
    }

    /// The counters of an API, to be kept by whoever serves it. Keys that are not served share one.
    pub fn api(&self, key: i16) -> &Arc<ApiMetrics> {
        let served = usize::try_from(key)
            .ok()
            .and_then(|key| self.by_key.get(key)?.as_ref());
        served.unwrap_or(&self.unknown)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<ApiMetrics>> {
        self.by_key.iter().flatten().chain([&self.unknown])
    }

    pub(super) fn expose(&self, out: &mut Exposition) {
        let mut family = out.counter(
            "holdfast_requests_total",
            "Requests answered, by API and error.",
        );
        for api in self.all() {
            for (error, count) in api.counts().filter(|(_, count)| *count > 0) {
                family.value(&[("api", api.name), ("error", error)], count);
            }
        }
        let seen = || self.all().filter(|api| api.duration.snapshot().count > 0);
        let mut family = out.histogram(
            "holdfast_request_duration_seconds",
            "From the last byte of a request to its answer being ready.",
        );
        for api in seen() {
            family.distribution(&[("api", api.name)], &api.duration);
        }
        let mut family = out.gauge(
            "kafka_network_requestmetrics_totaltimems",
            "Milliseconds of a request since the start, by quantile.",
        );
        for api in seen() {
            let snapshot = api.duration.snapshot();
            for (quantile, label) in QUANTILES {
                let millis = snapshot.quantile(quantile).unwrap_or_default() * 1e3;
                family.value(&[("request", api.name), ("quantile", label)], millis);
            }
        }
        out.gauge(
            "holdfast_request_bytes_in_flight",
            "Bytes of requests held now.",
        )
        .value(&[], self.bytes_in_flight.get());
    }
}

/// Codes start at -1.
const FIRST_CODE: i16 = -1;

impl ApiMetrics {
    fn new(name: &'static str) -> ApiMetrics {
        let codes = ErrorCode::ALL
            .iter()
            .map(|code| index(*code) + 1)
            .max()
            .unwrap_or_default();
        ApiMetrics {
            name,
            by_error: (0..codes).map(|_| AtomicU64::new(0)).collect(),
            duration: Histogram::of_latencies(),
        }
    }

    /// Counts an answered request: the error of its answer (for an answer with one per partition,
    /// the first), and the time it took.
    pub fn record(&self, error: ErrorCode, duration: Duration) {
        self.by_error[index(error)].fetch_add(1, Ordering::Relaxed);
        self.duration.observe_duration(duration);
    }

    /// From the last byte of a request to its answer being ready.
    pub fn duration(&self) -> &Histogram {
        &self.duration
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ErrorCode::ALL.iter().map(|code| {
            (
                code.name(),
                self.by_error[index(*code)].load(Ordering::Relaxed),
            )
        })
    }
}

fn index(code: ErrorCode) -> usize {
    usize::try_from(i16::from(code) - FIRST_CODE).unwrap_or_default()
}

//! Numbers of one run, as they are printed and saved.

use serde::Serialize;

use crate::consume::Consumed;
use crate::process::Usage;
use crate::produce::Produced;

/// One run against one target. Fields without a broker on this machine are absent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Records per second.
    pub records_per_second: f64,
    /// Bytes of values per second.
    pub bytes_per_second: f64,
    /// Milliseconds from when a request was due to its answer: the median.
    pub p50_ms: Option<f64>,
    /// The same, of 99 in 100.
    pub p99_ms: Option<f64>,
    /// The same, of 999 in 1000.
    pub p999_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// 99 in 100 were answered within so many milliseconds from when they were sent.
    pub service_p99_ms: Option<f64>,
    /// The broker's CPU seconds for a gigabyte (10^9 bytes of values), until it was idle again.
    pub cpu_seconds_per_gb: Option<f64>,
    /// The broker's CPU microseconds for a record.
    pub cpu_micros_per_record: Option<f64>,
    /// The most memory the broker ever had resident, in MB.
    pub resident_mb: Option<f64>,
    /// Bytes the broker wrote to devices for each byte of values.
    pub written_per_byte: Option<f64>,
    /// The load generator's own CPU seconds.
    pub client_cpu_seconds: f64,
}

/// What processes used during a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    /// The broker, before and after, where it is on this machine.
    pub broker: Option<(Usage, Usage)>,
    /// The load generator.
    pub client_cpu_seconds: f64,
}

impl Summary {
    /// Of a run that produced. CPU time and bytes written are those of the whole run, and so are set against all its records.
    pub fn of_produce(produced: &Produced, record_bytes: usize, costs: Costs) -> Summary {
        let seconds = produced.elapsed.as_secs_f64();
        let due = &produced.latencies.from_due;
        let ms = |quantile| Some(due.value_at_quantile(quantile) as f64 / 1000.0);
        let service = produced.latencies.from_sent.value_at_quantile(0.99);
        Summary {
            records_per_second: produced.records as f64 / seconds,
            bytes_per_second: produced.bytes as f64 / seconds,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: Some(due.max() as f64 / 1000.0),
            service_p99_ms: Some(service as f64 / 1000.0),
            ..Summary::with_costs(
                costs,
                produced.records_in_all,
                produced.records_in_all * record_bytes as u64,
            )
        }
    }

    /// Of a run that consumed.
    pub fn of_consume(consumed: &Consumed, costs: Costs) -> Summary {
        let seconds = consumed.elapsed.as_secs_f64();
        Summary {
            records_per_second: consumed.records as f64 / seconds,
            bytes_per_second: consumed.bytes as f64 / seconds,
            ..Summary::with_costs(costs, consumed.records, consumed.bytes)
        }
    }

    fn with_costs(costs: Costs, records: u64, bytes: u64) -> Summary {
        let mut summary = Summary {
            client_cpu_seconds: costs.client_cpu_seconds,
            ..Summary::default()
        };
        if let Some((before, after)) = costs.broker {
            let cpu = after.cpu_seconds - before.cpu_seconds;
            let written = after.written_bytes.saturating_sub(before.written_bytes);
            summary.cpu_seconds_per_gb = Some(cpu / (bytes as f64 / 1e9));
            summary.cpu_micros_per_record = Some(cpu * 1e6 / records as f64);
            summary.resident_mb = Some(after.resident_bytes_max as f64 / 1e6);
            summary.written_per_byte = Some(written as f64 / bytes as f64);
        }
        summary
    }

    /// Names and values, in the order in which they are shown.
    pub fn figures(&self) -> [(&'static str, Option<f64>); 12] {
        [
            ("records/s", Some(self.records_per_second)),
            ("MB/s", Some(self.bytes_per_second / 1e6)),
            ("p50 ms", self.p50_ms),
            ("p99 ms", self.p99_ms),
            ("p99.9 ms", self.p999_ms),
            ("max ms", self.max_ms),
            ("service p99 ms", self.service_p99_ms),
            ("broker CPU s/GB", self.cpu_seconds_per_gb),
            ("broker CPU us/record", self.cpu_micros_per_record),
            ("broker memory MB", self.resident_mb),
            ("bytes written per byte", self.written_per_byte),
            ("client CPU s", Some(self.client_cpu_seconds)),
        ]
    }
}

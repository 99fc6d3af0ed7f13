//! What settings of a Kafka producer are for the native client, which has no linger and sends one batch in a request.

use std::collections::BTreeMap;
use std::time::Duration;

use super::quantity::Size;
use super::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Workload};
use crate::BenchError;

/// A connection of the native client has at most so many requests under way.
const WINDOW_MAX: u64 = 100_000;
/// No producer waits for longer.
const LINGER_MS_MAX: u64 = 3_600_000;
/// Kafka's own limit is that of its requests.
const IN_FLIGHT_MAX: u64 = 1_000_000;

/// The settings that say how large batches become, and how many are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    /// `linger.ms`.
    pub linger: Duration,
    /// `batch.size`, in bytes.
    pub batch_bytes: u64,
    /// `max.in.flight.requests.per.connection`.
    pub in_flight: u64,
}

impl Default for ProducerConfig {
    /// As Kafka's clients had it until 4.0, which OMB's Kafka driver is built with.
    fn default() -> ProducerConfig {
        ProducerConfig {
            linger: Duration::ZERO,
            batch_bytes: 16_384,
            in_flight: 5,
        }
    }
}

impl ProducerConfig {
    /// Takes its settings out of all of a producer's.
    pub fn take(properties: &mut BTreeMap<String, String>) -> Result<ProducerConfig, BenchError> {
        let mut taken = |name: &str, least: u64, greatest: u64| {
            let Some(text) = properties.remove(name) else {
                return Ok(None);
            };
            let number = text.parse().ok();
            let number = number.filter(|number| (least..=greatest).contains(number));
            let wrong = || BenchError::Workload {
                what: format!("{name}: {text:?} is not a number from {least} to {greatest}"),
            };
            number.map(Some).ok_or_else(wrong)
        };
        let default = ProducerConfig::default();
        let linger = taken("linger.ms", 0, LINGER_MS_MAX)?;
        let batch_bytes = taken("batch.size", 0, BATCH_BYTES_MAX)?;
        let in_flight = taken("max.in.flight.requests.per.connection", 1, IN_FLIGHT_MAX)?;
        Ok(ProducerConfig {
            linger: linger.map_or(default.linger, Duration::from_millis),
            batch_bytes: batch_bytes.unwrap_or(default.batch_bytes),
            in_flight: in_flight.unwrap_or(default.in_flight),
        })
    }

    /// Sets what follows from it at a workload's rate.
    pub fn apply(&self, workload: &mut Workload) {
        workload.batch_records = self.batch_records(workload);
        workload.window = self.window(workload);
    }

    /// Says what follows from it for a workload.
    pub fn note(&self, workload: &Workload) -> String {
        format!(
            "linger.ms, batch.size, max.in.flight.requests.per.connection: there is no linger here; of {} ms, {} and {} follow requests \
             of one batch of {} records, and {} of them under way: --batch-records and --window say otherwise",
            self.linger.as_millis(),
            Size(self.batch_bytes),
            self.in_flight,
            self.batch_records(workload),
            self.window(workload)
        )
    }

    /// Records of a batch: those that are due within `linger.ms` of one producer for one partition, at least one, at most as many as
    /// `batch.size` has room for. Without a rate there are always more, and batches are full.
    ///
    /// A producer is one of a topic, as OMB has them: 2 producers and 10 partitions at 100,000 records per second make 5,000 per second
    /// for a producer and partition, and 25 records in 5 ms. Kafka's producer makes larger batches of records without keys, since it
    /// stays with a partition until a batch is full (KIP-794); how large depends on answers, which an open loop does not wait for.
    pub fn batch_records(&self, workload: &Workload) -> usize {
        let room = self.batch_bytes / workload.size.0.max(1);
        let partitions = workload.producers as f64 * f64::from(workload.partitions.max(1));
        let due = match workload.rate.0 {
            0.0 => f64::INFINITY,
            rate => rate / partitions.max(1.0) * self.linger.as_secs_f64(),
        };
        // A cast keeps within the bounds of the number.
        let records = room.min(due as u64);
        (records.max(1) as usize).min(BATCH_RECORDS_MAX)
    }

    /// Requests of a connection that are under way. One of Kafka's has a batch for each partition, one of the native client a single batch.
    pub fn window(&self, workload: &Workload) -> usize {
        let partitions = u64::from(workload.partitions.max(1).unsigned_abs());
        let requests = self.in_flight.saturating_mul(partitions);
        requests.min(WINDOW_MAX) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantity::Rate;
    use super::*;

    fn workload(rate: f64) -> Workload {
        Workload {
            rate: Rate(rate),
            size: Size(1_000),
            partitions: 10,
            producers: 2,
            ..Workload::default()
        }
    }

    fn config(linger_ms: u64, batch_bytes: u64) -> ProducerConfig {
        ProducerConfig {
            linger: Duration::from_millis(linger_ms),
            batch_bytes,
            ..ProducerConfig::default()
        }
    }

    #[test]
    fn a_batch_has_what_is_due_within_linger() {
        let records = |rate, linger| config(linger, 131_072).batch_records(&workload(rate));
        assert_eq!(records(100_000.0, 5), 25);
        assert_eq!(records(100_000.0, 0), 1);
        assert_eq!(records(100.0, 5), 1);
        // No more than there is room for.
        assert_eq!(records(1e9, 5), 131);
        assert_eq!(records(0.0, 0), 131);
        assert_eq!(config(5, 0).batch_records(&workload(0.0)), 1);
    }

    #[test]
    fn a_batch_has_bounds() {
        let empty = Workload {
            size: Size(0),
            ..workload(0.0)
        };
        let records = config(5, BATCH_BYTES_MAX).batch_records(&empty);
        assert_eq!(records, BATCH_RECORDS_MAX);
        let config = ProducerConfig {
            in_flight: u64::MAX,
            ..ProducerConfig::default()
        };
        assert_eq!(config.window(&workload(0.0)), 100_000);
    }

    #[test]
    fn a_window_has_a_batch_for_each_partition() {
        assert_eq!(ProducerConfig::default().window(&workload(0.0)), 50);
    }

    #[test]
    fn settings_are_taken_and_others_left() {
        let mut properties = super::super::properties::parse("linger.ms=3\nbatch.size=9\nacks=1");
        assert_eq!(ProducerConfig::take(&mut properties).unwrap(), config(3, 9));
        assert_eq!(properties.into_keys().collect::<Vec<_>>(), ["acks"]);
        for wrong in [
            "linger.ms=soon",
            "batch.size=-1",
            "batch.size=99999999999",
            "max.in.flight.requests.per.connection=0",
        ] {
            let error = ProducerConfig::take(&mut super::super::properties::parse(wrong));
            let name = wrong.split('=').next().unwrap();
            assert!(error.unwrap_err().to_string().contains(name), "{wrong}");
        }
    }
}

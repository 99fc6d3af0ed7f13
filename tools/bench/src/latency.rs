//! Latencies, in histograms that can be added: percentiles are of all that was measured, never averages of percentiles.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as Reader, Serializer as _, V2DeflateSerializer};
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Significant digits: a value is off by at most a thousandth.
const DIGITS: u8 = 3;

/// Latencies of microseconds and more. Saved as its percentiles in milliseconds, and whole as an HdrHistogram (version 2, compressed, base64) of
/// microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    micros: Histogram<u64>,
}

/// The percentiles that are shown and saved: name, and share of all.
pub const PERCENTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.999_9),
    ("p99.999", 0.999_99),
];

/// The names of the same in a saved run.
const FIELDS: [&str; 6] = [
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p99_9_ms",
    "p99_99_ms",
    "p99_999_ms",
];

impl Default for Latency {
    fn default() -> Latency {
        let micros = Histogram::new(DIGITS);
        Latency {
            micros: micros.unwrap_or_else(|_| unreachable!("three digits are allowed")),
        }
    }
}

impl Latency {
    /// One more.
    pub fn record(&mut self, latency: Duration) {
        self.record_many(latency, 1);
    }

    /// As many more, of records that were together.
    pub fn record_many(&mut self, latency: Duration, count: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        // A histogram that resizes itself refuses nothing that a clock can say.
        let recorded = self.micros.record_n(micros, count);
        debug_assert!(recorded.is_ok(), "{latency:?}");
    }

    /// All of another too.
    pub fn add(&mut self, other: &Latency) {
        let added = self.micros.add(&other.micros);
        debug_assert!(added.is_ok(), "a histogram that resizes itself takes all");
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.micros.reset();
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.micros.len()
    }

    /// Milliseconds within which this share of all were.
    pub fn at(&self, share: f64) -> f64 {
        self.micros.value_at_quantile(share) as f64 / 1e3
    }

    /// The longest, in milliseconds.
    pub fn max(&self) -> f64 {
        self.micros.max() as f64 / 1e3
    }

    /// The shortest, in milliseconds.
    pub fn min(&self) -> f64 {
        self.micros.min() as f64 / 1e3
    }

    /// The distribution, for a plot: shares of all, and milliseconds. Denser towards the slowest, as the logarithm of what is beyond.
    pub fn distribution(&self) -> Vec<(f64, f64)> {
        // What is beyond would be about less than one of them.
        let last = 1.0 - 1.0 / self.count().max(1) as f64;
        let points = self.micros.iter_quantiles(5);
        points
            .filter(|point| point.quantile_iterated_to() <= last)
            .map(|point| {
                (
                    point.quantile_iterated_to(),
                    point.value_iterated_to() as f64 / 1e3,
                )
            })
            .collect()
    }
}

impl Serialize for Latency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.micros, &mut bytes)
            .map_err(S::Error::custom)?;
        let mut saved = serializer.serialize_struct("Latency", FIELDS.len() + 4)?;
        saved.serialize_field("count", &self.count())?;
        saved.serialize_field("min_ms", &self.min())?;
        for (field, (_, share)) in FIELDS.into_iter().zip(PERCENTILES) {
            saved.serialize_field(field, &self.at(share))?;
        }
        saved.serialize_field("max_ms", &self.max())?;
        saved.serialize_field("histogram", &BASE64.encode(bytes))?;
        saved.end()
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Latency, D::Error> {
        #[derive(Deserialize)]
        struct Saved {
            histogram: String,
        }
        let saved = Saved::deserialize(deserializer)?;
        let bytes = BASE64.decode(saved.histogram).map_err(D::Error::custom)?;
        let read: Histogram<u64> = Reader::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|_| D::Error::custom("a histogram that is none"))?;
        // What is read does not resize itself, and others may be added to it.
        let mut latency = Latency::default();
        latency
            .micros
            .add(&read)
            .map_err(|_| D::Error::custom("a histogram of other values"))?;
        Ok(latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_recorded_as_long_as_it_was() {
        let mut latency = Latency::default();
        latency.record(Duration::from_secs(40));
        assert!((39_900.0..40_100.0).contains(&latency.max()));
    }

    #[test]
    fn what_is_added_counts_as_if_recorded_in_one() {
        let (mut all, mut odd, mut even) =
            (Latency::default(), Latency::default(), Latency::default());
        for ms in 1..=1_000 {
            let latency = Duration::from_millis(ms);
            all.record(latency);
            match ms % 2 {
                0 => even.record(latency),
                _ => odd.record(latency),
            }
        }
        odd.add(&even);
        assert_eq!(odd, all);
        assert!((989.0..=991.0).contains(&all.at(0.99)), "{}", all.at(0.99));
    }

    #[test]
    fn what_is_saved_is_read_again_and_can_be_added_to() {
        let mut latency = Latency::default();
        latency.record_many(Duration::from_micros(150), 99);
        latency.record(Duration::from_millis(20));
        let saved = serde_json::to_value(&latency).unwrap();
        assert_eq!(saved["count"], 100);
        assert_eq!(saved["p99_ms"], 0.15);
        let mut read: Latency = serde_json::from_value(saved).unwrap();
        assert_eq!(read, latency);
        read.record(Duration::from_secs(60));
        assert!(read.max() > 59_000.0);
    }

    #[test]
    fn a_histogram_that_is_none_is_refused() {
        for histogram in ["", "?", "HISTAAAA"] {
            let saved = serde_json::json!({ "histogram": histogram });
            assert!(
                serde_json::from_value::<Latency>(saved).is_err(),
                "{histogram}"
            );
        }
    }

    #[test]
    fn the_distribution_ends_where_there_is_one_beyond() {
        let mut latency = Latency::default();
        for ms in 1..=100 {
            latency.record(Duration::from_millis(ms));
        }
        let distribution = latency.distribution();
        assert!(distribution.is_sorted_by(|one, next| one.1 <= next.1));
        let (share, ms) = *distribution.last().unwrap();
        assert!((0.98..=0.99).contains(&share), "{share}");
        assert!((98.0..=100.0).contains(&ms), "{ms}");
    }
}

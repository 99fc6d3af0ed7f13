//! Prometheus' text format, version 0.0.4, by the encoder of the `prometheus` crate.
//!
//! One metric is encoded before the next is collected: a scrape of a hundred thousand partitions
//! holds the page and one metric's values, not a tree of all of them.
//!
//! The crate's values are `f64`, as Prometheus' own are: whole numbers are exact up to 2^53
//! (9,007,199,254,740,992), offsets included, and rounded to the nearest `f64` beyond.

use std::mem;

use prometheus::TextEncoder;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};

use super::histogram::Histogram;

/// A page of metrics under construction. Values of one metric have to be added one after another.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    /// The metric whose values are being added.
    family: MetricFamily,
}

impl Exposition {
    /// Starts a metric that only grows; its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::COUNTER)
    }

    /// Starts a metric that grows and shrinks.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::GAUGE)
    }

    /// Starts a distribution.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::HISTOGRAM)
    }

    fn family(&mut self, name: &'static str, help: &str, kind: MetricType) -> Family<'_> {
        self.encode();
        let family = &mut self.family;
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Family { family }
    }

    /// Puts the last metric on the page. One without values is left out.
    fn encode(&mut self) {
        let family = mem::take(&mut self.family);
        if family.get_metric().is_empty() {
            return;
        }
        let encoded = TextEncoder::new().encode_utf8(&[family], &mut self.text);
        // It refuses metrics without a name or values, and writing to a String cannot fail.
        debug_assert!(encoded.is_ok(), "{encoded:?}");
    }

    /// The page.
    pub fn into_text(mut self) -> String {
        self.encode();
        self.text
    }
}

/// A value of a metric.
pub trait Number {
    /// The nearest `f64`.
    fn to_f64(self) -> f64;
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Number for $number {
            fn to_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

numbers!(u8, i32, u64, i64, usize, f64);

/// The values of one metric.
#[derive(Debug)]
pub struct Family<'a> {
    family: &'a mut MetricFamily,
}

impl Family<'_> {
    /// Adds a value.
    pub fn value(&mut self, labels: &[(&str, &str)], value: impl Number) -> &mut Self {
        let mut metric = Metric::from_label(pairs(labels));
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = proto::Counter::default();
            counter.set_value(value.to_f64());
            metric.set_counter(counter);
        } else {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value.to_f64());
            metric.set_gauge(gauge);
        }
        self.family.mut_metric().push(metric);
        self
    }

    /// Adds a distribution.
    pub fn distribution(&mut self, labels: &[(&str, &str)], histogram: &Histogram) -> &mut Self {
        let snapshot = histogram.snapshot();
        // The bucket without a bound is the count, and the encoder's to write.
        let bounded = snapshot
            .cumulative
            .iter()
            .filter_map(|(bound, count)| Some(((*bound)?, count)));
        let buckets = bounded.map(|(bound, count)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(*count);
            bucket
        });
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_sum(snapshot.sum);
        histogram.set_sample_count(snapshot.count);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(histogram);
        self.family.mut_metric().push(metric);
        self
    }
}

fn pairs(labels: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

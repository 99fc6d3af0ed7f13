//! Distributions of times, sizes and counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bounds of latencies in nanoseconds: five to a decade, from 10 µs to 10 s.
pub static LATENCY_BOUNDS: &[u64] = &[
    10_000,
    20_000,
    30_000,
    50_000,
    70_000,
    100_000,
    200_000,
    300_000,
    500_000,
    700_000,
    1_000_000,
    2_000_000,
    3_000_000,
    5_000_000,
    7_000_000,
    10_000_000,
    20_000_000,
    30_000_000,
    50_000_000,
    70_000_000,
    100_000_000,
    200_000_000,
    300_000_000,
    500_000_000,
    700_000_000,
    1_000_000_000,
    2_000_000_000,
    3_000_000_000,
    5_000_000_000,
    7_000_000_000,
    10_000_000_000,
];

/// Bounds of sizes in bytes: powers of two from 4 KiB to 64 MiB.
pub static BYTES_BOUNDS: &[u64] = &[
    4 << 10,
    8 << 10,
    16 << 10,
    32 << 10,
    64 << 10,
    128 << 10,
    256 << 10,
    512 << 10,
    1 << 20,
    2 << 20,
    4 << 20,
    8 << 20,
    16 << 20,
    32 << 20,
    64 << 20,
];

/// Bounds of counts: powers of four up to 65536.
pub static COUNT_BOUNDS: &[u64] = &[1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536];

/// What the observed whole numbers are shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds, shown as seconds.
    Seconds,
    /// Shown as they are.
    Plain,
}

/// Counts observations by size: two additions for each, and no lock.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    unit: Unit,
    /// One for each bound and one beyond.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// For each bound how many were at most so large; the last, without a bound, is all.
    pub cumulative: Vec<(Option<f64>, u64)>,
    /// All observations added up.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
}

impl Histogram {
    /// An empty one with rising bounds.
    pub fn new(bounds: &'static [u64], unit: Unit) -> Histogram {
        debug_assert!(bounds.is_sorted(), "bounds rise");
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram {
            bounds,
            unit,
            buckets,
            sum: AtomicU64::new(0),
        }
    }

    /// An empty one of latencies.
    pub fn of_latencies() -> Histogram {
        Histogram::new(LATENCY_BOUNDS, Unit::Seconds)
    }

    /// Counts a number: nanoseconds, bytes or whatever the bounds are.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The counts now. The sum may be ahead of or behind observations that happen meanwhile.
    pub fn snapshot(&self) -> Snapshot {
        let mut count = 0;
        let bounds = self.bounds.iter().map(|bound| Some(*bound)).chain([None]);
        let cumulative = bounds.zip(&self.buckets).map(|(bound, bucket)| {
            count += bucket.load(Ordering::Relaxed);
            (bound.map(|bound| self.show(bound)), count)
        });
        let cumulative = cumulative.collect();
        Snapshot {
            cumulative,
            sum: self.show(self.sum.load(Ordering::Relaxed)),
            count,
        }
    }

    fn show(&self, value: u64) -> f64 {
        match self.unit {
            Unit::Seconds => value as f64 / 1e9,
            Unit::Plain => value as f64,
        }
    }
}

impl Snapshot {
    /// The value that `quantile` of all observations do not exceed, evenly spread within a bucket;
    /// the greatest bound for what is beyond it, `None` without observations.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = (quantile * self.count as f64).clamp(0.0, self.count as f64);
        let (mut below_bound, mut below) = (0.0, 0);
        for (bound, cumulative) in &self.cumulative {
            let Some(bound) = *bound else { break };
            if *cumulative as f64 >= rank && *cumulative > below {
                let share = (rank - below as f64) / (*cumulative - below) as f64;
                return Some(below_bound + (bound - below_bound) * share.max(0.0));
            }
            (below_bound, below) = (bound, *cumulative);
        }
        Some(below_bound)
    }
}

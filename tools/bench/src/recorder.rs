//! What the threads of a run have measured, and what of it is new since it was last asked for.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::course::Course;
use crate::latency::Latency;

/// How often what was measured is looked at.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// What was measured of requests, or of records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Requests.
    pub requests: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// From when each was due.
    pub latency: Latency,
    /// Records that were due and were given up. They waited for at least as long as is in the latencies of them.
    pub given_up: u64,
}

impl Counted {
    fn count(&mut self, records: u64, bytes: u64, latency: Duration, weight: u64) {
        self.requests += 1;
        self.records += records;
        self.bytes += bytes;
        self.latency.record_many(latency, weight);
    }

    pub(crate) fn add(&mut self, other: &Counted) {
        self.requests += other.requests;
        self.records += other.records;
        self.bytes += other.bytes;
        self.latency.add(&other.latency);
        self.given_up += other.given_up;
    }

    fn clear(&mut self) {
        (self.requests, self.records, self.bytes, self.given_up) = (0, 0, 0, 0);
        self.latency.clear();
    }
}

/// What one thread has measured. Only that thread and the one that reports take its lock, the latter once a second.
#[derive(Debug, Default)]
pub struct Recorder {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// While it is measured.
    measured: Counted,
    /// Since it was last asked for.
    recent: Counted,
    /// All records, those of the warm-up too.
    records_in_all: u64,
    bytes_in_all: u64,
}

/// Something that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Records of it.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Since it was due.
    pub latency: Duration,
    /// How often its latency counts.
    pub weight: u64,
    /// Whether it was due while it is measured.
    pub is_measured: bool,
}

impl Recorder {
    /// Something was answered.
    pub fn on_answer(&self, answer: Answer) {
        let Answer {
            records,
            bytes,
            latency,
            weight,
            is_measured,
        } = answer;
        let mut counts = self.counts.lock();
        counts.records_in_all += records;
        counts.bytes_in_all += bytes;
        counts.recent.count(records, bytes, latency, weight);
        if is_measured {
            counts.measured.count(records, bytes, latency, weight);
        }
    }

    /// Something that was due for so long was given up, which is measured.
    pub fn on_given_up(&self, records: u64, waited: Duration, weight: u64) {
        let measured = &mut self.counts.lock().measured;
        measured.latency.record_many(waited, weight);
        measured.given_up += records;
    }

    /// All that was measured.
    pub fn measured(&self) -> Counted {
        self.counts.lock().measured.clone()
    }

    /// All records, those of the warm-up too.
    pub fn records_in_all(&self) -> u64 {
        self.counts.lock().records_in_all
    }

    /// Bytes of their values.
    pub fn bytes_in_all(&self) -> u64 {
        self.counts.lock().bytes_in_all
    }

    fn take_recent(&self, sum: &mut Counted) {
        let mut counts = self.counts.lock();
        sum.add(&counts.recent);
        counts.recent.clear();
    }
}

/// All that several measured.
pub fn measured_by_all(recorders: &[Recorder]) -> Counted {
    let mut sum = Counted::default();
    for recorder in recorders {
        sum.add(&recorder.measured());
    }
    sum
}

/// A piece of a run, of about a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Seconds from the begin of the run, warm-up included, to the end of the interval.
    pub at_seconds: f64,
    /// How many seconds it is.
    pub seconds: f64,
    /// Records answered in it.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Milliseconds from when they were due: the median.
    pub p50_ms: f64,
    /// 99 in 100.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// Cuts a run into intervals.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    last: Instant,
    intervals: Vec<Interval>,
}

impl Timeline {
    /// Of a run that begins.
    pub fn new(start: Instant) -> Timeline {
        Timeline {
            start,
            last: start,
            intervals: Vec::new(),
        }
    }

    /// The interval that ends now.
    pub fn cut(&mut self, now: Instant, recorders: &[Recorder]) -> &Interval {
        let mut sum = Counted::default();
        for recorder in recorders {
            recorder.take_recent(&mut sum);
        }
        self.intervals.push(Interval {
            at_seconds: (now - self.start).as_secs_f64(),
            seconds: (now - self.last).as_secs_f64(),
            records: sum.records,
            bytes: sum.bytes,
            p50_ms: sum.latency.at(0.5),
            p99_ms: sum.latency.at(0.99),
            max_ms: sum.latency.max(),
        });
        self.last = now;
        let at = self.intervals.len() - 1;
        &self.intervals[at]
    }

    /// Whether anything was answered since the last.
    pub fn has_more(&self, recorders: &[Recorder]) -> bool {
        recorders
            .iter()
            .any(|it| it.counts.lock().recent.requests > 0)
    }

    /// All of them.
    pub fn into_intervals(self) -> Vec<Interval> {
        self.intervals
    }
}

/// Cuts a run into intervals until it is finished, and tells each of them.
pub(crate) fn follow(
    course: &Course,
    recorders: &[Recorder],
    interval: Duration,
    mut on_interval: impl FnMut(&Interval),
) -> Vec<Interval> {
    let mut timeline = Timeline::new(course.start);
    let mut last = course.start;
    while !course.finishes_before(last + interval) {
        last += interval;
        on_interval(timeline.cut(last, recorders));
    }
    let now = Instant::now();
    // When all was sent, consumers may still have read for a while. What is much shorter than the others has no rate.
    if now > last + interval / 10 && timeline.has_more(recorders) {
        on_interval(timeline.cut(now, recorders));
    }
    timeline.into_intervals()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ms: u64, is_measured: bool) -> Answer {
        Answer {
            records: 2,
            bytes: 200,
            latency: Duration::from_millis(ms),
            weight: 1,
            is_measured,
        }
    }

    #[test]
    fn a_warm_up_is_seen_but_not_measured() {
        let recorders = [Recorder::default(), Recorder::default()];
        recorders[0].on_answer(answer(50, false));
        recorders[1].on_answer(answer(5, true));
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        let now = start + Duration::from_secs(1);
        let interval = timeline.cut(now, &recorders);
        assert_eq!((interval.records, interval.bytes), (4, 400));
        assert!((49.0..51.0).contains(&interval.max_ms));
        let measured = measured_by_all(&recorders);
        assert_eq!((measured.requests, measured.records), (1, 2));
        assert!(measured.latency.max() < 6.0);
        assert_eq!(recorders[0].records_in_all(), 2);
    }

    #[test]
    fn an_interval_has_what_is_new() {
        let recorders = [Recorder::default()];
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        recorders[0].on_answer(answer(5, true));
        timeline.cut(start + Duration::from_secs(1), &recorders);
        let interval = timeline.cut(start + Duration::from_secs(2), &recorders);
        assert_eq!((interval.records, interval.max_ms), (0, 0.0));
        assert_eq!(timeline.into_intervals().len(), 2);
    }
}

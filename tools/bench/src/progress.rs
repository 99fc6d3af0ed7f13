//! What a run is doing, for who watches: a bar on a terminal, a line now and then otherwise.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use crate::recorder::Interval;
use crate::workload::Workload;

/// Where nobody watches, lines are for who reads a log afterwards.
const LINE_SECONDS: f64 = 10.0;

/// Shows how a run goes.
pub struct Progress {
    label: String,
    warm_up: Duration,
    bar: Option<ProgressBar>,
    next_line_seconds: Mutex<f64>,
}

impl Progress {
    /// Of a run that begins.
    pub fn begin(label: impl Into<String>, workload: &Workload) -> Progress {
        let whole = workload.warm_up.0 + workload.duration.0;
        Progress {
            label: label.into(),
            warm_up: workload.warm_up.0,
            bar: std::io::stderr().is_terminal().then(|| bar(whole)),
            next_line_seconds: Mutex::new(LINE_SECONDS),
        }
    }

    /// A piece of it is over.
    pub fn on_interval(&self, interval: &Interval) {
        let line = line(&self.label, self.warm_up, interval);
        match &self.bar {
            Some(bar) => {
                bar.set_position((interval.at_seconds * 1e3) as u64);
                bar.set_message(line);
            }
            None => {
                let mut next = self.next_line_seconds.lock();
                if interval.at_seconds >= *next {
                    *next += LINE_SECONDS;
                    eprintln!("{:>5.0} s  {line}", interval.at_seconds);
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(whole: Duration) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(whole.as_millis()).unwrap_or(u64::MAX));
    // What goes on for longer, since bytes are missing, stays at its end.
    let style = ProgressStyle::with_template("{bar:30} {elapsed_precise} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn line(label: &str, warm_up: Duration, interval: &Interval) -> String {
    let per_second = |count: u64| count as f64 / interval.seconds.max(1e-9);
    let phase = match interval.at_seconds <= warm_up.as_secs_f64() + 0.001 {
        true => ", warm-up",
        false => "",
    };
    format!(
        "{label}{phase}: {:.0} records/s, {:.1} MB/s, p99 {:.2} ms",
        per_second(interval.records),
        per_second(interval.bytes) / 1e6,
        interval.p99_ms
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_came_through_and_whether_it_counts() {
        let interval = Interval {
            at_seconds: 4.0,
            seconds: 2.0,
            records: 3_000,
            bytes: 3_000_000,
            p99_ms: 2.5,
            ..Interval::default()
        };
        let shown = line("run", Duration::from_secs(5), &interval);
        assert_eq!(shown, "run, warm-up: 1500 records/s, 1.5 MB/s, p99 2.50 ms");
        let shown = line("run", Duration::from_secs(2), &interval);
        assert_eq!(shown, "run: 1500 records/s, 1.5 MB/s, p99 2.50 ms");
    }
}

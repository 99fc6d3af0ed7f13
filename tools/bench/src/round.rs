//! One round against one target: what is shown and saved of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::FaultRound;
use crate::journal::JournalRound;
use crate::latency::Latency;
use crate::native::Measured;
use crate::native::read_back::ReadBack;
use crate::process::Usage;
use crate::recorder::Interval;
use crate::workload::Workload;

/// A thread that is busier is what the others wait for.
const BUSY_MAX: f64 = 0.9;
/// A request that is sent later by the load generator's own fault is late.
const LATE_MS_MAX: f64 = 1.0;
/// So late, as a part of what is measured, changes little.
const LATE_SHARE_MAX: f64 = 0.1;

/// What was synced in a second of a run, before it was acknowledged: in the journal, or past it.
pub const SYNCED_RATE: &str = "synced MB/s";

/// What one round measured. What was not measured is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// How long was measured.
    pub seconds: f64,
    /// From when requests were due to their acknowledgement.
    pub produce: Flow,
    /// Records that were due, and that were given up at the end: the broker did not keep the rate.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub given_up: u64,
    /// From when they were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Latency>,
    /// From when records were due until a consumer had them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_to_end: Option<Latency>,
    /// What consumers read meanwhile, and how long fetches took that brought something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch: Option<Flow>,
    /// Seconds until consumers that began with a backlog had read it, and its records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog: Option<Backlog>,
    /// All of it read afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_back: Option<Flow>,
    /// What it cost the brokers, where they are on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<Costs>,
    /// What reading all of it cost them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_back_broker: Option<Costs>,
    /// What the journal wrote, of a single Holdfast that was started here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalRound>,
    /// The load generator itself.
    pub client: Client,
    /// What a fault came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultRound>,
    /// Second by second, or tenth by tenth where there is a fault; warm-up included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Interval>,
    /// What ended it before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
}

/// Records that came through, and how long they took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Records while it was measured.
    pub records: u64,
    /// Bytes of their values; of what was read, of their batches.
    pub bytes: u64,
    /// Records per second.
    pub records_per_second: f64,
    /// Bytes per second.
    pub bytes_per_second: f64,
    /// How long they took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// A backlog that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Backlog {
    /// Records that were there when consumers began.
    pub records: u64,
    /// Until each had come to the end of what there was.
    pub seconds: f64,
}

/// What brokers used, until they were idle again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// For a gigabyte (10^9 bytes of values).
    pub cpu_seconds_per_gb: f64,
    /// For a record.
    pub cpu_micros_per_record: f64,
    /// The most memory they ever had resident, together, in MB.
    pub resident_mb: f64,
    /// Bytes written to devices for each byte of values.
    pub written_per_byte: f64,
    /// Switches to another thread for each record.
    pub switches_per_record: f64,
}

/// The load generator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// Of all CPUs' time, while it ran.
    pub cpu_share: f64,
    /// The busiest thread's share of a CPU.
    pub busiest_thread: f64,
    /// 99 in 100 requests were sent within so many milliseconds from when they were due and had room.
    pub late_p99_ms: f64,
    /// The latest.
    pub late_max_ms: f64,
    /// The part of requests that had to wait for room in the window.
    pub had_to_wait: f64,
}

/// What processes used during a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// The brokers, before and after, where they are on this machine.
    pub broker: Option<(Usage, Usage)>,
    /// The load generator's CPU seconds.
    pub client_cpu_seconds: f64,
    /// How long the load ran.
    pub seconds: f64,
}

impl Round {
    /// Of a run. CPU time and bytes written are those of the whole run, and so are set against all its records.
    pub fn of_run(measured: Measured, workload: &Workload, used: Used) -> Round {
        let seconds = measured.elapsed.as_secs_f64();
        let requests = measured.late.count().max(1);
        let bytes_in_all = measured.records_in_all * workload.size.0;
        let produced = measured.produced;
        let has_readers = workload.consumer_groups > 0;
        let fetched = measured.fetched;
        Round {
            seconds,
            produce: Flow::new(
                produced.records,
                produced.bytes,
                seconds,
                Some(produced.latency),
            ),
            given_up: produced.given_up,
            service: Some(measured.from_sent),
            end_to_end: has_readers.then_some(measured.end_to_end.latency),
            fetch: has_readers.then(|| {
                Flow::new(
                    fetched.records,
                    fetched.bytes,
                    used.seconds,
                    Some(fetched.latency),
                )
            }),
            backlog: measured
                .caught_up
                .filter(|_| workload.backlog.0 > 0)
                .map(|it| Backlog {
                    records: it.backlog,
                    seconds: it.after.as_secs_f64(),
                }),
            broker: Costs::new(&used, measured.records_in_all, bytes_in_all),
            client: Client {
                busiest_thread: measured.busiest_thread,
                late_p99_ms: measured.late.at(0.99),
                late_max_ms: measured.late.max(),
                had_to_wait: measured.had_to_wait as f64 / requests as f64,
                ..Client::new(&used)
            },
            fault: measured.fault,
            timeline: measured.timeline,
            ended_by: measured.cause.map(|cause| cause.to_string()),
            ..Round::default()
        }
    }

    /// All of it was read afterwards.
    pub fn with_read_back(mut self, read: &ReadBack, used: Used) -> Round {
        let seconds = read.elapsed.as_secs_f64();
        self.read_back = Some(Flow::new(read.records, read.bytes, seconds, None));
        self.read_back_broker = Costs::new(&used, read.records, read.bytes);
        self
    }

    /// Why the load generator, and not the brokers, may have been what was measured.
    pub fn client_limit(&self) -> Option<String> {
        let client = &self.client;
        if client.busiest_thread >= BUSY_MAX {
            let percent = client.busiest_thread * 100.0;
            return Some(format!(
                "its busiest thread used {percent:.0}% of a CPU: more --producers, or larger batches"
            ));
        }
        let p99 = self.produce.latency.as_ref().map_or(0.0, |it| it.at(0.99));
        if client.late_p99_ms > LATE_MS_MAX.max(p99 * LATE_SHARE_MAX) {
            return Some(format!(
                "it did not keep its own schedule: one request in a hundred was sent {:.1} ms late or more",
                client.late_p99_ms
            ));
        }
        None
    }

    /// Names and values, in the order in which they are shown.
    pub fn figures(&self) -> Vec<(String, f64)> {
        let mut figures = Figures::default();
        figures.flow("", &self.produce);
        if self.given_up > 0 {
            figures.push("records given up", self.given_up as f64);
        }
        figures.latency("", self.produce.latency.as_ref());
        figures.percentile("sent to answer ", self.service.as_ref());
        if let Some(latency) = &self.end_to_end {
            figures.latency("end to end ", Some(latency));
        }
        if let Some(fetch) = &self.fetch {
            figures.flow("fetch ", fetch);
            figures.percentile("fetch ", fetch.latency.as_ref());
        }
        if let Some(backlog) = self.backlog {
            figures.push("backlog read after s", backlog.seconds);
        }
        if let Some(fault) = &self.fault {
            figures.fault(fault);
        }
        figures.costs("", self.broker.as_ref());
        if let Some(journal) = &self.journal {
            figures.journal(journal);
        }
        if let Some(read_back) = &self.read_back {
            figures.flow("read back ", read_back);
            figures.costs("read back ", self.read_back_broker.as_ref());
        }
        figures.push("client CPU s", self.client.cpu_seconds);
        if self.client.busiest_thread > 0.0 {
            figures.push("client busiest thread", self.client.busiest_thread);
        }
        figures.0
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Default)]
struct Figures(Vec<(String, f64)>);

impl Figures {
    fn push(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), value));
    }

    fn flow(&mut self, of: &str, flow: &Flow) {
        // What is sent as bytes of a file has no records.
        if flow.records > 0 || flow.bytes == 0 {
            self.push(format!("{of}records/s"), flow.records_per_second);
        }
        if flow.bytes > 0 {
            self.push(format!("{of}MB/s"), flow.bytes_per_second / 1e6);
        }
    }

    fn latency(&mut self, of: &str, latency: Option<&Latency>) {
        let Some(latency) = latency.filter(|it| it.count() > 0) else {
            return;
        };
        for (name, share) in crate::latency::PERCENTILES {
            self.push(format!("{of}{name} ms"), latency.at(share));
        }
        self.push(format!("{of}max ms"), latency.max());
    }

    fn percentile(&mut self, of: &str, latency: Option<&Latency>) {
        if let Some(latency) = latency.filter(|it| it.count() > 0) {
            self.push(format!("{of}p99 ms"), latency.at(0.99));
        }
    }

    fn fault(&mut self, fault: &FaultRound) {
        if let Some(ms) = fault.first_error_ms {
            self.push("fault to first error ms", ms);
        }
        self.push("fault gap ms", fault.gap_ms);
        self.push("fault longest wait ms", fault.longest_wait_ms);
        self.push("fault refused", fault.refused as f64);
        self.push("fault duplicates", fault.duplicates as f64);
        if let Some(lost) = fault.lost {
            self.push("fault lost", lost as f64);
        }
    }

    fn journal(&mut self, journal: &JournalRound) {
        let in_all = journal.written_bytes_per_second;
        self.push(SYNCED_RATE, journal.synced_bytes_per_second() / 1e6);
        self.push("journal MB/s", journal.bytes_per_second / 1e6);
        self.push("journal KB/commit", journal.commit_bytes / 1e3);
        self.push("journal commits in flight", journal.in_flight);
        self.push("written in all MB/s", in_all / 1e6);
    }

    fn costs(&mut self, of: &str, costs: Option<&Costs>) {
        let Some(costs) = costs else { return };
        if costs.cpu_seconds_per_gb > 0.0 {
            self.push(format!("{of}broker CPU s/GB"), costs.cpu_seconds_per_gb);
        }
        if costs.cpu_micros_per_record > 0.0 {
            self.push(
                format!("{of}broker CPU us/record"),
                costs.cpu_micros_per_record,
            );
            self.push(
                format!("{of}broker switches/record"),
                costs.switches_per_record,
            );
        }
        if of.is_empty() {
            self.push("broker memory MB", costs.resident_mb);
            self.push("bytes written per byte", costs.written_per_byte);
        }
    }
}

/// The figures of several rounds, by name, in the order in which they are shown.
pub fn figures_of_all(rounds: &[Round]) -> Vec<(String, Vec<f64>)> {
    let mut order: Vec<String> = Vec::new();
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in rounds.iter().flat_map(Round::figures) {
        if !values.contains_key(&name) {
            order.push(name.clone());
        }
        values.entry(name).or_default().push(value);
    }
    let of = |name: String| {
        let values = values.remove(&name).unwrap_or_default();
        (name, values)
    };
    order.into_iter().map(of).collect()
}

impl Flow {
    /// So many in so much time.
    pub fn new(records: u64, bytes: u64, seconds: f64, latency: Option<Latency>) -> Flow {
        let per_second = |count: u64| count as f64 / seconds.max(1e-9);
        Flow {
            records,
            bytes,
            records_per_second: per_second(records),
            bytes_per_second: per_second(bytes),
            latency,
        }
    }
}

impl Costs {
    /// Of brokers on this machine, for so many records and bytes of values.
    pub fn new(used: &Used, records: u64, bytes: u64) -> Option<Costs> {
        let (before, after) = used.broker?;
        // Where there are no bytes or records, nothing is said of them.
        let per = |amount: f64, count: u64| match count {
            0 => 0.0,
            count => amount / count as f64,
        };
        let cpu_seconds = after.cpu_seconds - before.cpu_seconds;
        let written = after.written_bytes.saturating_sub(before.written_bytes);
        let switches = after.switches.saturating_sub(before.switches);
        Some(Costs {
            cpu_seconds,
            cpu_seconds_per_gb: per(cpu_seconds * 1e9, bytes),
            cpu_micros_per_record: per(cpu_seconds * 1e6, records),
            resident_mb: after.resident_bytes_max as f64 / 1e6,
            written_per_byte: per(written as f64, bytes),
            switches_per_record: per(switches as f64, records),
        })
    }
}

impl Client {
    /// Of a load generator that used so much.
    pub fn new(used: &Used) -> Client {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Client {
            cpu_seconds: used.client_cpu_seconds,
            cpu_share: used.client_cpu_seconds / (used.seconds.max(1e-9) * cpus as f64),
            ..Client::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn round_with(busiest_thread: f64, late_p99_ms: f64, latency_ms: u64) -> Round {
        let mut latency = Latency::default();
        latency.record(Duration::from_millis(latency_ms));
        Round {
            produce: Flow::new(10, 1_000, 2.0, Some(latency)),
            client: Client {
                busiest_thread,
                late_p99_ms,
                ..Client::default()
            },
            ..Round::default()
        }
    }

    #[test]
    fn a_client_that_was_the_limit_says_so() {
        assert_eq!(round_with(0.5, 0.2, 3).client_limit(), None);
        let busy = round_with(0.95, 0.2, 3).client_limit().unwrap();
        assert!(busy.contains("95%"), "{busy}");
        let late = round_with(0.5, 4.0, 3).client_limit().unwrap();
        assert!(late.contains("4.0 ms late"), "{late}");
        // What is late by a thousandth of what is measured changes nothing.
        assert_eq!(round_with(0.5, 4.0, 4_000).client_limit(), None);
    }

    #[test]
    fn figures_that_only_some_rounds_have_stand_beside_the_others() {
        let mut second = round_with(0.5, 0.2, 3);
        second.broker = Some(Costs {
            cpu_seconds_per_gb: 1.0,
            ..Costs::default()
        });
        let figures = figures_of_all(&[round_with(0.5, 0.2, 3), second]);
        let of = |name: &str| figures.iter().find(|it| it.0 == name).unwrap().1.len();
        assert_eq!(of("records/s"), 2);
        assert_eq!(of("broker CPU s/GB"), 1);
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let round = round_with(0.5, 0.2, 3);
        let saved = serde_json::to_string(&round).unwrap();
        let read: Round = serde_json::from_str(&saved).unwrap();
        assert_eq!(read, round);
    }
}

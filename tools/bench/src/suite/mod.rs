//! What Holdfast claims, as measurements of one run: the loads, the figures, and what is wanted of each.
//!
//! - [`wanted`]: what can be wanted of a figure; [`verdict`]: what came of it.
//! - [`device`]: what the device would have had for the journal.

pub mod device;
pub mod verdict;
pub mod wanted;

use std::collections::BTreeMap;
use std::time::Duration;

use self::wanted::{Against, Wanted, at_least, at_most};
use crate::fault::{Fault, FaultKind};
use crate::round::SYNCED_RATE;
use crate::workload::quantity::{Rate, Size, Span};
use crate::workload::{Client, Workload};

/// How long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// An hour: each load is written for long enough to be beyond caches.
    Full,
    /// Ten minutes: enough to see what is wrong, and not to claim anything.
    Quick,
}

/// Loads for clusters of one size, which are started for them.
#[derive(Clone, Debug)]
pub struct Part {
    /// Brokers of each cluster.
    pub nodes: usize,
    /// How often each load is measured.
    pub rounds: usize,
    /// One after the other.
    pub workloads: Vec<Workload>,
    /// Whether Apache Kafka is measured once more with `flush.messages=1`, so that it too has records on the disk before it acknowledges them.
    pub synced_too: bool,
    /// Whether [`NULL_SERVER`] and [`BARE_LOOP`] are loaded in turn with the brokers, and the journal is compared with what `fio` writes.
    pub bare_too: bool,
    /// Whether rounds of loads as fast as answers come begin with a full page cache.
    pub full_page_cache: bool,
}

/// What only acknowledges: with it, the load generator is the limit.
pub const NULL_SERVER: &str = "null server";
/// What receives, checksums, writes and acknowledges; what it has written is read back by `sendfile(2)`.
pub const BARE_LOOP: &str = "bare loop";

/// Of the broker before any load: its memory, in MB.
pub const IDLE_MEMORY: &str = "memory MB, idle";
/// Milliseconds from the start of an empty broker to its first answer.
pub const START: &str = "start ms";
/// The same after SIGKILL under load.
pub const START_AFTER_KILL: &str = "start after SIGKILL ms";

const SMALL: &str = "100 B";
const LARGE: &str = "1 KiB";
const UNBATCHED: &str = "6,000 unbatched records/s";
const PARTITIONS_6: &str = "2,000 records/s, 6 partitions";
const PARTITIONS_1000: &str = "2,000 records/s, 1,000 partitions";
const PARTITIONS_10: &str = "5,000 records/s, 10 partitions";
const PARTITIONS_10000: &str = "5,000 records/s, 10,000 partitions";
const THREE_SMALL: &str = "three nodes, 100 B";
const THREE_LARGE: &str = "three nodes, 1 KiB";
const KILLED: &str = "three nodes, a broker is killed";

impl Length {
    /// What all loads have in common.
    pub fn base(self) -> Workload {
        let (warm_up, duration) = match self {
            Length::Full => (15, 30),
            Length::Quick => (3, 6),
        };
        Workload {
            warm_up: Span(Duration::from_secs(warm_up)),
            duration: Span(Duration::from_secs(duration)),
            ..Workload::default()
        }
    }

    /// As fast as answers come, to clusters of so many brokers, which together write the same.
    fn closed(self, nodes: u64, name: &str, (size, batch_records): (u64, usize)) -> Workload {
        Workload {
            name: name.to_owned(),
            size: Size(size),
            batch_records,
            bytes: match self {
                Length::Full => Size((6 << 30) / nodes),
                Length::Quick => Size(0),
            },
            ..self.base()
        }
    }

    /// A record of 1 KiB in each request.
    fn open(self, name: &str, rate: f64, partitions: i32) -> Workload {
        Workload {
            name: name.to_owned(),
            rate: Rate(rate),
            partitions,
            ..self.base()
        }
    }

    /// The same rate over few partitions or over many, of which the files have been made for so long that the kernel has written them once, all at the same time.
    fn spread(self, name: &str, rate: f64, partitions: i32) -> Workload {
        let open = self.open(name, rate, partitions);
        match self {
            Length::Full => Workload {
                warm_up: Span(Duration::from_secs(45)),
                ..open
            },
            Length::Quick => open,
        }
    }

    fn killed(self) -> Workload {
        let fast = [
            ("topic.metadata.refresh.interval.ms", "100"),
            ("retry.backoff.ms", "20"),
            ("reconnect.backoff.ms", "20"),
            ("reconnect.backoff.max.ms", "100"),
        ];
        let fast = fast.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Workload {
            client: Client::Librdkafka,
            consumer_groups: 1,
            client_configs: BTreeMap::from(fast),
            warm_up: Span(Duration::from_secs(5)),
            // As long as Apache Kafka takes, and more.
            duration: Span(Duration::from_secs(30)),
            fault: Some(Fault {
                kind: FaultKind::Kill,
                at: Span(Duration::from_secs(3)),
                lasts: Span(Duration::from_secs(18)),
            }),
            ..self.open(KILLED, 1_000.0, 6)
        }
    }

    /// The loads.
    pub fn parts(self) -> Vec<Part> {
        let (small, large) = ((100, 600), (1_024, 60));
        let rounds = match self {
            Length::Full => 2,
            Length::Quick => 1,
        };
        let mut parts = vec![
            Part {
                nodes: 1,
                rounds,
                workloads: vec![
                    self.closed(1, SMALL, small),
                    Workload {
                        read_back: true,
                        ..self.closed(1, LARGE, large)
                    },
                    self.open(UNBATCHED, 6_000.0, 6),
                ],
                synced_too: true,
                bare_too: true,
                full_page_cache: self == Length::Full,
            },
            Part {
                nodes: 1,
                rounds,
                workloads: vec![
                    self.spread(PARTITIONS_6, 2_000.0, 6),
                    self.spread(PARTITIONS_1000, 2_000.0, 1_000),
                ],
                synced_too: false,
                bare_too: false,
                full_page_cache: false,
            },
            Part {
                nodes: 3,
                rounds,
                workloads: vec![
                    self.closed(3, THREE_SMALL, small),
                    self.closed(3, THREE_LARGE, large),
                    self.killed(),
                ],
                synced_too: false,
                bare_too: false,
                full_page_cache: false,
            },
        ];
        if self == Length::Full {
            parts.push(Part {
                nodes: 1,
                // To make 10,000 partitions, and to remove them, takes Apache Kafka as long as to be measured.
                rounds: 1,
                workloads: vec![
                    self.spread(PARTITIONS_10, 5_000.0, 10),
                    self.spread(PARTITIONS_10000, 5_000.0, 10_000),
                ],
                synced_too: false,
                bare_too: false,
                full_page_cache: false,
            });
        }
        parts
    }
}

/// What [`NULL_SERVER`] is loaded with in the place of a load of the brokers: the same for as long as a quick run takes, since it has no caches that fill; `None` if it is not
/// loaded with that.
pub fn for_null_server(workload: &Workload) -> Option<Workload> {
    let quick = Length::Quick.base();
    [SMALL, LARGE]
        .contains(&workload.name.as_str())
        .then(|| Workload {
            warm_up: quick.warm_up,
            duration: quick.duration,
            bytes: Size(0),
            read_back: false,
            ..workload.clone()
        })
}

/// The same of [`BARE_LOOP`].
pub fn for_bare_loop(workload: &Workload) -> Option<Workload> {
    for_null_server(workload).filter(|it| it.name == LARGE)
}

/// What is wanted of the figures.
pub fn wanted() -> Vec<Wanted> {
    use Against::{Apache, Beside, Fio, Nothing, Own};
    let cpu = "broker CPU s/GB";
    // The client is the limit where a null server gets at most a tenth more.
    let of_null_server = 1.0 / 1.1;
    vec![
        at_most(0.25, SMALL, cpu, Apache),
        at_most(0.25, LARGE, cpu, Apache).or_at_most(1.5, Beside(BARE_LOOP)),
        at_least(2.0, SMALL, "records/s", Apache).or_at_least(of_null_server, Beside(NULL_SERVER)),
        at_least(2.0, LARGE, "records/s", Apache).or_at_least(of_null_server, Beside(NULL_SERVER)),
        at_most(0.2, UNBATCHED, "broker CPU us/record", Apache),
        at_most(0.2, UNBATCHED, "p99 ms", Apache),
        at_most(1.5, PARTITIONS_1000, "p99 ms", Own(PARTITIONS_6)),
        at_most(0.5, LARGE, "read back broker CPU s/GB", Apache).or_at_most(1.3, Beside(BARE_LOOP)),
        at_least(0.8, LARGE, SYNCED_RATE, Fio),
        at_least(4.0, THREE_SMALL, "records/s", Apache),
        at_least(4.0, THREE_LARGE, "records/s", Apache),
        at_most(1.0 / 6.0, THREE_LARGE, cpu, Apache),
        at_most(300.0, KILLED, "fault longest wait ms", Nothing),
        at_most(0.0, KILLED, "fault lost", Nothing),
        at_most(0.1, PARTITIONS_10000, "p99 ms", Apache),
        at_most(1.5, PARTITIONS_10000, "p99 ms", Own(PARTITIONS_10)),
        at_most(100.0, LARGE, "broker memory MB", Nothing),
        at_most(20.0, "", IDLE_MEMORY, Nothing),
        at_most(50.0, "", START, Nothing),
        at_most(1_000.0, "", START_AFTER_KILL, Nothing),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_measured() {
        let names: Vec<String> = Length::Full
            .parts()
            .into_iter()
            .flat_map(|part| part.workloads)
            .map(|workload| workload.name)
            .collect();
        for wanted in wanted().iter().filter(|it| !it.load.is_empty()) {
            assert!(names.iter().any(|it| it == wanted.load), "{}", wanted.load);
            if let Against::Own(load) = wanted.comparison.against {
                assert!(names.iter().any(|it| it == load), "{load}");
            }
        }
    }

    #[test]
    fn the_quick_one_takes_ten_minutes() {
        let parts = Length::Quick.parts();
        let seconds = parts.iter().map(|part| {
            let brokers = if part.synced_too { 3.0 } else { 2.0 };
            let seconds = |it: &Workload| (it.warm_up.0 + it.duration.0).as_secs_f64();
            let bare = |it: &Workload| {
                let both = [for_null_server(it), for_bare_loop(it)];
                both.iter().flatten().map(seconds).sum::<f64>()
            };
            let loads = part.workloads.iter();
            let loads = loads.map(|it| match part.bare_too {
                true => brokers * seconds(it) + bare(it),
                false => brokers * seconds(it),
            });
            loads.sum::<f64>()
        });
        assert!(
            seconds.sum::<f64>() < 6.0 * 60.0,
            "and the rest is for starts and for what brokers left for later"
        );
    }

    #[test]
    fn what_is_beside_the_brokers_gets_the_same_load_for_a_shorter_time() {
        let parts = Length::Full.parts();
        let loads = parts.iter().filter(|it| it.bare_too);
        let loads: Vec<&Workload> = loads.flat_map(|it| &it.workloads).collect();
        let names = |of: fn(&Workload) -> Option<Workload>| {
            let loads = loads.iter().filter_map(|it| of(it));
            loads.map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names(for_null_server), [SMALL, LARGE]);
        assert_eq!(names(for_bare_loop), [LARGE]);
        for load in loads.iter().filter(|it| it.name == LARGE) {
            let bare = for_bare_loop(load).unwrap();
            assert_eq!(
                (bare.size, bare.batch_records),
                (load.size, load.batch_records)
            );
            assert!(bare.duration.0 < load.duration.0 && !bare.read_back);
        }
    }
}

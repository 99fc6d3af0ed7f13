//! A short load on a real broker: what is counted is what is there.

use std::time::Duration;

use bench::produce::ProduceLoad;
use bench::schedule::Arrivals;
use bench::startup::{self, Before};
use bench::{consume, produce, topic};
use peer::{Cluster, Holdfast, HoldfastConfig};

fn load(arrivals: Arrivals) -> ProduceLoad {
    ProduceLoad {
        record_bytes: 100,
        batch_records: 3,
        producers: 2,
        arrivals,
        window: 8,
        acks: -1,
        warm_up: Duration::from_millis(200),
        duration: Duration::from_millis(800),
        bytes_min: 0,
        seed: 1,
    }
}

#[test]
fn what_is_counted_is_what_is_there() {
    let broker = Holdfast::start(HoldfastConfig::default()).unwrap();
    let bootstrap = broker.bootstrap();

    let made = topic::create(&bootstrap, "fixed", 4, &[]).unwrap();
    let rate = Arrivals::Fixed { per_second: 100.0 };
    let produced = produce::run(&bootstrap, &made, &load(rate)).unwrap();
    // An open loop sends what is due, however slow the broker and this machine are.
    assert_eq!((produced.requests, produced.records_in_all), (80, 300));
    assert_eq!(produced.latencies.from_due.len(), 80);
    let consumed = consume::run(&bootstrap, &made, produced.records_in_all).unwrap();
    assert_eq!(consumed.records, 300);

    let made = topic::create(&bootstrap, "unlimited", 4, &[]).unwrap();
    let produced = produce::run(&bootstrap, &made, &load(Arrivals::Unlimited)).unwrap();
    assert!(produced.requests > 0);
    let consumed = consume::run(&bootstrap, &made, produced.records_in_all).unwrap();
    assert_eq!(consumed.records, produced.records_in_all);
    topic::delete(&bootstrap, "unlimited").unwrap();

    // As long as it takes to write so much.
    let made = topic::create(&bootstrap, "large", 4, &[]).unwrap();
    let load = ProduceLoad {
        bytes_min: 50_000_000,
        record_bytes: 1000,
        batch_records: 100,
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(1),
        ..load(Arrivals::Unlimited)
    };
    let produced = produce::run(&bootstrap, &made, &load).unwrap();
    assert!(produced.bytes >= 50_000_000, "{produced:?}");
    assert!(produced.elapsed > Duration::from_millis(1));
}

#[test]
fn starts_are_measured_after_a_stop_and_after_a_kill() {
    for (partitions, kill, gigabytes) in [(0, false, 0.0), (3, false, 0.005), (3, true, 0.0)] {
        let before = Before {
            partitions,
            gigabytes,
            kill,
            groups: if partitions > 0 { 2 } else { 0 },
            data_dir: None,
            settings: Vec::new(),
        };
        let starts = startup::measure(&before, 2).unwrap();
        assert_eq!(starts.len(), 2);
        for start in starts {
            assert!(start.port_open_ms <= start.first_answer_ms, "{start:?}");
            assert_eq!(start.groups_answer_ms.is_some(), partitions > 0);
            let partition_answers = start.partition_answers_ms;
            assert_eq!(partition_answers.is_some(), partitions > 0);
            assert!(partition_answers.is_none_or(|ms| start.first_answer_ms <= ms));
        }
    }
}

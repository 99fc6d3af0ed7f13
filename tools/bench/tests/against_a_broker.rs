//! A short load on a real broker: what is counted is what is there.

use std::time::Duration;

use bench::fault::{Brokers, Fault, FaultKind};
use bench::interrupt::Interrupt;
use bench::measure::{self, Target, Topics};
use bench::round::Round;
use bench::startup::{self, Before};
use bench::targets::{Running, TargetKind};
use bench::workload::keys::Keys;
use bench::workload::quantity::{Rate, Size, Span};
use bench::workload::{Client, Compression, Workload};
use parking_lot::Mutex;
use peer::{Cluster, Holdfast, HoldfastConfig};

fn load() -> Workload {
    Workload {
        size: Size(100),
        batch_records: 3,
        partitions: 4,
        window: 8,
        read_back: true,
        warm_up: Span(Duration::from_millis(200)),
        duration: Span(Duration::from_millis(800)),
        ..Workload::default()
    }
}

fn measured(broker: &Holdfast, workload: &Workload) -> Round {
    let target = Target {
        bootstrap: broker.bootstrap(),
        pids: vec![broker.pid()],
    };
    let topics = Topics::Temporary("bench".to_owned());
    measure::round(&target, workload, &topics, &|_| {}, &Interrupt::default()).unwrap()
}

fn read_back(round: &Round) -> u64 {
    round.read_back.as_ref().unwrap().records
}

#[test]
fn what_is_counted_is_what_is_there() {
    let broker = Holdfast::start(HoldfastConfig::default()).unwrap();

    // An open loop sends what is due, however slow the broker and this machine are.
    let fixed = Workload {
        rate: Rate(300.0),
        consumer_groups: 1,
        ..load()
    };
    let round = measured(&broker, &fixed);
    assert_eq!(round.ended_by, None);
    let latency = round.produce.latency.as_ref().unwrap();
    assert_eq!((round.produce.records, latency.count()), (240, 80));
    assert_eq!(round.end_to_end.as_ref().unwrap().count(), 240);
    assert_eq!(read_back(&round), 300);
    assert!(round.broker.unwrap().cpu_seconds >= 0.0);

    let round = measured(&broker, &load());
    assert!(round.produce.records > 0);
    assert!(read_back(&round) >= round.produce.records);

    // As long as it takes to write so much.
    let large = Workload {
        bytes: Size(50_000_000),
        size: Size(1000),
        batch_records: 100,
        warm_up: Span(Duration::ZERO),
        duration: Span(Duration::from_millis(1)),
        ..load()
    };
    let round = measured(&broker, &large);
    assert!(
        round.produce.bytes >= 50_000_000,
        "{:?}",
        round.produce.bytes
    );
    assert!(round.seconds > 0.001);
}

#[test]
fn brokers_take_every_kind_of_batch_and_of_topic() {
    let broker = Holdfast::start(HoldfastConfig::default()).unwrap();
    for compression in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let several = Workload {
            topics: 3,
            compression,
            random_share: 0.2,
            keys: Keys::Zipf {
                count: 50,
                exponent: 1.0,
            },
            rate: Rate(600.0),
            ..load()
        };
        let round = measured(&broker, &several);
        assert_eq!(round.ended_by, None, "{compression:?}");
        assert_eq!(read_back(&round), 600, "{compression:?}");
    }
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

#[test]
fn librdkafka_counts_what_is_there() {
    let broker = Holdfast::start(HoldfastConfig::default()).unwrap();
    let through_librdkafka = Workload {
        client: Client::Librdkafka,
        rate: Rate(500.0),
        consumer_groups: 2,
        keys: Keys::Uniform { count: 10 },
        ..load()
    };
    let round = measured(&broker, &through_librdkafka);
    assert_eq!(round.ended_by, None);
    assert_eq!((round.produce.records, read_back(&round)), (400, 500));
    assert_eq!(round.end_to_end.unwrap().count(), 2 * 400);
    assert_eq!(round.fetch.unwrap().records, 2 * 500);
}

#[test]
fn a_leader_that_is_killed_is_missed_for_a_while_and_nothing_is_lost() {
    let cluster = Mutex::new(Running::start_with(TargetKind::Holdfast, 3, &[]).unwrap());
    let fault = Fault {
        kind: FaultKind::Kill,
        at: Span(Duration::from_secs(1)),
        lasts: Span(Duration::from_secs(1)),
    };
    let workload = Workload {
        client: Client::Librdkafka,
        rate: Rate(300.0),
        consumer_groups: 1,
        read_back: false,
        duration: Span(Duration::from_secs(6)),
        fault: Some(fault),
        ..load()
    };
    let target = cluster.lock().target();
    let topics = Topics::Temporary("bench".to_owned());
    let quiet = Interrupt::default();
    let native = Workload {
        client: Client::Native,
        ..workload.clone()
    };
    let refused = measure::round(&target, &native, &topics, &|_| {}, &quiet).unwrap_err();
    assert!(
        refused.to_string().contains("--client librdkafka"),
        "{refused}"
    );

    let by = (&cluster as &dyn Brokers, &quiet);
    let round = measure::round_with(&target, &workload, &topics, &|_| {}, by).unwrap();
    assert_eq!(round.ended_by, None);
    assert_eq!(round.produce.records, 1_800);
    let fault = round.fault.as_ref().unwrap();
    assert_eq!(
        (fault.lost, fault.duplicates, fault.refused),
        (Some(0), 0, 0),
        "{fault:?}"
    );
    assert!(fault.what.contains("killed"), "{fault:?}");
    assert!(
        fault.gap_ms > 0.0 && fault.first_error_ms.is_some(),
        "{fault:?}"
    );
    // It was started again while the load went on.
    assert!(fault.over_at_seconds.unwrap() >= 2.2, "{fault:?}");
    assert!(round.timeline.len() > 30, "tenths of a second");
    assert_eq!(cluster.lock().pids().len(), 3);
}

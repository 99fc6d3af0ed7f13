//! A server of known behaviour: what is measured of it is what it does, within five percent.

use std::time::Duration;

use bench::interrupt::Interrupt;
use bench::measure::{self, Target, Topics};
use bench::round::Round;
use bench::stub::{Behaviour, Stub};
use bench::workload::quantity::{Rate, Size, Span};
use bench::workload::{ArrivalPattern, Workload};
use protocol::ErrorCode;

fn workload(rate: f64, seconds: f64) -> Workload {
    Workload {
        rate: Rate(rate),
        size: Size(100),
        partitions: 4,
        producers: 1,
        window: 100_000,
        warm_up: Span(Duration::ZERO),
        duration: Span(Duration::from_secs_f64(seconds)),
        ..Workload::default()
    }
}

fn measured(stub: &Stub, workload: &Workload) -> Round {
    let target = Target {
        bootstrap: stub.address(),
        pids: Vec::new(),
    };
    let topics = Topics::Temporary("truth".to_owned());
    measure::round(&target, workload, &topics, &|_| {}, &Interrupt::default()).unwrap()
}

fn stub(behaviour: Behaviour) -> Stub {
    Stub::start("127.0.0.1:0", behaviour).unwrap()
}

#[track_caller]
fn assert_within_five_percent(measured: f64, truth: f64) {
    assert!(
        (measured - truth).abs() <= truth * 0.05,
        "{measured} is not {truth}"
    );
}

#[test]
fn a_known_delay_is_what_is_measured() {
    let stub = stub(Behaviour {
        delay: Duration::from_millis(100),
        ..Behaviour::default()
    });
    for arrivals in [ArrivalPattern::Fixed, ArrivalPattern::Poisson] {
        let round = measured(
            &stub,
            &Workload {
                arrivals,
                ..workload(200.0, 2.0)
            },
        );
        let latency = round.produce.latency.unwrap();
        assert_within_five_percent(latency.at(0.5), 100.0);
        assert_within_five_percent(round.service.unwrap().at(0.5), 100.0);
        assert!(latency.min() >= 100.0, "{}", latency.min());
        assert_within_five_percent(round.produce.records as f64, 400.0);
    }
}

#[test]
fn a_stall_is_seen_by_all_that_were_due_in_it() {
    let stub = stub(Behaviour {
        stall: Some((Duration::from_secs(1), Duration::from_secs(2))),
        ..Behaviour::default()
    });
    let round = measured(&stub, &workload(500.0, 4.0));
    let latency = round.produce.latency.unwrap();
    assert_within_five_percent(latency.max(), 2_000.0);
    // Half of the requests were due in the stall, evenly: half of those waited for more than half of it.
    assert_within_five_percent(latency.at(0.75), 1_000.0);
    let still: f64 = round
        .timeline
        .iter()
        .filter(|interval| interval.records == 0)
        .map(|interval| interval.seconds)
        .sum();
    assert!((1.0..=2.0).contains(&still), "{still}");
}

#[test]
fn a_full_window_does_not_hide_a_stall() {
    let stub = stub(Behaviour {
        stall: Some((Duration::from_secs(1), Duration::from_secs(2))),
        ..Behaviour::default()
    });
    let narrow = Workload {
        window: 1,
        ..workload(500.0, 4.0)
    };
    let round = measured(&stub, &narrow);
    // Only one request was on its way; the others were due all the same.
    let latency = round.produce.latency.unwrap();
    assert!(latency.at(0.75) > 900.0, "{}", latency.at(0.75));
    assert!(round.service.unwrap().at(0.99) < 100.0);
    assert!(
        round.client.had_to_wait > 0.2,
        "{}",
        round.client.had_to_wait
    );
}

#[test]
fn a_backlog_that_is_too_long_is_given_up_and_counts() {
    let stub = stub(Behaviour {
        delay: Duration::from_millis(100),
        ..Behaviour::default()
    });
    // One after the other, ten a second, where a hundred are due; two seconds, and one to make up for them.
    let load = Workload {
        window: 1,
        drain_max: Span(Duration::from_secs(1)),
        ..workload(100.0, 2.0)
    };
    let round = measured(&stub, &load);
    assert_eq!(round.ended_by, None);
    assert_within_five_percent(round.produce.records as f64, 30.0);
    assert_eq!(round.produce.records + round.given_up, 200);
    assert_within_five_percent(round.seconds, 3.0);
    // Those that were sent took from 0.1 to 2.7 s, evenly; the other 170 had waited from 1 to 2.7 s, evenly too. Half of all are below 1.82 s.
    let latency = round.produce.latency.unwrap();
    assert_eq!(latency.count(), 200);
    assert_within_five_percent(latency.max(), 2_700.0);
    assert_within_five_percent(latency.at(0.5), 1_820.0);
}

#[test]
fn what_consumers_read_is_what_was_acknowledged() {
    let delay = Duration::from_millis(100);
    let stub = stub(Behaviour {
        delay,
        keeps: true,
        ..Behaviour::default()
    });
    let two_groups = Workload {
        consumer_groups: 2,
        batch_records: 5,
        read_back: true,
        ..workload(500.0, 2.0)
    };
    let round = measured(&stub, &two_groups);
    assert_eq!(round.ended_by, None);
    assert_eq!(round.produce.records, 1_000);
    let end_to_end = round.end_to_end.unwrap();
    assert_eq!(end_to_end.count(), 2 * 1_000);
    // It can be fetched before it is acknowledged.
    assert!(end_to_end.at(0.5) < 50.0, "{}", end_to_end.at(0.5));
    assert_eq!(round.fetch.unwrap().records, 2 * 1_000);
    assert_eq!(round.read_back.unwrap().records, 1_000);
}

#[test]
fn a_backlog_is_there_before_consumers_begin() {
    let stub = stub(Behaviour {
        keeps: true,
        ..Behaviour::default()
    });
    let behind = Workload {
        consumer_groups: 1,
        backlog: Size(50_000),
        ..workload(500.0, 3.0)
    };
    let round = measured(&stub, &behind);
    let backlog = round.backlog.unwrap();
    assert!((500..1_200).contains(&backlog.records), "{backlog:?}");
    assert!(backlog.seconds < 1.0, "{backlog:?}");
    // Those of the backlog waited for a second before anybody read.
    let waited = round.end_to_end.unwrap().max();
    assert!(waited > 900.0, "{waited}");
}

#[test]
fn an_error_ends_the_run_and_what_there_is_is_kept() {
    let stub = stub(Behaviour {
        refuses: Some((Duration::from_secs(1), ErrorCode::NotEnoughReplicas)),
        ..Behaviour::default()
    });
    let round = measured(&stub, &workload(500.0, 60.0));
    let cause = round.ended_by.unwrap();
    assert!(cause.contains("NotEnoughReplicas"), "{cause}");
    assert!((400..=510).contains(&round.produce.records));
    // What was measured is set against the time until then.
    let rate = round.produce.records_per_second;
    assert!((350.0..=525.0).contains(&rate), "{rate}");
}

#[test]
fn an_interrupt_ends_the_run_and_what_there_is_is_kept() {
    let stub = stub(Behaviour::default());
    let target = Target {
        bootstrap: stub.address(),
        pids: Vec::new(),
    };
    let interrupt = Interrupt::default();
    let round = measure::round(
        &target,
        &workload(500.0, 600.0),
        &Topics::Temporary("truth".to_owned()),
        &|_| interrupt.raise(),
        &interrupt,
    )
    .unwrap();
    assert_eq!(round.ended_by.as_deref(), Some("interrupted"));
    assert!((400..700).contains(&round.produce.records));
    // The topic is gone.
    let again = Topics::Temporary("truth".to_owned());
    let short = workload(500.0, 0.2);
    measure::round(&target, &short, &again, &|_| {}, &Interrupt::default()).unwrap();
}

#[test]
fn a_topic_of_another_shape_is_refused() {
    let stub = stub(Behaviour::default());
    let target = Target {
        bootstrap: stub.address(),
        pids: Vec::new(),
    };
    let named = Topics::Named("kept".to_owned());
    let quiet = Interrupt::default();
    let short = workload(500.0, 0.2);
    measure::round(&target, &short, &named, &|_| {}, &quiet).unwrap();
    let wider = Workload {
        partitions: 5,
        ..short
    };
    let error = measure::round(&target, &wider, &named, &|_| {}, &quiet).unwrap_err();
    assert_eq!(
        error.to_string(),
        "topic kept has 4 partitions, not 5: name another, or delete it"
    );
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let target = Target {
        bootstrap: "127.0.0.1:1".to_owned(),
        pids: Vec::new(),
    };
    let topics = Topics::Temporary("truth".to_owned());
    let load = workload(1.0, 1.0);
    let error = measure::round(&target, &load, &topics, &|_| {}, &Interrupt::default());
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("127.0.0.1:1: "), "{error}");
}

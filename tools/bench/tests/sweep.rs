//! A sweep against a server of known behaviour: each of its points is measured, and is what it says.

use std::time::Duration;

use bench::interrupt::Interrupt;
use bench::measure::{self, Target, Topics};
use bench::report::points;
use bench::saved::TargetRounds;
use bench::sequence::Sequence;
use bench::stub::{Behaviour, Stub};
use bench::workload::Workload;
use bench::workload::quantity::{Size, Span};
use bench::workload::sweep::Sweep;

fn swept(axes: &[&str]) -> Vec<Workload> {
    let axes = axes.iter().map(|axis| axis.parse().unwrap());
    let workload = Workload {
        name: "it".to_owned(),
        sweep: Sweep::new(axes.collect()).unwrap(),
        producers: 1,
        warm_up: Span(Duration::ZERO),
        duration: Span(Duration::from_millis(500)),
        ..Workload::default()
    };
    workload.points(|_| {}).unwrap()
}

fn measured(
    stub: &Stub,
    workloads: &[Workload],
    interrupt: &Interrupt,
    on_interval: &(dyn Fn() + Sync),
) -> Sequence {
    let target = Target {
        bootstrap: stub.address(),
        pids: Vec::new(),
    };
    let topics = Topics::Temporary("sweep".to_owned());
    let names = ["stub".to_owned()];
    let measure = |workload: &Workload, done: &mut [TargetRounds]| {
        let told = |_: &_| on_interval();
        let round = measure::round(&target, workload, &topics, &told, interrupt)?;
        done[0].rounds.push(round);
        Ok(())
    };
    Sequence::run(workloads, &names, interrupt, measure)
}

#[test]
fn each_point_is_measured() {
    let stub = Stub::start("127.0.0.1:0", Behaviour::default()).unwrap();
    let workloads = swept(&["rate=200,400", "size=10,20"]);
    let sequence = measured(&stub, &workloads, &Interrupt::default(), &|| {});
    assert!(sequence.error.is_none());
    assert_eq!(sequence.series.len(), 4);
    for (series, (rate, size)) in
        sequence
            .series
            .iter()
            .zip([(200.0, 10), (200.0, 20), (400.0, 10), (400.0, 20)])
    {
        assert_eq!(series.workload.name, format!("it rate={rate} size={size}"));
        assert_eq!(series.workload.size, Size(size));
        let produce = &series.targets[0].rounds[0].produce;
        let records = rate / 2.0;
        assert!(
            (produce.records as f64 - records).abs() <= records * 0.05,
            "{produce:?}"
        );
        assert_eq!(produce.bytes, produce.records * size);
    }
    let table = points::table(&sequence.series);
    assert_eq!(
        table
            .lines()
            .filter(|line| line.trim_start().starts_with("it rate="))
            .count(),
        4
    );
}

#[test]
fn an_interrupt_keeps_the_points_so_far() {
    let stub = Stub::start("127.0.0.1:0", Behaviour::default()).unwrap();
    let mut workloads = swept(&["rate=200,400,800"]);
    workloads[1].duration = Span(Duration::from_secs(600));
    let interrupt = Interrupt::default();
    let has_begun = std::sync::atomic::AtomicUsize::new(0);
    let sequence = measured(&stub, &workloads, &interrupt, &|| {
        // The first point is over before it has a second interval, so the third of all is of the second.
        if has_begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2 {
            interrupt.raise();
        }
    });
    let names: Vec<&str> = sequence
        .series
        .iter()
        .map(|it| it.workload.name.as_str())
        .collect();
    assert_eq!(names, ["it rate=200", "it rate=400"]);
    assert_eq!(Sequence::ended_by(&sequence.series), Some("interrupted"));
    assert!(sequence.into_result().is_err());
}

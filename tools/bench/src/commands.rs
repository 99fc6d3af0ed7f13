//! The other commands: each measures one thing, mostly of Holdfast and Apache Kafka in turn.

use std::time::Duration;

use bench::BenchError;
use bench::commits::{self, CommitLoad};
use bench::compaction::{self, CompactionLoad};
use bench::ratio::{median, ratio};
use bench::rebalance::{self, Protocol, Rebalances};
use bench::report::table::table;
use bench::saved::{Series, TargetRounds};
use bench::startup::{self, Before};
use bench::targets::{Running, TargetKind};
use bench::workload::Workload;

/// Starts Holdfast again and again.
pub fn start(before: &Before, rounds: usize) -> Result<(), BenchError> {
    let starts = startup::measure(before, rounds)?;
    println!(
        "{:>12} {:>16} {:>22} {:>17} {:>12}",
        "port open ms",
        "first answer ms",
        "partition answers ms",
        "groups answer ms",
        "CPU seconds"
    );
    for start in &starts {
        let shown = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
        println!(
            "{:>12.1} {:>16.1} {:>22} {:>17} {:>12.2}",
            start.port_open_ms,
            start.first_answer_ms,
            shown(start.partition_answers_ms),
            shown(start.groups_answer_ms),
            start.cpu_seconds
        );
    }
    Ok(())
}

/// Has groups commit to both in turn.
pub fn compare_commits(
    rounds: usize,
    warm_up_rounds: usize,
    load: &CommitLoad,
) -> Result<(), BenchError> {
    let mut brokers = Vec::new();
    for kind in [TargetKind::Holdfast, TargetKind::Apache] {
        let done = TargetRounds {
            name: kind.name().to_owned(),
            rounds: Vec::new(),
        };
        brokers.push((Running::start(kind)?, done));
    }
    for number in 0..warm_up_rounds + rounds {
        for (broker, done) in &mut brokers {
            let topic = format!("bench-{number}");
            let round = commits::round(&broker.bootstrap(), &broker.pids(), &topic, load)?;
            let is_counted = number >= warm_up_rounds;
            let word = if is_counted { "round" } else { "warm-up" };
            let p99 = round.produce.latency.as_ref().map_or(0.0, |it| it.at(0.99));
            eprintln!(
                "{word} {number} {}: {:.0} commits/s, p99 {p99:.2} ms",
                done.name, round.produce.records_per_second
            );
            if is_counted {
                done.rounds.push(round);
            }
        }
    }
    let workload = Workload {
        name: "commits".to_owned(),
        ..Workload::default()
    };
    let targets = brokers.into_iter().map(|(_, done)| done).collect();
    print!("{}", table(&Series { workload, targets }));
    Ok(())
}

/// What a table of rebalances shows of them.
type Figure = (&'static str, fn(&Rebalances) -> Duration);

const REBALANCES: [Figure; 3] = [
    ("arrival", |round| round.arrival),
    ("leaving", |round| round.leaving),
    ("death", |round| round.death),
];

/// Has members come and go at both in turn.
pub fn compare_rebalances(
    rounds: usize,
    members: &[usize],
    protocols: &[Protocol],
) -> Result<(), BenchError> {
    let brokers = [TargetKind::Holdfast, TargetKind::Apache]
        .map(|target| Running::start_with(target, 1, &rebalance::SETTINGS));
    let [holdfast, apache] = brokers;
    let brokers = [("holdfast", holdfast?), ("apache", apache?)];
    println!(
        "{:<28} {:>14} {:>14}   ratio (least - greatest)",
        "milliseconds", "holdfast", "apache"
    );
    for &protocol in protocols {
        for &members in members {
            let mut seen: [Vec<Rebalances>; 2] = [Vec::new(), Vec::new()];
            for number in 0..rounds.max(1) {
                for ((name, broker), seen) in brokers.iter().zip(&mut seen) {
                    let topic = format!("bench-{protocol}-{members}-{number}");
                    let round = rebalance::round(&broker.bootstrap(), &topic, protocol, members)?;
                    eprintln!("{protocol} {members} round {number} {name}: {round:?}");
                    seen.push(round);
                }
            }
            for (figure, duration) in REBALANCES {
                let [ours, theirs] = seen.each_ref().map(|rounds| {
                    let durations = rounds.iter().map(duration);
                    durations
                        .map(|it| it.as_secs_f64() * 1e3)
                        .collect::<Vec<f64>>()
                });
                print_row(&format!("{protocol} {members} {figure}"), &ours, &theirs);
            }
        }
    }
    Ok(())
}

/// Has both compact the same log in turn.
pub fn compare_compactions(rounds: usize, load: &CompactionLoad) -> Result<(), BenchError> {
    let mut brokers = Vec::new();
    for (name, target) in [
        ("holdfast", TargetKind::Holdfast),
        ("apache", TargetKind::Apache),
    ] {
        brokers.push((name, Running::start_with(target, 1, &compaction::SETTINGS)?));
    }
    let mut seen: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for number in 0..rounds.max(1) {
        for ((name, broker), seen) in brokers.iter().zip(&mut seen) {
            let topic = format!("bench-{number}");
            let (bootstrap, data_dir) = (broker.bootstrap(), broker.data_dir());
            let report = compaction::round(&bootstrap, &data_dir, &topic, load)?;
            eprintln!("round {number} {name}: {report:?}");
            seen.push(report.megabytes_per_second());
        }
    }
    println!(
        "{:<28} {:>14} {:>14}   ratio (least - greatest)",
        "compaction", "holdfast", "apache"
    );
    print_row("MB/s", &seen[0], &seen[1]);
    Ok(())
}

/// Has a crowd gather at the one and then at the other.
pub fn compare_crowds(members: usize, partitions: i32) -> Result<(), BenchError> {
    for (name, target) in [
        ("holdfast", TargetKind::Holdfast),
        ("apache", TargetKind::Apache),
    ] {
        let broker = Running::start_with(target, 1, &rebalance::SETTINGS)?;
        let report = rebalance::crowd(&broker.bootstrap(), "crowd", members, partitions)?;
        println!("{name}");
        println!(
            "  gathered after ms   {:>12.0}",
            report.gathered.as_secs_f64() * 1e3
        );
        println!(
            "  one more after ms   {:>12.0}",
            report.arrival.as_secs_f64() * 1e3
        );
        for (when, latencies) in [("before", &report.before), ("beside", &report.beside)] {
            let of = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
            println!(
                "  heartbeats of other groups {when}: {} of them, ms: median {:.2}, p99 {:.2}, greatest {:.2}",
                latencies.len(),
                of(0.5),
                of(0.99),
                latencies.max() as f64 / 1e3
            );
        }
    }
    Ok(())
}

fn print_row(figure: &str, ours: &[f64], theirs: &[f64]) {
    let (Some(our), Some(their)) = (median(ours), median(theirs)) else {
        return;
    };
    let Some(ratio) = ratio(ours, theirs) else {
        return;
    };
    println!(
        "{figure:<28} {our:>14.3} {their:>14.3}   {:.3} ({:.3} - {:.3})",
        ratio.median, ratio.least, ratio.greatest
    );
}

//! What the commands do, and the tables they print.

use std::collections::BTreeMap;
use std::time::Duration;

use bench::BenchError;
use bench::commits::{self, CommitLoad};
use bench::compaction::{self, CompactionLoad};
use bench::compare::{Round, Running, Target, median, ratio};
use bench::page_cache::PageCache;
use bench::rebalance::{self, Protocol, Rebalances};
use bench::startup::{self, Before};
use bench::summary::Summary;

use crate::Load;

/// Loads one cluster.
pub fn run(bootstrap: &str, pids: &[u32], load: &Load) -> Result<(), BenchError> {
    let topic = format!("bench-{}", std::process::id());
    let round = load.round(bootstrap, pids, &topic)?;
    print_one("produce", &round.produce);
    if let Some(consume) = &round.consume {
        print_one("consume", consume);
    }
    load.save(&BTreeMap::from([("target", vec![round])]))
}

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

fn print_one(what: &str, summary: &Summary) {
    println!("{what}");
    for (name, value) in summary.figures() {
        if let Some(value) = value {
            println!("  {name:<24} {value:>12.3}");
        }
    }
}

/// Loads both brokers in turn.
pub fn compare(
    (rounds, warm_up_rounds): (usize, usize),
    nodes: usize,
    full_page_cache: bool,
    load: &Load,
) -> Result<(), BenchError> {
    let mut page_cache = full_page_cache.then(PageCache::measure).transpose()?;
    let mut brokers = Vec::new();
    for target in [Target::Holdfast, Target::Apache] {
        // A topic of several has three replicas, of which two must have a record before it is acknowledged, as by default with ours.
        let settings: &[_] = match (nodes, target) {
            (1, _) | (_, Target::Holdfast) => &[],
            (_, Target::Apache) => &[
                ("default.replication.factor", "3"),
                ("min.insync.replicas", "2"),
            ],
        };
        brokers.push(Running::start_with(target, nodes, settings)?);
    }
    let names = ["holdfast", "apache"];
    let mut results: BTreeMap<&str, Vec<Round>> = BTreeMap::new();
    for number in 0..warm_up_rounds + rounds {
        for (name, broker) in names.iter().zip(&brokers) {
            if let Some(page_cache) = &mut page_cache {
                page_cache.fill()?;
            }
            let topic = format!("bench-{number}");
            let round = load.round(&broker.bootstrap(), &broker.pids(), &topic)?;
            let is_counted = number >= warm_up_rounds;
            let word = if is_counted { "round" } else { "warm-up" };
            let produce = &round.produce;
            eprintln!(
                "{word} {number} {name}: {:.0} records/s, p99 {:.2} ms, {:.2} CPU s/GB",
                produce.records_per_second,
                produce.p99_ms.unwrap_or_default(),
                produce.cpu_seconds_per_gb.unwrap_or_default()
            );
            if is_counted {
                results.entry(name).or_default().push(round);
            }
        }
    }
    print_table("produce", &results, |round| Some(&round.produce));
    if load.read_back {
        print_table("consume", &results, |round| round.consume.as_ref());
    }
    load.save(&results)
}

/// Has groups commit to both in turn.
pub fn compare_commits(
    rounds: usize,
    warm_up_rounds: usize,
    load: &CommitLoad,
) -> Result<(), BenchError> {
    let targets = [("holdfast", Target::Holdfast), ("apache", Target::Apache)];
    let mut results: BTreeMap<&str, Vec<Round>> = BTreeMap::new();
    let mut brokers = Vec::new();
    for (name, target) in targets {
        brokers.push((name, Running::start(target)?));
    }
    for number in 0..warm_up_rounds + rounds {
        for (name, broker) in &brokers {
            let topic = format!("bench-{number}");
            let produce = commits::round(&broker.bootstrap(), &broker.pids(), &topic, load)?;
            let is_counted = number >= warm_up_rounds;
            let word = if is_counted { "round" } else { "warm-up" };
            eprintln!(
                "{word} {number} {name}: {:.0} commits/s, p99 {:.2} ms",
                produce.records_per_second,
                produce.p99_ms.unwrap_or_default()
            );
            if is_counted {
                let consume = None;
                results
                    .entry(name)
                    .or_default()
                    .push(Round { produce, consume });
            }
        }
    }
    print_table("commits", &results, |round| Some(&round.produce));
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
    let brokers = [Target::Holdfast, Target::Apache]
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
    for (name, target) in [("holdfast", Target::Holdfast), ("apache", Target::Apache)] {
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
    for (name, target) in [("holdfast", Target::Holdfast), ("apache", Target::Apache)] {
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

/// Medians of both, and the ratio of rounds that ran side by side, with the least and the greatest.
fn print_table(
    what: &str,
    results: &BTreeMap<&str, Vec<Round>>,
    summary: fn(&Round) -> Option<&Summary>,
) {
    println!(
        "{what:<28} {:>14} {:>14}   ratio (least - greatest)",
        "holdfast", "apache"
    );
    let figures = Summary::default().figures();
    for (at, (figure, _)) in figures.iter().enumerate() {
        let values = |name: &str| -> Vec<f64> {
            let rounds = results.get(name).into_iter().flatten();
            rounds
                .filter_map(|round| summary(round)?.figures()[at].1)
                .collect()
        };
        let (ours, theirs) = (values("holdfast"), values("apache"));
        print_row(figure, &ours, &theirs);
    }
}

fn print_row(figure: &str, ours: &[f64], theirs: &[f64]) {
    let (Some(our), Some(their)) = (median(ours), median(theirs)) else {
        return;
    };
    let (middle, least, greatest) = ratio(ours, theirs).unwrap_or_default();
    println!("{figure:<28} {our:>14.3} {their:>14.3}   {middle:.3} ({least:.3} - {greatest:.3})");
}

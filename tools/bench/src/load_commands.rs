//! `run`, `compare` and `report`.

use std::path::{Path, PathBuf};

use bench::BenchError;
use bench::environment::Environment;
use bench::fault::Brokers;
use bench::interrupt::Interrupt;
use bench::measure::{Target, Topics};
use bench::page_cache::PageCache;
use bench::report::diff::diff;
use bench::report::html::page;
use bench::report::points;
use bench::report::table::{headline, table};
use bench::report::verdicts;
use bench::saved::{Saved, Series};
use bench::sequence::Sequence;
use bench::workload::Workload;

use crate::OutputArgs;
use crate::load_args::LoadArgs;
use crate::turns::{InTurn, Labels, Rounds, TopicNames, Turns, one_round, start_both};

/// A cluster that is there.
pub struct Cluster {
    /// A broker; otherwise as an OMB driver has it.
    pub bootstrap: Option<String>,
    /// The brokers' processes, if they are on this machine.
    pub pids: Vec<u32>,
    /// A topic that stays; otherwise they are made for each round.
    pub topic: Option<String>,
}

/// Loads one cluster, once or for each workload of a sweep.
pub fn run(
    cluster: Cluster,
    rounds: usize,
    load: &LoadArgs,
    output: &OutputArgs,
) -> Result<(), BenchError> {
    let load = load.load()?;
    load.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let bootstrap = cluster.bootstrap.or(load.bootstrap);
    let target = Target {
        bootstrap: bootstrap.ok_or_else(|| BenchError::Workload {
            what: "the driver has no bootstrap.servers, and there is no --bootstrap".to_owned(),
        })?,
        pids: cluster.pids,
    };
    if cluster.topic.is_some() {
        check_one_topic(&load.workloads)?;
    }
    let interrupt = on_signals()?;
    let mut names = TopicNames::default();
    let mut labels = Labels::of(&load.workloads);
    let targets = [target.bootstrap.clone()];
    let measured = Sequence::run(&load.workloads, &targets, &interrupt, |workload, done| {
        let label = labels.next(workload);
        for number in 1..=rounds {
            let topics = match &cluster.topic {
                Some(name) => Topics::Named(name.clone()),
                None => names.next(),
            };
            let label = match rounds {
                1 => label.clone(),
                _ => format!("{label}, {number} of {rounds}"),
            };
            let by = (&target.pids as &dyn Brokers, &interrupt);
            let (round, goes_on) = one_round(&target, workload, &topics, label, by)?;
            done[0].rounds.push(round);
            if !goes_on {
                break;
            }
        }
        Ok(())
    });
    let environment = Environment::look(&std::env::temp_dir());
    finish(measured, environment, output)
}

/// What stays has one shape.
fn check_one_topic(workloads: &[Workload]) -> Result<(), BenchError> {
    let Some(first) = workloads.first() else {
        return Ok(());
    };
    let shape = |workload: &Workload| (workload.topics, workload.partitions);
    let wrong = |what: &str| {
        Err(BenchError::Workload {
            what: what.to_owned(),
        })
    };
    match workloads.iter().all(|it| shape(it) == shape(first)) {
        true if first.topics == 1 => Ok(()),
        true => wrong("--topic names one, and the workload has several"),
        false => wrong("--topic names one, and topics or partitions are swept"),
    }
}

/// An interrupt that Ctrl-C and SIGTERM raise.
pub fn on_signals() -> Result<Interrupt, BenchError> {
    Interrupt::on_signals().map_err(|source| BenchError::Io {
        doing: "wait for signals",
        source,
    })
}

/// Shows and saves what there is, and says what ended it before its time.
fn finish(
    mut measured: Sequence,
    environment: Environment,
    output: &OutputArgs,
) -> Result<(), BenchError> {
    if measured.series.is_empty() {
        return measured.into_result();
    }
    let mut saved = Saved::begin(environment);
    saved.series = std::mem::take(&mut measured.series);
    measured.series = write_and_show(saved, output)?;
    let lost = lost(&measured.series);
    match lost {
        0 => measured.into_result(),
        lost => Err(BenchError::Lost(lost)),
    }
}

/// Prints a run, and writes it where it is wanted. Returns what was measured.
pub fn write_and_show(saved: Saved, output: &OutputArgs) -> Result<Vec<Series>, BenchError> {
    show(&saved);
    if let Some(path) = &output.json {
        saved.write(path)?;
    }
    if let Some(path) = &output.report {
        write_page(&saved, path)?;
    }
    Ok(saved.series)
}

/// Records of all rounds that were lost in faults.
fn lost(series: &[Series]) -> u64 {
    let targets = series.iter().flat_map(|it| &it.targets);
    let rounds = targets.flat_map(|it| &it.rounds);
    let faults = rounds.filter_map(|round| round.fault.as_ref());
    faults.filter_map(|fault| fault.lost).sum()
}

/// One workload as a table of its figures, several as a line each.
fn show(saved: &Saved) {
    println!("{}", saved.environment.summary());
    match saved.series.as_slice() {
        [series] => {
            print!("{}", table(series));
            for target in &series.targets {
                println!("{}", headline(target));
            }
        }
        several => print!("{}", points::table(several)),
    }
    if !saved.verdicts.is_empty() {
        print!("\n{}", verdicts::table(saved));
    }
    if let Some(cause) = Sequence::ended_by(&saved.series) {
        println!("these results are partial: {cause}");
    }
}

fn write_page(saved: &Saved, path: &Path) -> Result<(), BenchError> {
    std::fs::write(path, page(saved)).map_err(|source| BenchError::File {
        path: path.to_owned(),
        source,
    })
}

/// Shows saved runs.
pub fn report(files: &[PathBuf], threshold: f64, html: Option<&Path>) -> Result<(), BenchError> {
    let saved = files.iter().map(|path| Saved::read(path));
    let saved = saved.collect::<Result<Vec<Saved>, _>>()?;
    if let Some((path, last)) = html.zip(saved.last()) {
        write_page(last, path)?;
    }
    match saved.as_slice() {
        [before, after] => {
            let diff = diff(before, after, threshold);
            print!("{}", diff.table);
            diff.unmatched.iter().for_each(|it| println!("{it}"));
            match diff.worse.is_empty() {
                true => Ok(()),
                false => Err(BenchError::Worse(diff.worse)),
            }
        }
        runs => {
            runs.iter().for_each(show);
            Ok(())
        }
    }
}

/// Loads both brokers in turn, once or for each workload of a sweep.
pub fn compare(
    rounds: Rounds,
    nodes: usize,
    full_page_cache: bool,
    load: &LoadArgs,
    output: &OutputArgs,
) -> Result<(), BenchError> {
    let load = load.load()?;
    load.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let interrupt = on_signals()?;
    let page_cache = full_page_cache.then(PageCache::new).transpose()?;
    let brokers = start_both(nodes)?;
    let targets = brokers.iter().map(InTurn::as_it_is).collect();
    let mut turns = Turns {
        targets,
        rounds,
        page_cache,
        topics: TopicNames::default(),
        after_round: None,
        interrupt: &interrupt,
        unmeasured: None,
    };
    let measured = turns.run(&load.workloads);
    let environment = Environment::look(&brokers[0].1.lock().data_dir());
    drop(brokers);
    finish(measured, environment, output)
}

//! `run`, `compare` and `report`.

use std::path::{Path, PathBuf};

use bench::BenchError;
use bench::environment::Environment;
use bench::fault::Brokers;
use bench::interrupt::Interrupt;
use bench::measure::{self, Target, Topics};
use bench::page_cache::PageCache;
use bench::progress::Progress;
use bench::report::diff::diff;
use bench::report::html::page;
use bench::report::points;
use bench::report::table::{headline, table};
use bench::round::Round;
use bench::saved::{Saved, Series};
use bench::sequence::Sequence;
use bench::targets::{Running, TargetKind};
use bench::workload::Workload;
use parking_lot::Mutex;

use crate::OutputArgs;
use crate::load_args::LoadArgs;

/// How often something is measured.
#[derive(Clone, Copy)]
pub struct Rounds {
    /// What is shown.
    pub counted: usize,
    /// Before that.
    pub warm_up: usize,
}

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

/// How runs are called while they are under way.
struct Labels {
    begun: usize,
    count: usize,
}

impl Labels {
    fn of(workloads: &[Workload]) -> Labels {
        Labels {
            begun: 0,
            count: workloads.len(),
        }
    }

    fn next(&mut self, workload: &Workload) -> String {
        self.begun += 1;
        match self.count {
            1 => workload.name.clone(),
            count => format!("[{}/{count}] {}", self.begun, workload.name),
        }
    }
}

/// Topics of two tools at once, and of two rounds, have different names: one that was deleted may not be gone yet.
#[derive(Default)]
struct TopicNames {
    given: usize,
}

impl TopicNames {
    fn next(&mut self) -> Topics {
        let number = self.given;
        self.given += 1;
        Topics::Temporary(format!("bench-{}-{number}", std::process::id()))
    }
}

fn on_signals() -> Result<Interrupt, BenchError> {
    Interrupt::on_signals().map_err(|source| BenchError::Io {
        doing: "wait for signals",
        source,
    })
}

/// Whether another may follow.
fn one_round(
    target: &Target,
    workload: &Workload,
    topics: &Topics,
    label: String,
    by: (&dyn Brokers, &Interrupt),
) -> Result<(Round, bool), BenchError> {
    let progress = Progress::begin(label, workload);
    let on_interval = |interval: &_| progress.on_interval(interval);
    let round = measure::round_with(target, workload, topics, &on_interval, by)?;
    let goes_on = round.ended_by.is_none();
    Ok((round, goes_on))
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
    show(&saved);
    if let Some(path) = &output.json {
        saved.write(path)?;
    }
    if let Some(path) = &output.report {
        write_page(&saved, path)?;
    }
    let lost = lost(&saved.series);
    measured.series = saved.series;
    match lost {
        0 => measured.into_result(),
        lost => Err(BenchError::Lost(lost)),
    }
}

/// Records of all rounds that were lost in faults.
fn lost(series: &[Series]) -> u64 {
    let targets = series.iter().flat_map(|it| &it.targets);
    let rounds = targets.flat_map(|it| &it.rounds);
    let faults = rounds.filter_map(|round| round.fault.as_ref());
    faults.map(|fault| fault.lost).sum()
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
    let mut page_cache = full_page_cache.then(PageCache::measure).transpose()?;
    let brokers = start_both(nodes)?;
    let names: Vec<String> = brokers.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut topics = TopicNames::default();
    let mut labels = Labels::of(&load.workloads);
    let measured = Sequence::run(&load.workloads, &names, &interrupt, |workload, done| {
        let point = labels.next(workload);
        for number in 0..rounds.warm_up + rounds.counted {
            let is_counted = number >= rounds.warm_up;
            let topics = topics.next();
            for ((name, broker), done) in brokers.iter().zip(&mut *done) {
                if let Some(page_cache) = &mut page_cache {
                    page_cache.fill()?;
                }
                let word = if is_counted { "round" } else { "warm-up" };
                let label = format!("{point}: {word} {number} {name}");
                let (target, shown) = (broker.lock().target(), label.clone());
                let by = (broker as &dyn Brokers, &interrupt);
                let (round, goes_on) = one_round(&target, workload, &topics, shown, by)?;
                print_round(&label, &round);
                if is_counted || !goes_on {
                    done.rounds.push(round);
                }
                if !goes_on {
                    return Ok(());
                }
            }
        }
        Ok(())
    });
    let environment = Environment::look(&brokers[0].1.lock().data_dir());
    drop(brokers);
    finish(measured, environment, output)
}

fn start_both(nodes: usize) -> Result<Vec<(&'static str, Mutex<Running>)>, BenchError> {
    let kinds = [TargetKind::Holdfast, TargetKind::Apache].into_iter();
    let brokers = kinds.map(|kind| {
        // A topic of several has three replicas, of which two must have a record before it is acknowledged, as by default with ours.
        let settings: &[_] = match (nodes, kind) {
            (1, _) | (_, TargetKind::Holdfast) => &[],
            (_, TargetKind::Apache) => &[
                ("default.replication.factor", "3"),
                ("min.insync.replicas", "2"),
            ],
        };
        let running = Running::start_with(kind, nodes, settings)?;
        Ok((kind.name(), Mutex::new(running)))
    });
    brokers.collect()
}

fn print_round(label: &str, round: &Round) {
    let p99 = round.produce.latency.as_ref().map_or(0.0, |it| it.at(0.99));
    eprintln!(
        "{label}: {:.0} records/s, p99 {p99:.2} ms, {:.2} CPU s/GB",
        round.produce.records_per_second,
        round.broker.unwrap_or_default().cpu_seconds_per_gb
    );
}

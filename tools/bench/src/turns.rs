//! Rounds of a load, against one cluster or several in turn: brokers, the names of topics, and what is said meanwhile.

use bench::BenchError;
use bench::fault::Brokers;
use bench::interrupt::Interrupt;
use bench::measure::{self, Target, Topics};
use bench::page_cache::PageCache;
use bench::progress::Progress;
use bench::round::Round;
use bench::saved::TargetRounds;
use bench::sequence::Sequence;
use bench::targets::{Running, TargetKind};
use bench::workload::Workload;
use parking_lot::Mutex;

/// How often something is measured.
#[derive(Clone, Copy)]
pub struct Rounds {
    /// What is shown.
    pub counted: usize,
    /// Before that.
    pub warm_up: usize,
}

/// How runs are called while they are under way.
pub struct Labels {
    begun: usize,
    count: usize,
}

impl Labels {
    /// Of so many workloads.
    pub fn of(workloads: &[Workload]) -> Labels {
        Labels {
            begun: 0,
            count: workloads.len(),
        }
    }

    /// Of the next.
    pub fn next(&mut self, workload: &Workload) -> String {
        self.begun += 1;
        match self.count {
            1 => workload.name.clone(),
            count => format!("[{}/{count}] {}", self.begun, workload.name),
        }
    }
}

/// Topics of two tools at once, and of two rounds, have different names: one that was deleted may not be gone yet.
#[derive(Default)]
pub struct TopicNames {
    given: usize,
}

impl TopicNames {
    /// Of the next round.
    pub fn next(&mut self) -> Topics {
        let number = self.given;
        self.given += 1;
        Topics::Temporary(format!("bench-{}-{number}", std::process::id()))
    }
}

/// Loads a cluster once, and shows how it goes. Whether another round may follow.
pub fn one_round(
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

/// What is loaded in turn with others.
pub struct InTurn<'a> {
    /// What it is called in results.
    pub name: String,
    /// Who is loaded.
    pub broker: &'a Mutex<Running>,
    /// With what it is loaded in the place of a load; `None` if it is left out.
    pub load: fn(&Workload) -> Option<Workload>,
}

impl<'a> InTurn<'a> {
    /// With its defaults.
    pub fn as_it_is((name, broker): &'a (&'static str, Mutex<Running>)) -> InTurn<'a> {
        InTurn {
            name: (*name).to_owned(),
            broker,
            load: |workload| Some(workload.clone()),
        }
    }
}

/// Rounds in which some are loaded one after the other.
pub struct Turns<'a> {
    /// In this order.
    pub targets: Vec<InTurn<'a>>,
    /// How often.
    pub rounds: Rounds,
    /// Filled before each.
    pub page_cache: Option<PageCache>,
    /// For each round others.
    pub topics: TopicNames,
    /// Ends it before its time.
    pub interrupt: &'a Interrupt,
}

impl Turns<'_> {
    /// Until one ends before its time.
    pub fn run(&mut self, workloads: &[Workload]) -> Sequence {
        let names: Vec<String> = self.targets.iter().map(|it| it.name.clone()).collect();
        let mut labels = Labels::of(workloads);
        let interrupt = self.interrupt;
        Sequence::run(workloads, &names, interrupt, |workload, done| {
            let point = labels.next(workload);
            for number in 0..self.rounds.warm_up + self.rounds.counted {
                if !self.round(&point, number, workload, done)? {
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    /// Whether another may follow.
    fn round(
        &mut self,
        point: &str,
        number: usize,
        workload: &Workload,
        done: &mut [TargetRounds],
    ) -> Result<bool, BenchError> {
        let is_counted = number >= self.rounds.warm_up;
        for (target, done) in self.targets.iter().zip(done) {
            let Some(workload) = (target.load)(workload) else {
                continue;
            };
            if let Some(page_cache) = &mut self.page_cache {
                page_cache.fill()?;
            }
            // What the one before has left in the page cache is written in nobody's round.
            rustix::fs::sync();
            let word = if is_counted { "round" } else { "warm-up" };
            let label = format!("{point}: {word} {number} {}", target.name);
            let (loaded, shown) = (target.broker.lock().target(), label.clone());
            let by = (target.broker as &dyn Brokers, self.interrupt);
            let topics = self.topics.next();
            let (mut round, goes_on) = one_round(&loaded, &workload, &topics, shown, by)?;
            if let Running::Null(server) = &*target.broker.lock()
                && goes_on
                && let Some((read, used)) = server.read_back(self.interrupt)?
            {
                round = round.with_read_back(&read, used);
            }
            print_round(&label, &round);
            if is_counted || !goes_on {
                done.rounds.push(round);
            }
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Brokers of both kinds.
pub fn start_both(nodes: usize) -> Result<Vec<(&'static str, Mutex<Running>)>, BenchError> {
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

//! Rounds of a load, against one cluster or several in turn: brokers, the names of topics, and what is said meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use bench::BenchError;
use bench::fault::Brokers;
use bench::interrupt::Interrupt;
use bench::measure::{self, Target, Topics};
use bench::page_cache::PageCache;
use bench::progress::Progress;
use bench::round::Round;
use bench::saved::TargetRounds;
use bench::sequence::Sequence;
use bench::suite::verdict::Unmeasured;
use bench::targets::{Running, TargetKind};
use bench::workload::Workload;
use parking_lot::Mutex;

/// A broker that takes longer to remove what was deleted is not waited for.
const DELETION_MAX: Duration = Duration::from_secs(90);
const DELETION_LOOK: Duration = Duration::from_millis(100);

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

/// What is done after a round.
pub type AfterRound<'a> = dyn FnMut(&Workload, &str, &Round) + 'a;

/// Rounds in which some are loaded one after the other.
pub struct Turns<'a> {
    /// In this order.
    pub targets: Vec<InTurn<'a>>,
    /// How often.
    pub rounds: Rounds,
    /// Filled before each that is not of a fixed rate: those write little.
    pub page_cache: Option<PageCache>,
    /// For each round others.
    pub topics: TopicNames,
    /// Told of each round that was not ended before its time: the load, who was loaded, and what came of it. Nothing is written meanwhile.
    pub after_round: Option<&'a mut AfterRound<'a>>,
    /// Ends it before its time.
    pub interrupt: &'a Interrupt,
    /// Rounds that a broker or its start ended are noted here, and do not count; the others go on. Without it they end everything.
    pub unmeasured: Option<Vec<Unmeasured>>,
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
            self.settle()?;
            // Behind what makes room there.
            if let Some(page_cache) = &mut self.page_cache
                && workload.rate.0 == 0.0
            {
                page_cache.fill()?;
            }
            let word = if is_counted { "round" } else { "warm-up" };
            let label = format!("{point}: {word} {number} {}", target.name);
            let (loaded, shown) = (target.broker.lock().target(), label.clone());
            let by = (target.broker as &dyn Brokers, self.interrupt);
            let topics = self.topics.next();
            let done_so_far = one_round(&loaded, &workload, &topics, shown, by);
            if let Some(unmeasured) = &mut self.unmeasured
                && !self.interrupt.is_raised()
                && let Some(why) = ended_by(&done_so_far)
            {
                eprintln!("{label}: it does not count: {why}");
                let what = label;
                unmeasured.push(Unmeasured { what, why });
                continue;
            }
            let (mut round, goes_on) = done_so_far?;
            if let Running::Null(server) = &*target.broker.lock()
                && goes_on
                && let Some((read, used)) = server.read_back(self.interrupt)?
            {
                round = round.with_read_back(&read, used);
            }
            print_round(&label, &round);
            if goes_on && self.after_round.is_some() {
                self.settle()?;
            }
            if goes_on && let Some(after_round) = &mut self.after_round {
                after_round(&workload, &target.name, &round);
            }
            if is_counted || !goes_on {
                done.rounds.push(round);
            }
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Until nothing of a round before is left to be written: what it has left in the page cache is written in nobody's round.
    fn settle(&self) -> Result<(), BenchError> {
        self.targets.iter().try_for_each(wait_until_deleted)?;
        rustix::fs::sync();
        Ok(())
    }
}

/// What has ended a round before its time.
fn ended_by(round: &Result<(Round, bool), BenchError>) -> Option<String> {
    match round {
        Ok((round, _)) => round.ended_by.clone(),
        Err(error) => Some(error.to_string()),
    }
}

/// Topics of the round before are deleted in nobody's round either: a file system may take seconds for it.
fn wait_until_deleted(target: &InTurn<'_>) -> Result<(), BenchError> {
    let directories = target.broker.lock().data_dirs();
    let deadline = Instant::now() + DELETION_MAX;
    for directory in directories {
        while has_deleted(&directory)? && Instant::now() < deadline {
            // Nobody tells when a broker has removed a file.
            std::thread::sleep(DELETION_LOOK);
        }
    }
    Ok(())
}

/// Both brokers rename the directory of a partition so, and remove it later.
fn has_deleted(directory: &Path) -> Result<bool, BenchError> {
    let failed = |source| BenchError::Io {
        doing: "look into a data directory",
        source,
    };
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name.as_encoded_bytes().ends_with(b"-delete") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Brokers of both kinds.
pub fn start_both(nodes: usize) -> Result<Vec<(&'static str, Mutex<Running>)>, BenchError> {
    let kinds = [TargetKind::Holdfast, TargetKind::Apache].into_iter();
    let brokers = kinds.map(|kind| {
        // A topic of several has three replicas, of which two must have a record before it is acknowledged, as by default with ours.
        let replicated = [
            ("default.replication.factor", "3"),
            ("min.insync.replicas", "2"),
        ];
        let mut settings = match (nodes, kind) {
            (1, _) | (_, TargetKind::Holdfast) => vec![],
            (_, TargetKind::Apache) => replicated.to_vec(),
        };
        if kind == TargetKind::Apache {
            // Topics of rounds that are over go soon, as with ours.
            settings.push(("log.segment.delete.delay.ms", "1000"));
        }
        let running = Running::start_with(kind, nodes, &settings)?;
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

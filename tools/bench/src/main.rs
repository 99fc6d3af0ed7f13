//! `holdfast-bench`: measures a cluster that speaks the Kafka protocol.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bench::BenchError;
use bench::commits::{self, CommitLoad};
use bench::compaction::{self, CompactionLoad};
use bench::compare::{Round, Running, Target, median, ratio, round};
use bench::page_cache::PageCache;
use bench::produce::ProduceLoad;
use bench::rebalance::{self, Protocol, Rebalances};
use bench::schedule::Arrivals;
use bench::startup::{self, Before};
use bench::summary::Summary;
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "holdfast-bench",
    version,
    about = "Measures clusters that speak the Kafka protocol"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Loads one cluster
    Run {
        /// HOST:PORT of a broker
        #[arg(long)]
        bootstrap: String,
        /// The broker's process, if it is on this machine: for its CPU time and memory
        #[arg(long)]
        pid: Option<u32>,
        #[command(flatten)]
        load: Load,
    },
    /// Starts Holdfast and Apache Kafka and loads them in turn
    Compare {
        /// Rounds of each
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Rounds before that do not count, of each
        #[arg(long, default_value_t = 1)]
        warm_up_rounds: usize,
        /// Fills the page cache before each round, as it is on a machine that has run for a while
        #[arg(long)]
        full_page_cache: bool,
        #[command(flatten)]
        load: Load,
    },
    /// Starts Holdfast and Apache Kafka and has groups commit offsets to them in turn
    Commits {
        /// Rounds of each
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Rounds before that do not count, of each
        #[arg(long, default_value_t = 2)]
        warm_up_rounds: usize,
        /// Groups, each of which commits as soon as its last commit is answered
        #[arg(long, default_value_t = 100)]
        groups: usize,
        /// Partitions that each commit is for
        #[arg(long, default_value_t = 1)]
        partitions: i32,
        /// Seconds of a round
        #[arg(long, default_value_t = 15.0)]
        duration: f64,
    },
    /// Starts Holdfast and Apache Kafka and has members come and go, and says how long until all is somebody's again
    Rebalance {
        /// Rounds of each
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Members of the group
        #[arg(long, value_delimiter = ',', default_values_t = [3, 30, 300])]
        members: Vec<usize>,
        /// Group protocols
        #[arg(long, value_delimiter = ',', default_values_t = [Protocol::Classic, Protocol::Consumer])]
        protocols: Vec<Protocol>,
    },
    /// Starts Holdfast and Apache Kafka and has them compact the same log in turn
    Compaction {
        /// Rounds of each
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Gigabytes (10^9 bytes) of values
        #[arg(long, default_value_t = 2.0)]
        gigabytes: f64,
        /// Bytes of a value
        #[arg(long, default_value_t = 1024)]
        value_bytes: usize,
        /// Keys, of which each record has any
        #[arg(long, default_value_t = 200_000)]
        keys: u64,
    },
    /// Starts Holdfast and Apache Kafka and has a group of very many members gather, and says what other groups notice
    Crowd {
        /// Members of the group
        #[arg(long, default_value_t = 5_000)]
        members: usize,
        /// Partitions of the topic that they read
        #[arg(long, default_value_t = 10_000)]
        partitions: i32,
    },
    /// Starts Holdfast again and again, and says how long it takes until it answers
    Start {
        /// Starts
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Partitions with records in them
        #[arg(long, default_value_t = 0)]
        partitions: i32,
        /// Gigabytes (10^9 bytes) written before each stop; with --kill, bytes of all that the broker writes
        #[arg(long, default_value_t = 0.0)]
        gigabytes: f64,
        /// Groups that have committed an offset in every partition of the first thousand
        #[arg(long, default_value_t = 0)]
        groups: u32,
        /// Ends the broker with SIGKILL under load, not with SIGTERM
        #[arg(long)]
        kill: bool,
        /// Where the data is; otherwise in a temporary directory
        #[arg(long)]
        data_dir: Option<PathBuf>,
        /// A setting of the broker, NAME=VALUE; may be repeated
        #[arg(long = "set", value_parser = pair)]
        settings: Vec<(String, String)>,
    },
}

/// The load.
#[derive(Args, Clone)]
struct Load {
    /// Partitions of the topic, which is made for the run
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// Bytes of a record
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Records of a batch; a request is one batch
    #[arg(long, default_value_t = 1)]
    batch_records: usize,
    /// Connections
    #[arg(long, default_value_t = 2)]
    producers: usize,
    /// Records per second of all producers together, whatever the answers do; 0 is as fast as answers come
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Requests arrive independently of each other, not at equal distances
    #[arg(long)]
    poisson: bool,
    /// Requests of a connection without an answer, at most
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// Acknowledgements: all, or 1
    #[arg(long, default_value = "all", value_parser = acks)]
    acks: i16,
    /// Seconds before the measurement
    #[arg(long, default_value_t = 5.0)]
    warm_up: f64,
    /// Seconds that are measured
    #[arg(long, default_value_t = 20.0)]
    duration: f64,
    /// Goes on until so many gigabytes (10^9 bytes of values) are written
    #[arg(long, default_value_t = 0.0)]
    gigabytes: f64,
    /// A setting of the topic, NAME=VALUE; may be repeated
    #[arg(long = "topic-config", value_parser = pair)]
    topic_configs: Vec<(String, String)>,
    /// Reads everything back afterwards
    #[arg(long)]
    read_back: bool,
    /// Writes the results as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Without acknowledgements there is nothing to measure.
fn acks(text: &str) -> Result<i16, String> {
    match text {
        "all" | "-1" => Ok(-1),
        "1" => Ok(1),
        _ => Err("expected all or 1".to_owned()),
    }
}

impl Load {
    fn produce_load(&self) -> ProduceLoad {
        let per_second = self.rate / self.batch_records as f64;
        ProduceLoad {
            record_bytes: self.record_bytes,
            batch_records: self.batch_records.max(1),
            producers: self.producers.max(1),
            arrivals: match (self.rate > 0.0, self.poisson) {
                (false, _) => Arrivals::Unlimited,
                (true, false) => Arrivals::Fixed { per_second },
                (true, true) => Arrivals::Poisson { per_second },
            },
            window: self.window.max(1),
            acks: self.acks,
            warm_up: Duration::from_secs_f64(self.warm_up),
            duration: Duration::from_secs_f64(self.duration),
            bytes_min: (self.gigabytes * 1e9) as u64,
            seed: 1,
        }
    }

    fn round(&self, bootstrap: &str, pid: Option<u32>, topic: &str) -> Result<Round, BenchError> {
        round(
            bootstrap,
            pid,
            topic,
            self.partitions,
            &self.topic_configs,
            &self.produce_load(),
            self.read_back,
        )
    }

    fn save(&self, rounds: &BTreeMap<&str, Vec<Round>>) -> Result<(), BenchError> {
        let Some(path) = &self.json else {
            return Ok(());
        };
        let failed = |source| BenchError::Io {
            doing: "write the results",
            source,
        };
        let json = serde_json::to_string_pretty(rounds).map_err(|error| failed(error.into()))?;
        std::fs::write(path, json + "\n").map_err(failed)
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run {
            bootstrap,
            pid,
            load,
        } => run(&bootstrap, pid, &load),
        Command::Compare {
            rounds,
            warm_up_rounds,
            full_page_cache,
            load,
        } => compare(rounds, warm_up_rounds, full_page_cache, &load),
        Command::Commits {
            rounds,
            warm_up_rounds,
            groups,
            partitions,
            duration,
        } => {
            let load = CommitLoad {
                groups: groups.max(1),
                partitions: partitions.max(1),
                duration: Duration::from_secs_f64(duration),
            };
            compare_commits(rounds, warm_up_rounds, &load)
        }
        Command::Rebalance {
            rounds,
            members,
            protocols,
        } => compare_rebalances(rounds, &members, &protocols),
        Command::Compaction {
            rounds,
            gigabytes,
            value_bytes,
            keys,
        } => {
            let load = CompactionLoad {
                bytes: (gigabytes * 1e9) as u64,
                value_bytes: value_bytes.clamp(1, 512 << 10),
                keys: keys.max(1),
            };
            compare_compactions(rounds, &load)
        }
        Command::Crowd {
            members,
            partitions,
        } => compare_crowds(members, partitions),
        Command::Start {
            rounds,
            partitions,
            gigabytes,
            groups,
            kill,
            data_dir,
            settings,
        } => {
            let before = Before {
                partitions,
                gigabytes,
                groups,
                kill,
                data_dir,
                settings,
            };
            start(&before, rounds)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(bootstrap: &str, pid: Option<u32>, load: &Load) -> Result<(), BenchError> {
    let topic = format!("bench-{}", std::process::id());
    let round = load.round(bootstrap, pid, &topic)?;
    print_one("produce", &round.produce);
    if let Some(consume) = &round.consume {
        print_one("consume", consume);
    }
    load.save(&BTreeMap::from([("target", vec![round])]))
}

fn start(before: &Before, rounds: usize) -> Result<(), BenchError> {
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

fn compare(
    rounds: usize,
    warm_up_rounds: usize,
    full_page_cache: bool,
    load: &Load,
) -> Result<(), BenchError> {
    let mut page_cache = full_page_cache.then(PageCache::measure).transpose()?;
    let mut brokers = Vec::new();
    for target in [Target::Holdfast, Target::Apache] {
        brokers.push(Running::start(target)?);
    }
    let names = ["holdfast", "apache"];
    let mut results: BTreeMap<&str, Vec<Round>> = BTreeMap::new();
    for number in 0..warm_up_rounds + rounds {
        for (name, broker) in names.iter().zip(&brokers) {
            if let Some(page_cache) = &mut page_cache {
                page_cache.fill()?;
            }
            let topic = format!("bench-{number}");
            let round = load.round(&broker.bootstrap(), broker.pid(), &topic)?;
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

fn compare_commits(
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
            let produce = commits::round(&broker.bootstrap(), broker.pid(), &topic, load)?;
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

fn compare_rebalances(
    rounds: usize,
    members: &[usize],
    protocols: &[Protocol],
) -> Result<(), BenchError> {
    let brokers = [Target::Holdfast, Target::Apache]
        .map(|target| Running::start_with(target, &rebalance::SETTINGS));
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

fn compare_compactions(rounds: usize, load: &CompactionLoad) -> Result<(), BenchError> {
    let mut brokers = Vec::new();
    for (name, target) in [("holdfast", Target::Holdfast), ("apache", Target::Apache)] {
        brokers.push((name, Running::start_with(target, &compaction::SETTINGS)?));
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

fn compare_crowds(members: usize, partitions: i32) -> Result<(), BenchError> {
    for (name, target) in [("holdfast", Target::Holdfast), ("apache", Target::Apache)] {
        let broker = Running::start_with(target, &rebalance::SETTINGS)?;
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

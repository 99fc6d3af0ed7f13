//! `holdfast-bench`: measures a cluster that speaks the Kafka protocol.

mod commands;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bench::BenchError;
use bench::commits::CommitLoad;
use bench::compaction::CompactionLoad;
use bench::compare::{Round, round};
use bench::produce::ProduceLoad;
use bench::rebalance::Protocol;
use bench::schedule::Arrivals;
use bench::startup::Before;
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
        /// The brokers' processes, if they are on this machine: for their CPU time and memory
        #[arg(long, value_delimiter = ',')]
        pid: Vec<u32>,
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
        /// Brokers of each; with three, topics have three replicas, of which two must have a record before it is acknowledged
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=9))]
        nodes: u16,
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

    fn round(&self, bootstrap: &str, pids: &[u32], topic: &str) -> Result<Round, BenchError> {
        round(
            bootstrap,
            pids,
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
        } => commands::run(&bootstrap, &pid, &load),
        Command::Compare {
            rounds,
            warm_up_rounds,
            nodes,
            full_page_cache,
            load,
        } => commands::compare(
            (rounds, warm_up_rounds),
            nodes.into(),
            full_page_cache,
            &load,
        ),
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
            commands::compare_commits(rounds, warm_up_rounds, &load)
        }
        Command::Rebalance {
            rounds,
            members,
            protocols,
        } => commands::compare_rebalances(rounds, &members, &protocols),
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
            commands::compare_compactions(rounds, &load)
        }
        Command::Crowd {
            members,
            partitions,
        } => commands::compare_crowds(members, partitions),
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
            commands::start(&before, rounds)
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

//! `holdfast-bench`: measures a cluster that speaks the Kafka protocol.

mod commands;
mod load_args;
mod load_commands;
mod null_server_command;
mod suite_command;
mod turns;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bench::BenchError;
use bench::commits::CommitLoad;
use bench::compaction::CompactionLoad;
use bench::interrupt;
use bench::rebalance::Protocol;
use bench::startup::Before;
use bench::suite::Length;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::load_args::{LoadArgs, pair};
use crate::load_commands::Cluster;
use crate::null_server_command::NullServerArgs;
use crate::turns::Rounds;

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
    /// Loads a cluster and says how fast it was
    Run {
        /// HOST:PORT of a broker; several, separated by commas, are tried in turn [default: as an OMB driver has it]
        #[arg(long, required_unless_present = "omb_driver")]
        bootstrap: Option<String>,
        /// The brokers' processes, if they are on this machine: for their CPU time and memory
        #[arg(long, value_delimiter = ',')]
        pid: Vec<u32>,
        /// A topic to write to, which stays; otherwise topics are made for the run and deleted after it
        #[arg(long, conflicts_with = "topics")]
        topic: Option<String>,
        /// Rounds
        #[arg(long, default_value_t = 1)]
        rounds: usize,
        #[command(flatten)]
        load: LoadArgs,
        #[command(flatten)]
        output: OutputArgs,
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
        /// Fills the page cache before each round of a load as fast as answers come, as it is on a machine that has run for a while
        #[arg(long)]
        full_page_cache: bool,
        /// Measures all that is claimed of Holdfast instead of one load, in about an hour
        #[arg(long)]
        suite: Option<SuiteName>,
        /// The same in about ten minutes: enough to see what is wrong
        #[arg(long, requires = "suite")]
        quick: bool,
        #[command(flatten)]
        load: LoadArgs,
        #[command(flatten)]
        output: OutputArgs,
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
    /// Shows saved runs: one as it was shown when it was made, or two and what is different
    Report {
        /// A run that --json wrote, and perhaps a later one to compare it with
        #[arg(required = true, num_args = 1..=2)]
        files: Vec<PathBuf>,
        /// By how many percent a figure of the second may be worse; more is exit code 1
        #[arg(long, default_value_t = 10.0)]
        threshold: f64,
        /// Writes the page of the last of them
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Acknowledges what it is sent and keeps nothing: how fast this tool is by itself
    NullServer(NullServerArgs),
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

/// Sets of measurements.
#[derive(Clone, Copy, ValueEnum)]
enum SuiteName {
    /// Each claim, and what is wanted of it
    Headline,
}

/// Where results go, beside the terminal.
#[derive(Args, Clone)]
struct OutputArgs {
    /// Writes all that was measured as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Writes a page with figures and plots, which opens in a browser without a network
    #[arg(long)]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run {
            bootstrap,
            pid,
            topic,
            rounds,
            load,
            output,
        } => {
            let cluster = Cluster {
                bootstrap,
                pids: pid,
                topic,
            };
            load_commands::run(cluster, rounds.max(1), &load, &output)
        }
        Command::Compare {
            suite: Some(SuiteName::Headline),
            quick,
            output,
            ..
        } => suite_command::run(if quick { Length::Quick } else { Length::Full }, &output),
        Command::Compare {
            rounds,
            warm_up_rounds,
            nodes,
            full_page_cache,
            load,
            output,
            ..
        } => {
            let rounds = Rounds {
                counted: rounds.max(1),
                warm_up: warm_up_rounds,
            };
            load_commands::compare(rounds, nodes.into(), full_page_cache, &load, &output)
        }
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
        Command::Report {
            files,
            threshold,
            report,
        } => load_commands::report(&files, threshold / 100.0, report.as_deref()),
        Command::NullServer(args) => null_server_command::run(&args),
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
            match error {
                BenchError::Interrupted => ExitCode::from(interrupt::EXIT_CODE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

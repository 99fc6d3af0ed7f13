//! `holdfast-ctl verify`.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::exit,
    sync::Arc,
    thread,
    time::Duration,
};

use clap::{Args, Subcommand};
use ctl::{
    CtlError, Seeds,
    format::Format,
    verify::{
        self, PARTITIONS_MAX, Progress, Stop, VerifyConfig,
        check::Verdict,
        files::{self, FilesConfig},
        history::{self, Event, History},
        report,
    },
};

use super::{NO_ANSWER, Said, said};

const WRITERS_MAX: u32 = 64;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct VerifyArgs {
    #[command(subcommand)]
    command: Option<VerifyCommand>,
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse, required_unless_present = "check")]
    bootstrap_server: Option<Seeds>,
    /// Only checks a history that was kept
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// The topic to write to, made if there is none of that name; it must not be compacted [default: a new one]
    #[arg(long)]
    topic: Option<String>,
    /// Partitions of a topic that is made
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=i64::from(PARTITIONS_MAX)))]
    partitions: i32,
    /// Replicas of a topic that is made [default: as the cluster makes topics]
    #[arg(long, value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// For how long to write
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Producers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=i64::from(WRITERS_MAX)))]
    writers: u32,
    /// Records a second of each producer
    #[arg(long, default_value_t = 500.0, value_parser = rate)]
    rate: f64,
    /// Seconds that it may take, when no more is written, until all is acknowledged and can be read
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Keeps what was sent, acknowledged and read in this file
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Does not delete the topic that was made
    #[arg(long)]
    keep_topic: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Subcommand)]
enum VerifyCommand {
    /// Compares the files of replicas byte for byte; their brokers are stopped
    Files(FilesArgs),
}

#[derive(Args)]
struct FilesArgs {
    /// The topic [default: that of the history]
    #[arg(long, required_unless_present = "history")]
    topic: Option<String>,
    /// The offset before which a partition has to be the same everywhere, PARTITION=OFFSET; may be repeated [default: as
    /// the history says, else the smallest log end]
    #[arg(long = "end", value_name = "PARTITION=OFFSET", value_parser = end)]
    ends: Vec<(i32, i64)>,
    /// A history that was kept: says which topic and where its partitions end, and takes in what is found
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Data directories of stopped brokers
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn end(text: &str) -> Result<(i32, i64), String> {
    let parts = text.split_once('=');
    let end = parts.and_then(|(partition, end)| Some((partition.parse().ok()?, end.parse().ok()?)));
    end.filter(|(partition, end)| *partition >= 0 && *end >= 0)
        .ok_or_else(|| "expected PARTITION=OFFSET".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=1e6).contains(&rate) => Ok(rate),
        _ => Err("a number between 0.01 and 1000000".to_owned()),
    }
}

/// Runs, or checks a history, or compares files.
pub fn verify(args: VerifyArgs) -> Result<Said, CtlError> {
    if let Some(VerifyCommand::Files(args)) = args.command {
        return files(args);
    }
    if let Some(path) = args.check {
        let verdict = Verdict::of(&read_history(path)?);
        let text = args.format.of(&verdict, report::verdict);
        return Ok(said(verdict.is_clean(), text));
    }
    let Some(seeds) = args.bootstrap_server else {
        return Err(CtlError::Refused(
            "--bootstrap-server is missing".to_owned(),
        ));
    };
    let config = VerifyConfig {
        seeds,
        topic: args.topic,
        partitions: args.partitions,
        replication_factor: args.replication_factor,
        duration: Duration::from_secs(args.seconds),
        writers: args.writers,
        rate: args.rate,
        patience: Duration::from_secs(args.patience),
        history: args.history,
        keep_topic: args.keep_topic,
    };
    let stop = stop_at_ctrl_c()?;
    let is_terminal = std::io::stderr().is_terminal();
    let outcome = verify::run(&config, &stop, &mut |progress| {
        if is_terminal {
            show(&progress);
        }
    });
    if is_terminal {
        eprintln!();
    }
    let outcome = outcome?;
    let text = args.format.of(&outcome, report::outcome);
    Ok(said(outcome.verdict.is_clean(), text))
}

fn files(args: FilesArgs) -> Result<Said, CtlError> {
    let history = args.history.as_ref();
    let history = history.map(|path| read_history(path.clone())).transpose()?;
    let mut ends = std::collections::BTreeMap::new();
    let events = history.iter().flat_map(|history| &history.events);
    ends.extend(events.filter_map(|event| match event {
        Event::End {
            partition,
            high_watermark: Some(end),
            ..
        } => Some((*partition, *end)),
        _ => None,
    }));
    ends.extend(args.ends);
    let topic = args.topic.or_else(|| Some(history?.begin.topic));
    let report = files::compare(&FilesConfig {
        topic: topic.unwrap_or_default(),
        directories: args.directories,
        ends,
    })?;
    if let Some(path) = &args.history {
        files::append_to_history(&report, path)?;
    }
    let text = args.format.of(&report, report::files);
    Ok(said(report.is_clean(), text))
}

fn read_history(path: PathBuf) -> Result<History, CtlError> {
    history::read_file(&path).map_err(|source| CtlError::History { path, source })
}

/// The line before is written over.
fn show(progress: &Progress) {
    let Progress {
        elapsed,
        acknowledged,
        waiting,
        read,
        ..
    } = progress;
    let seconds = elapsed.as_secs();
    eprint!("\r{seconds} s: {acknowledged} acknowledged, {waiting} waiting, {read} read   ");
    // Nobody is harmed if nobody sees it.
    let _ = std::io::stderr().flush();
}

/// The first Ctrl-C ends the writing; after the second one nothing is waited for.
fn stop_at_ctrl_c() -> Result<Arc<Stop>, CtlError> {
    let refused = |error: std::io::Error| {
        CtlError::Refused(format!("Ctrl-C cannot be listened for: {error}"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(refused)?;
    let stop = Arc::new(Stop::default());
    let to_stop = Arc::clone(&stop);
    let listen = move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            to_stop.set();
            eprintln!("\nno more is written; what was is resolved and checked. Ctrl-C again gives that up.");
            if tokio::signal::ctrl_c().await.is_ok() {
                exit(i32::from(NO_ANSWER));
            }
        });
    };
    let spawned = thread::Builder::new().spawn(listen);
    spawned.map(|_| stop).map_err(refused)
}

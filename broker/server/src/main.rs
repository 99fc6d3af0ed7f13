//! `holdfast`: one broker.

use std::process::ExitCode;

use broker::cli::{self, EXIT_BAD_CONFIGURATION, EXIT_FAILURE, Invocation};
use broker::config::{Config, Sources, print, reference};
use broker::run::{Addresses, run};
use broker::{logging, panics};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let invocation = match cli::parse() {
        Ok(invocation) => invocation,
        Err(error) => error.exit(),
    };
    match invocation {
        Invocation::Run(sources) => serve(&sources),
        Invocation::PrintConfig { sources, format } => match load(&sources) {
            Ok(config) => {
                println!("{}", print(&config.settings, format).trim_end());
                ExitCode::SUCCESS
            }
            Err(code) => code,
        },
        Invocation::PrintReference => {
            println!("{}", reference().trim_end());
            ExitCode::SUCCESS
        }
        Invocation::PrintVersion => {
            println!("{}", cli::version());
            ExitCode::SUCCESS
        }
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn load(sources: &Sources) -> Result<Config, ExitCode> {
    Config::load(sources).map_err(|error| {
        eprintln!("holdfast: {error}");
        exit(EXIT_BAD_CONFIGURATION)
    })
}

fn serve(sources: &Sources) -> ExitCode {
    let config = match load(sources) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Err(error) = logging::init(&config.broker.logging) {
        eprintln!("holdfast: {error}");
        return exit(EXIT_BAD_CONFIGURATION);
    }
    panics::install();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("network")
        .worker_threads(network_threads())
        .build()
        .map_err(broker::run::RunError::Io)
        .and_then(|runtime| runtime.block_on(run_until_asked(config)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            eprintln!("holdfast: {error}");
            exit(EXIT_FAILURE)
        }
    }
}

/// One for two CPUs: the threads of the data directories have the others. More would wake each other up to find nothing to do.
fn network_threads() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    cpus.div_ceil(2)
}

async fn run_until_asked(config: Config) -> Result<(), broker::run::RunError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    run(config, announce, stop).await
}

/// Says where to connect, for people and for scripts that asked for port 0.
fn announce(addresses: &Addresses) {
    let kafka = addresses.kafka;
    match addresses.admin {
        Some(admin) => {
            println!("listening kafka={kafka} admin={admin}");
            println!("metrics: http://{admin}/metrics");
        }
        None => println!("listening kafka={kafka}"),
    }
    println!("try: echo hello | kcat -b {kafka} -t test -P && kcat -b {kafka} -t test -C -e");
}

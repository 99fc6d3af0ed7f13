//! `holdfast-peer`: a broker to try something against, or one of Kafka's tools, from a shell.

use std::{os::unix::process::CommandExt, process::ExitCode};

use clap::{Parser, Subcommand};
use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, Holdfast, HoldfastConfig, PeerError};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(
    name = "holdfast-peer",
    about = "Apache Kafka and Holdfast for tests and benches"
)]
struct Args {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch Apache Kafka's jars, unless they are there.
    Fetch,
    /// Run Apache Kafka until interrupted; prints the bootstrap addresses when it is ready.
    Apache {
        /// How many brokers.
        #[arg(long, default_value_t = 1)]
        brokers: usize,
        /// The heap of each broker.
        #[arg(long, default_value = "1g")]
        heap: String,
        /// A broker property; may be repeated.
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
        properties: Vec<(String, String)>,
    },
    /// Run Holdfast until interrupted; prints the bootstrap address when it is ready.
    Holdfast {
        /// A setting; may be repeated.
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Run one of Kafka's tools, by short name or class.
    Tool {
        /// `topics`, `producer-perf`, `console-consumer`, `dump-log`, ... or a class.
        name: String,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-peer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), PeerError> {
    match task {
        Task::Fetch => {
            println!("{}", peer::ensure_jars()?.display());
            Ok(())
        }
        Task::Apache {
            brokers,
            heap,
            properties,
        } => {
            let config = ApacheKafkaConfig {
                brokers,
                heap,
                properties,
                ..ApacheKafkaConfig::default()
            };
            serve(&ApacheKafka::start(config)?)
        }
        Task::Holdfast { settings } => serve(&Holdfast::start(HoldfastConfig {
            settings,
            ..HoldfastConfig::default()
        })?),
        Task::Tool { name, args } => {
            let source = peer::tool(&name)?.args(args).exec();
            Err(PeerError::Io {
                doing: "start java".to_owned(),
                source,
            })
        }
    }
}

/// Prints where `cluster` listens and waits to be interrupted.
fn serve(cluster: &dyn Cluster) -> Result<(), PeerError> {
    println!("{}", cluster.bootstrap());
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            Ok(())
        })
    };
    wait().map_err(|source| PeerError::Io {
        doing: "wait for a signal".to_owned(),
        source,
    })
}

//! The command line.

mod broker;
mod changed;
mod cluster;
mod completion;
mod config;
mod debug;
mod doctor;
mod group;
mod kubernetes;
mod records;
mod topic;
mod verify;

use std::{io::Write, process::ExitCode};

use clap::{Parser, Subcommand};
use ctl::CtlError;

/// Something is wrong with what was looked at.
const NOT_WELL: u8 = 1;
/// It could not be looked at.
const NO_ANSWER: u8 = 2;

#[derive(Parser)]
#[command(
    name = "holdfast-ctl",
    version,
    about = "Asks, checks and tends clusters that speak the Kafka protocol",
    after_help = "Exit codes: 0 all is well, 1 it is not, 2 nobody could be asked, or what was asked for makes no sense."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// How a cluster is, and what it can do without
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// One broker, asked at its admin port
    #[command(subcommand)]
    Broker(broker::BrokerCommand),
    /// Writes what a shell needs to complete this program's arguments
    Completion(completion::CompletionArgs),
    /// Settings of topics and brokers: described, changed
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// What one sends with a report of a bug
    #[command(subcommand)]
    Debug(debug::DebugCommand),
    /// Looks for the usual mistakes, and says what to do
    Doctor(doctor::DoctorArgs),
    /// Consumer groups: listed, described, moved, deleted
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// What a pod has to know of its node
    #[command(subcommand)]
    Kubernetes(kubernetes::KubernetesCommand),
    /// Prints records
    Consume(records::ConsumeArgs),
    /// Writes each line of standard input as a record, with acks=all
    Produce(records::ProduceArgs),
    /// Topics: listed, described, made, changed, deleted
    #[command(subcommand)]
    Topic(topic::TopicCommand),
    /// Writes to a cluster, reads from it, and finds what is lost, doubled or in another order
    Verify(Box<verify::VerifyArgs>),
}

/// What a command says in the end.
enum Said {
    Well(String),
    NotWell(String),
}

/// Reads `NAME=VALUE`.
fn name_and_value(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    parts.ok_or_else(|| "expected NAME=VALUE".to_owned())
}

fn said(is_well: bool, text: String) -> Said {
    match is_well {
        true => Said::Well(text),
        false => Said::NotWell(text),
    }
}

/// Does what the arguments say.
pub fn run() -> ExitCode {
    let said = match Cli::parse().command {
        Command::Cluster(command) => cluster::cluster(&command),
        Command::Broker(command) => broker::broker(&command),
        Command::Kubernetes(command) => kubernetes::kubernetes(&command),
        Command::Completion(args) => Ok(completion::completion(&args)),
        Command::Config(command) => config::config(&command),
        Command::Debug(command) => debug::debug(&command),
        Command::Doctor(args) => Ok(doctor::doctor(&args)),
        Command::Consume(args) => records::consume(&args),
        Command::Produce(args) => records::produce(&args),
        Command::Group(command) => group::group(&command),
        Command::Topic(command) => topic::topic(&command),
        Command::Verify(args) => verify::verify(*args),
    };
    end(said)
}

fn end(said: Result<Said, CtlError>) -> ExitCode {
    match said {
        Ok(Said::Well(text)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok(Said::NotWell(text)) => {
            print(&text);
            ExitCode::from(NOT_WELL)
        }
        Err(error) => {
            eprintln!("holdfast-ctl: {error}");
            ExitCode::from(NO_ANSWER)
        }
    }
}

/// Who reads only the first lines has seen enough.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

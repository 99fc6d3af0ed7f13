//! The command line.

mod cluster;
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
    about = "Asks and checks clusters that speak the Kafka protocol",
    after_help = "Exit codes: 0 all is well, 1 it is not, 2 nobody could be asked."
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
    /// Writes to a cluster, reads from it, and finds what is lost, doubled or in another order
    Verify(Box<verify::VerifyArgs>),
}

/// What a command says in the end.
enum Said {
    Well(String),
    NotWell(String),
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

//! `holdfast-ctl cluster`.

use clap::{Args, Subcommand};
use ctl::{
    CtlError, Seeds,
    cluster::{self, report},
    format::Format,
};

use super::{Said, said};

/// So many partitions are listed without `--all`.
const PARTITIONS_MAX: usize = 20;

#[derive(Subcommand)]
pub enum ClusterCommand {
    /// Brokers, the metadata quorum, and the partitions that are not as they should be
    Status(Asked),
    /// Whether everything could be written and read without a broker
    SafeToStop {
        /// The broker's id
        broker: i32,
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Args)]
pub struct Asked {
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse)]
    bootstrap_server: Seeds,
    /// Lists all partitions that there is something to say of
    #[arg(long)]
    all: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Asked {
    fn partitions_max(&self) -> usize {
        match self.all {
            true => usize::MAX,
            false => PARTITIONS_MAX,
        }
    }
}

/// Asks.
pub fn cluster(command: &ClusterCommand) -> Result<Said, CtlError> {
    match command {
        ClusterCommand::Status(asked) => {
            let facts = cluster::ask(&asked.bootstrap_server)?;
            let status = cluster::status(&facts, asked.partitions_max());
            let text = asked
                .format
                .of(&status, |status| report::status(status, asked.all));
            Ok(said(status.is_healthy, text))
        }
        ClusterCommand::SafeToStop { broker, asked } => {
            let facts = cluster::ask(&asked.bootstrap_server)?;
            let verdict = cluster::safe_to_stop(&facts, *broker, asked.partitions_max())?;
            let text = asked.format.of(&verdict, report::safe_to_stop);
            Ok(said(verdict.is_safe, text))
        }
    }
}

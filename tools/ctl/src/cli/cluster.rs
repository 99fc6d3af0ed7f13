//! `holdfast-ctl cluster`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use ctl::{
    CtlError, Seeds,
    cluster::{self, apply, report},
    format::Format,
};

use super::{Said, broker::Moving, said};

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
    /// Makes topics and changes settings until they are as a file wants them; takes nothing away
    Apply(Wishes),
    /// Moves replicas until all brokers have about as many, after brokers were added
    Rebalance(Moving),
}

#[derive(Args)]
pub struct Wishes {
    /// YAML: `brokerDefaults` is a map of settings; `topics` a list with `name`, `partitions`, `replicationFactor` and `config`
    file: PathBuf,
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse)]
    bootstrap_server: Seeds,
    /// Seconds to go on asking while brokers say that they cannot yet
    #[arg(long, default_value_t = 30)]
    patience: u64,
    /// Only says what would be changed
    #[arg(long)]
    dry_run: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
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
        ClusterCommand::Apply(wishes) => {
            let wanted = apply::read(&wishes.file)?;
            let patience = Duration::from_secs(wishes.patience);
            let seeds = &wishes.bootstrap_server;
            let steps = apply::apply(seeds, &wanted, patience, wishes.dry_run)?;
            let text = wishes
                .format
                .of(&steps, |steps| report::steps(steps, wishes.dry_run));
            Ok(said(true, text))
        }
        ClusterCommand::Rebalance(moving) => {
            moving.carry_out(|facts| Ok(cluster::moves::rebalance(facts)))
        }
    }
}

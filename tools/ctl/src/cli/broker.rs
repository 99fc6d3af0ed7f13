//! `holdfast-ctl broker`.

use std::{
    collections::BTreeSet,
    io::{IsTerminal, Write},
    time::Duration,
};

use clap::{Args, Subcommand};
use ctl::{
    CtlError, Seeds,
    admin::{self, Answer},
    cluster::{self, Facts, moves::Move, report},
    format::Format,
};
use serde::Serialize;

use super::changed::{Change, changed};
use super::{Said, said};

#[derive(Subcommand)]
pub enum BrokerCommand {
    /// Waits until the broker of this machine would not be missed, and has others lead in its place; stop it then
    ///
    /// What no other replica could take over is not waited for. A broker that is not stopped within 30 s takes part again.
    HandOver {
        /// HOST:PORT of the broker's `admin.listen`
        #[arg(long, default_value = "127.0.0.1:9644")]
        admin: String,
        /// Seconds after which the broker goes on as before [default: for as long as it takes]
        #[arg(long)]
        patience: Option<u64>,
        /// The form of the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Moves everything that brokers have to others, before they are taken away for good
    Drain {
        /// Their ids, with commas
        #[arg(value_delimiter = ',', required = true)]
        brokers: Vec<i32>,
        #[command(flatten)]
        moving: Moving,
    },
    /// Has the cluster forget brokers that are gone for good, and have nothing any more
    Unregister {
        /// Their ids, with commas
        #[arg(value_delimiter = ',', required = true)]
        brokers: Vec<i32>,
        /// HOST:PORT of brokers, with commas
        #[arg(long, value_parser = Seeds::parse)]
        bootstrap_server: Seeds,
        /// Seconds to wait for brokers that are still there
        #[arg(long, default_value_t = 0)]
        patience: u64,
        /// The form of the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Args)]
pub struct Moving {
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse)]
    bootstrap_server: Seeds,
    /// Bytes a second that each broker may spend on it [default: as many as it can]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    throttle: Option<u64>,
    /// Only says what would be moved
    #[arg(long)]
    dry_run: bool,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Whether a broker can be stopped.
#[derive(Serialize)]
struct HandedOver {
    is_handed_over: bool,
    why: Option<String>,
}

/// Asks, or moves.
pub fn broker(command: &BrokerCommand) -> Result<Said, CtlError> {
    match command {
        BrokerCommand::HandOver {
            admin,
            patience,
            format,
        } => {
            let why = match admin::hand_over(admin, patience.map(Duration::from_secs))? {
                Answer::Yes => None,
                Answer::No(why) => Some(why),
            };
            let handed_over = HandedOver {
                is_handed_over: why.is_none(),
                why,
            };
            let text = format.of(&handed_over, |it| match &it.why {
                None => "handed over: it can be stopped\n".to_owned(),
                Some(why) => format!("not handed over: {why}\n"),
            });
            Ok(said(handed_over.is_handed_over, text))
        }
        BrokerCommand::Drain { brokers, moving } => {
            let leaving: BTreeSet<i32> = brokers.iter().copied().collect();
            moving.carry_out(|facts| cluster::moves::drain(facts, &leaving))
        }
        BrokerCommand::Unregister {
            brokers,
            bootstrap_server,
            patience,
            format,
        } => {
            let gone: BTreeSet<i32> = brokers.iter().copied().collect();
            let patience = Duration::from_secs(*patience);
            let known = cluster::unregister(bootstrap_server, &gone, patience)?;
            let names: Vec<String> = known.iter().map(|id| format!("broker {id}")).collect();
            Ok(said(true, changed(*format, &names, Change::Unregistered)))
        }
    }
}

impl Moving {
    /// Plans, and does what was planned, until nothing is left to do: partitions are made meanwhile, and have their replicas where they are not to be.
    pub fn carry_out(
        &self,
        plan: impl Fn(&Facts) -> Result<Vec<Move>, CtlError>,
    ) -> Result<Said, CtlError> {
        let seeds = &self.bootstrap_server;
        let mut moves = Vec::new();
        loop {
            let facts = cluster::ask(seeds)?;
            let planned = plan(&facts)?;
            let is_done = planned.is_empty() || self.dry_run;
            if !is_done {
                cluster::carry_out(seeds, &facts, &planned, self.throttle, &progress)?;
            }
            moves.extend(planned);
            if is_done {
                break;
            }
        }
        let text = self
            .format
            .of(&moves, |moves| report::moves(moves, self.dry_run));
        Ok(said(true, text))
    }
}

/// For people who watch.
fn progress(left: usize) {
    let mut error = std::io::stderr();
    if error.is_terminal() {
        let _ = write!(error, "\r{left} partitions to move  ");
        if left == 0 {
            let _ = writeln!(error);
        }
    }
}

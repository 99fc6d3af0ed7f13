//! `holdfast-ctl`: asks, checks and tends clusters that speak the Kafka protocol.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}

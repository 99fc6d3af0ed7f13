//! `holdfast-ctl doctor`.

use clap::Args;
use ctl::{
    Seeds,
    doctor::{self, Diagnosis, report},
    format::Format,
};

use super::{Said, said};

#[derive(Args)]
#[command(
    after_help = "Exit codes: 0 no finding is an error, 1 one is. That nobody answers is a finding, too."
)]
pub struct DoctorArgs {
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse)]
    bootstrap_server: Seeds,
    /// HOST:PORT of brokers' `admin.listen`, with commas: shows disks, engines and clocks, too
    #[arg(long, value_parser = Seeds::parse)]
    admin: Option<Seeds>,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Looks.
pub fn doctor(args: &DoctorArgs) -> Said {
    let admins = args
        .admin
        .as_ref()
        .map(Seeds::addresses)
        .unwrap_or_default();
    let snapshot = doctor::look(&args.bootstrap_server, admins);
    let diagnosis = Diagnosis::of(&snapshot);
    let text = args.format.of(&diagnosis, report::diagnosis);
    said(diagnosis.errors == 0, text)
}

//! `holdfast-ctl debug`.

use std::{fmt::Write as _, path::PathBuf, time::SystemTime};

use clap::{Args, Subcommand};
use ctl::{
    CtlError, Seeds,
    debug::{self, Bundle},
    format::Format,
};

use super::{Said, said};

#[derive(Subcommand)]
pub enum DebugCommand {
    /// Gathers what there is to know of a cluster into an archive: no records, and no values of sensitive settings
    #[command(
        after_help = "Exit codes: 0 everything is in it, 1 something could not be gathered and is in it as an error, 2 there is no archive."
    )]
    Bundle(BundleArgs),
}

#[derive(Args)]
pub struct BundleArgs {
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse)]
    bootstrap_server: Seeds,
    /// HOST:PORT of brokers' `admin.listen`, with commas: their metrics and what they say of themselves
    #[arg(long, value_parser = Seeds::parse)]
    admin: Option<Seeds>,
    /// The archive, which must not exist yet
    #[arg(long, value_name = "FILE.tar.gz")]
    output: PathBuf,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Gathers.
pub fn debug(command: &DebugCommand) -> Result<Said, CtlError> {
    let DebugCommand::Bundle(args) = command;
    let admins = args
        .admin
        .as_ref()
        .map(Seeds::addresses)
        .unwrap_or_default();
    let seeds = &args.bootstrap_server;
    let bundle = debug::bundle(seeds, admins, &args.output, SystemTime::now())?;
    let text = args.format.of(&bundle, bundled);
    Ok(said(bundle.is_whole(), text))
}

fn bundled(bundle: &Bundle) -> String {
    let mut text = String::new();
    for it in &bundle.files {
        if let Some(error) = &it.error {
            let _ = writeln!(text, "! {}: {error}", it.name);
        }
    }
    let (count, file) = (bundle.files.len(), bundle.file.display());
    let _ = writeln!(
        text,
        "{count} files are in {file}: look through them before you send them"
    );
    text
}

//! The command line of `holdfast`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Endpoint, FlagSetting, PrintFormat, Sources};

/// Bad usage or a configuration that is not valid; nothing was touched.
pub const EXIT_BAD_CONFIGURATION: i32 = 2;
/// The broker could not start, or had to stop.
pub const EXIT_FAILURE: i32 = 1;

const EXAMPLES: &str = "\
Examples:
  holdfast                                   one node on 127.0.0.1:9092, data in ./data
  holdfast --data-dir /var/lib/holdfast --listen 0.0.0.0:9092 --advertise broker.lan:9092
  holdfast --data-dir /disk1/holdfast --data-dir /disk2/holdfast
  holdfast --config holdfast.yaml --set log.retention.ms=86400000
  holdfast config --config holdfast.yaml     what results, and where each value comes from
  kcat -b 127.0.0.1:9092 -t test -P          a client to try it with

Configuration, each counting more than the one before:
  defaults, the file of --config, HOLDFAST_* variables, flags.

Environment:
  HOLDFAST_CONFIG       the configuration file, where --config is not given
  HOLDFAST_<SETTING>    any setting, in capitals with _ for dots:
                        HOLDFAST_LOG_RETENTION_MS=1000 is log.retention.ms

Exit codes:
  0   stopped as asked
  1   could not start, or had to stop: the last line of the log says why
  2   bad arguments or configuration: nothing was touched";

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Run the broker.
    Run(Sources),
    /// Print the configuration that results from these sources.
    PrintConfig {
        /// Where it comes from.
        sources: Sources,
        /// How to print it.
        format: PrintFormat,
    },
    /// Print the reference of all settings.
    PrintReference,
    /// Print the version.
    PrintVersion,
}

/// A Kafka-compatible streaming log that does not lose messages.
///
/// Without a command, runs the broker.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker (the default).
    #[command(after_help = EXAMPLES)]
    Run(NodeArgs),
    /// Print the effective configuration, with the source of each value.
    Config(ConfigArgs),
    /// Print the version.
    Version,
}

#[derive(Debug, Args)]
struct ConfigArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = PrintFormat::Table)]
    format: PrintFormat,
    /// Print the reference of all settings instead, in Markdown.
    #[arg(long)]
    reference: bool,
}

#[derive(Debug, Args)]
struct NodeArgs {
    /// The configuration, a YAML file of `name: value` lines.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the data is [log.dirs, default: ./data]. May be repeated, for a directory on each disk;
    /// the first holds the metadata.
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<String>,
    /// The number of this node in its cluster [node.id, default: 1].
    #[arg(long, value_name = "ID")]
    node_id: Option<String>,
    /// The voters of the cluster, this node among them [peers].
    #[arg(long, value_name = "ID@HOST:PORT,...")]
    peers: Option<String>,
    /// Where other nodes reach this one [internal.listen, default: as --peers says].
    #[arg(long, value_name = "HOST:PORT")]
    internal_listen: Option<String>,
    /// Where to listen for clients [listeners, default: 127.0.0.1:9092]. May be repeated, with a
    /// name for each: NAME://HOST:PORT.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_listener)]
    listen: Vec<String>,
    /// What clients are told to connect to [advertised.listeners, default: where it listens].
    /// With several listeners NAME://HOST:PORT, repeated.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_listener)]
    advertise: Vec<String>,
    /// Where to serve metrics and health [admin.listen, default: 127.0.0.1:9644].
    #[arg(long, value_name = "HOST:PORT")]
    admin_listen: Option<String>,
    /// Any setting, by its name. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment)]
    set: Vec<(String, String)>,
}

/// Reads the arguments of this process and its environment. An error displays itself and knows its
/// exit code; `--help` and `--version` are such errors with code 0: call [`clap::Error::exit`].
pub fn parse() -> Result<Invocation, clap::Error> {
    let environment = std::env::vars_os().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    });
    parse_from(std::env::args_os(), environment.collect())
}

/// Reads these arguments, the program's name first.
pub fn parse_from<I, T>(
    arguments: I,
    environment: Vec<(String, String)>,
) -> Result<Invocation, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = Cli::try_parse_from(arguments)?;
    Ok(match cli.command {
        None => Invocation::Run(cli.node.into_sources(environment)),
        Some(Command::Run(node)) => Invocation::Run(node.into_sources(environment)),
        Some(Command::Config(ConfigArgs {
            reference: true, ..
        })) => Invocation::PrintReference,
        Some(Command::Config(ConfigArgs { node, format, .. })) => Invocation::PrintConfig {
            sources: node.into_sources(environment),
            format,
        },
        Some(Command::Version) => Invocation::PrintVersion,
    })
}

/// `holdfast 1.2.3`.
pub fn version() -> String {
    format!("holdfast {}", env!("CARGO_PKG_VERSION"))
}

impl NodeArgs {
    fn into_sources(self, environment: Vec<(String, String)>) -> Sources {
        let from_environment = environment
            .iter()
            .find(|(name, value)| name == "HOLDFAST_CONFIG" && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value));
        let single = |name: &str, flag: &str, value: Option<String>| {
            value.map(|value| FlagSetting {
                name: name.to_owned(),
                flag: format!("{flag} {value}"),
                value,
            })
        };
        let joined = |name: &str, flag: &str, given: &[String], values: Vec<String>| {
            (!given.is_empty()).then(|| FlagSetting {
                name: name.to_owned(),
                flag: format!("{flag} {}", given.join(&format!(" {flag} "))),
                value: values.join(","),
            })
        };
        let listeners = |given: &[String]| given.iter().map(|value| named(value)).collect();
        let set = self.set.into_iter().map(|(name, value)| FlagSetting {
            flag: format!("--set {name}"),
            name,
            value,
        });
        // `--set` is last: where it says the same as a flag of its own, it counts.
        let flags = [
            joined(
                "log.dirs",
                "--data-dir",
                &self.data_dir,
                self.data_dir.clone(),
            ),
            joined(
                "listeners",
                "--listen",
                &self.listen,
                listeners(&self.listen),
            ),
            joined(
                "advertised.listeners",
                "--advertise",
                &self.advertise,
                listeners(&self.advertise),
            ),
            single("admin.listen", "--admin-listen", self.admin_listen),
            single("node.id", "--node-id", self.node_id),
            single("peers", "--peers", self.peers),
            single("internal.listen", "--internal-listen", self.internal_listen),
        ];
        Sources {
            file: self.config.or(from_environment),
            environment,
            flags: flags.into_iter().flatten().chain(set).collect(),
        }
    }
}

/// A listener without a name is Kafka's first one.
fn named(address: &str) -> String {
    match address.contains("://") {
        true => address.to_owned(),
        false => format!("PLAINTEXT://{address}"),
    }
}

fn parse_listener(text: &str) -> Result<String, String> {
    match Endpoint::parse(&named(text)) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests;

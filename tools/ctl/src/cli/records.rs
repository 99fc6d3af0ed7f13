//! `holdfast-ctl produce` and `holdfast-ctl consume`.

use std::io::{BufWriter, stdin, stdout};

use clap::Args;
use ctl::{
    CtlError, Seeds,
    consume::{self, ConsumeConfig, Output, Start},
    format::Format,
    produce::{self, ProduceConfig},
};
use serde::Serialize;

use super::{Said, name_and_value, said};

#[derive(Args)]
pub struct ProduceArgs {
    /// The topic, which has to be there
    topic: String,
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse)]
    bootstrap_server: Seeds,
    /// The partition [default: that of the key; without keys, one after the other]
    #[arg(long)]
    partition: Option<i32>,
    /// What stands between the key and the value of a line [default: lines have no keys]
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key_separator: Option<String>,
    /// A header of all records; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = name_and_value)]
    headers: Vec<(String, String)>,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was written.
#[derive(Serialize)]
struct Acknowledged<'a> {
    topic: &'a str,
    records: u64,
}

#[derive(Args)]
pub struct ConsumeArgs {
    /// The topic
    topic: String,
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse)]
    bootstrap_server: Seeds,
    /// Partitions, with commas [default: all]
    #[arg(long, value_delimiter = ',')]
    partitions: Vec<i32>,
    /// Where to begin: start, end, an offset, or -N for N records before the end of each partition
    #[arg(long, default_value = "start", value_parser = Start::parse, allow_hyphen_values = true)]
    from: Start,
    /// So many records at most
    #[arg(long)]
    count: Option<u64>,
    /// Waits for more at the end
    #[arg(long)]
    follow: bool,
    /// How a record is printed: table, json (a line each), yaml (a document each), or a text with %t topic, %p partition, %o offset, %d timestamp in ms, %k key, %v value, %K and %V their bytes, %h headers, \n, \t
    #[arg(long, default_value = r"%v\n", value_parser = Output::parse)]
    format: Output,
}

/// Writes standard input.
pub fn produce(args: &ProduceArgs) -> Result<Said, CtlError> {
    let config = ProduceConfig {
        seeds: args.bootstrap_server.clone(),
        topic: args.topic.clone(),
        partition: args.partition,
        key_separator: args.key_separator.clone(),
        headers: args.headers.clone(),
    };
    let acknowledged = Acknowledged {
        topic: &args.topic,
        records: produce::produce(&config, stdin().lock())?,
    };
    let text = args.format.of(&acknowledged, |it| match it.records {
        1 => "1 record acknowledged\n".to_owned(),
        count => format!("{count} records acknowledged\n"),
    });
    Ok(said(true, text))
}

/// Prints to standard output.
pub fn consume(args: &ConsumeArgs) -> Result<Said, CtlError> {
    let config = ConsumeConfig {
        seeds: args.bootstrap_server.clone(),
        topic: args.topic.clone(),
        partitions: args.partitions.clone(),
        from: args.from,
        count: args.count,
        follow: args.follow,
    };
    let mut out = BufWriter::new(stdout().lock());
    match consume::consume(&config, &args.format, &mut out) {
        Err(error) if !consume::is_closed(&error) => Err(error),
        _ => Ok(said(true, String::new())),
    }
}

//! `holdfast-ctl topic`.

use std::{fmt::Write as _, slice};

use clap::{Args, Subcommand};
use client::ConfigResource;
use ctl::{
    CtlError, Seeds, configs,
    format::{Format, columns},
    topics::{self, Described, Listed},
};

use super::{
    Said,
    changed::{Change, changed},
    config::Changes,
    name_and_value, said,
};

#[derive(Subcommand)]
pub enum TopicCommand {
    /// What topics there are
    List {
        #[command(flatten)]
        asked: Asked,
        /// The brokers' own, too
        #[arg(long)]
        internal: bool,
    },
    /// Partitions, offsets and settings of topics
    Describe {
        /// Their names
        #[arg(required = true)]
        topics: Vec<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Makes a topic
    Create {
        /// Its name
        topic: String,
        /// How many partitions it has [default: as the cluster makes topics]
        #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// How many replicas each has [default: as the cluster makes topics]
        #[arg(long, value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: Option<i16>,
        /// A setting; may be repeated
        #[arg(long = "config", value_name = "NAME=VALUE", value_parser = name_and_value)]
        config: Vec<(String, String)>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Deletes topics, with all that is in them
    Delete {
        /// Their names
        #[arg(required = true)]
        topics: Vec<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Gives a topic more partitions; where a key goes changes with it
    AddPartitions {
        /// Its name
        topic: String,
        /// How many it is to have
        #[arg(value_parser = clap::value_parser!(i32).range(1..))]
        partitions: i32,
        #[command(flatten)]
        asked: Asked,
    },
    /// Changes settings of a topic
    Alter {
        /// Its name
        topic: String,
        #[command(flatten)]
        changes: Changes,
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Args)]
pub struct Asked {
    /// HOST:PORT of brokers, with commas
    #[arg(long, value_parser = Seeds::parse)]
    pub bootstrap_server: Seeds,
    /// The form of the result
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Asks, or changes.
pub fn topic(command: &TopicCommand) -> Result<Said, CtlError> {
    let text = match command {
        TopicCommand::List { asked, internal } => {
            let topics = topics::list(&asked.bootstrap_server, *internal)?;
            asked.format.of(&topics, |it| listed(it))
        }
        TopicCommand::Describe { topics, asked } => {
            let topics = topics::describe(&asked.bootstrap_server, topics)?;
            asked
                .format
                .of(&topics, |it| it.iter().map(described).collect())
        }
        TopicCommand::Create {
            topic,
            partitions,
            replication_factor,
            config,
            asked,
        } => {
            let seeds = &asked.bootstrap_server;
            topics::create(seeds, topic, *partitions, *replication_factor, config)?;
            changed(asked.format, slice::from_ref(topic), Change::Made)
        }
        TopicCommand::Delete { topics, asked } => {
            topics::delete(&asked.bootstrap_server, topics)?;
            changed(asked.format, topics, Change::Deleted)
        }
        TopicCommand::AddPartitions {
            topic,
            partitions,
            asked,
        } => {
            topics::add_partitions(&asked.bootstrap_server, topic, *partitions)?;
            changed(asked.format, slice::from_ref(topic), Change::Changed)
        }
        TopicCommand::Alter {
            topic,
            changes,
            asked,
        } => {
            let of = ConfigResource::Topic(topic.clone());
            configs::alter(&asked.bootstrap_server, &of, &changes.of_settings())?;
            changed(asked.format, slice::from_ref(topic), Change::Changed)
        }
    };
    Ok(said(true, text))
}

fn listed(topics: &[Listed]) -> String {
    if topics.is_empty() {
        return "there are no topics\n".to_owned();
    }
    let rows = topics.iter().map(|it| {
        [
            it.name.clone(),
            it.partitions.to_string(),
            it.replicas.to_string(),
        ]
    });
    columns(["topic", "partitions", "replicas"], rows)
}

fn described(topic: &Described) -> String {
    let mut text = format!("{}, id {}\n", topic.name, topic.id);
    for (name, value) in &topic.config {
        let _ = writeln!(text, "  {name}={value}");
    }
    let ids = |ids: &[i32]| {
        let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
        ids.join(",")
    };
    let or_dash = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
    let rows = topic.partitions.iter().map(|it| {
        [
            it.partition.to_string(),
            or_dash(it.leader.map(|it| it.to_string())),
            ids(&it.replicas),
            ids(&it.isr),
            or_dash(it.offsets.map(|(start, _)| start.to_string())),
            or_dash(it.offsets.map(|(_, end)| end.to_string())),
        ]
    });
    let head = ["partition", "leader", "replicas", "isr", "start", "end"];
    text.push('\n');
    text + &columns(head, rows) + "\n"
}

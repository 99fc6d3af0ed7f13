//! `holdfast-ctl config`.

use std::slice;

use clap::{Args, Subcommand};
use client::{ConfigChanges, ConfigResource};
use ctl::{
    CtlError,
    configs::{self, Setting, Source},
    format::columns,
};

use super::{
    Said,
    changed::{Change, changed},
    name_and_value, said,
    topic::Asked,
};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// What was set, and where
    Describe {
        #[command(flatten)]
        owner: Owner,
        /// What was not set, too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Sets, or takes back what was set
    Alter {
        #[command(flatten)]
        owner: Owner,
        #[command(flatten)]
        changes: Changes,
        #[command(flatten)]
        asked: Asked,
    },
}

/// Whose settings.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Owner {
    /// Those of a topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Those of one broker
    #[arg(long, value_name = "ID")]
    broker: Option<i32>,
    /// Those of all brokers that have no value of their own
    #[arg(long)]
    all_brokers: bool,
}

impl Owner {
    fn resource(&self) -> ConfigResource {
        match (&self.topic, self.broker) {
            (Some(topic), _) => ConfigResource::Topic(topic.clone()),
            (None, Some(id)) => ConfigResource::Broker(id),
            (None, None) => ConfigResource::AllBrokers,
        }
    }

    fn name(&self) -> String {
        match self.resource() {
            ConfigResource::Topic(topic) => topic,
            ConfigResource::Broker(id) => format!("broker {id}"),
            ConfigResource::AllBrokers => "all brokers".to_owned(),
        }
    }
}

/// What is to be different.
#[derive(Args)]
pub struct Changes {
    /// A setting; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value, required_unless_present = "unset")]
    set: Vec<(String, String)>,
    /// A setting that is to be as if it had not been set; may be repeated
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
}

impl Changes {
    pub fn of_settings(&self) -> ConfigChanges {
        let set = self.set.iter().cloned();
        let set = set.map(|(name, it)| (name, Some(it)));
        let unset = self.unset.iter().cloned().map(|name| (name, None));
        unset.chain(set).collect()
    }
}

/// Asks, or changes.
pub fn config(command: &ConfigCommand) -> Result<Said, CtlError> {
    let text = match command {
        ConfigCommand::Describe { owner, all, asked } => {
            let settings = configs::describe(&asked.bootstrap_server, &owner.resource(), *all)?;
            asked.format.of(&settings, |it| described(it))
        }
        ConfigCommand::Alter {
            owner,
            changes,
            asked,
        } => {
            let changes = changes.of_settings();
            configs::alter(&asked.bootstrap_server, &owner.resource(), &changes)?;
            changed(
                asked.format,
                slice::from_ref(&owner.name()),
                Change::Changed,
            )
        }
    };
    Ok(said(true, text))
}

fn described(settings: &[Setting]) -> String {
    if settings.is_empty() {
        return "nothing was set\n".to_owned();
    }
    let rows = settings.iter().map(|it| {
        let source = match it.source {
            Source::Own => "own",
            Source::Inherited => "inherited",
            Source::Default => "default",
        };
        let change = match it.is_read_only {
            true => "restart",
            false => "at once",
        };
        [
            it.name.clone(),
            it.value.clone().unwrap_or_else(|| "-".to_owned()),
            source.to_owned(),
            change.to_owned(),
        ]
    });
    columns(["setting", "value", "source", "changes"], rows)
}

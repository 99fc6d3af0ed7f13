//! `holdfast-ctl group`.

use std::{collections::BTreeMap, fmt::Write as _};

use clap::Subcommand;
use ctl::{
    CtlError,
    format::columns,
    groups::{self, Described, Listed, To},
};

use super::{
    Said,
    changed::{Change, changed},
    said,
    topic::Asked,
};

#[derive(Subcommand)]
pub enum GroupCommand {
    /// What groups there are
    List {
        #[command(flatten)]
        asked: Asked,
    },
    /// Members, committed offsets and lag of a group
    Describe {
        /// Its id
        group: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// Deletes groups without members, with all that they have committed
    Delete {
        /// Their ids
        #[arg(required = true)]
        groups: Vec<String>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Moves what a group without members has committed of a topic
    Seek {
        /// Its id
        group: String,
        /// The topic
        #[arg(long)]
        topic: String,
        /// start, end, or an offset; one beyond what there is becomes the nearest
        #[arg(long, value_parser = To::parse)]
        to: To,
        #[command(flatten)]
        asked: Asked,
    },
}

/// Asks, or changes.
pub fn group(command: &GroupCommand) -> Result<Said, CtlError> {
    let text = match command {
        GroupCommand::List { asked } => {
            let groups = groups::list(&asked.bootstrap_server)?;
            asked.format.of(&groups, |it| listed(it))
        }
        GroupCommand::Describe { group, asked } => {
            let group = groups::describe(&asked.bootstrap_server, group)?;
            asked.format.of(&group, described)
        }
        GroupCommand::Delete { groups, asked } => {
            groups::delete(&asked.bootstrap_server, groups)?;
            changed(asked.format, groups, Change::Deleted)
        }
        GroupCommand::Seek {
            group,
            topic,
            to,
            asked,
        } => {
            let offsets = groups::seek(&asked.bootstrap_server, group, topic, *to)?;
            asked.format.of(&offsets, |it| moved(topic, it))
        }
    };
    Ok(said(true, text))
}

fn listed(groups: &[Listed]) -> String {
    if groups.is_empty() {
        return "there are no groups\n".to_owned();
    }
    let rows = groups.iter().map(|it| {
        [
            it.group.clone(),
            it.state.clone(),
            it.kind.clone(),
            it.coordinator.to_string(),
        ]
    });
    columns(["group", "state", "kind", "coordinator"], rows)
}

fn described(group: &Described) -> String {
    let mut text = format!(
        "{}: {}, {} members, {} records behind; coordinated by {}\n",
        group.group,
        group.state,
        group.members.len(),
        group.lag,
        group.coordinator
    );
    let or_dash = |it: Option<String>| it.unwrap_or_else(|| "-".to_owned());
    if !group.members.is_empty() {
        let rows = group.members.iter().map(|it| {
            [
                it.id.clone(),
                it.client_id.clone(),
                it.host.clone(),
                or_dash(it.partitions.map(|it| it.to_string())),
            ]
        });
        text.push('\n');
        text += &columns(["member", "client", "host", "partitions"], rows);
    }
    if !group.offsets.is_empty() {
        let rows = group.offsets.iter().map(|it| {
            [
                format!("{}-{}", it.topic, it.partition),
                it.committed.to_string(),
                or_dash(it.end.map(|it| it.to_string())),
                or_dash(it.lag.map(|it| it.to_string())),
            ]
        });
        text.push('\n');
        text += &columns(["partition", "committed", "end", "lag"], rows);
    }
    text
}

fn moved(topic: &str, offsets: &BTreeMap<i32, i64>) -> String {
    let mut text = String::new();
    for (partition, offset) in offsets {
        let _ = writeln!(text, "{topic}-{partition} is read from {offset} on");
    }
    text
}

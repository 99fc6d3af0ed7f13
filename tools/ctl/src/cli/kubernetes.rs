//! `holdfast-ctl kubernetes`.

use std::{fs, path::PathBuf};

use clap::Subcommand;
use ctl::{CtlError, format::Format, kubernetes::Api};
use serde::Serialize;

use super::{Said, said};

#[derive(Subcommand)]
pub enum KubernetesCommand {
    /// Writes the value of a label of the node that this pod is on; nothing, if the node does not have it
    NodeLabel {
        /// The label, for example topology.kubernetes.io/zone
        label: String,
        /// The node
        #[arg(long, env = "NODE_NAME")]
        node: String,
        /// Where to write it [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The form of the result
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// What a node says of itself.
#[derive(Serialize)]
struct NodeLabel<'a> {
    node: &'a str,
    label: &'a str,
    value: Option<String>,
}

/// Asks.
pub fn kubernetes(command: &KubernetesCommand) -> Result<Said, CtlError> {
    let KubernetesCommand::NodeLabel {
        label,
        node,
        output,
        format,
    } = command;
    let value = Api::of_this_pod()?.node_label(node, label)?;
    let shown = value.clone().unwrap_or_default();
    if let Some(path) = output {
        fs::write(path, &shown).map_err(|source| CtlError::File {
            doing: "cannot write",
            path: path.clone(),
            source,
        })?;
    }
    let found = NodeLabel { node, label, value };
    let text = format.of(&found, |_| match output {
        None => format!("{shown}\n"),
        Some(_) => format!("{label} of {node} is \"{shown}\"\n"),
    });
    Ok(said(true, text))
}

//! What a command says that has done something to what has a name.

use ctl::format::Format;
use serde::Serialize;

/// What was done.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Made,
    Changed,
    Deleted,
    Unregistered,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Change::Made => "made",
            Change::Changed => "changed",
            Change::Deleted => "deleted",
            Change::Unregistered => "unregistered",
        }
    }
}

#[derive(Serialize)]
struct Changed<'a> {
    name: &'a str,
    change: Change,
}

/// A list for programs, whatever their number, and a line each for people.
pub fn changed(format: Format, names: &[String], change: Change) -> String {
    let changed: Vec<Changed<'_>> = names.iter().map(|name| Changed { name, change }).collect();
    format.of(&changed, |changed| {
        let lines = changed
            .iter()
            .map(|it| format!("{} was {}\n", it.name, it.change.name()));
        lines.collect()
    })
}

//! Results for people, and for programs.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;

/// The form in which a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One object.
    Json,
    /// One document.
    Yaml,
}

impl Format {
    /// A result in this form; `people` makes the one for people.
    pub fn of<T: Serialize>(self, result: &T, people: impl FnOnce(&T) -> String) -> String {
        match self {
            Format::Table => people(result),
            // Neither can fail: results are plain texts, numbers and lists of them, and both write to memory.
            Format::Json => serde_json::to_string_pretty(result).unwrap_or_default() + "\n",
            Format::Yaml => serde_yaml::to_string(result).unwrap_or_default(),
        }
    }
}

/// Columns with a head, without lines around them.
pub fn columns<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.map(str::to_uppercase));
    table.add_rows(rows);
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n") + "\n"
}

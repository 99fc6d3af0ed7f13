//! `holdfast config`: the effective configuration with its sources.

use std::fmt::Write;

use serde::Serialize;

use super::settings::Settings;

/// The form to print in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PrintFormat {
    /// Columns.
    #[default]
    Table,
    /// An array of objects.
    Json,
    /// A list of maps.
    Yaml,
}

#[derive(Serialize)]
struct Row {
    name: String,
    value: Option<String>,
    source: String,
    #[serde(rename = "type")]
    config_type: &'static str,
    has_effect: bool,
}

const HIDDEN: &str = "[hidden]";

/// The configuration in a form.
pub fn print(settings: &Settings, format: PrintFormat) -> String {
    let rows = rows(settings);
    match format {
        PrintFormat::Table => table(&rows),
        // Neither can fail: the rows are plain texts, and both write to memory.
        PrintFormat::Json => serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n",
        PrintFormat::Yaml => serde_yaml::to_string(&rows).unwrap_or_default(),
    }
}

fn rows(settings: &Settings) -> Vec<Row> {
    let honoured = settings.honoured().map(|setting| Row {
        name: setting.definition.name.to_owned(),
        value: setting.text(),
        source: setting.origin.to_string(),
        config_type: setting.definition.config_type.name(),
        has_effect: true,
    });
    let accepted = settings.accepted().map(|(name, setting)| Row {
        name: name.to_owned(),
        value: match setting.definition.is_sensitive() {
            true => Some(HIDDEN.to_owned()),
            false => setting.text(),
        },
        source: setting.origin.to_string(),
        config_type: setting.definition.config_type.name(),
        has_effect: false,
    });
    honoured.chain(accepted).collect()
}

fn table(rows: &[Row]) -> String {
    let shown: Vec<[String; 3]> = rows
        .iter()
        .map(|row| {
            let value = match row.value.as_deref() {
                None => "-".to_owned(),
                Some("") => "\"\"".to_owned(),
                Some(value) => value.to_owned(),
            };
            let note = if row.has_effect { "" } else { " (no effect)" };
            [row.name.clone(), value, format!("{}{note}", row.source)]
        })
        .collect();
    let heading = ["NAME", "VALUE", "SOURCE"].map(str::to_owned);
    let width = |column: usize| {
        let cells = shown
            .iter()
            .chain([&heading])
            .map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let (names, values) = (width(0), width(1));
    let mut out = String::new();
    for [name, value, source] in [&heading].into_iter().chain(&shown) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:names$}  {value:values$}  {source}");
    }
    out
}

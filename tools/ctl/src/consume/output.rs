//! The forms in which records are printed, one after the other.

use std::io::{self, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{Shown, Template, TemplateError};

/// What the rows of a table are made of. Nobody knows how wide its columns will be: tabulators are between them.
const ROW: &str = r"%p\t%o\t%d\t%k\t%v\n";
const HEAD: &str = "PARTITION\tOFFSET\tTIMESTAMP\tKEY\tVALUE\n";

/// A form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// As one likes.
    Template(Template),
    /// A row for each record, below a head.
    Table(Template),
    /// An object for each record, each on a line.
    Json,
    /// A document for each record.
    Yaml,
}

/// A record, for programs.
#[derive(Serialize)]
struct RecordForm<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    /// Milliseconds since the epoch.
    timestamp: Option<i64>,
    key: Option<Bytes<'a>>,
    value: Option<Bytes<'a>>,
    headers: Vec<HeaderForm<'a>>,
}

/// Names may repeat, so that this is no map.
#[derive(Serialize)]
struct HeaderForm<'a> {
    name: Bytes<'a>,
    value: Option<Bytes<'a>>,
}

/// Bytes are a text where they are UTF-8.
#[derive(Serialize)]
#[serde(untagged)]
enum Bytes<'a> {
    Text(&'a str),
    Other { base64: String },
}

impl<'a> Bytes<'a> {
    fn of(bytes: &'a [u8]) -> Bytes<'a> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Bytes::Text(text),
            Err(_) => Bytes::Other {
                base64: STANDARD.encode(bytes),
            },
        }
    }
}

impl Output {
    /// Reads `table`, `json`, `yaml`, or a template.
    pub fn parse(text: &str) -> Result<Output, TemplateError> {
        match text {
            "table" => Template::parse(ROW).map(Output::Table),
            "json" => Ok(Output::Json),
            "yaml" => Ok(Output::Yaml),
            _ => Template::parse(text).map(Output::Template),
        }
    }

    /// Prints what comes before the first record.
    pub fn begin(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Output::Table(_) => out.write_all(HEAD.as_bytes()),
            Output::Template(_) | Output::Json | Output::Yaml => Ok(()),
        }
    }

    /// Prints a record.
    pub fn print(&self, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Output::Template(template) | Output::Table(template) => template.print(shown, out),
            Output::Json => {
                serde_json::to_writer(&mut *out, &form(shown))?;
                out.write_all(b"\n")
            }
            Output::Yaml => {
                // It cannot fail: texts and numbers, written to memory.
                let text = serde_yaml::to_string(&form(shown)).unwrap_or_default();
                out.write_all(b"---\n")?;
                out.write_all(text.as_bytes())
            }
        }
    }
}

fn form<'a>(shown: &Shown<'a>) -> RecordForm<'a> {
    let record = shown.record;
    let headers = record.headers.clone().map(|(name, value)| HeaderForm {
        name: Bytes::of(name),
        value: value.map(Bytes::of),
    });
    RecordForm {
        topic: shown.topic,
        partition: shown.partition,
        offset: record.offset.get(),
        timestamp: Some(record.timestamp).filter(|it| *it >= 0),
        key: record.key.map(Bytes::of),
        value: record.value.map(Bytes::of),
        headers: headers.collect(),
    }
}

#[cfg(test)]
mod tests;

//! What the programs read and print: one JSON object per line; bytes are hexadecimal, so that null,
//! empty and arbitrary bytes differ.

use std::fmt::Write;

use serde_json::{Value, json};
use tests_clients::{Content, Record};

/// Where a partition starts and ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) partition: i32,
    pub(super) start: i64,
    pub(super) end: i64,
}

/// The first record that is not older than a timestamp, if there is one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) partition: i32,
    pub(super) timestamp: i64,
    pub(super) offset: Option<i64>,
}

/// `contents` as a producer reads them.
pub(super) fn input(contents: &[Content], partition_of: impl Fn(usize) -> i32) -> String {
    let mut input = String::new();
    for (i, content) in contents.iter().enumerate() {
        let header = |(name, value): &(String, Option<Vec<u8>>)| json!({ "name": name, "value": hex(value.as_ref()) });
        let line = json!({
            "partition": partition_of(i),
            "timestamp": content.timestamp,
            "key": hex(content.key.as_ref()),
            "value": hex(content.value.as_ref()),
            "headers": content.headers.iter().map(header).collect::<Vec<_>>(),
        });
        writeln!(input, "{line}").expect("a string takes everything");
    }
    input
}

/// What a producer or a consumer printed.
pub(super) fn records(output: &str) -> Vec<Record> {
    output.lines().map(|line| record(&parse(line))).collect()
}

/// What `offsets` printed; ends in order of partition, which some clients do not keep.
pub(super) fn offsets(output: &str) -> (Vec<Ends>, Vec<Found>) {
    let (mut ends, mut found) = (Vec::new(), Vec::new());
    for line in output.lines().map(parse) {
        let partition = number(&line["partition"]) as i32;
        if line["timestamp"].is_null() {
            ends.push(Ends {
                partition,
                start: number(&line["start"]),
                end: number(&line["end"]),
            });
        } else {
            found.push(Found {
                partition,
                timestamp: number(&line["timestamp"]),
                offset: line["offset"].as_i64(),
            });
        }
    }
    ends.sort_by_key(|ends: &Ends| ends.partition);
    (ends, found)
}

fn record(line: &Value) -> Record {
    let header = |header: &Value| {
        let name = header["name"].as_str().expect("a header has a name");
        (name.to_owned(), unhex(&header["value"]))
    };
    Record {
        partition: number(&line["partition"]) as i32,
        offset: number(&line["offset"]),
        timestamp: number(&line["timestamp"]),
        key: unhex(&line["key"]),
        value: unhex(&line["value"]),
        headers: line["headers"]
            .as_array()
            .expect("headers")
            .iter()
            .map(header)
            .collect(),
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

fn hex(bytes: Option<&Vec<u8>>) -> Value {
    bytes
        .map(|bytes| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        })
        .into()
}

fn unhex(text: &Value) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a hexadecimal digit") as u8;
    let pair = |pair: &[u8]| digit(pair[0]) << 4 | digit(pair[1]);
    text.as_str()
        .map(|text| text.as_bytes().chunks_exact(2).map(pair).collect())
}

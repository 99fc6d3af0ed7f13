//! The configuration file: YAML, with flat names or nested ones.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::error::{ConfigError, Origin, Problem};
use super::settings::Given;

/// No configuration comes near this; a wrong path (a log, a device) is not read to its end.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the file gives, by its lines. Nested maps are joined with dots, lists with commas; a value
/// left out (`log.roll.ms:`) is the default.
pub(super) fn read(path: &Path) -> Result<Vec<Given>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    if read as u64 > FILE_BYTES_MAX {
        let message = format!("larger than {FILE_BYTES_MAX} bytes");
        return Err(unreadable(io::Error::new(
            io::ErrorKind::FileTooLarge,
            message,
        )));
    }
    parse(path, &text).map_err(ConfigError::Invalid)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Given>, Vec<Problem>> {
    let options = serde_yaml::options! { strict_booleans: true, with_snippet: false };
    let document: Spanned<Node> = serde_yaml::from_str_with_options(text, options)
        .map_err(|error| vec![syntax_problem(path, &error)])?;
    let mut flattener = Flattener {
        path,
        given: Vec::new(),
        problems: Vec::new(),
    };
    let line = document.referenced.line();
    match document.value {
        Node::Null => {}
        Node::Map(entries) => flattener.map("", entries),
        Node::Scalar(_) | Node::List(_) => {
            flattener.problem(line, None, "expected `name: value` lines");
        }
    }
    if flattener.problems.is_empty() {
        Ok(flattener.given)
    } else {
        Err(flattener.problems)
    }
}

fn syntax_problem(path: &Path, error: &serde_yaml::Error) -> Problem {
    let line = error.location().map_or(1, |location| location.line());
    let text = error.to_string();
    let message = text.lines().next().unwrap_or("not YAML").to_owned();
    Problem {
        origin: Origin::File {
            path: path.to_owned(),
            line,
        },
        name: None,
        message,
    }
}

struct Flattener<'a> {
    path: &'a Path,
    given: Vec<Given>,
    problems: Vec<Problem>,
}

impl Flattener<'_> {
    fn map(&mut self, prefix: &str, entries: Vec<(Spanned<String>, Spanned<Node>)>) {
        for (key, node) in entries {
            let name = match prefix {
                "" => key.value,
                _ => format!("{prefix}.{}", key.value),
            };
            self.node(name, key.referenced.line(), node.value);
        }
    }

    fn node(&mut self, name: String, line: u64, node: Node) {
        match node {
            Node::Null => self.give(name, line, None),
            Node::Scalar(text) => self.give(name, line, Some(text)),
            Node::Map(entries) => self.map(&name, entries),
            Node::List(nodes) => {
                let mut values = Vec::new();
                for node in nodes {
                    match node.value {
                        Node::Scalar(text) => values.push(text),
                        Node::Null | Node::List(_) | Node::Map(_) => {
                            let line = node.referenced.line();
                            self.problem(line, Some(&name), "expected a list of plain values");
                        }
                    }
                }
                self.give(name, line, Some(values.join(",")));
            }
        }
    }

    fn give(&mut self, name: String, line: u64, text: Option<String>) {
        if let Some(first) = self.given.iter().find(|given| given.name == name) {
            let message = format!("given twice, first at {}", first.origin);
            return self.problem(line, Some(&name), &message);
        }
        self.given.push(Given {
            name,
            text,
            origin: self.origin(line),
        });
    }

    fn problem(&mut self, line: u64, name: Option<&str>, message: &str) {
        self.problems.push(Problem {
            origin: self.origin(line),
            name: name.map(str::to_owned),
            message: message.to_owned(),
        });
    }

    fn origin(&self, line: u64) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line,
        }
    }
}

/// A YAML node whose scalars are text again: what they mean is for the setting's type to say.
enum Node {
    Null,
    Scalar(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a map")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Scalar(value))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = access.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

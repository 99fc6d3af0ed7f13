//! The reference of all settings, as `docs/operating/configuration.md` has it.

use std::fmt::Write;

use super::accepted::ACCEPTED_WITHOUT_EFFECT;
use super::broker_definitions::BROKER_SECTIONS;
use super::definition::{Definition, KafkaDefault};
use super::not_yet::is_not_yet;
use super::topic_definitions::{TOPIC_DEFINITIONS, Unit};

const HEAD: &str = "\
# Configuration

This page is written by `holdfast config --reference` from the tables the broker reads its
configuration with; a test compares the two.

## Sources
Every setting has a safe default, so `holdfast` starts without any. A setting is given in one of
four places, each counting more than the one before:

1. the default;
2. a YAML file, `--config FILE` or `HOLDFAST_CONFIG=FILE`: `name: value` lines. Names may be nested
   (`log:` with `retention.ms: 1000` under it is `log.retention.ms`), lists may be YAML's; a name
   without a value is the default;
3. a variable of the environment: `HOLDFAST_` and the name in capitals, with `_` for every dot.
   `HOLDFAST_LOG_RETENTION_MS` is `log.retention.ms`;
4. a flag: `--data-dir`, `--listen`, `--advertise`, `--admin-listen`, and `--set NAME=VALUE` for
   any setting.

`holdfast config` prints what results and where each value comes from. A name that does not exist,
a value that does not fit and values that contradict each other are all reported at once, with file
and line; the broker then exits with code 2 and has touched nothing. Variables that Kubernetes makes
for a Service of this name (`HOLDFAST_SERVICE_HOST`, `HOLDFAST_PORT_9092_TCP` ...) do not count.

Names, types and bounds are Apache Kafka's where Kafka has the setting. Where the default is another
one, the table says which Kafka's is; *own* marks settings that Kafka does not have. *Dynamic* marks
what Kafka can change while it runs. Times are in milliseconds and sizes in bytes unless the name
says otherwise.
";

/// The page.
pub fn reference() -> String {
    let mut page = Page(HEAD.to_owned());
    page.line("\n## The broker's settings");
    for section in BROKER_SECTIONS {
        page.line(&format!("\n### {}", section.title));
        page.line("| name | default | expected | |\n|---|---|---|---|");
        section
            .definitions
            .iter()
            .for_each(|definition| page.row(definition, None));
    }
    page.topics();
    page.accepted();
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn row(&mut self, definition: &Definition, follows: Option<&str>) {
        let mut notes = vec![definition.importance.name().to_owned()];
        if definition.dynamic && follows.is_none() {
            notes.push("dynamic".to_owned());
        }
        if is_not_yet(definition.name) {
            notes.push("no effect yet".to_owned());
        }
        match definition.kafka_default {
            KafkaDefault::Same => {}
            KafkaDefault::Differs(default) => notes.push(format!("Kafka's default: {default}")),
            KafkaDefault::Absent => notes.push("own".to_owned()),
        }
        let default = match definition.default {
            None => "-".to_owned(),
            Some("") => "empty".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        let follows = follows.unwrap_or_default();
        self.line(&format!(
            "| `{}` | {default} | {} | {}{follows} *({})* |",
            definition.name,
            cell(&definition.expected().to_string()),
            cell(definition.doc),
            notes.join(", ")
        ));
    }

    fn topics(&mut self) {
        self.line(
            "\n## A topic's settings\nGiven when a topic is created. Without a value of its own, a \
             topic follows the broker's setting,\nthe first of those named that is set.\n",
        );
        self.line("| name | default | expected | |\n|---|---|---|---|");
        for topic in TOPIC_DEFINITIONS {
            let follows: Vec<String> = topic
                .synonyms
                .iter()
                .map(|(name, unit)| match unit {
                    Unit::Same => format!("`{name}`"),
                    Unit::Minutes => format!("`{name}` (in minutes)"),
                    Unit::Hours => format!("`{name}` (in hours)"),
                })
                .collect();
            let follows = match follows.is_empty() {
                true => String::new(),
                false => format!(" Follows {}.", follows.join(", ")),
            };
            self.row(&topic.definition, Some(&follows));
        }
    }

    fn accepted(&mut self) {
        self.line(&format!(
            "\n## Settings of Kafka's without effect\nThese {} are accepted, so that a \
             configuration written for Kafka starts, and named once in a\nwarning. So are \
             settings behind `listener.name.NAME.`, `rsm.config.` and `rlmm.config.`. Settings \
             for TLS,\nSASL and authorization are among them: no listener can use these yet, a \
             listener that asks for them is refused,\nand so is `authorizer.class.name`.\n",
            ACCEPTED_WITHOUT_EFFECT.len()
        ));
        for (name, _) in ACCEPTED_WITHOUT_EFFECT {
            self.line(&format!("- `{name}`"));
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

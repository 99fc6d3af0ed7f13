//! The reference of all settings, as `docs/operating/configuration.md` has it.

use std::fmt::Write;

use super::accepted::ACCEPTED_WITHOUT_EFFECT;
use super::broker_definitions::BROKER_SECTIONS;
use super::client_metrics::CLIENT_METRICS_DEFINITIONS;
use super::definition::{Definition, KafkaDefault, Update};
use super::group::GROUP_DEFINITIONS;
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
one, the table says which Kafka's is; *own* marks settings that Kafka does not have. Times are in
milliseconds and sizes in bytes unless the name says otherwise.

## Changes while the broker runs
What is marked *dynamic* can be changed while the broker runs, for all brokers or for one, with
`kafka-configs` or any client that has IncrementalAlterConfigs:

    kafka-configs --bootstrap-server HOST:PORT --alter --entity-type brokers --entity-default --add-config log.retention.ms=86400000
    kafka-configs --bootstrap-server HOST:PORT --alter --entity-type brokers --entity-name 1 --delete-config log.retention.ms

A value for one broker counts more than one for all brokers, and both more than the four sources above.
Topics that do not have the setting themselves follow at once. *Per broker* marks what can only be changed
for one broker, *per listener* what needs the prefix `listener.name.NAME.` for that.

The levels of the log (`log.level`) are changed the same way, until the broker stops, with
`--entity-type broker-loggers`; `--describe` lists the loggers.
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
    page.groups();
    page.accepted();
    page.other_defaults();
    page.0
}

fn update_note(definition: &Definition) -> Option<&'static str> {
    match definition.update {
        Update::ReadOnly => None,
        Update::ClusterWide => Some("dynamic"),
        Update::PerBroker => Some("dynamic, per broker"),
        Update::PerListener => Some("dynamic, per listener"),
    }
}

fn default_of(definition: &Definition) -> String {
    match definition.default {
        None => "-".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
    }
}

struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn row(&mut self, definition: &Definition, follows: Option<&str>) {
        let mut notes = vec![definition.importance.name().to_owned()];
        if follows.is_none() {
            notes.extend(update_note(definition).map(str::to_owned));
        }
        if is_not_yet(definition.name) {
            notes.push("no effect yet".to_owned());
        }
        match definition.kafka_default {
            KafkaDefault::Same => {}
            KafkaDefault::Differs(default) => notes.push(format!("Kafka's default: {default}")),
            KafkaDefault::Absent => notes.push("own".to_owned()),
        }
        let default = default_of(definition);
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

    fn groups(&mut self) {
        self.line(
            "\n## A group's settings\nThose of `share` and `streams` groups are checked, kept and shown, and have no \
             effect yet: there are no such groups.\n\n| name | default | expected | |\n|---|---|---|---|",
        );
        for group in GROUP_DEFINITIONS {
            let follows = group.broker.map(|name| format!(" Follows `{name}`."));
            self.row(&group.definition, Some(&follows.unwrap_or_default()));
        }
        self.line(
            "\n## The settings of a subscription of client metrics\nThey are checked, kept and \
             shown, and have no effect yet: no client is asked for metrics.\n\n\
             | name | default | expected | |\n|---|---|---|---|",
        );
        for definition in CLIENT_METRICS_DEFINITIONS {
            self.row(definition, Some(""));
        }
    }

    fn accepted(&mut self) {
        self.line(&format!(
            "\n## Settings of Kafka's without effect\nThese {} are checked, accepted, shown to \
             clients, and named once in a warning, so that a configuration written\nfor Kafka \
             starts. So are settings behind `listener.name.NAME.`, `rsm.config.` and \
             `rlmm.config.`. Settings for TLS,\nSASL and authorization are among them: no \
             listener can use these yet, a listener that asks for them is refused,\nand so is \
             `authorizer.class.name`. Of the throttles that Kafka takes only while it \
             runs,\n`leader.replication.throttled.rate` and `follower.replication.throttled.rate` have their \
             effect;\n`replica.alter.log.dirs.io.max.bytes.per.second` is kept and shown.\n",
            ACCEPTED_WITHOUT_EFFECT.len()
        ));
        self.line("| name | default | |\n|---|---|---|");
        for definition in ACCEPTED_WITHOUT_EFFECT {
            let note = update_note(definition).map(|note| format!("*({note})*"));
            let default = default_of(definition);
            let note = note.unwrap_or_default();
            self.line(&format!("| `{}` | {default} | {note} |", definition.name));
        }
    }

    fn other_defaults(&mut self) {
        self.line(
            "\n## Defaults that differ from Kafka's\nAll others are the same.\n\n\
             | name | default | Kafka's |\n|---|---|---|",
        );
        for definition in BROKER_SECTIONS
            .iter()
            .flat_map(|section| section.definitions)
        {
            if let KafkaDefault::Differs(kafkas) = definition.kafka_default {
                let default = default_of(definition);
                self.line(&format!("| `{}` | {default} | {kafkas} |", definition.name));
            }
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

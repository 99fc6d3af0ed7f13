use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::config::environment::variable;
use crate::config::settings::broker_definitions;

/// What Apache Kafka 4.3.1 says of itself: the tables of its documentation, and in the last column whether IncrementalAlterConfigs
/// took a value for all brokers, for one, or for a listener.
const KAFKAS_BROKER: &str = include_str!("kafka-4.3.1/broker.tsv");
const KAFKAS_TOPIC: &str = include_str!("kafka-4.3.1/topic.tsv");
const KAFKAS_GROUP: &str = include_str!("kafka-4.3.1/group.tsv");

/// Kafka cannot do without a restart what these can only be given at one here.
const NOT_DYNAMIC_HERE: [&str; 2] = ["listener.security.protocol.map", "listeners"];

/// Bounds that are our own: what is beyond them, this broker cannot do, or no one can want.
const OTHER_BOUNDS: [&str; 15] = [
    "connections.max.idle.ms",
    "default.replication.factor",
    "group.consumer.assignors",
    "log.flush.interval.ms",
    "log.flush.scheduler.interval.ms",
    "log.retention.bytes",
    "log.retention.hours",
    "log.retention.minutes",
    "log.retention.ms",
    "log.roll.jitter.ms",
    "log.roll.ms",
    "num.partitions",
    "queued.max.request.bytes",
    "replica.selector.class",
    "request.timeout.ms",
];

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect())
}

/// Bounds as Kafka prints them.
fn printed(definition: &Definition) -> String {
    match definition.check {
        Check::AtLeast(min) => format!("[{min},...]"),
        Check::Between(min, max) => format!("[{min},...,{max}]"),
        Check::BetweenOr(min, max, or) => format!("[{min},...,{max}] or {or}"),
        Check::Ratio => "[0,...,1]".to_owned(),
        Check::OneOf(values) | Check::ListOf(values) => format!("[{}]", values.join(", ")),
        Check::OneOfAnyCase(values) => format!("(case insensitive) [{}]", values.join(", ")),
        Check::ThrottledReplicas => {
            "[partitionId]:[brokerId],[partitionId]:[brokerId],...".to_owned()
        }
        Check::ShareOffsetReset => "[latest, earliest, by_duration:PnDTnHnMn.nS]".to_owned(),
        _ => String::new(),
    }
}

#[test]
fn broker_settings_are_kafkas() {
    let mut other_bounds = Vec::new();
    for row in rows(KAFKAS_BROKER) {
        let [name, config_type, default, valid, update] = row[..] else {
            panic!("{row:?}");
        };
        let definition = known_definition(name).expect(name);
        assert_eq!(definition.config_type.name(), config_type, "{name}");
        let kafkas = match definition.kafka_default {
            KafkaDefault::Same => Some(definition.default.unwrap_or("-")),
            KafkaDefault::Differs(_) => None,
            KafkaDefault::Absent => panic!("{name} is Kafka's"),
        };
        assert!(kafkas.is_none_or(|kafkas| kafkas == default), "{name}");
        let is_dynamic_here = !NOT_DYNAMIC_HERE.contains(&name);
        assert_eq!(
            definition.update.name() == update,
            is_dynamic_here,
            "{name}"
        );
        // Kafka cannot print what a list or a text must be beyond that.
        if printed(definition) != valid && !valid.starts_with("non-") {
            other_bounds.push(name);
        }
    }
    assert_eq!(other_bounds, OTHER_BOUNDS);
}

#[test]
fn topic_settings_are_kafkas() {
    for row in rows(KAFKAS_TOPIC) {
        let [name, config_type, default, valid] = row[..] else {
            panic!("{row:?}");
        };
        let definition = topic_definition(name).expect(name).definition;
        assert_eq!(definition.config_type.name(), config_type, "{name}");
        assert_eq!(definition.default, Some(default), "{name}");
        assert_eq!(printed(&definition), valid, "{name}");
    }
}

#[test]
fn group_settings_are_kafkas() {
    assert_eq!(GROUP_DEFINITIONS.len(), rows(KAFKAS_GROUP).count());
    for (row, group) in rows(KAFKAS_GROUP).zip(GROUP_DEFINITIONS) {
        let definition = &group.definition;
        let ours = [
            definition.name,
            definition.config_type.name(),
            definition.default.unwrap_or_default(),
            &printed(definition),
        ];
        assert_eq!(ours[..], row[..]);
        for broker in [group.broker, group.min, group.max].into_iter().flatten() {
            assert!(known_definition(broker).is_some(), "{broker}");
        }
    }
}

/// The settings of Apache Kafka 4.3.1's broker, honoured or accepted, are all known.
#[test]
fn every_broker_setting_of_kafka_is_known_once() {
    let kafkas = broker_definitions().filter(|d| d.kafka_default != KafkaDefault::Absent);
    let kafkas = kafkas.chain(ACCEPTED_WITHOUT_EFFECT);
    let kafkas: HashSet<&str> = kafkas.map(|definition| definition.name).collect();
    let expected: HashSet<&str> = rows(KAFKAS_BROKER).map(|row| row[0]).collect();
    assert_eq!(kafkas, expected);
    let mut names = HashSet::new();
    let all = broker_definitions().map(|definition| definition.name);
    for name in all.chain(
        ACCEPTED_WITHOUT_EFFECT
            .iter()
            .map(|definition| definition.name),
    ) {
        assert!(names.insert(name), "{name} is there twice");
    }
}

#[test]
fn tables_that_are_searched_are_sorted() {
    assert!(ACCEPTED_WITHOUT_EFFECT.is_sorted_by(|a, b| a.name < b.name));
    assert!(TOPIC_DEFINITIONS.is_sorted_by(|a, b| a.definition.name < b.definition.name));
    assert_eq!(
        TOPIC_DEFINITIONS.len(),
        35,
        "Kafka's 33, acks.floor and durability"
    );
}

#[test]
fn every_setting_has_a_variable_of_its_own() {
    let mut variables = HashSet::new();
    let all = broker_definitions().map(|definition| definition.name);
    for name in all.chain(
        ACCEPTED_WITHOUT_EFFECT
            .iter()
            .map(|definition| definition.name),
    ) {
        let variable = variable(name);
        assert!(
            variables.insert(variable.clone()),
            "{variable} stands for two"
        );
        let environment = [(variable, "1".to_owned())];
        let (given, problems) = crate::config::environment::read(&environment);
        assert!(problems.is_empty() && given[0].name == name, "{name}");
    }
}

#[test]
fn the_brokers_default_of_a_topics_setting_is_the_topics() {
    let settings = Settings::defaults();
    let described = describe_topic(&BTreeMap::new(), &settings, |_| true);
    for (topic, entry) in TOPIC_DEFINITIONS.iter().zip(described) {
        assert_eq!(
            entry.value.as_deref(),
            topic.definition.default,
            "{}",
            entry.name
        );
    }
}

/// The typed values are taken with the bounds in mind: no bound may be wider than its type.
#[test]
fn bounds_fit_the_types() {
    for definition in broker_definitions() {
        let Some((min, max)) = definition.bounds() else {
            continue;
        };
        for bound in [min, max] {
            let text = bound.to_string();
            match load_flags(&[(definition.name, &text)]) {
                Ok(config) => drop(TopicConfig::resolve(&BTreeMap::new(), &config.settings)),
                // It contradicts the default of another one.
                Err(error) => assert!(error.contains(", expected "), "{error}"),
            }
        }
    }
    let settings = Settings::defaults();
    for topic in TOPIC_DEFINITIONS {
        let Some((min, max)) = topic.definition.bounds() else {
            continue;
        };
        for bound in [min, max] {
            let own = BTreeMap::from([(topic.definition.name.to_owned(), bound.to_string())]);
            TopicConfig::resolve(&own, &settings);
        }
    }
}

#[test]
fn documentation_is_one_sentence_or_more() {
    let topics = TOPIC_DEFINITIONS.iter().map(|topic| &topic.definition);
    for definition in broker_definitions().chain(topics) {
        assert!(definition.doc.ends_with('.'), "{}", definition.name);
        assert!(!definition.doc.contains("  "), "{}", definition.name);
    }
}

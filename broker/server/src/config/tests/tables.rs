use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::config::environment::variable;
use crate::config::settings::broker_definitions;

/// The settings of Apache Kafka 4.3.1's broker, honoured or accepted, are all known.
#[test]
fn every_broker_setting_of_kafka_is_known_once() {
    let kafkas = broker_definitions().filter(|d| d.kafka_default != KafkaDefault::Absent);
    assert_eq!(kafkas.count() + ACCEPTED_WITHOUT_EFFECT.len(), 340);
    let mut names = HashSet::new();
    let all = broker_definitions().map(|definition| definition.name);
    for name in all.chain(ACCEPTED_WITHOUT_EFFECT.iter().map(|(name, _)| *name)) {
        assert!(names.insert(name), "{name} is there twice");
    }
}

#[test]
fn tables_that_are_searched_are_sorted() {
    assert!(ACCEPTED_WITHOUT_EFFECT.is_sorted_by(|a, b| a.0 < b.0));
    assert!(TOPIC_DEFINITIONS.is_sorted_by(|a, b| a.definition.name < b.definition.name));
    assert_eq!(TOPIC_DEFINITIONS.len(), 34, "Kafka's 33 and durability");
}

#[test]
fn every_setting_has_a_variable_of_its_own() {
    let mut variables = HashSet::new();
    let all = broker_definitions().map(|definition| definition.name);
    for name in all.chain(ACCEPTED_WITHOUT_EFFECT.iter().map(|(name, _)| *name)) {
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
    let described = describe_topic(&BTreeMap::new(), &settings);
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
                Err(error) => assert!(error.contains("expected at most"), "{error}"),
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

use std::collections::BTreeMap;

use super::*;

fn find<'a>(entries: &'a [ConfigEntry], name: &str) -> &'a ConfigEntry {
    entries
        .iter()
        .find(|entry| entry.name == name)
        .expect("described")
}

fn synonyms(entry: &ConfigEntry) -> Vec<(&str, Option<&str>, i8)> {
    let shown = |s: &'_ ConfigSynonym| s.source.wire_code();
    entry
        .synonyms
        .iter()
        .map(|s| (s.name.as_str(), s.value.as_deref(), shown(s)))
        .collect()
}

#[test]
fn a_topic_is_described_as_kafka_does() {
    let settings = load_flags(&[("log.retention.minutes", "2")])
        .expect("valid")
        .settings;
    let own = BTreeMap::from([("segment.bytes".to_owned(), "2000000".to_owned())]);
    let entries = describe_topic(&own, &settings);
    assert_eq!(entries.len(), TOPIC_DEFINITIONS.len());

    let segment = find(&entries, "segment.bytes");
    assert_eq!(segment.value.as_deref(), Some("2000000"));
    assert_eq!(segment.source, ConfigSource::DynamicTopic);
    assert_eq!(
        synonyms(segment),
        [
            ("segment.bytes", Some("2000000"), 1),
            ("log.segment.bytes", Some("1073741824"), 5)
        ]
    );
    assert!(!segment.read_only && !segment.sensitive);
    assert_eq!(segment.config_type.wire_code(), 3);

    let retention = find(&entries, "retention.ms");
    assert_eq!(retention.value.as_deref(), Some("120000"));
    assert_eq!(retention.source, ConfigSource::StaticBroker);
    assert_eq!(
        synonyms(retention),
        [
            ("log.retention.minutes", Some("2"), 4),
            ("log.retention.hours", Some("168"), 5)
        ]
    );

    let ratio = find(&entries, "min.cleanable.dirty.ratio");
    assert_eq!(
        (ratio.value.as_deref(), ratio.source),
        (Some("0.5"), ConfigSource::Default)
    );
    assert!(find(&entries, "remote.storage.enable").synonyms.is_empty());
}

#[test]
fn the_broker_is_described_and_its_secrets_are_not() {
    let flags = [
        ("node.id", "7"),
        ("ssl.key.password", "secret"),
        ("num.io.threads", "9"),
    ];
    let entries = describe_broker(&load_flags(&flags).expect("valid").settings);
    assert!(entries.is_sorted_by_key(|entry| entry.name.clone()));
    let node = find(&entries, "node.id");
    assert_eq!(
        (node.value.as_deref(), node.source),
        (Some("7"), ConfigSource::StaticBroker)
    );
    assert!(node.read_only);
    assert_eq!(
        synonyms(node),
        [("node.id", Some("7"), 4), ("node.id", Some("1"), 5)]
    );

    let password = find(&entries, "ssl.key.password");
    assert!(password.sensitive);
    assert_eq!(
        (password.value.as_deref(), synonyms(password)[0].1),
        (None, None)
    );
    assert_eq!(find(&entries, "num.io.threads").value.as_deref(), Some("9"));

    let retention = find(&entries, "log.retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.source),
        (None, ConfigSource::Default)
    );
    assert_eq!(
        synonyms(retention),
        [("log.retention.hours", Some("168"), 5)]
    );
}

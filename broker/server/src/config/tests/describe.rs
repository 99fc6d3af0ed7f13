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
    let entries = describe_topic(&own, &settings, |_| true);
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

    // The minutes count, but Kafka names no source before `log.retention.ms` has a value.
    let retention = find(&entries, "retention.ms");
    assert_eq!(retention.value.as_deref(), Some("120000"));
    assert_eq!(retention.source, ConfigSource::Default);
    assert!(retention.synonyms.is_empty());

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
    let entries = describe_broker(&load_flags(&flags).expect("valid").settings, |_| true);
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
    assert!(retention.synonyms.is_empty());
}

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn everything_is_described_with_its_default() {
    let entries = describe_broker(&Settings::defaults(), |_| true);
    for definition in ACCEPTED_WITHOUT_EFFECT {
        let entry = find(&entries, definition.name);
        assert_eq!(
            (entry.value.as_deref(), entry.source, entry.config_type),
            (
                definition.default,
                ConfigSource::Default,
                definition.config_type
            )
        );
        let expected = definition
            .default
            .map(|default| (definition.name, Some(default), 5));
        assert_eq!(synonyms(entry), Vec::from_iter(expected));
        assert_eq!(entry.read_only, definition.update == Update::ReadOnly);
    }
    let honoured = Settings::defaults().honoured().count();
    assert_eq!(entries.len(), ACCEPTED_WITHOUT_EFFECT.len() + honoured);
}

/// As Apache Kafka 4.3.1 answers after the same changes.
#[test]
fn what_is_set_while_the_broker_runs_counts_more_than_its_files() {
    let files = load_flags(&[("log.retention.minutes", "2"), ("num.io.threads", "7")]);
    let all = overrides(&[
        ("log.retention.ms", "70000"),
        ("log.segment.bytes", "5000000"),
    ]);
    let this = overrides(&[
        ("log.retention.ms", "60000"),
        ("num.io.threads", "9"),
        ("listener.name.plaintext.max.connections", "10"),
        ("listener.name.plaintext.ssl.key.password", "secret"),
        ("leader.replication.throttled.rate", "1000"),
    ]);
    let settings = files.expect("valid").settings.with_dynamic(&all, &this);
    let broker = describe_broker(&settings, |_| true);
    let told = |name: &str| {
        let entry = find(&broker, name);
        let source = entry.source.wire_code();
        (
            entry.value.as_deref(),
            source,
            entry.read_only,
            synonyms(entry),
        )
    };
    let hours = ("log.retention.hours", Some("168"), 5);
    let minutes = ("log.retention.minutes", Some("2"), 4);
    let millis = [
        ("log.retention.ms", Some("60000"), 2),
        ("log.retention.ms", Some("70000"), 3),
        minutes,
        hours,
    ];
    assert_eq!(
        told("log.retention.ms"),
        (Some("60000"), 2, false, millis.to_vec())
    );
    assert_eq!(
        told("log.retention.minutes"),
        (Some("2"), 4, true, vec![minutes, hours])
    );
    assert_eq!(
        told("log.retention.hours"),
        (Some("168"), 5, true, vec![hours])
    );
    let segment = ("log.segment.bytes", Some("5000000"), 3);
    let default = ("log.segment.bytes", Some("1073741824"), 5);
    assert_eq!(
        told("log.segment.bytes"),
        (Some("5000000"), 3, false, vec![segment, default])
    );
    let threads = [
        ("num.io.threads", Some("9"), 2),
        ("num.io.threads", Some("7"), 4),
        ("num.io.threads", Some("8"), 5),
    ];
    assert_eq!(
        told("num.io.threads"),
        (Some("9"), 2, false, threads.to_vec())
    );
    let listeners = [
        ("listener.name.plaintext.max.connections", Some("10"), 2),
        ("max.connections", Some("20000"), 5),
    ];
    assert_eq!(
        told("listener.name.plaintext.max.connections"),
        (Some("10"), 2, true, listeners.to_vec())
    );
    let password = "listener.name.plaintext.ssl.key.password";
    assert_eq!(told(password), (None, 2, true, vec![(password, None, 2)]));
    let rate = "leader.replication.throttled.rate";
    assert_eq!(
        told(rate),
        (Some("1000"), 2, false, vec![(rate, Some("1000"), 2)])
    );

    let all = describe_all_brokers(&settings, |_| true);
    let told: Vec<_> = all
        .iter()
        .map(|entry| {
            (
                entry.value.as_deref(),
                entry.source.wire_code(),
                synonyms(entry),
            )
        })
        .collect();
    let retention = ("log.retention.ms", Some("70000"), 3);
    assert_eq!(
        told,
        [
            (Some("70000"), 3, vec![retention]),
            (Some("5000000"), 3, vec![segment])
        ]
    );

    let topic = describe_topic(&BTreeMap::new(), &settings, |_| true);
    let retention = find(&topic, "retention.ms");
    assert_eq!(
        (
            retention.value.as_deref(),
            retention.source,
            synonyms(retention)
        ),
        (Some("60000"), ConfigSource::DynamicBroker, millis.to_vec())
    );
    assert_eq!(
        TopicConfig::resolve(&BTreeMap::new(), &settings).segment_bytes,
        5_000_000
    );
}

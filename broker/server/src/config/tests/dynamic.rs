use std::collections::BTreeMap;

use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn check(pairs: Pairs<'_>, for_one_broker: bool) -> Result<(), String> {
    let pairs = pairs.iter();
    let configs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    validate_broker_configs(&configs.collect(), for_one_broker).map_err(|error| error.to_string())
}

/// Codes aside, what Apache Kafka 4.3.1 answers.
#[test]
fn messages_and_their_order_are_kafkas() {
    let read_only = "Cannot update these configs dynamically: ";
    let per_listener = "These security configs can be dynamically updated only per-listener using the listener prefix: ";
    let per_broker =
        "Cannot update these configs at default cluster level, broker id must be specified: ";
    let retention = "Invalid value x for configuration log.retention.ms: Not a number of type LONG";
    let cases: [(Pairs<'_>, bool, String); 12] = [
        (&[("num.partitions", "5"), ("node.id", "4")], true, format!("{read_only}[node.id, num.partitions]")),
        (&[("num.partitions", "x"), ("log.retention.ms", "x"), ("ssl.key.password", "x")], false, format!("{read_only}[num.partitions]")),
        (&[("ssl.key.password", "x"), ("log.retention.ms", "x")], false, format!("{per_listener}[ssl.key.password]")),
        (&[("log.retention.ms", "x"), ("sasl.jaas.config", "x")], false, retention.to_owned()),
        (&[("log.retention.ms", "1"), ("sasl.jaas.config", "x")], false, format!("{per_broker}[sasl.jaas.config]")),
        (&[("listener.name.a.ssl.key.password", "x")], false, format!("{per_broker}[listener.name.a.ssl.key.password]")),
        (&[("listener.name.a.max.connections", "x")], true, "Invalid value x for configuration max.connections: Not a number of type INT".to_owned()),
        (&[("log.segment.bytes", "1")], true, "Invalid value 1 for configuration log.segment.bytes: Value must be at least 1048576".to_owned()),
        (&[("leader.replication.throttled.rate", "-1")], false, "Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least 0".to_owned()),
        (&[("num.io.threads", "0")], true, "Invalid value 0 for configuration num.io.threads: Value must be at least 1".to_owned()),
        (&[("nope", "1"), ("num.partitions", "5")], true, "Unknown config name: nope".to_owned()),
        (&[("listener.name.a.nope", "1")], true, "Unknown config name: listener.name.a.nope".to_owned()),
    ];
    for (configs, for_one_broker, message) in cases {
        assert_eq!(check(configs, for_one_broker), Err(message));
    }
}

#[test]
fn what_kafka_takes_is_taken() {
    let taken: [(Pairs<'_>, bool); 9] = [
        (&[], true),
        (
            &[
                ("log.retention.ms", "-1"),
                ("log.retention.bytes", "-1"),
                ("log.segment.bytes", " 1048576 "),
            ],
            false,
        ),
        (
            &[
                ("compression.type", "zstd"),
                ("log.cleanup.policy", "compact,delete"),
                ("log.cleanup.policy", ""),
            ],
            false,
        ),
        (
            &[
                ("num.io.threads", "5"),
                ("background.threads", "3"),
                ("max.connections", "1"),
            ],
            false,
        ),
        (
            &[("sasl.jaas.config", "anything"), ("cordoned.log.dirs", "*")],
            true,
        ),
        (&[("listener.name.a.ssl.keystore.location", "/etc/a")], true),
        (&[("listener.name.a.max.connections", "5")], false),
        (&[("listener.name.a.connections.max.reauth.ms", "5")], true),
        (
            &[
                ("follower.replication.throttled.rate", "5"),
                ("replica.alter.log.dirs.io.max.bytes.per.second", "0"),
            ],
            false,
        ),
    ];
    for (configs, for_one_broker) in taken {
        assert_eq!(check(configs, for_one_broker), Ok(()), "{configs:?}");
    }
}

/// Nobody could connect any more, to take it back.
#[test]
fn no_connections_at_all_cannot_be_asked_for() {
    for name in ["max.connections", "max.connections.per.ip"] {
        assert_eq!(
            check(&[(name, "0")], true),
            Err(format!("Invalid {name} 0"))
        );
    }
}

/// A log is not to be deleted as it is written.
#[test]
fn retention_is_a_time_or_without_bound() {
    for name in [
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ] {
        let error = load_flags(&[(name, "0")]).expect_err("no time");
        assert!(error.contains(name) && error.contains("or -1"), "{error}");
        load_flags(&[(name, "-1")]).expect("without bound");
    }
    assert!(check(&[("log.retention.ms", "0")], true).is_err());
}

#[test]
fn what_this_version_could_not_set_does_not_count() {
    let stored = BTreeMap::from(
        [
            ("num.partitions", "9"),
            ("log.segment.bytes", "1"),
            ("gone", "1"),
            ("message.max.bytes", "7"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let settings = Settings::defaults().with_dynamic(&stored, &BTreeMap::new());
    let changed: Vec<&str> = settings
        .honoured()
        .filter(|setting| !setting.is_default())
        .map(|setting| setting.definition.name)
        .collect();
    assert_eq!(changed, ["message.max.bytes"]);
    assert_eq!(settings.accepted().count(), 0);
}

#[test]
fn settings_in_force_follow_and_go_back() {
    let live = LiveSettings::new(
        load_flags(&[("message.max.bytes", "5000")])
            .expect("valid")
            .settings,
    );
    let set = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let bytes = || live.now().number::<i64>("message.max.bytes");
    let none = BTreeMap::new();
    assert_eq!(bytes(), 5000);
    live.set(&set("message.max.bytes", "6000"), &none);
    assert_eq!(bytes(), 6000);
    live.set(
        &set("message.max.bytes", "6000"),
        &set("message.max.bytes", "7000"),
    );
    assert_eq!(bytes(), 7000);
    live.set(&none, &none);
    assert_eq!(bytes(), 5000);
}

use std::path::PathBuf;

use super::super::{Acks, Compression};
use super::*;

fn read(workload: &str, driver: &str) -> Omb {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/omb");
    let omb = Omb::read(&directory.join(workload), &directory.join(driver)).unwrap();
    omb.workload.check().unwrap();
    omb
}

#[track_caller]
fn assert_notes(omb: &Omb, expected: &[&str]) {
    let name = |note: &String| note.split(": ").next().unwrap_or_default().to_owned();
    let names: Vec<String> = omb.notes.iter().map(name).collect();
    assert_eq!(names, expected, "{:#?}", omb.notes);
}

const DRIVER: &str = "
driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver
";
const WORKLOAD: &str = "
topics: 1
partitionsPerTopic: 4
messageSize: 100
producersPerTopic: 1
producerRate: 1000
testDurationMinutes: 1
";

/// With lines instead of those that begin alike, or beside them.
fn with(lines: &[&str]) -> String {
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let replaced: Vec<String> = lines.iter().map(|line| name(line)).collect();
    let kept = WORKLOAD
        .lines()
        .filter(|line| !replaced.contains(&name(line)));
    let all: Vec<&str> = kept.chain(lines.iter().copied()).collect();
    all.join("\n")
}

#[track_caller]
fn assert_refused(workload: &str, driver: &str, said: &str) {
    let omb = Omb::parse(workload, driver);
    let checked = omb.and_then(|omb| omb.workload.check());
    let error = checked.unwrap_err();
    assert!(matches!(error, BenchError::Workload { .. }), "{error:?}");
    assert!(error.to_string().contains(said), "{error}");
}

#[test]
fn a_workload_and_a_driver_are_a_load() {
    let omb = read("many-partitions.yaml", "kafka.yaml");
    let expected = Workload {
        name: "4 producers / 2 subscriptions / 1 kB".to_owned(),
        topics: 2,
        partitions: 50,
        replication_factor: Some(3),
        topic_configs: [("min.insync.replicas", "2"), ("retention.ms", "3600000")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        producers: 4,
        rate: Rate(200_000.0),
        size: Size(1_024),
        // 200,000 per second / (4 producers * 50 partitions) * 10 ms
        batch_records: 10,
        window: 100,
        compression: Compression::Lz4,
        random_share: 0.5,
        keys: Keys::Uniform { count: 10_000 },
        acks: Acks::All,
        consumer_groups: 2,
        warm_up: Span(Duration::from_secs(300)),
        duration: Span(Duration::from_secs(900)),
        ..Workload::default()
    };
    assert_eq!(omb.workload, expected);
    assert_eq!(omb.bootstrap.as_deref(), Some("one:9092,two:9092"));
    assert_notes(
        &omb,
        &[
            "reset",
            "commonConfig, request.timeout.ms",
            "commonConfig, sasl.jaas.config",
            "producerConfig, enable.idempotence",
            "consumerConfig, enable.auto.commit",
            "consumerConfig, max.partition.fetch.bytes",
            "producersPerTopic",
            "keyDistributor",
            "randomizedPayloadPoolSize",
            "consumerPerSubscription",
            "publishPauseMillis",
        ],
    );
    assert!(!omb.notes.concat().contains("secret"));
}

#[test]
fn a_backlog_is_what_all_subscriptions_have_before_them() {
    let omb = read("backlog.yaml", "kafka-defaults.yaml");
    let workload = &omb.workload;
    assert_eq!(workload.consumer_groups, 2);
    assert_eq!(workload.backlog, Size(2 << 30));
    // 2 GiB at 50,000 records of 1 KiB per second, and ten minutes.
    assert_eq!(workload.duration, Span(Duration::from_secs(600 + 42)));
    assert_eq!(workload.warm_up, Span(Duration::from_secs(60)));
    assert_eq!(workload.random_share, 1.0);
    assert_notes(
        &omb,
        &["payloadFile", "consumerBacklogSizeGB", "backlogDrainRatio"],
    );
}

#[test]
fn defaults_are_those_of_the_driver() {
    let omb = read("maximum.yaml", "kafka-defaults.yaml");
    let workload = &omb.workload;
    assert_eq!((workload.rate, workload.window), (Rate(0.0), 5));
    // What 16 KiB have room for.
    assert_eq!(workload.batch_records, 163);
    assert_eq!(workload.replication_factor, None);
    assert_eq!(workload.warm_up, Span(Duration::ZERO));
    assert_eq!(workload.acks, Acks::All);
    assert_notes(&omb, &["producerRate", "randomizedPayloadPoolSize"]);
    let at_once = Omb::parse(WORKLOAD, DRIVER).unwrap().workload;
    assert_eq!((at_once.batch_records, at_once.name.as_str()), (1, "omb"));
}

#[test]
fn what_would_be_another_load_is_refused() {
    for (line, said) in [
        ("keyDistributor: BY_MOON", "keyDistributor"),
        ("messageSize: a lot", "messageSize: \"a lot\" is not"),
        ("messageSize: -1", "messageSize"),
        ("messageSize: null", "messageSize: is missing"),
        ("randomBytesRatio: 1.5", "randomBytesRatio"),
        ("useRandomizedPayloads: 7", "useRandomizedPayloads"),
        ("testDurationMinutes: 0", "without an end"),
        ("testDurationMinutes: 99999999", "testDurationMinutes"),
        ("subscriptionsPerTopic: 1", "subscriptionsPerTopic"),
        ("consumerPerSubscription: 1", "consumerPerSubscription"),
        ("consumerBacklogSizeGB: 1", "a backlog needs a consumer"),
        ("producerIncrementRate: 5", "--sweep"),
        (
            "messageSizeDistribution: {'0-9': 1}",
            "messageSizeDistribution",
        ),
        ("name: [1]", "name: [1] is not a text"),
    ] {
        assert_refused(&with(&[line]), DRIVER, said);
    }
    let no_rate = [
        "producerRate: 0",
        "consumerBacklogSizeGB: 1",
        "subscriptionsPerTopic: 1",
        "consumerPerSubscription: 1",
    ];
    assert_refused(&with(&no_rate), DRIVER, "needs a producerRate");
    for text in ["", "[1]", "topics: 1\ntopics: 2", "\"", "topics: 1"] {
        assert!(Omb::parse(text, DRIVER).is_err(), "{text}");
    }
}

#[test]
fn what_is_more_than_a_workload_may_have_is_refused() {
    for (line, said) in [
        ("topics: 0", "topics"),
        ("topics: 10001", "topics"),
        ("partitionsPerTopic: 1099511627776", "partitions"),
        ("producersPerTopic: 1099511627776", "producers"),
        ("messageSize: 1099511627776", "size"),
        ("messageSize: 1e30", "messageSize"),
    ] {
        assert_refused(&with(&[line]), DRIVER, said);
    }
}

#[test]
fn drivers_other_than_kafkas_are_refused() {
    assert_refused(WORKLOAD, "name: Kafka", "driverClass: is missing");
    let pulsar = "driverClass: io.openmessaging.benchmark.driver.pulsar.PulsarBenchmarkDriver";
    assert_refused(WORKLOAD, pulsar, "PulsarBenchmarkDriver is not");
    for (line, said) in [
        ("producerConfig: acks=0", "acks"),
        ("producerConfig: compression.type=lzma", "compression.type"),
        ("producerConfig: linger.ms=soon", "linger.ms"),
        ("producerConfig: transactional.id=it", "transactional.id"),
        ("producerConfig: [1]", "producerConfig"),
        ("replicationFactor: 0", "replicationFactor"),
        ("replicationFactor: 99999", "replicationFactor"),
    ] {
        assert_refused(WORKLOAD, &format!("{DRIVER}{line}\n"), said);
    }
}

#[test]
fn what_producers_say_counts_before_what_is_common() {
    let driver = format!(
        "{DRIVER}commonConfig: |\n  acks=1\n  linger.ms=7\n  bootstrap.servers=a:1\n\
         producerConfig: |\n  acks=all\n  bootstrap.servers=b:1\nreplicationFactor: -1\n"
    );
    let omb = Omb::parse(WORKLOAD, &driver).unwrap();
    assert_eq!(omb.workload.acks, Acks::All);
    assert_eq!(omb.producer.linger, Duration::from_millis(7));
    assert_eq!(omb.bootstrap.as_deref(), Some("b:1"));
    assert_eq!(omb.workload.replication_factor, None);
    assert_notes(&omb, &[]);
}

#[test]
fn a_file_has_bounds() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file()
        .set_len(super::super::FILE_BYTES_MAX + 1)
        .unwrap();
    let error = Omb::read(file.path(), file.path()).unwrap_err();
    assert!(error.to_string().contains("more than 1 MiB"), "{error}");
}

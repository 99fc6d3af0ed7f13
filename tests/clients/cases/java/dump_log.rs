//! Kafka's own reader of files, `DumpLogSegments`, over what a broker left behind: every batch, record and index entry, without complaint.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, Holdfast, HoldfastConfig};
use tests_clients::{
    Backend, CODECS, Content, NUM_PARTITIONS, Record, Target, assert_same, bulk, ends, in_turn, run,
};

use crate::librdkafka::client::{acknowledged, produce};

const TOPIC: &str = "dumped";
const SETTINGS: [(&str, &str); 3] = [
    ("num.partitions", "3"),
    // The smallest there is, so that segments are rolled.
    ("log.segment.bytes", "1048576"),
    ("auto.create.topics.enable", "true"),
];
/// Enough without compression for more than a segment in each partition.
const PLAIN_RECORDS: usize = 24_000;
const COMPRESSED_RECORDS: usize = 3_000;

/// The broker that others share is not to be stopped, so this case has its own.
enum Broker {
    Apache(ApacheKafka),
    Holdfast(Holdfast),
}

impl Broker {
    fn start(backend: Backend) -> Broker {
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        match backend {
            Backend::Apache => {
                let config = ApacheKafkaConfig {
                    heap: "512m".to_owned(),
                    properties: settings.to_vec(),
                    ..ApacheKafkaConfig::default()
                };
                Broker::Apache(ApacheKafka::start(config).expect("Apache Kafka starts"))
            }
            Backend::Holdfast | Backend::HoldfastThreads => {
                let mut config = HoldfastConfig {
                    settings: settings.to_vec(),
                    ..HoldfastConfig::default()
                };
                if backend == Backend::HoldfastThreads {
                    config = config.set("io.engine", "threads");
                }
                Broker::Holdfast(Holdfast::start(config).expect("Holdfast starts"))
            }
        }
    }

    fn target(&self, backend: Backend) -> Target {
        let bootstrap = match self {
            Broker::Apache(kafka) => kafka.bootstrap(),
            Broker::Holdfast(holdfast) => holdfast.bootstrap(),
        };
        Target { backend, bootstrap }
    }

    fn stop(&mut self) {
        match self {
            Broker::Apache(kafka) => kafka.stop(0).expect("it stops"),
            Broker::Holdfast(holdfast) => assert!(holdfast.stop().expect("it stops").success()),
        }
    }

    fn kill9(&mut self) {
        match self {
            Broker::Apache(kafka) => kafka.kill9(0),
            Broker::Holdfast(holdfast) => holdfast.kill9(),
        }
    }

    fn restart(&mut self) {
        match self {
            Broker::Apache(kafka) => kafka.restart(0).expect("it starts again"),
            Broker::Holdfast(holdfast) => holdfast.restart().expect("it starts again"),
        }
    }

    fn data_dir(&self) -> PathBuf {
        match self {
            Broker::Apache(kafka) => kafka.data_dir(0),
            Broker::Holdfast(holdfast) => holdfast.data_dir().to_owned(),
        }
    }
}

pub(super) fn dump_log(target: &Target) {
    let mut broker = Broker::start(target.backend);
    let mut expected = Vec::new();
    load(&broker.target(target.backend), &mut expected, &CODECS);
    broker.stop();
    check(&broker.data_dir(), &expected);

    // The journal of a killed broker goes to the same files, and the segments go on where they were.
    broker.restart();
    load(
        &broker.target(target.backend),
        &mut expected,
        &["zstd", "none"],
    );
    broker.kill9();
    broker.restart();
    load(&broker.target(target.backend), &mut expected, &["lz4"]);
    broker.stop();
    check(&broker.data_dir(), &expected);
}

/// Produces with each codec, idempotent and not in turn.
fn load(target: &Target, expected: &mut Vec<Record>, codecs: &[&str]) {
    for (nth, codec) in codecs.iter().enumerate() {
        let count = if *codec == "none" {
            PLAIN_RECORDS
        } else {
            COMPRESSED_RECORDS
        };
        let contents: Vec<Content> = bulk(count);
        let idempotent = if nth % 2 == 0 { "true" } else { "false" };
        let settings = [
            ("compression.codec", *codec),
            ("enable.idempotence", idempotent),
            ("linger.ms", "20"),
            ("batch.num.messages", "200"),
        ];
        let before = ends(expected);
        let reports = acknowledged(produce(target, TOPIC, &contents, &settings));
        let sent = in_turn(&contents, before);
        let place = |record: &Record| (record.partition, record.offset);
        assert!(
            sent.iter().map(place).eq(reports.iter().map(place)),
            "offsets have gaps"
        );
        expected.extend(sent);
    }
}

/// Reads all files of all partitions.
#[track_caller]
fn check(data_dir: &Path, expected: &[Record]) {
    let mut records = Vec::new();
    for partition in 0..NUM_PARTITIONS {
        let dir = data_dir.join(format!("{TOPIC}-{partition}"));
        let logs = files(&dir, "log");
        assert!(logs.len() >= 2, "{logs:?} are not rolled");
        records.extend(dump(&logs, partition));
        check_indexes(&dir);
        let snapshots = files(&dir, "snapshot");
        assert!(!snapshots.is_empty(), "{} has no snapshot", dir.display());
        let producers = dump_log_segments(&snapshots, &[]);
        let known = |line: &str| line.starts_with("Dumping ") || line.starts_with("producerId: ");
        assert!(producers.lines().all(known), "{producers}");
        assert!(producers.contains("producerId: "), "{producers}");
    }
    // The tool does not print the values of headers.
    let expected: Vec<Record> = expected
        .iter()
        .cloned()
        .map(without_header_values)
        .collect();
    assert_same(&expected, &records);

    // What holds the metadata is a log as well.
    let metadata = data_dir.join("__cluster_metadata-0");
    dump(&files(&metadata, "log"), 0);
    check_indexes(&metadata);
}

/// Every entry of every index points to a batch that is there, and a broker of Kafka's would take them as they are.
#[track_caller]
fn check_indexes(dir: &Path) {
    let indexes = [files(dir, "index"), files(dir, "timeindex")].concat();
    let sanity = dump_log_segments(&indexes, &["--index-sanity-check"]);
    let passed = sanity
        .lines()
        .filter(|line| line.ends_with("passed sanity check."))
        .count();
    assert_eq!(passed, indexes.len(), "{sanity}");
    let entries = dump_log_segments(&indexes, &[]);
    for line in entries.lines() {
        let is_known = ["Dumping ", "offset: ", "timestamp: "]
            .iter()
            .any(|it| line.starts_with(it));
        assert!(is_known, "{line}\n{}", dir.display());
    }
    let verified = dump_log_segments(&indexes, &["--verify-index-only"]);
    assert!(
        verified.lines().all(|line| line.starts_with("Dumping ")),
        "{verified}"
    );
}

/// The records of a partition's segments, which must follow one another without a gap.
#[track_caller]
fn dump(logs: &[PathBuf], partition: i32) -> Vec<Record> {
    let output = dump_log_segments(logs, &["--deep-iteration", "--print-data-log"]);
    let mut records = Vec::new();
    let mut counted = 0;
    for line in output.lines() {
        if let Some(record) = line.strip_prefix("| ") {
            records.push(parse(record, partition));
        } else if line.starts_with("baseOffset: ") {
            assert!(line.contains(" isvalid: true"), "{line}");
            let fields: Vec<&str> = line.split(' ').collect();
            let count = fields
                .windows(2)
                .find(|pair| pair[0] == "count:")
                .map(|pair| pair[1]);
            counted += count
                .and_then(|it| it.parse::<usize>().ok())
                .expect("a count");
        } else {
            let is_known =
                line.starts_with("Dumping ") || line.starts_with("Log starting offset: ");
            assert!(is_known, "{line}");
        }
    }
    assert_eq!(records.len(), counted);
    assert!(
        records
            .iter()
            .map(|it| it.offset)
            .eq(0..records.len() as i64),
        "offsets have gaps"
    );
    records
}

#[track_caller]
fn dump_log_segments(files: &[PathBuf], options: &[&str]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let mut tool = peer::tool("dump-log").expect("Kafka's jars");
    run(tool.args(options).arg("--files").arg(names.join(",")))
}

/// `offset: 5 CreateTime: 1 keySize: 3 valueSize: 5 sequence: -1 headerKeys: [a,b] key: abc payload: value`
fn parse(line: &str, partition: i32) -> Record {
    let (fields, contents) = line
        .split_once(" headerKeys: [")
        .unwrap_or_else(|| panic!("{line}"));
    let words: Vec<&str> = fields.split(' ').collect();
    let numbers: BTreeMap<&str, i64> = words
        .chunks_exact(2)
        .filter_map(|pair| Some((pair[0], pair[1].parse().ok()?)))
        .collect();
    let number = |name: &str| {
        *numbers
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {line}"))
    };
    let (names, contents) = contents.split_once(']').unwrap_or_else(|| panic!("{line}"));
    let headers = names.split(',').filter(|name| !name.is_empty());
    // Each may be left out, and a value may hold anything: the sizes say where they end.
    let taken = |text: &str, name: &str, size: i64| {
        let size = usize::try_from(size).ok()?;
        let rest = text
            .strip_prefix(name)
            .unwrap_or_else(|| panic!("no{name} in {line}"));
        Some(rest.as_bytes()[..size].to_vec())
    };
    let key = taken(contents, " key: ", number("keySize:"));
    let rest = match &key {
        Some(key) => &contents[" key: ".len() + key.len()..],
        None => contents.strip_prefix(" key: null").unwrap_or(contents),
    };
    Record {
        partition,
        offset: number("offset:"),
        timestamp: number("CreateTime:"),
        key,
        value: taken(rest, " payload: ", number("valueSize:")),
        headers: headers.map(|name| (name.to_owned(), None)).collect(),
    }
}

fn without_header_values(mut record: Record) -> Record {
    record
        .headers
        .iter_mut()
        .for_each(|(_, value)| *value = None);
    record
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect();
    files.sort();
    files
}

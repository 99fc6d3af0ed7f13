//! Kafka's own reader of files, `DumpLogSegments`, over what a broker left behind: every batch, record and index entry, without complaint.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use tests_clients::{
    CODECS, Content, NUM_PARTITIONS, Record, Target, assert_same, bulk, ends, in_turn, run,
};

use crate::librdkafka::client::{acknowledged, produce};
use crate::own_broker::Broker;

const TOPIC: &str = "dumped";
/// Enough without compression for more than a segment in each partition.
const PLAIN_RECORDS: usize = 24_000;
const COMPRESSED_RECORDS: usize = 3_000;

pub(super) fn dump_log(target: &Target) {
    let mut broker = Broker::start(target.backend, &[]);
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

/// A broker that stores Zstandard, whatever producers send.
pub(super) fn one_codec(target: &Target) {
    let stored = [
        ("compression.type", "zstd"),
        ("compression.zstd.level", "1"),
    ];
    let mut broker = Broker::start(target.backend, &stored);
    let mut expected = Vec::new();
    load(&broker.target(target.backend), &mut expected, &CODECS);
    broker.stop();
    let data_dir = broker.data_dir();
    let dirs: Vec<PathBuf> = (0..NUM_PARTITIONS)
        .map(|partition| data_dir.join(format!("{TOPIC}-{partition}")))
        .collect();
    let expected: Vec<Record> = expected.into_iter().map(without_header_values).collect();
    assert_same(&expected, &dump(&dirs));
    let batches = dump_log_segments(&all(&dirs, "log"), &[]);
    let batches = batches
        .lines()
        .filter(|line| line.starts_with("baseOffset: "));
    let codecs: BTreeSet<&str> = batches
        .map(|line| {
            let (_, rest) = line.split_once(" compresscodec: ").expect("a codec");
            rest.split(' ').next().unwrap_or_default()
        })
        .collect();
    assert_eq!(codecs, BTreeSet::from(["zstd"]));
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

/// Reads all files of all partitions. A start of Java's machine takes longer than the reading, so each kind is read in one go.
#[track_caller]
fn check(data_dir: &Path, expected: &[Record]) {
    let partitions = 0..NUM_PARTITIONS;
    let dirs: Vec<PathBuf> = partitions
        .map(|partition| data_dir.join(format!("{TOPIC}-{partition}")))
        .collect();
    for dir in &dirs {
        assert!(
            files(dir, "log").len() >= 2,
            "{} is not rolled",
            dir.display()
        );
    }
    // The tool does not print the values of headers.
    let expected: Vec<Record> = expected
        .iter()
        .cloned()
        .map(without_header_values)
        .collect();
    assert_same(&expected, &dump(&dirs));

    let snapshots = all(&dirs, "snapshot");
    assert!(
        dirs.iter().all(|dir| !files(dir, "snapshot").is_empty()),
        "{snapshots:?}"
    );
    let producers = dump_log_segments(&snapshots, &[]);
    assert_knows(&producers, &["producerId: "]);
    assert!(producers.contains("producerId: "), "{producers}");

    // What holds the metadata is a log as well.
    let metadata = data_dir.join("__cluster_metadata-0");
    let with_metadata = [&dirs[..], &[metadata]].concat();
    check_indexes(&with_metadata);
    dump_log_segments(
        &files(&with_metadata[dirs.len()], "log"),
        &["--deep-iteration"],
    )
    .lines()
    .filter(|line| line.starts_with("baseOffset: "))
    .for_each(|line| assert!(line.contains(" isvalid: true"), "{line}"));
}

/// Every entry of every index points to a batch that is there, and a broker of Kafka's would take them as they are.
#[track_caller]
fn check_indexes(dirs: &[PathBuf]) {
    let indexes = [all(dirs, "index"), all(dirs, "timeindex")].concat();
    let sanity = dump_log_segments(&indexes, &["--index-sanity-check"]);
    let is_sane =
        |line: &&str| line.ends_with(" passed sanity check.") || line.ends_with(" is empty.");
    assert_eq!(
        sanity.lines().filter(is_sane).count(),
        indexes.len(),
        "{sanity}"
    );
    assert_eq!(sanity.lines().count(), 2 * indexes.len(), "{sanity}");
    assert_knows(
        &dump_log_segments(&indexes, &[]),
        &["offset: ", "timestamp: "],
    );
}

/// The records of the partitions, which must follow one another without a gap.
#[track_caller]
fn dump(dirs: &[PathBuf]) -> Vec<Record> {
    let output = dump_log_segments(&all(dirs, "log"), &["--deep-iteration", "--print-data-log"]);
    assert_knows(
        &output,
        &["Log starting offset: ", "baseOffset: ", "| offset: "],
    );
    let mut records: Vec<Record> = Vec::new();
    let (mut partition, mut next, mut counted) = (0, 0, 0);
    for line in output.lines() {
        if let Some(file) = line.strip_prefix("Dumping ") {
            let dir = Path::new(file).parent();
            let at = dirs.iter().position(|it| Some(it.as_path()) == dir);
            let at = at.expect("one of those asked for") as i32;
            if at != partition {
                (partition, next) = (at, 0);
            }
        } else if let Some(record) = line.strip_prefix("| ") {
            let record = parse(record, partition);
            assert_eq!(record.offset, next, "offsets have gaps: {line}");
            next += 1;
            records.push(record);
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
        }
    }
    assert_eq!(records.len(), counted);
    records
}

/// The tool complains on lines of their own, and ends with success all the same.
#[track_caller]
fn assert_knows(output: &str, beginnings: &[&str]) {
    for line in output.lines() {
        let is_known = line.starts_with("Dumping ")
            || line.ends_with(" is empty.")
            || beginnings
                .iter()
                .any(|beginning| line.starts_with(beginning));
        assert!(is_known, "{line}");
    }
}

fn all(dirs: &[PathBuf], extension: &str) -> Vec<PathBuf> {
    dirs.iter().flat_map(|dir| files(dir, extension)).collect()
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

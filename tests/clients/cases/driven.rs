//! Clients in other languages, each driven by a program of ours in that language. The programs know
//! the same commands, so that the cases are the same for all of them:
//!
//! - `produce` reads records from standard input, sends them, and prints them as acknowledged;
//! - `consume` prints records, without a group;
//! - `group` prints records that the members of a group have read, and commits them;
//! - `offsets` prints where partitions start and end, and what is found at timestamps;
//! - `admin` goes through the life of a topic, and `alter` changes one; they check the answers
//!   themselves, as the client gives them.

mod lines;

use std::process::Command;

use tests_clients::{
    CODECS, Case, Client, Content, NUM_PARTITIONS, Record, Target, assert_same, bulk, edge_cases,
    ends, in_turn, partition_of, run, run_with_input,
};

use lines::{Ends, Found};

/// A client with a program that drives it.
pub(crate) trait Driver {
    /// Which.
    const CLIENT: Client;
    /// The codecs it has.
    const CODECS: &'static [&'static str] = &CODECS;
    /// Whether it has an idempotent producer.
    const IDEMPOTENT: bool = true;

    /// The program, installed if need be.
    fn program() -> Command;

    /// Whether it consumes in groups, and its program knows the command.
    const GROUPS: bool = false;

    /// Whether it has the consumer group protocol of KIP-848.
    const CONSUMER_PROTOCOL: bool = false;

    /// Whether the client can send such a record. What it cannot is left out.
    fn sends(_content: &Content) -> bool {
        true
    }

    /// A record as the client reads it, where that differs from what it is.
    fn reads(record: Record) -> Record {
        record
    }
}

/// The cases of every such client.
pub(crate) fn cases<D: Driver>() -> Vec<Case> {
    let case = |name, run| Case {
        client: D::CLIENT,
        name,
        run,
        smoke: name == "smoke",
    };
    let mut cases = vec![
        case("smoke", smoke::<D>),
        case("edge_cases", every_shape::<D>),
        case("codecs", codecs::<D>),
        case("acks", acks::<D>),
        case("offsets", offsets::<D>),
        case("times", times::<D>),
        case("admin", admin::<D>),
        case("alter", alter::<D>),
    ];
    if D::GROUPS {
        cases.push(case("group", group::<D>));
    }
    if D::CONSUMER_PROTOCOL {
        cases.push(case("consumer_group", consumer_group::<D>));
    }
    cases
}

fn smoke<D: Driver>(target: &Target) {
    round_trip::<D>(target, &topic::<D>(target, "smoke"), &bulk(100));
}

fn every_shape<D: Driver>(target: &Target) {
    let contents: Vec<Content> = edge_cases().into_iter().filter(D::sends).collect();
    round_trip::<D>(target, &topic::<D>(target, "edge"), &contents);
}

/// All into one topic: a consumer must find its way through batches of every codec.
fn codecs<D: Driver>(target: &Target) {
    let topic = topic::<D>(target, "codecs");
    let contents = bulk(1000);
    let mut expected = Vec::new();
    for codec in D::CODECS {
        let sent = in_turn(&contents, ends(&expected));
        let acknowledged = produce::<D>(target, &topic, &contents, &["--codec", codec]);
        assert_same(&sent, &acknowledged);
        expected.extend(sent);
    }
    assert_same(&expected, &consume::<D>(target, &topic, expected.len()));
}

fn acks<D: Driver>(target: &Target) {
    let topic = topic::<D>(target, "acks");
    // The first ones as the client does it best, since a topic that has just been created may
    // refuse them.
    let first = bulk(NUM_PARTITIONS as usize);
    let mut expected = produce::<D>(target, &topic, &first, &[]);
    assert_same(&in_turn(&first, [0; 3]), &expected);
    for acks in ["all", "leader", "none"] {
        let contents = bulk(300);
        let sent = in_turn(&contents, ends(&expected));
        let got = send::<D>(target, &topic, &contents, partition_of, &["--acks", acks]);
        // Without acknowledgements there are no offsets to compare.
        if acks != "none" {
            assert_same(&sent, &got);
        }
        expected.extend(sent);
    }
    assert_same(&expected, &consume::<D>(target, &topic, expected.len()));
}

/// Where partitions end, and reading from the middle of a batch.
fn offsets<D: Driver>(target: &Target) {
    let topic = topic::<D>(target, "offsets");
    let written = produce::<D>(target, &topic, &bulk(200), &[]);
    let expected: Vec<Ends> = (0..)
        .zip(ends(&written))
        .map(|(partition, end)| Ends {
            partition,
            start: 0,
            end,
        })
        .collect();
    let (got, found) = lines::offsets(&run(D::program().args([
        "offsets",
        "--brokers",
        &target.bootstrap,
        "--topic",
        &topic,
    ])));
    assert_eq!((expected, Vec::<Found>::new()), (got, found));

    let starts = [(0, 41), (2, 66 - 1)];
    let expected: Vec<Record> = written
        .into_iter()
        .filter(|record| {
            let of_partition = |(partition, offset): &(i32, i64)| {
                record.partition == *partition && record.offset >= *offset
            };
            starts.iter().any(of_partition)
        })
        .map(D::reads)
        .collect();
    let count = expected.len().to_string();
    let mut consumer = D::program();
    consumer.args(["consume", "--brokers", &target.bootstrap, "--topic", &topic]);
    consumer.args(["--count", &count]);
    for (partition, offset) in starts {
        consumer.args(["--from", &format!("{partition}:{offset}")]);
    }
    assert_same(&expected, &lines::records(&run(&consumer)));
}

/// The first record that is not older, also where timestamps go back, and within batches of every
/// codec, which the broker has to read.
fn times<D: Driver>(target: &Target) {
    let topic = topic::<D>(target, "times");
    let steps = [0, 100, 200, 150, 300, 250, 400];
    let base = bulk(1)[0].timestamp - 60_000;
    let mut written = Vec::new();
    for (codec, base) in D::CODECS.iter().zip((base..).step_by(1000)) {
        let contents: Vec<Content> = (bulk(steps.len()).into_iter().zip(steps))
            .map(|(content, step)| Content {
                timestamp: base + step,
                ..content
            })
            .collect();
        let args = [idempotent::<D>(), &["--codec", codec]].concat();
        written.extend(send::<D>(target, &topic, &contents, |_| 1, &args));
    }
    let found = |partition, timestamp| {
        let of_partition = |record: &&Record| record.partition == partition;
        let not_older = |record: &&Record| record.timestamp >= timestamp;
        let first = written.iter().filter(of_partition).find(not_older);
        Found {
            partition,
            timestamp,
            offset: first.map(|record| record.offset),
        }
    };
    let last = written[written.len() - 1].timestamp;
    let expected: Vec<Found> = (base - 50..=last)
        .step_by(50)
        .chain([last + 1])
        .map(|timestamp| found(1, timestamp))
        .chain([found(0, base)])
        .collect();
    let mut asking = D::program();
    asking.args(["offsets", "--brokers", &target.bootstrap, "--topic", &topic]);
    for Found {
        partition,
        timestamp,
        ..
    } in &expected
    {
        asking.args(["--at", &format!("{partition}:{timestamp}")]);
    }
    assert_eq!(expected, lines::offsets(&run(&asking)).1);
}

fn admin<D: Driver>(target: &Target) {
    let topic = topic::<D>(target, "admin");
    run(D::program().args(["admin", "--brokers", &target.bootstrap, "--topic", &topic]));
}

fn alter<D: Driver>(target: &Target) {
    let topic = topic::<D>(target, "alter");
    run(D::program().args(["alter", "--brokers", &target.bootstrap, "--topic", &topic]));
}

/// One member reads some, two others go on where it stopped.
fn group<D: Driver>(target: &Target) {
    resume::<D>(target, &topic::<D>(target, "group"), &[]);
}

/// The same with the consumer group protocol.
fn consumer_group<D: Driver>(target: &Target) {
    let topic = topic::<D>(target, "consumer-group");
    resume::<D>(target, &topic, &["--protocol", "consumer"]);
}

fn resume<D: Driver>(target: &Target, topic: &str, args: &[&str]) {
    let written = produce::<D>(target, topic, &bulk(300), &[]);
    let read = |members: usize, count: usize| {
        let mut members_of_it = D::program();
        members_of_it.args(["group", "--brokers", &target.bootstrap, "--topic", topic]);
        members_of_it.args(["--group", topic, "--members", &members.to_string()]);
        members_of_it.args(args);
        lines::records(&run(members_of_it.args(["--count", &count.to_string()])))
    };
    let first = read(1, 100);
    assert!(
        (100..300).contains(&first.len()),
        "{} records at once",
        first.len()
    );
    let rest = read(2, written.len() - first.len());
    let mut all = [first, rest].concat();
    let in_order = |record: &Record| (record.partition, record.offset);
    all.sort_by_key(in_order);
    let mut expected: Vec<Record> = written.into_iter().map(D::reads).collect();
    expected.sort_by_key(in_order);
    assert_same(&expected, &all);
}

pub(crate) fn topic<D: Driver>(target: &Target, purpose: &str) -> String {
    target.topic(&format!("{}-{purpose}", D::CLIENT.name()))
}

fn round_trip<D: Driver>(target: &Target, topic: &str, contents: &[Content]) {
    let acknowledged = produce::<D>(target, topic, contents, &[]);
    assert_same(&in_turn(contents, [0; 3]), &acknowledged);
    let got = consume::<D>(target, topic, acknowledged.len());
    let expected: Vec<Record> = acknowledged.into_iter().map(D::reads).collect();
    assert_same(&expected, &got);
}

/// Sends `contents` to the partitions in turn, idempotently if the client can; returns them as they
/// were acknowledged.
pub(crate) fn produce<D: Driver>(
    target: &Target,
    topic: &str,
    contents: &[Content],
    args: &[&str],
) -> Vec<Record> {
    let args = [idempotent::<D>(), args].concat();
    send::<D>(target, topic, contents, partition_of, &args)
}

fn idempotent<D: Driver>() -> &'static [&'static str] {
    if D::IDEMPOTENT {
        &["--idempotent"]
    } else {
        &[]
    }
}

fn send<D: Driver>(
    target: &Target,
    topic: &str,
    contents: &[Content],
    partition_of: impl Fn(usize) -> i32,
    args: &[&str],
) -> Vec<Record> {
    let mut producer = D::program();
    producer.args(["produce", "--brokers", &target.bootstrap, "--topic", topic]);
    let input = lines::input(contents, partition_of);
    let output = run_with_input(producer.args(args), input.as_bytes());
    lines::records(&output)
}

fn consume<D: Driver>(target: &Target, topic: &str, count: usize) -> Vec<Record> {
    let mut consumer = D::program();
    consumer.args(["consume", "--brokers", &target.bootstrap, "--topic", topic]);
    lines::records(&run(consumer.args(["--count", &count.to_string()])))
}

/// Records as [`Driver::program`] prints them.
pub(crate) fn records(output: &str) -> Vec<Record> {
    lines::records(output)
}

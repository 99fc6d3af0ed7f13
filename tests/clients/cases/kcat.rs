//! kcat: the consumer and producer that people try first, on the old protocol versions of its day.

use std::process::Command;

use serde_json::Value;
use tests_clients::{
    CODECS, Case, Client, NUM_PARTITIONS, Record, Target, assert_same, bulk, run, run_with_input,
};

use crate::librdkafka::client::create_topic;

pub(crate) const CASES: &[Case] = &[
    Case {
        client: Client::Kcat,
        name: "smoke",
        run: smoke,
        smoke: true,
    },
    Case {
        client: Client::Kcat,
        name: "edge_cases",
        run: edge_cases,
        smoke: false,
    },
    Case {
        client: Client::Kcat,
        name: "codecs",
        run: codecs,
        smoke: false,
    },
    Case {
        client: Client::Kcat,
        name: "codec_of_the_topic",
        run: codec_of_the_topic,
        smoke: false,
    },
    Case {
        client: Client::Kcat,
        name: "acks",
        run: acks,
        smoke: false,
    },
    Case {
        client: Client::Kcat,
        name: "offsets",
        run: offsets,
        smoke: false,
    },
    Case {
        client: Client::Kcat,
        name: "metadata",
        run: metadata,
        smoke: false,
    },
    Case {
        client: Client::Kcat,
        name: "query",
        run: query,
        smoke: false,
    },
];

/// What the first page of the README tells people to try.
fn smoke(target: &Target) {
    let topic = target.topic("kcat-smoke");
    settle(target, &topic);
    produce(
        target,
        &topic,
        &["-p", "0", "-K", ":", "-H", "source=kcat"],
        "a:1\nb:2\nc:3\n",
    );
    let lines = run(kcat(target, "-C", &topic).args(["-p", "0", "-o", "1", "-e", "-J"]));
    let messages: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(messages.len(), 3, "{lines}");
    let expected = [("a", "1"), ("b", "2"), ("c", "3")];
    for ((offset, message), (key, value)) in (1..).zip(&messages).zip(expected) {
        assert_eq!(message["topic"], topic.as_str());
        assert_eq!(message["partition"], 0);
        assert_eq!(message["offset"], offset);
        assert_eq!(message["tstype"], "create");
        assert_eq!(message["key"], key);
        assert_eq!(message["payload"], value);
        assert_eq!(message["headers"], serde_json::json!(["source", "kcat"]));
    }
}

fn edge_cases(target: &Target) {
    let topic = target.topic("kcat-edge");
    let repeated = [
        "-H", "same=1", "-H", "other=2", "-H", "same=3", "-H", "same=1",
    ];
    let valueless = ["-H", "null", "-H", "empty="];
    let produce = |args: &[&str], input: &str| {
        produce(target, &topic, &[&["-p", "1"], args].concat(), input);
    };
    produce(&[&["-K:"], &repeated[..]].concat(), "repeated headers:v\n");
    produce(&[&["-K:"], &valueless[..]].concat(), "header values:v\n");
    produce(&[], "no key\n");
    produce(&["-K:", "-Z"], "null value:\n");
    produce(&["-K:", "-Z"], ":null key\n");
    produce(&["-K:"], "empty value:\n");
    produce(
        &["-D;"],
        "several\nlines\tand \u{1f980}; the second of its batch",
    );

    let header = |name: &str, value: Option<&str>| (name.to_owned(), value.map(Vec::from));
    let record = |offset, key: Option<&str>, value: Option<&str>, headers| Record {
        partition: 1,
        offset,
        timestamp: 0,
        key: key.map(Vec::from),
        value: value.map(Vec::from),
        headers,
    };
    let expected = [
        record(0, Some("repeated headers"), Some("v"), {
            [("same", "1"), ("other", "2"), ("same", "3"), ("same", "1")]
                .map(|(name, value)| header(name, Some(value)))
                .to_vec()
        }),
        record(1, Some("header values"), Some("v"), {
            vec![header("null", None), header("empty", Some(""))]
        }),
        record(2, None, Some("no key"), vec![]),
        record(3, Some("null value"), None, vec![]),
        record(4, None, Some("null key"), vec![]),
        record(5, Some("empty value"), Some(""), vec![]),
        record(6, None, Some("several\nlines\tand \u{1f980}"), vec![]),
        record(7, None, Some(" the second of its batch"), vec![]),
    ];
    let mut got = consume(target, &topic, 1, &["-o", "beginning"]);
    assert!(got.is_sorted_by_key(|record| record.timestamp), "{got:?}");
    // kcat takes the timestamp from its own clock.
    got.iter_mut().for_each(|record| record.timestamp = 0);
    assert_same(&expected, &got);
}

/// All into one partition: a consumer must find its way through batches of every codec.
fn codecs(target: &Target) {
    let topic = target.topic("kcat-codecs");
    let values = lines(500);
    for codec in CODECS {
        // Idempotently first; see `settle`.
        for idempotent in ["true", "false"] {
            let idempotent = format!("enable.idempotence={idempotent}");
            let args = [
                "-p",
                "2",
                "-z",
                codec,
                "-X",
                &idempotent,
                "-X",
                "linger.ms=100",
            ];
            produce(target, &topic, &args, &values.concat());
        }
    }
    let expected: Vec<String> = (0..2 * CODECS.len()).flat_map(|_| values.clone()).collect();
    assert_values(
        &expected,
        0,
        &consume(target, &topic, 2, &["-o", "beginning"]),
    );
}

/// A topic that stores Zstandard, whatever comes.
fn codec_of_the_topic(target: &Target) {
    let topic = target.topic("kcat-stored");
    create_topic(target, &topic, &[("compression.type", "zstd")]);
    settle(target, &topic);
    let values = lines(400);
    for codec in CODECS {
        let args = ["-p", "0", "-z", codec, "-X", "linger.ms=100"];
        produce(target, &topic, &args, &values.concat());
    }
    let expected: Vec<String> = CODECS.iter().flat_map(|_| values.clone()).collect();
    assert_values(&expected, 1, &consume(target, &topic, 0, &["-o", "1"]));
}

fn acks(target: &Target) {
    let topic = target.topic("kcat-acks");
    settle(target, &topic);
    let values = lines(200);
    for acks in ["all", "1", "0"] {
        let acks = format!("acks={acks}");
        produce(target, &topic, &["-p", "0", "-X", &acks], &values.concat());
    }
    let expected = [values.clone(), values.clone(), values].concat();
    // The end of the partition may be behind for a moment: what was not waited for is not everywhere yet.
    let count = expected.len().to_string();
    let consumer = ["-o", "1", "-c", &count];
    assert_values(&expected, 1, &consume(target, &topic, 0, &consumer));
}

/// Reading from the middle of a batch, from the tail, and a count.
fn offsets(target: &Target) {
    let topic = target.topic("kcat-offsets");
    let values = lines(100);
    produce(
        target,
        &topic,
        &["-p", "0", "-X", "linger.ms=100", "-z", "lz4"],
        &values.concat(),
    );
    let consume = |args: &[&str]| consume(target, &topic, 0, args);
    assert_values(&values[37..], 37, &consume(&["-o", "37"]));
    assert_values(&values[97..], 97, &consume(&["-o", "-3"]));
    assert_values(&values[10..15], 10, &consume(&["-o", "10", "-c", "5"]));
    assert_values(&[], 0, &consume(&["-o", "end"]));
}

fn metadata(target: &Target) {
    let topic = target.topic("kcat-metadata");
    produce(target, &topic, &["-p", "0"], "created\n");
    let listing = run(kcat(target, "-L", &topic).arg("-J"));
    let listing: Value = serde_json::from_str(&listing).expect("-J prints JSON");
    let mut brokers = listing["brokers"].as_array().expect("brokers").clone();
    brokers.sort_by_key(|broker| broker["id"].as_i64());
    let names: Vec<_> = brokers.iter().map(|broker| &broker["name"]).collect();
    assert_eq!(names, target.brokers(), "{listing}");
    let is_one = |id: &Value| brokers.iter().any(|broker| broker["id"] == *id);
    assert!(is_one(&listing["controllerid"]), "{listing}");
    let topics = listing["topics"].as_array().expect("topics");
    assert_eq!(topics.len(), 1, "{listing}");
    assert_eq!(topics[0]["topic"], topic.as_str());
    let partitions = topics[0]["partitions"].as_array().expect("partitions");
    assert_eq!(partitions.len(), NUM_PARTITIONS as usize, "{listing}");
    for partition in partitions {
        assert!(is_one(&partition["leader"]), "{listing}");
        for replicas in ["replicas", "isrs"] {
            let count = partition[replicas].as_array().map(Vec::len);
            assert_eq!(count, Some(target.replicas()), "{listing}");
        }
    }
    // Of every topic, as `kcat -L` alone asks.
    let all = run(Command::new("kcat").args(["-b", &target.bootstrap, "-L"]));
    assert!(
        all.contains(&format!(
            "topic \"{topic}\" with {NUM_PARTITIONS} partitions"
        )),
        "{all}"
    );
}

/// `-Q`: ListOffsets by earliest, latest and time; and consuming from a time.
fn query(target: &Target) {
    let topic = target.topic("kcat-query");
    let mut written = Vec::new();
    // One invocation each, since kcat stamps records when it sends them.
    for value in ["first\n", "second\n", "third\n"] {
        produce(target, &topic, &["-p", "0"], value);
        written = consume(target, &topic, 0, &["-o", "beginning"]);
    }
    let stamps: Vec<i64> = written.iter().map(|record| record.timestamp).collect();
    assert!(stamps[0] < stamps[1] && stamps[1] < stamps[2], "{stamps:?}");
    let query = |at: i64| {
        let spec = format!("{topic}:0:{at}");
        let answer = run(Command::new("kcat").args(["-b", &target.bootstrap, "-Q", "-t", &spec]));
        let offset = answer
            .trim()
            .rsplit(' ')
            .next()
            .and_then(|offset| offset.parse::<i64>().ok());
        offset.unwrap_or_else(|| panic!("no offset in {answer:?}"))
    };
    assert_eq!(query(-2), 0);
    assert_eq!(query(-1), 3);
    assert_eq!(query(0), 0);
    for (offset, stamp) in stamps.iter().enumerate() {
        assert_eq!(query(*stamp), offset as i64);
    }
    assert_eq!(query(stamps[0] + 1), 1);
    // kcat prints the end for a time after the last record, where the broker answers -1.
    let from = format!("s@{}", stamps[1]);
    assert_same(&written[1..], &consume(target, &topic, 0, &["-o", &from]));
}

fn lines(count: usize) -> Vec<String> {
    let line = |content: tests_clients::Content| {
        let value = content.value.expect("bulk records have values");
        String::from_utf8(value).expect("bulk values are text") + "\n"
    };
    bulk(count).into_iter().map(line).collect()
}

/// That `got` has the values of `lines`, without keys and headers, from `offset` on.
#[track_caller]
fn assert_values(lines: &[String], offset: i64, got: &[Record]) {
    let expected: Vec<Record> = (lines.iter().zip(offset..).zip(got))
        .map(|((line, offset), got)| Record {
            offset,
            key: None,
            value: Some(line.trim_end_matches('\n').into()),
            headers: Vec::new(),
            ..got.clone()
        })
        .collect();
    assert_eq!(lines.len(), got.len());
    assert_same(&expected, got);
}

fn kcat(target: &Target, mode: &str, topic: &str) -> Command {
    let mut kcat = Command::new("kcat");
    // `-q`, since kcat reports the end of a partition among the records.
    kcat.args(["-b", &target.bootstrap, mode, "-q", "-t", topic]);
    kcat
}

/// Makes `topic` one that takes records, with one record at offset 0 of partition 0. A topic that
/// has just been created may refuse a batch and take the next, which a producer that is not
/// idempotent then has in the wrong order, and one that does not wait for answers has lost.
fn settle(target: &Target, topic: &str) {
    produce(
        target,
        topic,
        &["-p", "0", "-X", "enable.idempotence=true"],
        "settled\n",
    );
}

#[track_caller]
fn produce(target: &Target, topic: &str, args: &[&str], input: &str) {
    run_with_input(kcat(target, "-P", topic).args(args), input.as_bytes());
}

/// Reads to the end of the partition, or until it has as many as `-c` says, in a format that tells null from empty.
#[track_caller]
fn consume(target: &Target, topic: &str, partition: i32, args: &[&str]) -> Vec<Record> {
    let mut consumer = kcat(target, "-C", topic);
    consumer.args(["-p", &partition.to_string()]).args(args);
    if !args.contains(&"-c") {
        consumer.arg("-e");
    }
    consumer.args(["-f", r"%p %o %T %K %S %h\n%k%s\n"]);
    let output = run(&consumer);
    let mut rest = output.as_str();
    let mut records = Vec::new();
    while let Some((head, body)) = rest.split_once('\n') {
        let mut fields = head.splitn(6, ' ');
        let mut number = || {
            let field = fields.next().and_then(|field| field.parse::<i64>().ok());
            field.unwrap_or_else(|| panic!("not the head of a record: {head:?}"))
        };
        let (partition, offset, timestamp) = (number() as i32, number(), number());
        let (key_len, value_len) = (usize::try_from(number()), usize::try_from(number()));
        let (key, body) = body.split_at(key_len.unwrap_or(0));
        let (value, body) = body.split_at(value_len.unwrap_or(0));
        rest = body.strip_prefix('\n').expect("a record ends its line");
        records.push(Record {
            partition,
            offset,
            timestamp,
            key: key_len.ok().map(|_| key.into()),
            value: value_len.ok().map(|_| value.into()),
            headers: headers(fields.next().unwrap_or_default()),
        });
    }
    records
}

/// `name=value,name=NULL,name=`
fn headers(text: &str) -> Vec<(String, Option<Vec<u8>>)> {
    let header = |header: &str| {
        let (name, value) = header.split_once('=').expect("name=value");
        (name.to_owned(), (value != "NULL").then(|| value.into()))
    };
    text.split(',')
        .filter(|header| !header.is_empty())
        .map(header)
        .collect()
}

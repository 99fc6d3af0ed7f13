//! franz-go, driven through the program in `franz-go/`.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::{Value, json};
use tests_clients::{
    CODECS, Case, Client, Content, Record, Target, assert_same, bulk, edge_cases, ends, in_turn,
    partition_of, run, run_with_input,
};

pub(crate) const CASES: &[Case] = &[
    Case {
        client: Client::FranzGo,
        name: "smoke",
        run: smoke,
        smoke: true,
    },
    Case {
        client: Client::FranzGo,
        name: "edge_cases",
        run: every_shape,
        smoke: false,
    },
    Case {
        client: Client::FranzGo,
        name: "codecs",
        run: codecs,
        smoke: false,
    },
    Case {
        client: Client::FranzGo,
        name: "not_idempotent",
        run: not_idempotent,
        smoke: false,
    },
    Case {
        client: Client::FranzGo,
        name: "regex",
        run: regex,
        smoke: false,
    },
    Case {
        client: Client::FranzGo,
        name: "admin",
        run: admin,
        smoke: false,
    },
];

fn smoke(target: &Target) {
    round_trip(target, &target.topic("franz-go-smoke"), &bulk(100), &[]);
}

fn every_shape(target: &Target) {
    round_trip(target, &target.topic("franz-go-edge"), &edge_cases(), &[]);
}

/// All into one topic: a consumer must find its way through batches of every codec.
fn codecs(target: &Target) {
    let topic = target.topic("franz-go-codecs");
    let contents = bulk(1000);
    let mut expected = Vec::new();
    for codec in CODECS {
        let sent = in_turn(&contents, ends(&expected));
        assert_same(
            &sent,
            &produce(target, &topic, &contents, &["-codec", codec]),
        );
        expected.extend(sent);
    }
    assert_same(&expected, &consume(target, &topic, expected.len()));
}

fn not_idempotent(target: &Target) {
    for acks in ["all", "leader", "none"] {
        let topic = target.topic("franz-go-not-idempotent");
        // The first ones idempotently, since a topic that has just been created may refuse them.
        let first = bulk(3);
        let mut expected = produce(target, &topic, &first, &[]);
        assert_same(&in_turn(&first, [0; 3]), &expected);
        let contents = bulk(300);
        let sent = in_turn(&contents, ends(&expected));
        let got = produce(
            target,
            &topic,
            &contents,
            &["-idempotent=false", "-acks", acks],
        );
        // Without acknowledgements there are no offsets to compare.
        if acks != "none" {
            assert_same(&sent, &got);
        }
        expected.extend(sent);
        assert_same(&expected, &consume(target, &topic, expected.len()));
    }
}

/// Without a group: the client lists the topics and assigns itself what matches.
fn regex(target: &Target) {
    let topics = [
        target.topic("franz-go-regex"),
        target.topic("franz-go-regex"),
    ];
    let contents = bulk(50);
    for topic in &topics {
        produce(target, topic, &contents, &[]);
    }
    let pattern = format!("^({})$", topics.join("|"));
    let count = (2 * contents.len()).to_string();
    let args = [
        "-topic",
        pattern.as_str(),
        "-regex",
        "-count",
        count.as_str(),
    ];
    let lines = run(program()
        .args(["consume", "-brokers", &target.bootstrap])
        .args(args));
    for topic in &topics {
        let of_topic = |line: &&str| line.contains(&format!("\"{topic}\""));
        let got: Vec<Record> = lines.lines().filter(of_topic).map(parse).collect();
        assert_same(&in_turn(&contents, [0; 3]), &got);
    }
}

fn admin(target: &Target) {
    let topic = target.topic("franz-go-admin");
    run(program().args(["admin", "-brokers", &target.bootstrap, "-topic", &topic]));
}

fn round_trip(target: &Target, topic: &str, contents: &[Content], args: &[&str]) {
    let acknowledged = produce(target, topic, contents, args);
    assert_same(&in_turn(contents, [0; 3]), &acknowledged);
    assert_same(&acknowledged, &consume(target, topic, acknowledged.len()));
}

/// Sends `contents` to the partitions in turn; returns them as they were acknowledged.
fn produce(target: &Target, topic: &str, contents: &[Content], args: &[&str]) -> Vec<Record> {
    let mut input = String::new();
    for (i, content) in contents.iter().enumerate() {
        let header = |(name, value): &(String, Option<Vec<u8>>)| json!({ "name": name, "value": hex(value.as_ref()) });
        let line = json!({
            "partition": partition_of(i),
            "timestamp": content.timestamp,
            "key": hex(content.key.as_ref()),
            "value": hex(content.value.as_ref()),
            "headers": content.headers.iter().map(header).collect::<Vec<_>>(),
        });
        writeln!(input, "{line}").expect("a string takes everything");
    }
    let mut producer = program();
    producer
        .args(["produce", "-brokers", &target.bootstrap, "-topic", topic])
        .args(args);
    run_with_input(&producer, input.as_bytes())
        .lines()
        .map(parse)
        .collect()
}

fn consume(target: &Target, topic: &str, count: usize) -> Vec<Record> {
    let mut consumer = program();
    consumer.args(["consume", "-brokers", &target.bootstrap, "-topic", topic]);
    run(consumer.args(["-count", &count.to_string()]))
        .lines()
        .map(parse)
        .collect()
}

fn parse(line: &str) -> Record {
    let line: Value = serde_json::from_str(line).expect("a line is a JSON object");
    let header = |header: &Value| {
        let name = header["name"].as_str().expect("a header has a name");
        (name.to_owned(), unhex(&header["value"]))
    };
    Record {
        partition: line["partition"].as_i64().expect("a partition") as i32,
        offset: line["offset"].as_i64().expect("an offset"),
        timestamp: line["timestamp"].as_i64().expect("a timestamp"),
        key: unhex(&line["key"]),
        value: unhex(&line["value"]),
        headers: line["headers"]
            .as_array()
            .expect("headers")
            .iter()
            .map(header)
            .collect(),
    }
}

fn hex(bytes: Option<&Vec<u8>>) -> Value {
    bytes
        .map(|bytes| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        })
        .into()
}

fn unhex(text: &Value) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a hexadecimal digit") as u8;
    let pair = |pair: &[u8]| digit(pair[0]) << 4 | digit(pair[1]);
    text.as_str()
        .map(|text| text.as_bytes().chunks_exact(2).map(pair).collect())
}

/// The program, built by `go` once per process.
fn program() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    Command::new(PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("franz-go");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("franz-go-client");
        let mut go = Command::new("go");
        go.current_dir(source)
            .args(["build", "-mod=readonly", "-o"])
            .arg(&program)
            .arg(".");
        run(&go);
        program
    }))
}

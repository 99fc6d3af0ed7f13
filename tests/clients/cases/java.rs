//! The Java clients, in the tools that Apache Kafka ships.

mod admin;
mod dump_log;
mod groups;

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;
use tests_clients::{
    CODECS, Case, Client, Content, NUM_PARTITIONS, Record, Target, assert_same, bulk, run,
    run_with_input,
};

pub(crate) const CASES: &[Case] = &[
    Case {
        client: Client::Java,
        name: "smoke",
        run: smoke,
        smoke: true,
    },
    Case {
        client: Client::Java,
        name: "producer_perf",
        run: producer_perf,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "verifiable",
        run: verifiable_producer,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "acks",
        run: acks,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "topics",
        run: topics,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "dump_log",
        run: dump_log::dump_log,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "dump_log_of_one_codec",
        run: dump_log::one_codec,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "group",
        run: groups::console_consumer,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "consumer_group",
        run: groups::consumer_protocol,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "consumer_group_verifiable",
        run: groups::verifiable_consumer_protocol,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "group_verifiable",
        run: groups::verifiable_consumer,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "group_perf",
        run: groups::consumer_perf,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_groups",
        run: groups::administration,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "dump_log_of_offsets",
        run: groups::dump_offsets,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_topics",
        run: admin::topics,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_topic_configs",
        run: admin::topic_configs,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_broker_configs",
        run: admin::broker_configs,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_all_broker_configs",
        run: admin::all_broker_configs,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_broker_loggers",
        run: admin::broker_loggers,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_delete_records",
        run: admin::delete_records,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_client_metrics",
        run: admin::client_metrics,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_log_dirs",
        run: admin::log_dirs,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_get_offsets",
        run: admin::get_offsets,
        smoke: false,
    },
    Case {
        client: Client::Java,
        name: "admin_producers",
        run: admin::producers,
        smoke: false,
    },
];

/// The console producer (idempotent, as the Java producer is by default) and consumer.
fn smoke(target: &Target) {
    let topic = create(target, "java-smoke", 1);
    let mut producer = tool(target, "console-producer", &topic);
    for property in ["parse.key=true", "parse.headers=true", "null.marker=<null>"] {
        producer.args(["--reader-property", property]);
    }
    let input = "same:1,other:2,same:3,same:1\tkey\trepeated headers\n\
                 a:<null>,b:\tkey\theaders without values\n\
                 <null>\t<null>\tnull key\n\
                 <null>\tnull value\t<null>\n\
                 <null>\t\t\n";
    run_with_input(&producer, input.as_bytes());

    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    let header = |name: &str, value: Option<Vec<u8>>| (name.to_owned(), value);
    let content = |key, value, headers| Content {
        timestamp: 0,
        key,
        value,
        headers,
    };
    let contents = [
        content(bytes("key"), bytes("repeated headers"), {
            [("same", "1"), ("other", "2"), ("same", "3"), ("same", "1")]
                .map(|(name, value)| header(name, bytes(value)))
                .to_vec()
        }),
        content(bytes("key"), bytes("headers without values"), {
            vec![header("a", None), header("b", bytes(""))]
        }),
        content(None, bytes("null key"), vec![]),
        content(bytes("null value"), None, vec![]),
        content(bytes(""), bytes(""), vec![]),
    ];
    let expected: Vec<Record> = contents
        .iter()
        .zip(0..)
        .map(|(content, offset)| content.at(0, offset))
        .collect();
    let mut got = consume(target, &topic, 0, "earliest", expected.len());
    // The tool stamps records with its own clock.
    assert!(got.iter().all(|record| record.timestamp > 0), "{got:?}");
    got.iter_mut().for_each(|record| record.timestamp = 0);
    assert_same(&expected, &got);
}

/// Every codec into one partition, then back in one go, and again from the middle of a batch.
fn producer_perf(target: &Target) {
    const COUNT: usize = 5_000;
    let topic = create(target, "java-perf", 1);
    for codec in CODECS {
        let report = run(peer::tool("producer-perf").expect("Kafka's jars").args([
            "--topic",
            &topic,
            "--bootstrap-server",
            &target.bootstrap,
            "--num-records",
            &COUNT.to_string(),
            "--throughput",
            "-1",
            "--payload-monotonic",
            "--command-property",
            "acks=all",
            &format!("compression.type={codec}"),
        ]));
        assert!(
            report.contains(&format!("{COUNT} records sent")),
            "{report}"
        );
    }
    let expected: Vec<String> = CODECS
        .iter()
        .flat_map(|_| (0..COUNT).map(|value| value.to_string()))
        .collect();
    for start in [0, 3 * COUNT + 17] {
        let count = expected.len() - start;
        let got = consume(target, &topic, 0, &start.to_string(), count);
        assert!(
            got.is_sorted_by_key(|record| record.timestamp),
            "timestamps go back"
        );
        let expected: Vec<Record> = (expected.iter().zip(0..).skip(start).zip(&got))
            .map(|((value, offset), got)| Record {
                offset,
                key: None,
                value: Some(value.clone().into()),
                headers: vec![],
                ..got.clone()
            })
            .collect();
        assert_same(&expected, &got);
    }
}

/// What it says was acknowledged must be there, at that offset.
fn verifiable_producer(target: &Target) {
    const COUNT: usize = 600;
    const KEYS: usize = 20;
    let create_time = bulk(1)[0].timestamp;
    let topic = create(target, "java-verifiable", NUM_PARTITIONS);
    let report = run(tool(target, "verifiable-producer", &topic).args([
        "--max-messages",
        &COUNT.to_string(),
        "--repeating-keys",
        &KEYS.to_string(),
        "--value-prefix",
        "7",
        "--message-create-time",
        &create_time.to_string(),
    ]));
    let mut acknowledged: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
    for line in report.lines() {
        let event: Value = serde_json::from_str(line).expect("the tool prints JSON");
        if event["name"] != "producer_send_success" {
            assert_ne!(event["name"], "producer_send_error", "{event}");
            continue;
        }
        let partition = event["partition"].as_i64().expect("a partition") as i32;
        let value = event["value"].as_str().expect("a value").to_owned();
        let sequence: i64 = value.trim_start_matches("7.").parse().expect("a number");
        acknowledged.entry(partition).or_default().push(Record {
            partition,
            offset: event["offset"].as_i64().expect("an offset"),
            timestamp: create_time + sequence,
            key: event["key"].as_str().map(Vec::from),
            value: Some(value.into()),
            headers: vec![],
        });
    }
    assert_eq!(
        acknowledged.values().map(Vec::len).sum::<usize>(),
        COUNT,
        "{report}"
    );
    for (partition, records) in &acknowledged {
        let mut got = consume(target, &topic, *partition, "earliest", records.len());
        let first = records
            .iter()
            .find(|record| record.offset == 0)
            .expect("offset 0");
        let skew = got[0].timestamp - first.timestamp;
        // Between its reading of two clocks the tool's stamps advance in real time, not by sequence.
        assert!(
            (0..60_000).contains(&skew.abs()),
            "timestamps are off by {skew} ms"
        );
        got.iter_mut()
            .zip(records)
            .for_each(|(got, sent)| got.timestamp = sent.timestamp);
        assert_same(records, &got);
    }
}

fn acks(target: &Target) {
    let topic = create(target, "java-acks", 1);
    let mut expected = Vec::new();
    for acks in ["0", "1", "-1"] {
        let args = [
            "--max-messages",
            "100",
            "--acks",
            acks,
            "--value-prefix",
            acks,
        ];
        run(tool(target, "verifiable-producer", &topic).args(args));
        expected.extend((0..100).map(|value| format!("{acks}.{value}")));
    }
    let got = consume(target, &topic, 0, "earliest", expected.len());
    let values = got
        .iter()
        .map(|record| record.value.clone().unwrap_or_default());
    let expected: Vec<Vec<u8>> = expected.into_iter().map(String::into_bytes).collect();
    assert_eq!(values.collect::<Vec<_>>(), expected);
}

/// The admin client: create, list, describe, offsets, delete.
fn topics(target: &Target) {
    let topic = create(target, "java-topics", 4);
    let listed = |what: &str| run(admin(target, "topics").args(["--list", "--topic", what]));
    assert_eq!(listed(&topic).trim(), topic);
    let description = run(admin(target, "topics").args(["--describe", "--topic", &topic]));
    let replicas = target.replicas();
    let counts = format!("PartitionCount: 4\tReplicationFactor: {replicas}");
    assert!(description.contains(&counts), "{description}");
    let configs = [
        "--describe",
        "--all",
        "--entity-type",
        "topics",
        "--entity-name",
        &topic,
    ];
    let configs = run(admin(target, "configs").args(configs));
    assert!(configs.contains("cleanup.policy=delete"), "{configs}");
    let offsets = run(admin(target, "get-offsets").args(["--topic", &topic]));
    let expected = (0..4)
        .map(|partition| format!("{topic}:{partition}:0\n"))
        .collect::<String>();
    assert_eq!(offsets, expected);
    run(admin(target, "topics").args(["--delete", "--topic", &topic]));
    let listing = run(admin(target, "topics").arg("--list"));
    assert!(!listing.lines().any(|line| line == topic), "{listing}");
}

fn create(target: &Target, purpose: &str, partitions: i32) -> String {
    let topic = target.topic(purpose);
    let partitions = partitions.to_string();
    let args = ["--create", "--topic", &topic, "--partitions", &partitions];
    let answer = run(admin(target, "topics").args(args));
    assert!(answer.contains("Created topic"), "{answer}");
    topic
}

fn admin(target: &Target, name: &str) -> Command {
    let mut tool = peer::tool(name).expect("Kafka's jars");
    tool.args(["--bootstrap-server", &target.bootstrap]);
    tool
}

fn tool(target: &Target, name: &str, topic: &str) -> Command {
    let mut tool = admin(target, name);
    tool.args(["--topic", topic]);
    tool
}

/// Reads `count` records of one partition with the console consumer.
#[track_caller]
fn consume(
    target: &Target,
    topic: &str,
    partition: i32,
    offset: &str,
    count: usize,
) -> Vec<Record> {
    let mut consumer = tool(target, "console-consumer", topic);
    consumer.args(["--partition", &partition.to_string(), "--offset", offset]);
    consumer.args([
        "--max-messages",
        &count.to_string(),
        "--timeout-ms",
        "30000",
    ]);
    for part in [
        "timestamp",
        "partition",
        "offset",
        "headers",
        "key",
        "value",
    ] {
        consumer.args(["--formatter-property", &format!("print.{part}=true")]);
    }
    consumer.args(["--formatter-property", "null.literal=<null>"]);
    run(&consumer).lines().map(parse).collect()
}

/// `CreateTime:1\tPartition:0\tOffset:5\tname:value,name:value\tkey\tvalue`
fn parse(line: &str) -> Record {
    let mut fields = line.splitn(6, '\t');
    let mut field = || {
        fields
            .next()
            .unwrap_or_else(|| panic!("not a record: {line:?}"))
    };
    let number = |field: &str, name: &str| {
        let number = field
            .strip_prefix(name)
            .and_then(|number| number.parse::<i64>().ok());
        number.unwrap_or_else(|| panic!("no {name} in {line:?}"))
    };
    let bytes = |text: &str| (text != "<null>").then(|| text.into());
    let timestamp = number(field(), "CreateTime:");
    let partition = number(field(), "Partition:") as i32;
    let offset = number(field(), "Offset:");
    let header = |header: &str| {
        let (name, value) = header.split_once(':').expect("name:value");
        (name.to_owned(), bytes(value))
    };
    let headers = match field() {
        "NO_HEADERS" => Vec::new(),
        headers => headers.split(',').map(header).collect(),
    };
    Record {
        partition,
        offset,
        timestamp,
        key: bytes(field()),
        value: bytes(field()),
        headers,
    }
}

//! Consumer groups with Kafka's own consumers and tools.

use std::process::Command;

use serde_json::Value;
use tests_clients::{Target, run, run_with_input};

use super::{admin, create, tool};

/// A topic of one partition that holds the numbers from 1 to `count`.
fn numbers(target: &Target, purpose: &str, count: usize) -> String {
    let topic = create(target, purpose, 1);
    let input: String = (1..=count).map(|number| format!("{number}\n")).collect();
    run_with_input(&tool(target, "console-producer", &topic), input.as_bytes());
    topic
}

/// Reads as the only member of a group named like the topic.
fn read(target: &Target, topic: &str, count: usize) -> Vec<usize> {
    read_with(target, topic, count, "classic")
}

fn read_with(target: &Target, topic: &str, count: usize, protocol: &str) -> Vec<usize> {
    let mut consumer = tool(target, "console-consumer", topic);
    consumer.args(["--command-property", &format!("group.protocol={protocol}")]);
    consumer.args([
        "--group",
        topic,
        "--from-beginning",
        "--timeout-ms",
        "60000",
    ]);
    consumer.args(["--max-messages", &count.to_string()]);
    let printed = run(&consumer);
    let numbers = printed.lines().map(|line| line.parse().expect("a number"));
    numbers.collect()
}

/// One reads some, the next goes on where it stopped.
pub(super) fn console_consumer(target: &Target) {
    let topic = numbers(target, "java-group", 900);
    assert_eq!(read(target, &topic, 400), Vec::from_iter(1..=400));
    assert_eq!(read(target, &topic, 500), Vec::from_iter(401..=900));
}

/// The same, assigned by the broker, and back: a group that is empty is of whatever protocol comes.
pub(super) fn consumer_protocol(target: &Target) {
    let topic = numbers(target, "java-consumer-protocol", 900);
    assert_eq!(
        read_with(target, &topic, 300, "consumer"),
        Vec::from_iter(1..=300)
    );
    assert_eq!(
        read_with(target, &topic, 300, "classic"),
        Vec::from_iter(301..=600)
    );
    assert_eq!(
        read_with(target, &topic, 300, "consumer"),
        Vec::from_iter(601..=900)
    );
    let listed = run(&groups(target, &["--list", "--type", "consumer"]));
    assert!(listed.contains(&topic), "{listed}");
    let state = run(&groups(
        target,
        &["--describe", "--group", &topic, "--state", "--verbose"],
    ));
    assert!(
        state.contains("uniform") && state.contains("Empty"),
        "{state}"
    );
}

/// It says itself what it was assigned, read and committed.
pub(super) fn verifiable_consumer(target: &Target) {
    verify(target, "java-verifiable-group", "classic");
}

/// The same, assigned by the broker.
pub(super) fn verifiable_consumer_protocol(target: &Target) {
    verify(target, "java-verifiable-consumer-protocol", "consumer");
}

fn verify(target: &Target, purpose: &str, protocol: &str) {
    let topic = numbers(target, purpose, 500);
    for (first, count) in [(0, 200), (200, 300)] {
        let mut consumer = tool(target, "verifiable-consumer", &topic);
        consumer.args(["--group-id", &topic, "--reset-policy", "earliest"]);
        consumer.args(["--group-protocol", protocol]);
        consumer.args(["--max-messages", &count.to_string()]);
        let report = run(&consumer);
        let events = report
            .lines()
            .map(|line| -> Value { serde_json::from_str(line).expect("JSON") });
        let events: Vec<Value> = events.collect();
        let named = |name: &str| {
            events
                .iter()
                .filter(|event| event["name"] == name)
                .collect::<Vec<_>>()
        };
        // It may have been told first that there is nothing yet.
        let is_some = |event: &&&Value| {
            event["partitions"]
                .as_array()
                .is_some_and(|it| !it.is_empty())
        };
        let assigned = named("partitions_assigned");
        assert_eq!(assigned.iter().filter(is_some).count(), 1, "{report}");
        let consumed = named("records_consumed");
        let counts = consumed
            .iter()
            .map(|event| event["partitions"][0]["count"].as_i64().expect("a count"));
        assert_eq!(counts.sum::<i64>(), count, "{report}");
        assert_eq!(consumed[0]["partitions"][0]["minOffset"], first, "{report}");
        let committed = named("offsets_committed");
        let last = committed.last().expect("a commit");
        assert_eq!(
            (&last["success"], &last["offsets"][0]["offset"]),
            (&true.into(), &(first + count).into()),
            "{report}"
        );
    }
}

pub(super) fn consumer_perf(target: &Target) {
    for protocol in ["classic", "consumer"] {
        measure(target, protocol);
    }
}

fn measure(target: &Target, protocol: &str) {
    let topic = numbers(target, &format!("java-perf-{protocol}"), 2_000);
    let mut consumer = tool(target, "consumer-perf", &topic);
    consumer.args(["--command-property", &format!("group.protocol={protocol}")]);
    consumer.args([
        "--group",
        &topic,
        "--messages",
        "2000",
        "--timeout",
        "60000",
    ]);
    let report = run(&consumer);
    // start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, ...
    let line = report.lines().last().expect("a line of figures");
    let figures: Vec<&str> = line.split(", ").collect();
    assert_eq!(figures[4], "2000", "{report}");
}

fn groups(target: &Target, args: &[&str]) -> Command {
    let mut tool = admin(target, "groups");
    tool.args(args);
    tool
}

/// Lists, describes, moves offsets in every way there is, deletes.
pub(super) fn administration(target: &Target) {
    let topic = numbers(target, "java-admin-groups", 100);
    assert_eq!(read(target, &topic, 40).len(), 40);
    let group = ["--group", &topic];
    let about = |args: &[&str]| run(&groups(target, &[&group, args].concat()));

    let listed = run(&groups(target, &["--list", "--state"]));
    let line = listed
        .lines()
        .find(|line| line.starts_with(&format!("{topic} ")));
    assert!(
        line.is_some_and(|line| line.trim_end().ends_with("Empty")),
        "{listed}"
    );
    let empty = run(&groups(target, &["--list", "--state", "Stable"]));
    assert!(!empty.contains(&topic), "{empty}");

    let position = || {
        let described = about(&["--describe"]);
        let line = described
            .lines()
            .find(|line| line.starts_with(&format!("{topic} ")));
        let fields: Vec<&str> = line
            .expect("a line of the group")
            .split_whitespace()
            .collect();
        let number = |field: &str| field.parse::<i64>().expect("a number");
        // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG
        (number(fields[3]), number(fields[4]), number(fields[5]))
    };
    assert_eq!(position(), (40, 100, 60));
    let state = about(&["--describe", "--state"]);
    assert!(state.contains("Empty"), "{state}");
    let members = about(&["--describe", "--members"]);
    assert!(!members.contains("console-consumer"), "{members}");

    let resets: [(&[&str], i64); 8] = [
        (&["--to-earliest"], 0),
        (&["--to-latest"], 100),
        (&["--to-offset", "30"], 30),
        (&["--shift-by", "-10"], 20),
        (&["--shift-by", "1000"], 100),
        (&["--by-duration", "P1D"], 0),
        (&["--to-datetime", "2999-01-01T00:00:00.000"], 100),
        (&["--to-current"], 100),
    ];
    for (mode, expected) in resets {
        let dry = about(
            &[
                &["--reset-offsets", "--topic", &topic, "--dry-run"][..],
                mode,
            ]
            .concat(),
        );
        assert!(dry.contains(&topic), "{dry}");
        about(
            &[
                &["--reset-offsets", "--topic", &topic, "--execute"][..],
                mode,
            ]
            .concat(),
        );
        assert_eq!(position().0, expected, "{mode:?}");
    }

    let deleted = about(&["--delete-offsets", "--topic", &topic]);
    assert!(deleted.contains("Successful"), "{deleted}");
    about(&[
        "--reset-offsets",
        "--topic",
        &topic,
        "--execute",
        "--to-offset",
        "7",
    ]);
    assert_eq!(read(target, &topic, 3), [8, 9, 10]);

    let deleted = about(&["--delete"]);
    assert!(deleted.contains("was successful"), "{deleted}");
    // It fails, and its status says nothing of that.
    let gone = about(&["--describe"]);
    assert!(gone.contains("not found"), "{gone}");
    let listed = run(&groups(target, &["--list"]));
    assert!(!listed.lines().any(|line| line == topic), "{listed}");
}

/// What groups have recorded can be read with the formatters of the console consumer.
pub(super) fn dump_offsets(target: &Target) {
    let topic = numbers(target, "java-dump-offsets", 50);
    assert_eq!(read(target, &topic, 20).len(), 20);
    let mut consumer = tool(target, "console-consumer", "__consumer_offsets");
    consumer.args(["--from-beginning", "--timeout-ms", "10000"]);
    consumer.args([
        "--formatter",
        "org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
    ]);
    let printed = run(&consumer);
    // One behind the other, with nothing between them.
    let records = serde_json::Deserializer::from_str(&printed).into_iter::<Value>();
    let of_group = records
        .map_while(Result::ok)
        .filter(|it| it["key"]["data"]["group"] == *topic);
    let last = of_group.reduce(|_, last| last);
    let last = last.expect("a commit of the group");
    assert_eq!(last["key"]["data"]["topic"], *topic);
    assert_eq!(last["value"]["data"]["offset"], 20);
}

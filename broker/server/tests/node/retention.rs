//! What leaves a topic by itself, and what DeleteRecords takes away.

use std::time::{Duration, Instant};

use protocol::ErrorCode;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use crate::support::topics::{code, topic_name};
use crate::support::{Client, Node, NodeConfig, Topic, batch};

const EARLIEST: i64 = -2;

/// A node that looks for segments to delete all the time.
fn eager() -> Node {
    Node::start(NodeConfig::new().set("log.retention.check.interval.ms", "50"))
}

/// Segments of about ten records.
fn append(client: &mut Client, topic: &Topic, records: usize) {
    for number in 0..records {
        let value = format!("{number}-{}", "x".repeat(100_000));
        client.append(topic, 0, batch(&[value]));
    }
}

fn delete_records(
    client: &mut Client,
    version: i16,
    topic: &str,
    partitions: &[(i32, i64)],
) -> DeleteRecordsResponse {
    let partitions = partitions.iter().map(|(partition, offset)| {
        DeleteRecordsPartition::default()
            .with_partition_index(*partition)
            .with_offset(*offset)
    });
    let topic = DeleteRecordsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(partitions.collect());
    let request = DeleteRecordsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    client.call(version, &request)
}

fn outcomes(answer: &DeleteRecordsResponse) -> Vec<(ErrorCode, i64)> {
    let partitions = &answer.topics[0].partitions;
    partitions
        .iter()
        .map(|partition| (code(partition.error_code), partition.low_watermark))
        .collect()
}

fn segments(node: &Node, topic: &str) -> Vec<String> {
    let dir = node.data_dir().join(format!("{topic}-0"));
    let entries = std::fs::read_dir(dir).expect("the partition's directory");
    let names = entries.map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".log"))
        .collect();
    names.sort();
    names
}

/// Waits until the disk shows it: nothing tells of a file that is removed.
#[track_caller]
fn wait_until(node: &Node, what: impl Fn() -> bool) {
    let since = Instant::now();
    while !what() {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "it does not happen; the log says\n{}",
            node.log()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn old_segments_leave_the_topic_and_the_disk() {
    let mut node = eager();
    let mut client = node.client();
    // The records' times are long ago.
    let configs = [
        ("retention.ms", "1000"),
        ("segment.bytes", "1048576"),
        ("file.delete.delay.ms", "0"),
    ];
    let old = client.create_topic("old", 1, &configs);
    let kept = client.create_topic("kept", 1, &[("retention.ms", "-1"), configs[1]]);
    append(&mut client, &kept, 25);
    append(&mut client, &old, 25);
    node.wait_for_log(0, |line| line.contains("deleted segments"));
    wait_until(&node, || segments(&node, "old").is_empty());
    assert_eq!(client.offset_of(&old, 0, EARLIEST), 25);
    assert_eq!(client.fetch(&old, 0, 3).error_code, 1, "out of range");
    assert_eq!(client.append(&old, 0, batch(&["next"])), 25);
    assert_eq!(client.read_all(&kept, 0).len(), 25);
    node.kill9();
    node.restart();
    let mut client = node.client();
    assert_eq!(client.append(&old, 0, batch(&["next"])), 26);
    assert_eq!(client.read_all(&kept, 0).len(), 25);
}

#[test]
fn a_topic_is_kept_to_its_size() {
    let node = eager();
    let mut client = node.client();
    let configs = [
        ("retention.ms", "-1"),
        ("retention.bytes", "2000000"),
        ("segment.bytes", "1048576"),
        ("file.delete.delay.ms", "0"),
    ];
    let topic = client.create_topic("t", 1, &configs);
    append(&mut client, &topic, 100);
    wait_until(&node, || (2..=4).contains(&segments(&node, "t").len()));
    let start = client.offset_of(&topic, 0, EARLIEST);
    let (read, code) = client.read_from(&topic, 0, start);
    assert_eq!(code, ErrorCode::None);
    let bytes: usize = read.iter().map(|(_, value)| value.len()).sum();
    assert!(bytes >= 1_990_000, "{bytes} bytes are left");
    assert_eq!(read.last().map(|(offset, _)| *offset), Some(99));
}

#[test]
fn deleted_records_are_gone_for_good() {
    let mut node = eager();
    let mut client = node.client();
    let configs = [
        ("retention.ms", "-1"),
        ("segment.bytes", "1048576"),
        ("file.delete.delay.ms", "0"),
    ];
    let topic = client.create_topic("t", 2, &configs);
    append(&mut client, &topic, 30);
    for (version, before) in [(0, 4), (1, 5), (2, 15)] {
        let answer = delete_records(&mut client, version, "t", &[(0, before)]);
        assert_eq!(outcomes(&answer), [(ErrorCode::None, before)]);
        assert_eq!(client.offset_of(&topic, 0, EARLIEST), before);
    }
    wait_until(&node, || segments(&node, "t").len() < 3);
    node.kill9();
    node.restart();
    let mut client = node.client();
    assert_eq!(client.offset_of(&topic, 0, EARLIEST), 15);
    let (read, _) = client.read_from(&topic, 0, 15);
    assert_eq!(read.len(), 15);
    assert!(!node.log().contains("damage"), "{}", node.log());
    // Up to the high watermark, and what comes next is there.
    let answer = delete_records(&mut client, 2, "t", &[(0, -1), (1, -1)]);
    assert_eq!(
        outcomes(&answer),
        [(ErrorCode::None, 30), (ErrorCode::None, 0)]
    );
    assert_eq!(client.append(&topic, 0, batch(&["next"])), 30);
    assert_eq!(client.read_from(&topic, 0, 30).0.len(), 1);
}

#[test]
fn records_are_not_deleted_where_that_makes_no_sense() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    client.create_topic("compacted", 1, &[("cleanup.policy", "compact")]);
    append(&mut client, &topic, 3);
    let answer = delete_records(
        &mut client,
        2,
        "t",
        &[(0, 4), (0, -2), (1, 0), (0, 2), (0, 1)],
    );
    assert_eq!(
        outcomes(&answer),
        [
            (ErrorCode::OffsetOutOfRange, -1),
            (ErrorCode::OffsetOutOfRange, -1),
            (ErrorCode::UnknownTopicOrPartition, -1),
            (ErrorCode::None, 2),
            (ErrorCode::None, 2),
        ]
    );
    for (name, expected) in [
        ("compacted", ErrorCode::PolicyViolation),
        ("nothing", ErrorCode::UnknownTopicOrPartition),
        ("__cluster_metadata", ErrorCode::UnknownTopicOrPartition),
    ] {
        let answer = delete_records(&mut client, 2, name, &[(0, 0)]);
        assert_eq!(outcomes(&answer), [(expected, -1)], "{name}");
    }
    assert_eq!(client.offset_of(&topic, 0, EARLIEST), 2);
}

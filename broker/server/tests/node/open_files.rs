//! A system that lets the broker have few files open.

use std::net::TcpStream;

use crate::support::{Node, NodeConfig, batch};

const OPEN_FILES: u32 = 400;
const PARTITIONS: i32 = 300;
const CONNECTIONS: usize = 500;

/// Each partition has three files.
#[test]
fn many_partitions_and_many_connections_leave_each_other_enough() {
    let mut node = Node::start(NodeConfig::new().open_files(OPEN_FILES));
    assert!(
        node.log_since(0).contains("max.connections"),
        "{}",
        node.log_since(0)
    );
    let mut client = node.client();
    let topic = client.create_topic("wide", PARTITIONS, &[]);
    let connections: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| TcpStream::connect(node.kafka()).expect("the listener is there"))
        .collect();
    for partition in 0..PARTITIONS {
        client.append(&topic, partition, batch(&["first"]));
    }
    drop(connections);
    // Everything is written to its files at once.
    node.stop();
    node.restart();
    let mut client = node.client();
    for partition in 0..PARTITIONS {
        client.append(&topic, partition, batch(&["second"]));
    }
    node.stop();
    node.restart();
    let mut client = node.client();
    for partition in 0..PARTITIONS {
        assert_eq!(
            client.read_all(&topic, partition),
            [&b"first"[..], b"second"]
        );
    }
    let said = node.log_since(0);
    assert!(!said.contains("offline"), "{said}");
}

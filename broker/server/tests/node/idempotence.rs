//! Idempotent producers (KIP-98), over restarts too: what is sent again is in the log once.

use std::collections::BTreeSet;

use protocol::ErrorCode;

use crate::support::{Node, NodeConfig, idempotent};

/// How many batches of a producer a broker remembers.
const REMEMBERED: i32 = 5;

#[test]
fn a_retry_is_answered_with_its_first_offset() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    let id = client.init_producer_id();
    let nth = |n: i32| idempotent(id, 0, 2 * n, &[format!("{n}a"), format!("{n}b")]);
    for n in 0..7 {
        assert_eq!(client.append(&topic, 0, nth(n)), i64::from(2 * n));
        for earlier in (n + 1 - REMEMBERED).max(0)..=n {
            assert_eq!(
                client.append(&topic, 0, nth(earlier)),
                i64::from(2 * earlier)
            );
        }
    }
    // Older ones are forgotten: that they were there before cannot be told, and they are not taken.
    assert_eq!(
        client.refused(&topic, 0, nth(1)),
        ErrorCode::OutOfOrderSequenceNumber
    );
    // The same sequence with another number of records is no retry.
    let other = idempotent(id, 0, 12, &["x"]);
    assert_eq!(
        client.refused(&topic, 0, other),
        ErrorCode::OutOfOrderSequenceNumber
    );
    assert_eq!(client.read_all(&topic, 0).len(), 14);
}

#[test]
fn a_retry_on_the_heels_of_the_first_waits_for_it() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    let id = client.init_producer_id();
    for n in 0..50 {
        let request = topic.produce(-1, &[(0, idempotent(id, 0, n, &[format!("{n}")]))]);
        // Several in flight, as a client that reconnects may have it.
        for _ in 0..4 {
            client.send(13, &request);
        }
        for _ in 0..4 {
            let answer = client.receive::<protocol::messages::ProduceRequest>();
            let answer = &answer.responses[0].partition_responses[0];
            assert_eq!((answer.error_code, answer.base_offset), (0, i64::from(n)));
        }
        // Acknowledged is readable.
        let (read, _) = client.read_from(&topic, 0, i64::from(n));
        assert_eq!(read.len(), 1);
    }
}

#[test]
fn retries_are_known_after_a_restart() {
    for clean in [true, false] {
        for write_behind_ms in ["1", "60000"] {
            let config = NodeConfig::new().set("log.write.behind.ms", write_behind_ms);
            retries_after_restart(Node::start(config), clean);
        }
    }
}

fn retries_after_restart(mut node: Node, clean: bool) {
    let mut client = node.client();
    let topic = client.create_topic("t", 2, &[]);
    let ids = [client.init_producer_id(), client.init_producer_id()];
    let nth = |id: i64, n: i32| {
        idempotent(
            id,
            3,
            3 * n,
            &[format!("{n}a"), format!("{n}b"), format!("{n}c")],
        )
    };
    let mut count = 0;
    for round in 0..4 {
        // Each producer alone in its partition.
        for (partition, id) in (0..).zip(ids) {
            for n in count..count + 4 {
                assert_eq!(
                    client.append(&topic, partition, nth(id, n)),
                    i64::from(3 * n)
                );
            }
        }
        count += 4;
        if clean && round % 2 == 0 {
            assert!(node.stop().success());
        } else {
            node.kill9();
        }
        node.restart();
        client = node.client();
        for (partition, id) in (0..).zip(ids) {
            for n in (count - REMEMBERED).max(0)..count {
                let offset = client.append(&topic, partition, nth(id, n));
                assert_eq!(offset, i64::from(3 * n), "round {round}, clean: {clean}");
            }
            let ahead = idempotent(id, 3, 3 * count + 1, &["x"]);
            let refused = client.refused(&topic, partition, ahead);
            assert_eq!(refused, ErrorCode::OutOfOrderSequenceNumber);
            let fenced = idempotent(id, 2, 3 * count, &["x"]);
            assert_eq!(
                client.refused(&topic, partition, fenced),
                ErrorCode::InvalidProducerEpoch
            );
        }
    }
    for partition in [0, 1] {
        let expected: Vec<Vec<u8>> = (0..count)
            .flat_map(|n| ["a", "b", "c"].map(|letter| format!("{n}{letter}").into_bytes()))
            .collect();
        assert_eq!(client.read_all(&topic, partition), expected);
    }
}

#[test]
fn a_new_epoch_begins_at_sequence_0_and_fences_the_old_one() {
    let mut node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    let id = client.init_producer_id();
    client.append(&topic, 0, idempotent(id, 0, 0, &["a"]));
    client.append(&topic, 0, idempotent(id, 0, 1, &["b"]));
    let gap = idempotent(id, 1, 2, &["c"]);
    assert_eq!(
        client.refused(&topic, 0, gap),
        ErrorCode::OutOfOrderSequenceNumber
    );
    assert_eq!(client.append(&topic, 0, idempotent(id, 1, 0, &["c"])), 2);
    for restart in [false, true] {
        if restart {
            node.kill9();
            node.restart();
            client = node.client();
        }
        let old = idempotent(id, 0, 2, &["x"]);
        assert_eq!(
            client.refused(&topic, 0, old),
            ErrorCode::InvalidProducerEpoch
        );
        // Not even as a retry.
        let old = idempotent(id, 0, 1, &["b"]);
        assert_eq!(
            client.refused(&topic, 0, old),
            ErrorCode::InvalidProducerEpoch
        );
        assert_eq!(client.append(&topic, 0, idempotent(id, 1, 0, &["c"])), 2);
    }
    assert_eq!(client.read_all(&topic, 0), [b"a", b"b", b"c"]);
}

#[test]
fn producer_ids_are_never_given_twice() {
    let mut node = Node::start(NodeConfig::new());
    let mut given = BTreeSet::new();
    for round in 0..5 {
        let mut clients: Vec<_> = (0..4).map(|_| node.client()).collect();
        for client in &mut clients {
            for _ in 0..30 {
                let id = client.init_producer_id();
                assert!(given.insert(id), "{id} was given before");
            }
        }
        drop(clients);
        match round % 2 {
            0 => node.kill9(),
            _ => assert!(node.stop().success()),
        }
        node.restart();
    }
}

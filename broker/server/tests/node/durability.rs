//! Topics that are stored in the page cache, beside those on stable media.

use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::CreateTopicsRequest;
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};

use crate::support::topics::{code, topic_name};
use crate::support::{Node, NodeConfig, batch, idempotent};

#[test]
fn what_was_acknowledged_survives_the_process_in_every_mode() {
    let mut node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let modes: [&[(&str, &str)]; 4] = [
        &[("durability", "fsync")],
        &[("durability", "os")],
        &[("durability", "os"), ("flush.messages", "1")],
        &[("durability", "os"), ("flush.ms", "10")],
    ];
    let topics: Vec<_> = modes
        .iter()
        .enumerate()
        .map(|(number, configs)| client.create_topic(&format!("t{number}"), 2, configs))
        .collect();
    let id = client.init_producer_id();
    for round in 0..4 {
        for topic in &topics {
            for number in 0..50 {
                let value = format!("{round}-{number}");
                client.append(topic, 0, batch(&[value]));
            }
            client.append(topic, 1, idempotent(id, 0, round, &["once"]));
        }
        node.kill9();
        node.restart();
        client = node.client();
        for topic in &topics {
            let retried = client.append(topic, 1, idempotent(id, 0, round, &["once"]));
            assert_eq!(retried, i64::from(round), "a retry is in the log once");
            assert_eq!(client.read_all(topic, 0).len(), 50 * (round as usize + 1));
            assert_eq!(client.read_all(topic, 1).len(), round as usize + 1);
        }
    }
    let mark = node.log_mark();
    assert!(node.stop().success());
    assert!(!node.log_since(mark).contains("ERROR"));
    node.restart();
    let mut client = node.client();
    for topic in &topics {
        assert_eq!(client.read_all(topic, 0).len(), 200);
    }
}

#[test]
fn many_writers_at_once_are_each_answered() {
    let node = Node::start(NodeConfig::new());
    let topic = node.client().create_topic("t", 1, &[("durability", "os")]);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (mut client, topic) = (node.client(), topic.clone());
            std::thread::spawn(move || {
                let offsets = (0..100)
                    .map(|number| client.append(&topic, 0, batch(&[format!("{writer}-{number}")])));
                offsets.collect::<Vec<_>>()
            })
        })
        .collect();
    let offsets = writers
        .into_iter()
        .flat_map(|writer| writer.join().expect("it does not panic"));
    let mut offsets: Vec<i64> = offsets.collect();
    offsets.sort_unstable();
    assert!(offsets.into_iter().eq(0..800));
    assert_eq!(node.client().read_all(&topic, 0).len(), 800);
}

#[test]
fn a_mode_that_is_none_is_refused() {
    let node = Node::start(NodeConfig::new());
    let config = CreatableTopicConfig::default()
        .with_name(StrBytes::from_static_str("durability"))
        .with_value(Some(StrBytes::from_static_str("hope")));
    let topic = CreatableTopic::default()
        .with_name(topic_name("t"))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(vec![config]);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    let answer = node.client().call(7, &request);
    assert_eq!(code(answer.topics[0].error_code), ErrorCode::InvalidConfig);
}

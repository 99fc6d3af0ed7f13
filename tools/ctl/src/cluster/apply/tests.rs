use client::PartitionMetadata;

use super::*;

const FILE: &str = "
brokerDefaults:
  log.retention.ms: 86400000
topics:
  - name: orders
    partitions: 12
    replicationFactor: 3
    config:
      cleanup.policy: compact
      retention.ms: 1000
  - name: plain
";

fn wanted(text: &str) -> Wanted {
    serde_yaml::from_str(text).expect("YAML")
}

fn there(name: &str, partitions: i32, replicas: &[i32]) -> (String, TopicMetadata) {
    let partition = |partition| PartitionMetadata {
        partition,
        replicas: replicas.to_vec(),
        ..PartitionMetadata::default()
    };
    let topic = TopicMetadata {
        name: name.to_owned(),
        id: protocol::model::Uuid::nil(),
        error: ErrorCode::None,
        is_internal: false,
        partitions: (0..partitions).map(partition).collect(),
    };
    (name.to_owned(), topic)
}

fn said(wanted: &Wanted, now: &Now) -> Vec<String> {
    let steps = plan(wanted, now).expect("it can be");
    steps.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_there_is_made() {
    let steps = plan(&wanted(FILE), &Now::default()).expect("it can be");
    assert_eq!(steps.len(), 3);
    assert_eq!(
        steps[0].to_string(),
        "all brokers: log.retention.ms=86400000"
    );
    assert_eq!(
        steps[1].to_string(),
        "orders: made, cleanup.policy=compact, retention.ms=1000"
    );
    let Step::Create {
        partitions,
        replication_factor,
        ..
    } = &steps[2]
    else {
        panic!("{:?}", steps[2]);
    };
    assert_eq!(
        (*partitions, *replication_factor),
        (-1, -1),
        "as the cluster makes topics"
    );
}

#[test]
fn what_is_there_is_changed_where_it_differs() {
    let mut now = Now {
        topics: [there("orders", 6, &[1, 2, 3]), there("plain", 1, &[1])].into(),
        ..Now::default()
    };
    let set = |now: &mut Now, name: &str, value: &str| {
        let key = ("orders".to_owned(), name.to_owned());
        now.configs.insert(key, value.to_owned());
    };
    set(&mut now, "cleanup.policy", "compact");
    set(&mut now, "retention.ms", "5");
    let orders = wanted(FILE);
    let all = said(&orders, &now);
    assert_eq!(
        all[1..],
        [
            "orders: 12 partitions in the place of 6",
            "orders: retention.ms=1000"
        ]
    );
    now.topics.extend([there("orders", 12, &[1, 2, 3])]);
    set(&mut now, "retention.ms", "1000");
    assert_eq!(
        said(&orders, &now).len(),
        1,
        "what all brokers have is set anyway"
    );
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_done() {
    for (partitions, replicas, why) in [
        (
            13,
            [1, 2, 3].as_slice(),
            "orders has 13 partitions, and cannot have 12",
        ),
        (
            12,
            &[1, 2],
            "orders has 2 replicas of each partition, and is to have 3",
        ),
    ] {
        let now = Now {
            topics: [there("orders", partitions, replicas)].into(),
            ..Now::default()
        };
        let refused = plan(&wanted(FILE), &now).expect_err("it cannot be");
        assert!(refused.to_string().starts_with(why), "{refused}");
    }
}

#[test]
fn a_word_too_many_is_refused() {
    let text = "topics:\n  - name: a\n    partition: 3\n";
    let refused = serde_yaml::from_str::<Wanted>(text).expect_err("no such field");
    assert!(refused.to_string().contains("partition"), "{refused}");
}

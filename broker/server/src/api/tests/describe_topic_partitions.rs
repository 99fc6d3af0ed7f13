//! DescribeTopicPartitions. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use super::super::topics::text;
use super::{create, names};
use crate::testing::TestBroker;

/// A topic of an answer: name, code, the partitions.
type Told = (String, i16, Vec<i32>);

fn request(
    topics: &[&str],
    limit: i32,
    cursor: Option<(&str, i32)>,
) -> DescribeTopicPartitionsRequest {
    let topic = |name: &&str| TopicRequest::default().with_name(text(*name).into());
    let cursor = cursor.map(|(name, partition)| {
        Cursor::default()
            .with_topic_name(text(name).into())
            .with_partition_index(partition)
    });
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.iter().map(topic).collect())
        .with_response_partition_limit(limit)
        .with_cursor(cursor)
}

fn told(response: &DescribeTopicPartitionsResponse) -> (Vec<Told>, Option<(String, i32)>) {
    let topics = response.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|it| it.partition_index);
        let name = names(topic.name.as_ref());
        (name, topic.error_code, partitions.collect())
    });
    let next = response.next_cursor.as_ref();
    let next = next.map(|next| (next.topic_name.to_string(), next.partition_index));
    (topics.collect(), next)
}

fn topic(name: &str, partitions: &[i32]) -> Told {
    (name.to_owned(), 0, partitions.to_vec())
}

fn refused(name: &str, code: i16) -> Told {
    (name.to_owned(), code, Vec::new())
}

async fn three_topics(settings: &[(&str, &str)]) -> TestBroker {
    let mut broker = TestBroker::start(settings).await;
    for (name, partitions) in [("e", 1), ("t", 3), ("z", 2)] {
        create(&mut broker, name, partitions).await;
    }
    broker
}

#[tokio::test]
async fn topics_are_told_in_pages() {
    let mut broker = three_topics(&[]).await;
    let (e, t, z) = (
        topic("e", &[0]),
        topic("t", &[0, 1, 2]),
        topic("z", &[0, 1]),
    );
    let next = |name: &str, partition: i32| Some((name.to_owned(), partition));
    let cases = [
        (
            request(&[], 100, None),
            vec![e.clone(), t.clone(), z.clone()],
            None,
        ),
        (
            request(&[], i32::MAX, None),
            vec![e.clone(), t.clone(), z.clone()],
            None,
        ),
        (request(&[], 0, None), vec![e.clone()], next("t", 0)),
        (request(&[], -1, None), vec![e], next("t", 0)),
        (request(&["t"], 3, None), vec![t.clone()], None),
        (
            request(&["z", "t", "t"], 10, None),
            vec![t.clone(), z.clone()],
            None,
        ),
        (request(&["t", "z"], 3, None), vec![t.clone()], next("z", 0)),
        (
            request(&["z", "t"], 2, None),
            vec![topic("t", &[0, 1])],
            next("t", 2),
        ),
        (
            request(&["z", "t"], 2, Some(("t", 2))),
            vec![topic("t", &[2]), topic("z", &[0])],
            next("z", 1),
        ),
        (
            request(&["z", "t"], 2, Some(("t", 3))),
            vec![topic("t", &[]), z.clone()],
            None,
        ),
        (
            request(&["z", "t"], 2, Some(("t", 30))),
            vec![topic("t", &[]), z.clone()],
            None,
        ),
        (
            request(&[], 3, Some(("t", 1))),
            vec![topic("t", &[1, 2]), topic("z", &[0])],
            next("z", 1),
        ),
        // A topic that is gone since: the next one begins at its own beginning.
        (request(&[], 2, Some(("u", 1))), vec![z.clone()], None),
        (request(&[], 2, Some(("zz", 0))), vec![], None),
        // What does not exist takes no room, but is not told once there is none.
        (
            request(&["t", "none"], 3, None),
            vec![refused("none", 3), t.clone()],
            None,
        ),
        (
            request(&["t", "u", "z"], 3, None),
            vec![t.clone()],
            next("u", 0),
        ),
        (
            request(&["none", "t"], 10, Some(("none", 0))),
            vec![refused("none", 3), t],
            None,
        ),
        (
            request(&["a/b", ""], 1, None),
            vec![refused("", 17), refused("a/b", 17)],
            None,
        ),
        (
            request(&["__cluster_metadata"], 1, None),
            vec![refused("__cluster_metadata", 3)],
            None,
        ),
    ];
    for (request, topics, next) in cases {
        let response: DescribeTopicPartitionsResponse = broker.ask(0, &request).await;
        assert_eq!(told(&response), (topics, next), "{request:?}");
    }
}

#[tokio::test]
async fn a_cursor_is_of_a_topic_that_is_asked_for() {
    let mut broker = three_topics(&[]).await;
    for cursor in [("t", -1), ("u", 0), ("u", 1), ("zz", 0), ("", 0)] {
        let request = request(&["z", "t"], 2, Some(cursor));
        let response: DescribeTopicPartitionsResponse = broker.ask(0, &request).await;
        let expected = vec![refused("t", 42), refused("z", 42)];
        assert_eq!(told(&response), (expected, None), "{cursor:?}");
        let operations = response
            .topics
            .iter()
            .map(|topic| topic.topic_authorized_operations);
        assert!(
            operations
                .into_iter()
                .all(|operations| operations == i32::MIN)
        );
    }
}

#[tokio::test]
async fn the_broker_has_a_limit_of_its_own() {
    let mut broker = three_topics(&[("max.request.partition.size.limit", "4")]).await;
    let response: DescribeTopicPartitionsResponse = broker.ask(0, &request(&[], 2000, None)).await;
    assert_eq!(
        told(&response),
        (
            vec![topic("e", &[0]), topic("t", &[0, 1, 2])],
            Some(("z".to_owned(), 0))
        )
    );
}

#[tokio::test]
async fn partitions_are_told_with_their_replicas() {
    let mut broker = three_topics(&[("node.id", "7")]).await;
    let response: DescribeTopicPartitionsResponse = broker.ask(0, &request(&["z"], 9, None)).await;
    let topic = &response.topics[0];
    let image = broker.broker.metadata.image();
    let id = image.topic_named("z").expect("there").topic_id();
    assert_eq!(
        (
            topic.topic_id,
            topic.is_internal,
            topic.topic_authorized_operations
        ),
        (id.get(), false, 3576)
    );
    let partition = &topic.partitions[1];
    let ids = |ids: &[protocol::messages::BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(
        (
            partition.error_code,
            partition.leader_id.0,
            partition.leader_epoch
        ),
        (0, 7, 0)
    );
    assert_eq!(ids(&partition.replica_nodes), [7]);
    assert_eq!(ids(&partition.isr_nodes), [7]);
    assert_eq!(partition.eligible_leader_replicas, Some(vec![]));
    assert_eq!(partition.last_known_elr, Some(vec![]));
    assert_eq!(ids(&partition.offline_replicas), [0; 0]);
}

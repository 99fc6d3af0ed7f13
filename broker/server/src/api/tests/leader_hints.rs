//! Who asks the wrong broker is told the right one (KIP-951).

use broker_controller::decide::{CreateTopics, NewTopic, RegisterBroker, ReplicaAssignment};
use broker_controller::record::Listener;
use broker_controller::{DirectoryId, IncarnationId};
use protocol::batch::BatchBuilder;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{FetchRequest, FetchResponse, ProduceRequest, ProduceResponse};
use protocol::model::{BrokerId, Uuid};

use super::produced::batch;
use crate::api::topics::new_topic_id;
use crate::testing::TestBroker;

/// A topic `t` that another broker leads, number 2, which is in rack `r2` and reached at `other:9093`. `replicas` begins with it.
pub(super) async fn led_elsewhere(broker: &TestBroker, replicas: &[i32]) -> Uuid {
    let metadata = &broker.broker.metadata;
    let other = RegisterBroker {
        broker_id: BrokerId::new(2),
        incarnation_id: IncarnationId::new(Uuid::from_u128(1)),
        directories: vec![DirectoryId::new(Uuid::from_u128(2_000))],
        listeners: vec![Listener {
            name: "PLAINTEXT".to_owned(),
            host: "other".to_owned(),
            port: 9093,
        }],
        rack: Some("r2".to_owned()),
        ..broker.broker.registration.clone()
    };
    let registered = metadata.submit(&other).await.expect("a controller");
    registered.expect("another broker");
    let topic_id = new_topic_id();
    let topic = NewTopic {
        name: "t".to_owned(),
        topic_id,
        num_partitions: None,
        replication_factor: None,
        assignments: vec![ReplicaAssignment {
            partition: 0,
            brokers: replicas.iter().copied().map(BrokerId::new).collect(),
        }],
        configs: Vec::new(),
    };
    let command = CreateTopics {
        topics: vec![topic],
        validate_only: false,
    };
    let created = metadata.submit(&command).await.expect("a controller");
    created[0].result.as_ref().expect("a topic");
    topic_id.get()
}

#[tokio::test]
async fn a_producer_learns_who_leads() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = led_elsewhere(&broker, &[2]).await;
    for version in [9, 10, 13] {
        let records = batch(BatchBuilder::new(), &[1]).freeze();
        let partition = PartitionProduceData::default().with_records(Some(records));
        let mut data = TopicProduceData::default().with_partition_data(vec![partition]);
        match version >= 13 {
            true => data.topic_id = topic,
            false => data.name = crate::api::topics::text("t").into(),
        }
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(1_000)
            .with_topic_data(vec![data]);
        let answer: ProduceResponse = broker.ask(version, &request).await;
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, 6);
        let leader = (
            partition.current_leader.leader_id.0,
            partition.current_leader.leader_epoch,
        );
        let nodes = answer.node_endpoints.iter().map(|node| {
            let rack = node.rack.as_ref().map(ToString::to_string);
            (node.node_id.0, node.host.to_string(), node.port, rack)
        });
        let nodes: Vec<_> = nodes.collect();
        if version < 10 {
            assert_eq!((leader, nodes), ((-1, -1), vec![]), "version {version}");
            continue;
        }
        let other = (2, "other".to_owned(), 9093, Some("r2".to_owned()));
        assert_eq!((leader, nodes), ((2, 0), vec![other]), "version {version}");
    }
}

#[tokio::test]
async fn a_consumer_learns_who_leads() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = led_elsewhere(&broker, &[2]).await;
    for version in [15, 16, 18] {
        let asked = FetchTopic::default()
            .with_topic_id(topic)
            .with_partitions(vec![
                FetchPartition::default().with_partition_max_bytes(100),
            ]);
        let request = FetchRequest::default()
            .with_max_bytes(100)
            .with_session_epoch(-1)
            .with_topics(vec![asked]);
        let answer: FetchResponse = broker.ask(version, &request).await;
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, 6);
        let leader = partition.current_leader.leader_id.0;
        let nodes: Vec<_> = answer
            .node_endpoints
            .iter()
            .map(|it| it.node_id.0)
            .collect();
        let expected = match version >= 16 {
            true => (2, vec![2]),
            false => (-1, vec![]),
        };
        assert_eq!((leader, nodes), expected, "version {version}");
    }
}

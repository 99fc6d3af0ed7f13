use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::create_topics_response::CreatableTopicResult;
use protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use protocol::model::Uuid;

use super::*;
use crate::testing::TestBroker;

mod alter_configs;
mod consumer_groups;
mod create_partitions;
mod describe_configs;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod features;
mod fetch_from_followers;
mod groups;
mod leader_hints;
mod list_config_resources;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
mod produced;
mod raft_voters;
mod replicas;
mod throttled_replication;
mod topics;
mod unregister_broker;

/// What clients negotiate is what was checked against Kafka's own bytes.
#[test]
fn every_advertised_version_has_golden_vectors() {
    let covered = tests_golden::covered();
    for (api, versions) in table().handled() {
        for version in versions.iter() {
            let pair = (api as i16, version);
            assert!(
                covered.contains(&pair),
                "{api:?} {version} has no golden vectors"
            );
        }
    }
}

#[test]
fn apis_stand_in_the_order_of_their_keys() {
    assert!(
        APIS.windows(2)
            .all(|pair| (pair[0].key as i16) < pair[1].key as i16)
    );
}

/// Creates a topic and gives its id.
async fn create(broker: &mut TestBroker, name: &str, partitions: i32) -> Uuid {
    let result = created(broker, name, partitions).await;
    assert_eq!(result.error_code, 0, "{result:?}");
    result.topic_id
}

/// Creates a topic, if that can be.
async fn one_topic(broker: &mut TestBroker, name: &str) -> CreatableTopicResult {
    created(broker, name, 1).await
}

async fn created(broker: &mut TestBroker, name: &str, partitions: i32) -> CreatableTopicResult {
    let topic = CreatableTopic::default()
        .with_name(super::topics::text(name).into())
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let mut response: CreateTopicsResponse = broker.ask(7, &request).await;
    response.topics.remove(0)
}

/// A name as text; empty where there is none.
fn names(name: Option<&TopicName>) -> String {
    name.map(|name| name.to_string()).unwrap_or_default()
}

//! Topics: made, looked up, and deleted.

use std::collections::BTreeMap;

use protocol::{
    codec::StrBytes,
    messages::{
        ApiKey, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest,
        TopicName,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        metadata_request::MetadataRequestTopic,
    },
    model::Uuid,
};

use crate::{ClientError, ConfigResource, Connection, error::check};

const TIMEOUT_MS: i32 = 30_000;

/// A topic as it is addressed: old versions name it, newer ones use its id (KIP-516).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
}

impl Topic {
    pub(crate) fn wire_name(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.name.clone()))
    }
}

impl Connection {
    /// Creates a topic. "Done" is what the broker says: a single controller has it durably, but
    /// brokers may not have heard of it yet.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> Result<(), ClientError> {
        self.create_topic_with(name, partitions, &[])
    }

    /// The same with settings of its own.
    pub fn create_topic_with(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(String, String)],
    ) -> Result<(), ClientError> {
        self.create_replicated_topic(name, partitions, None, configs)
    }

    /// The same with so many replicas; `None` leaves their number to the cluster.
    pub fn create_replicated_topic(
        &mut self,
        name: &str,
        partitions: i32,
        replication_factor: Option<i16>,
        configs: &[(String, String)],
    ) -> Result<(), ClientError> {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        });
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_num_partitions(partitions)
            .with_replication_factor(replication_factor.unwrap_or(-1))
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        let answer = self.call(&request)?;
        match answer.topics.as_slice() {
            [topic] => check("create a topic", topic.error_code),
            _ => Err(ClientError::Unrelated(ApiKey::CreateTopics)),
        }
    }

    /// Gives a topic more partitions, so many in all. "Done" is what the broker says, as above.
    pub fn create_partitions(&mut self, name: &str, count: i32) -> Result<(), ClientError> {
        let topic = CreatePartitionsTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(TIMEOUT_MS);
        let answer = self.call(&request)?;
        match answer.results.as_slice() {
            [topic] => check("create partitions", topic.error_code),
            _ => Err(ClientError::Unrelated(ApiKey::CreatePartitions)),
        }
    }

    /// Sets one of a topic's settings. "Done" is what the broker says, as above.
    pub fn set_topic_config(
        &mut self,
        topic: &str,
        name: &str,
        value: &str,
    ) -> Result<(), ClientError> {
        let change = BTreeMap::from([(name.to_owned(), Some(value.to_owned()))]);
        self.alter_configs(&BTreeMap::from([(
            ConfigResource::Topic(topic.to_owned()),
            change,
        )]))
    }

    /// Deletes a topic. "Done" is what the broker says: its files may go later.
    pub fn delete_topic(&mut self, name: &str) -> Result<(), ClientError> {
        let named = TopicName(StrBytes::from_string(name.to_owned()));
        // Either form is sent, as the version has it.
        let request = DeleteTopicsRequest::default().with_timeout_ms(TIMEOUT_MS);
        let request = match self.version(ApiKey::DeleteTopics)? {
            0..6 => request.with_topic_names(vec![named]),
            _ => {
                let state = DeleteTopicState::default().with_name(Some(named));
                request.with_topics(vec![state])
            }
        };
        let answer = self.call(&request)?;
        match answer.responses.as_slice() {
            [topic] => check("delete a topic", topic.error_code),
            _ => Err(ClientError::Unrelated(ApiKey::DeleteTopics)),
        }
    }

    /// Looks a topic up. An error with a retriable code while it, or the leader of one of its
    /// partitions, is not known.
    pub fn topic(&mut self, name: &str) -> Result<Topic, ClientError> {
        let asked = MetadataRequestTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(false);
        let answer = self.call(&request)?;
        let [topic] = answer.topics.as_slice() else {
            return Err(ClientError::Unrelated(ApiKey::Metadata));
        };
        check("look a topic up", topic.error_code)?;
        for partition in &topic.partitions {
            check("look a partition up", partition.error_code)?;
        }
        Ok(Topic {
            name: name.to_owned(),
            id: topic.topic_id,
            partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        })
    }
}

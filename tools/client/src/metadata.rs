//! What a broker knows of the cluster: brokers, topics, and who leads what.

use protocol::{
    ErrorCode,
    codec::StrBytes,
    messages::{
        BrokerId, MetadataRequest, TopicName,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponseBroker, MetadataResponseTopic},
    },
    model::Uuid,
};

use crate::{ClientError, Connection, error::error_code};

/// The first version in which "all topics" is a null array, and not an empty one.
const NULL_IS_ALL_MIN: i16 = 1;

/// A cluster, as one broker knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller, or a broker that speaks for it.
    pub controller: Option<i32>,
    /// The brokers clients may connect to.
    pub brokers: Vec<MetadataBroker>,
    /// The topics that were asked for.
    pub topics: Vec<TopicMetadata>,
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataBroker {
    /// Its id.
    pub id: i32,
    /// `HOST:PORT`.
    pub address: String,
    /// Its rack.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: String,
    /// Its id; all zeros from a broker that tells none.
    pub id: Uuid,
    /// What is wrong with it.
    pub error: ErrorCode,
    /// Whether it is the brokers' own.
    pub is_internal: bool,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionMetadata>,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Its number.
    pub partition: i32,
    /// Who leads it.
    pub leader: Option<i32>,
    /// The number of the leadership; `None` from a broker that does not tell.
    pub leader_epoch: Option<i32>,
    /// Who has it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Who is in sync.
    pub isr: Vec<i32>,
}

impl Connection {
    /// Asks for brokers and for topics by name, or all of them. A topic that is not known is among the answers, with
    /// its error.
    pub fn metadata(&mut self, topics: Option<&[&str]>) -> Result<ClusterMetadata, ClientError> {
        let asked = |name: &&str| {
            let name = TopicName(StrBytes::from_string((*name).to_owned()));
            MetadataRequestTopic::default().with_name(Some(name))
        };
        let mut asked = topics.map(|topics| topics.iter().map(asked).collect());
        if self.version(protocol::ApiKey::Metadata)? < NULL_IS_ALL_MIN {
            asked = asked.or_else(|| Some(Vec::new()));
        }
        let request = MetadataRequest::default()
            .with_topics(asked)
            .with_allow_auto_topic_creation(false);
        let answer = self.call(&request)?;
        let topics = answer.topics.iter().map(topic);
        Ok(ClusterMetadata {
            cluster_id: answer.cluster_id.map(|id| id.to_string()),
            controller: known(answer.controller_id),
            brokers: answer.brokers.iter().map(broker).collect(),
            topics: topics.collect::<Result<_, _>>()?,
        })
    }
}

fn known(id: BrokerId) -> Option<i32> {
    (id.0 >= 0).then_some(id.0)
}

pub(crate) fn ids(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

/// `HOST:PORT`, so that it can be split again if the host is an IPv6 address.
pub(crate) fn address(host: &str, port: i32) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

fn broker(broker: &MetadataResponseBroker) -> MetadataBroker {
    MetadataBroker {
        id: broker.node_id.0,
        address: address(&broker.host, broker.port),
        rack: broker.rack.as_ref().map(|rack| rack.to_string()),
    }
}

fn topic(topic: &MetadataResponseTopic) -> Result<TopicMetadata, ClientError> {
    let partitions = topic.partitions.iter().map(|it| PartitionMetadata {
        partition: it.partition_index,
        leader: known(it.leader_id),
        leader_epoch: (it.leader_epoch >= 0).then_some(it.leader_epoch),
        replicas: ids(&it.replica_nodes),
        isr: ids(&it.isr_nodes),
    });
    let mut partitions: Vec<PartitionMetadata> = partitions.collect();
    partitions.sort_by_key(|it| it.partition);
    Ok(TopicMetadata {
        name: topic
            .name
            .as_ref()
            .map_or_else(String::new, |name| name.as_str().to_owned()),
        id: topic.topic_id,
        error: error_code(topic.error_code)?,
        is_internal: topic.is_internal,
        partitions,
    })
}

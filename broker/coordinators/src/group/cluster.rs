//! What groups see of the cluster.

use std::fmt;
use std::sync::Arc;

use protocol::model::Uuid;

/// A partition, by the id of its topic.
pub type TopicPartition = (Uuid, i32);

/// A topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// Its id.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
}

/// The cluster at one moment: topics, and the settings of groups.
pub trait Cluster: fmt::Debug + Send + Sync {
    /// The same as that of another one, as long as both are there, only if nothing has changed between them.
    fn version(&self) -> usize;

    /// A topic, if it is there.
    fn topic(&self, name: &str) -> Option<TopicView>;

    /// The name of a topic, if it is there.
    fn name(&self, topic: Uuid) -> Option<Arc<str>>;

    /// The names of all topics.
    fn names(&self) -> Vec<Arc<str>>;

    /// The racks of a partition's replicas, as far as their brokers have some.
    fn racks(&self, partition: TopicPartition) -> Vec<Arc<str>>;

    /// A setting that a group has of its own (`consumer.session.timeout.ms` and its siblings).
    fn group_setting(&self, group: &str, name: &str) -> Option<i32>;
}

/// One without topics.
#[derive(Debug, Default)]
pub struct NoCluster;

impl Cluster for NoCluster {
    fn version(&self) -> usize {
        0
    }

    fn topic(&self, _: &str) -> Option<TopicView> {
        None
    }

    fn name(&self, _: Uuid) -> Option<Arc<str>> {
        None
    }

    fn names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn racks(&self, _: TopicPartition) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn group_setting(&self, _: &str, _: &str) -> Option<i32> {
        None
    }
}

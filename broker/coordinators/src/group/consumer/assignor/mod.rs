//! Who is to have what: pure functions of members, their subscriptions, and what they have been assigned before.

mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::model::Uuid;

use super::super::cluster::{Cluster, TopicPartition};

/// An assignor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// As many partitions for each member, moved as little as can be.
    Uniform,
    /// Of each topic, partitions in a row.
    Range,
}

/// All there are, as Kafka has them by default.
pub const ASSIGNORS: [Assignor; 2] = [Assignor::Uniform, Assignor::Range];

/// A member, as an assignor sees it.
pub(super) struct MemberSpec {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<Arc<str>>,
    pub(super) rack: Option<Arc<str>>,
    /// The topics it is subscribed to, of those that are there.
    pub(super) topics: Arc<BTreeSet<Uuid>>,
    /// Its target until now.
    pub(super) target: Arc<BTreeSet<TopicPartition>>,
}

/// What there is to assign, and to whom.
pub(super) struct Spec<'a> {
    /// The number of partitions of each topic that somebody is subscribed to.
    pub(super) topics: &'a BTreeMap<Uuid, i32>,
    /// In the order of their ids.
    pub(super) members: &'a [MemberSpec],
    pub(super) cluster: &'a dyn Cluster,
}

impl Spec<'_> {
    fn has_racks(&self) -> bool {
        self.members.iter().any(|member| member.rack.is_some())
    }

    fn is_there(&self, (topic, partition): &TopicPartition) -> bool {
        let partitions = self.topics.get(topic).copied().unwrap_or(0);
        (0..partitions).contains(partition)
    }

    fn is_near(&self, member: &MemberSpec, racks: &[Arc<str>]) -> bool {
        member
            .rack
            .as_ref()
            .is_some_and(|rack| racks.contains(rack))
    }
}

impl Assignor {
    /// Its name in requests and settings.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Assignor> {
        ASSIGNORS
            .into_iter()
            .find(|assignor| assignor.name() == name)
    }

    /// The target of each member, in their order. Every partition that somebody is subscribed to is somebody's, and nobody else's.
    pub(super) fn assign(self, spec: &Spec<'_>) -> Vec<BTreeSet<TopicPartition>> {
        match self {
            Assignor::Uniform => uniform::assign(spec),
            Assignor::Range => range::assign(spec),
        }
    }
}

#[cfg(test)]
mod tests;

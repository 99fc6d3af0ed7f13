//! ConsumerGroupDescribe.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::ask::{DescribedConsumerGroup, DescribedConsumerMember, NamedPartitions};
use super::super::cluster::{Cluster, TopicPartition};
use super::super::context::Context;
use super::ConsumerGroup;
use super::member::{ConsumerMember, by_topic};

impl ConsumerGroup {
    pub(in crate::group) fn describe(&self, context: &Context<'_>) -> DescribedConsumerGroup {
        let cluster = &**context.cluster;
        DescribedConsumerGroup {
            state: self.state(),
            epoch: self.epoch,
            target_epoch: self.target_epoch,
            assignor: self.assignor(context).name(),
            members: self
                .members
                .iter()
                .rev()
                .map(|(id, member)| described(id, member, cluster))
                .collect(),
        }
    }
}

fn described(
    id: &Arc<str>,
    member: &ConsumerMember,
    cluster: &dyn Cluster,
) -> DescribedConsumerMember {
    let profile = &member.profile;
    let current = &member.current;
    // What it is to give up it still has.
    let assigned: BTreeSet<_> = current
        .assigned
        .keys()
        .chain(current.revoking.keys())
        .collect();
    DescribedConsumerMember {
        member: Arc::clone(id),
        instance: profile.instance.clone(),
        rack: profile.rack.clone(),
        epoch: member.current.epoch,
        client_id: Arc::clone(&profile.client_id),
        client_host: Arc::clone(&profile.client_host),
        names: profile.names.iter().cloned().collect(),
        regex: profile.regex.clone(),
        assigned: named(cluster, assigned.into_iter()),
        target: named(cluster, member.target.iter()),
        is_classic: member.is_classic(),
    }
}

/// Topics that are gone are left out.
fn named<'a>(
    cluster: &dyn Cluster,
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> Vec<NamedPartitions> {
    let topics = by_topic(partitions).into_iter();
    let named = topics.filter_map(|(topic, partitions)| {
        Some(NamedPartitions {
            topic,
            name: cluster.name(topic)?,
            partitions,
        })
    });
    named.collect()
}

//! From one protocol to the other while the group is in use (`group.consumer.migration.policy`).
//!
//! A classic group becomes one of the consumer protocol with the first member of that protocol, and becomes classic again when the last of them
//! is gone. Members go on with what they have.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::consumer_protocol::{ConsumerSubscription, assignment, has_user_data, subscription};
use protocol::group_records::GroupRecord;

use super::super::classic::{ClassicGroup, ConvertedMember};
use super::super::cluster::{Cluster, TopicPartition};
use super::super::config::GroupConfig;
use super::super::context::Context;
use super::classic::with_ids;
use super::member::{ClassicSide, Current, MemberState, Owned, Profile, target_to_record};
use super::{ConsumerGroup, FIRST_EPOCH};

/// The assignors that clients come with.
const ASSIGNORS_OF_CLIENTS: [&str; 4] = ["range", "roundrobin", "sticky", "cooperative-sticky"];

/// A group that is about to be classic.
pub(in crate::group) struct Downgrade {
    generation: i32,
    members: Vec<ConvertedMember>,
}

impl ConsumerGroup {
    /// What a classic group becomes; or why it cannot be one.
    pub(in crate::group) fn upgrade(
        context: &mut Context<'_>,
        id: &Arc<str>,
        classic: &mut ClassicGroup,
    ) -> Result<ConsumerGroup, &'static str> {
        let subscriptions: Result<Vec<_>, _> = classic
            .chosen_metadata()
            .iter()
            .map(|metadata| subscription(metadata))
            .collect();
        let malformed = "the embedded consumer protocol is malformed";
        let subscriptions = subscriptions.map_err(|_| malformed)?;
        // What an assignor of their own has told them would be lost. (Kafka goes by the data alone, which librdkafka's sticky assignors have,
        // without using it.)
        let is_known = |name: &Arc<str>| ASSIGNORS_OF_CLIENTS.contains(&&**name);
        let has_data = classic.assignments().any(|it| has_user_data(it));
        if has_data && !classic.protocol().is_some_and(is_known) {
            return Err(
                "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default \
                 assignor before re-attempting the upgrade",
            );
        }
        let epoch = classic.generation().max(FIRST_EPOCH);
        let members = classic.give_up(context);
        context.record(GroupRecord::GroupMetadata {
            group: id.to_string(),
            value: None,
        });
        let mut group = ConsumerGroup::new(Arc::clone(id));
        (group.epoch, group.target_epoch) = (epoch, epoch);
        group.put_epoch(context, epoch, 0);
        let has = what_each_has(&**context.cluster, &members, &subscriptions);
        for ((member, said), has) in members.into_iter().zip(subscriptions).zip(has) {
            let profile = Profile {
                instance: member.instance.clone(),
                rack: said.rack.as_deref().map(Arc::from),
                client_id: Arc::clone(&member.client_id),
                client_host: Arc::clone(&member.client_host),
                names: said
                    .topics
                    .iter()
                    .map(|topic| topic.as_str().into())
                    .collect(),
                regex: None,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                assignor: None,
                classic: Some(ClassicSide {
                    session_timeout_ms: member.session_timeout_ms,
                    protocols: member.protocols.clone(),
                }),
            };
            group.put_converted(context, &member.id, &profile, &has, epoch);
        }
        Ok(group)
    }

    fn put_converted(
        &mut self,
        context: &mut Context<'_>,
        id: &Arc<str>,
        profile: &Profile,
        assigned: &BTreeSet<(protocol::model::Uuid, i32)>,
        epoch: i32,
    ) {
        let (group, member) = (self.id.to_string(), id.to_string());
        self.put(
            context,
            GroupRecord::ConsumerMember {
                group: group.clone(),
                member: member.clone(),
                value: Some(profile.to_record()),
            },
        );
        self.put(
            context,
            GroupRecord::TargetAssignment {
                group,
                member,
                value: Some(target_to_record(assigned)),
            },
        );
        let current = Current {
            epoch,
            previous_epoch: epoch,
            state: MemberState::Stable,
            assigned: assigned
                .iter()
                .map(|partition| (*partition, epoch))
                .collect(),
            revoking: Owned::new(),
        };
        self.put_current(context, id, &current);
        self.touch(context, id);
    }

    /// What the group is to be, if the last member of the consumer protocol is gone and others are there. All that was recorded of it is taken back.
    pub(in crate::group) fn downgrade(&mut self, context: &mut Context<'_>) -> Option<Downgrade> {
        if !self.is_to_be_classic(context.config) {
            return None;
        }
        let cluster = Arc::clone(context.cluster);
        let mut members = Vec::with_capacity(self.members.len());
        for (id, member) in &self.members {
            let side = member.profile.classic.as_ref()?;
            members.push(ConvertedMember {
                id: Arc::clone(id),
                instance: member.profile.instance.clone(),
                client_id: Arc::clone(&member.profile.client_id),
                client_host: Arc::clone(&member.profile.client_host),
                rebalance_timeout_ms: member.profile.rebalance_timeout_ms,
                session_timeout_ms: side.session_timeout_ms,
                protocols: side.protocols.clone(),
                assignment: side.encode_assignment(&*cluster, member.current.assigned.keys()),
            });
        }
        let generation = self.epoch;
        self.bury(context);
        Some(Downgrade {
            generation,
            members,
        })
    }

    fn is_to_be_classic(&self, config: &GroupConfig) -> bool {
        config.migration.downgrades
            && !self.members.is_empty()
            && self.members.len() <= config.members_max
            && self.members.values().all(|member| member.is_classic())
    }
}

/// What each of the members of a classic group may have: what it was assigned last, and what it had when it joined last, since it gives nothing
/// up before it has heard its assignment. (Kafka goes by the assignment alone.) It says in its next request to join what it has.
fn what_each_has(
    cluster: &dyn Cluster,
    members: &[ConvertedMember],
    subscriptions: &[ConsumerSubscription],
) -> Vec<BTreeSet<TopicPartition>> {
    let mut taken = BTreeSet::new();
    // A leader may have assigned something twice; here nothing belongs to two.
    let mut untaken = |topics: &[(String, Vec<i32>)]| {
        let mut partitions = with_ids(cluster, topics);
        partitions.retain(|partition| taken.insert(*partition));
        partitions
    };
    let mut has: Vec<_> = members
        .iter()
        .map(|member| untaken(&assignment(&member.assignment).unwrap_or_default()))
        .collect();
    for (has, said) in has.iter_mut().zip(subscriptions) {
        has.append(&mut untaken(&said.owned));
    }
    has
}

impl Downgrade {
    /// The classic group, which has to rebalance.
    pub(in crate::group) fn into_classic(
        self,
        context: &mut Context<'_>,
        id: Arc<str>,
    ) -> ClassicGroup {
        ClassicGroup::converted(context, id, self.generation, self.members)
    }
}

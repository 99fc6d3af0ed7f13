//! Computing what each member is to have (Kafka's `TargetAssignmentBuilder`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::group_records::{ConsumerGroupValue, GroupRecord, TargetEpochValue};

use super::super::cluster::TopicPartition;
use super::super::context::{Context, TimerKey};
use super::assignor::{Assignor, MemberSpec, Spec};
use super::member::target_to_record;
use super::{ConsumerGroup, Profile};

impl ConsumerGroup {
    pub(super) fn put_epoch(&mut self, context: &mut Context<'_>, epoch: i32, metadata_hash: i64) {
        if epoch > self.epoch {
            context.counters.rebalances.add(1);
        }
        let value = ConsumerGroupValue {
            epoch,
            metadata_hash,
        };
        let is_new = !self.is_recorded;
        let record = GroupRecord::ConsumerGroup {
            group: self.id.to_string(),
            value: Some(value),
        };
        self.put(context, record);
        if is_new {
            self.put_target_epoch(context, self.target_epoch);
        }
    }

    fn put_target_epoch(&mut self, context: &mut Context<'_>, epoch: i32) {
        let record = GroupRecord::TargetEpoch {
            group: self.id.to_string(),
            value: Some(TargetEpochValue {
                epoch,
                timestamp_ms: context.now.wall_ms,
            }),
        };
        self.put(context, record);
    }

    /// Computes a target for the epoch, if there is none. Not more often than in the interval of KIP-1263: then a timer does.
    pub(super) fn assign_if_due(&mut self, context: &mut Context<'_>) {
        if self.epoch <= self.target_epoch || self.members.is_empty() {
            return;
        }
        let interval_ms = i64::from(context.assignment_interval_ms(&self.id));
        let due_ms = self.assigned_at_ms.map(|at| at + interval_ms);
        match due_ms {
            Some(due_ms) if due_ms > context.now.monotonic_ms => {
                let timer = TimerKey::Assign(Arc::clone(&self.id));
                context.timers.set(timer, due_ms);
            }
            _ => self.assign(context),
        }
    }

    /// The interval is over.
    pub(in crate::group) fn on_assign_timer(&mut self, context: &mut Context<'_>) {
        self.assign_if_due(context);
    }

    fn assign(&mut self, context: &mut Context<'_>) {
        let targets = self.compute_targets(context);
        for (member, target) in targets {
            let is_the_same = self
                .members
                .get(&member)
                .is_none_or(|known| *known.target == target);
            if is_the_same {
                continue;
            }
            let record = GroupRecord::TargetAssignment {
                group: self.id.to_string(),
                member: member.to_string(),
                value: Some(target_to_record(&target)),
            };
            self.put(context, record);
        }
        self.put_target_epoch(context, self.epoch);
        self.assigned_at_ms = Some(context.now.monotonic_ms);
        context
            .timers
            .cancel(&TimerKey::Assign(Arc::clone(&self.id)));
    }

    fn compute_targets(
        &self,
        context: &Context<'_>,
    ) -> BTreeMap<Arc<str>, BTreeSet<TopicPartition>> {
        let cluster = &**context.cluster;
        let mut topics = BTreeMap::new();
        for name in self.subscribed() {
            if let Some(topic) = cluster.topic(name) {
                topics.insert(topic.id, topic.partitions);
            }
        }
        // Most members of a group are subscribed to the same.
        let mut subscriptions = BTreeMap::new();
        let mut subscription = |profile: &Profile| {
            let key = (profile.names.clone(), profile.regex.clone());
            let subscribed = subscriptions.entry(key).or_insert_with(|| {
                let names = self.topics_of(profile).into_iter();
                let topics = names.filter_map(|name| cluster.topic(name));
                Arc::new(topics.map(|topic| topic.id).collect::<BTreeSet<_>>())
            });
            Arc::clone(subscribed)
        };
        let members = self.members.iter().map(|(id, member)| MemberSpec {
            id: Arc::clone(id),
            instance: member.profile.instance.clone(),
            rack: member.profile.rack.clone(),
            topics: subscription(&member.profile),
            target: Arc::clone(&member.target),
        });
        let members: Vec<_> = members.collect();
        let spec = Spec {
            topics: &topics,
            members: &members,
            cluster,
        };
        let targets = self.assignor(context).assign(&spec);
        let ids = members.iter().map(|member| Arc::clone(&member.id));
        ids.zip(targets).collect()
    }

    /// What most members prefer; the first that is configured, where they do not say.
    pub(super) fn assignor(&self, context: &Context<'_>) -> Assignor {
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(name) = &member.profile.assignor {
                *votes.entry(name).or_default() += 1;
            }
        }
        let best = votes.into_iter().max_by_key(|(_, count)| *count);
        best.and_then(|(name, _)| Assignor::named(name))
            .unwrap_or(context.config.consumer_assignors[0])
    }
}

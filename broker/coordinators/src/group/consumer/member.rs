//! A member of a group of the consumer protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use protocol::consumer_protocol::encode_assignment;
use protocol::group_records::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerMemberValue, CurrentAssignmentValue,
    TopicPartitions,
};

use super::super::ask::Protocol;
use super::super::cluster::{Cluster, TopicPartition};

/// What a member takes besides texts.
const MEMBER_BYTES: usize = 512;

/// The epoch of a static member that is away for a moment.
pub(super) const AWAY_EPOCH: i32 = -2;

/// How far a member is on the way to its target (Kafka's `MemberState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MemberState {
    /// It has what it is to have, as of its epoch.
    #[default]
    Stable,
    /// It is to give partitions up, and has not said that it did.
    Unrevoked,
    /// It is to get partitions that others have not given up yet.
    Unreleased,
}

impl MemberState {
    fn code(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::Unrevoked => 1,
            MemberState::Unreleased => 2,
        }
    }

    /// A state that is not known is taken for one that has to look at its target again.
    fn from_code(code: i8) -> MemberState {
        match code {
            0 => MemberState::Stable,
            1 => MemberState::Unrevoked,
            _ => MemberState::Unreleased,
        }
    }
}

/// What a member asks for and says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) instance: Option<Arc<str>>,
    pub(super) rack: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) names: BTreeSet<Arc<str>>,
    pub(super) regex: Option<Arc<str>>,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) assignor: Option<Arc<str>>,
    /// Of one that speaks the classic protocol.
    pub(super) classic: Option<ClassicSide>,
}

/// What only members of the classic protocol have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClassicSide {
    pub(super) session_timeout_ms: i32,
    /// The assignors it offers, the best first. At least one.
    pub(super) protocols: Vec<Protocol>,
}

/// Partitions, each with the epoch in which the member got it.
pub(super) type Owned = BTreeMap<TopicPartition, i32>;

/// What a member has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Current {
    /// The epoch its heartbeats are to have; 0 until it has got one.
    pub(super) epoch: i32,
    /// The one before: it may not have heard of the new one.
    pub(super) previous_epoch: i32,
    pub(super) state: MemberState,
    /// What it may read.
    pub(super) assigned: Owned,
    /// What it is to give up.
    pub(super) revoking: Owned,
}

/// A member.
#[derive(Clone, Debug, Default)]
pub(super) struct ConsumerMember {
    pub(super) profile: Profile,
    pub(super) current: Current,
    /// What it is to have.
    pub(super) target: Arc<BTreeSet<TopicPartition>>,
    /// It may not have heard of what it was assigned last. Volatile, as the next: after a load all are believed to have it.
    pub(super) is_unconfirmed: bool,
    /// What it is assigned has not changed since it got its epoch: a heartbeat of that epoch says that it has heard of it.
    pub(super) is_of_its_epoch: bool,
    /// What it was assigned since it said so.
    pub(super) fresh: BTreeSet<TopicPartition>,
    /// It has been told what it is assigned since the load; volatile.
    pub(super) was_told: bool,
    /// It has been recorded as a member. What else was recorded of it may come first, in a compacted log.
    pub(super) is_recorded: bool,
}

impl ConsumerMember {
    pub(super) fn is_classic(&self) -> bool {
        self.profile.classic.is_some()
    }

    /// Whether what a member says it has is of after its last assignment: it has something of that, or there was nothing in it. A heartbeat of before
    /// would look as if it had given up what is not in it.
    pub(super) fn says_of_now(&self, owned: &BTreeSet<TopicPartition>) -> bool {
        self.fresh.is_empty() || owned.iter().any(|partition| self.fresh.contains(partition))
    }

    /// It has what it is to have.
    pub(super) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.epoch == target_epoch
    }
}

impl Profile {
    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let optional = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        let classic = self
            .classic
            .as_ref()
            .map_or(0, |it| super::super::classic::protocol_bytes(&it.protocols));
        MEMBER_BYTES
            + 2 * optional(&self.instance)
            + optional(&self.rack)
            + optional(&self.regex)
            + self.client_id.len()
            + self.client_host.len()
            + self.names.iter().map(|name| name.len() + 32).sum::<usize>()
            + classic
    }

    pub(super) fn to_record(&self) -> ConsumerMemberValue {
        let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
        let classic = self.classic.as_ref().map(|classic| ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            protocols: classic
                .protocols
                .iter()
                .map(|protocol| ClassicProtocol {
                    name: protocol.name.to_string(),
                    metadata: protocol.metadata.clone(),
                })
                .collect(),
        });
        ConsumerMemberValue {
            instance_id: text(&self.instance),
            rack_id: text(&self.rack),
            client_id: self.client_id.to_string(),
            client_host: self.client_host.to_string(),
            subscribed_topic_names: self.names.iter().map(ToString::to_string).collect(),
            subscribed_topic_regex: text(&self.regex),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: text(&self.assignor),
            classic,
        }
    }

    pub(super) fn from_record(value: &ConsumerMemberValue) -> Profile {
        let text = |text: &Option<String>| text.as_deref().map(Arc::from);
        let classic = value.classic.as_ref().map(|classic| ClassicSide {
            session_timeout_ms: classic.session_timeout_ms,
            protocols: classic
                .protocols
                .iter()
                .map(|protocol| Protocol {
                    name: protocol.name.as_str().into(),
                    metadata: protocol.metadata.clone(),
                })
                .collect(),
        });
        Profile {
            instance: text(&value.instance_id),
            rack: text(&value.rack_id),
            client_id: value.client_id.as_str().into(),
            client_host: value.client_host.as_str().into(),
            names: value
                .subscribed_topic_names
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            regex: text(&value.subscribed_topic_regex).filter(|regex: &Arc<str>| !regex.is_empty()),
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            assignor: text(&value.server_assignor),
            classic,
        }
    }
}

impl ClassicSide {
    /// An assignment as the member understands it. Topics that are gone are left out.
    pub(super) fn encode_assignment<'a>(
        &self,
        cluster: &dyn Cluster,
        partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Bytes {
        let mut by_name: BTreeMap<Arc<str>, Vec<i32>> = BTreeMap::new();
        for (topic, partitions) in by_topic(partitions) {
            if let Some(name) = cluster.name(topic) {
                by_name.insert(name, partitions);
            }
        }
        let metadata = self
            .protocols
            .first()
            .map_or(Bytes::new(), |it| it.metadata.clone());
        let assigned: Vec<_> = by_name
            .iter()
            .map(|(name, partitions)| (&**name, partitions.clone()))
            .collect();
        // What it said of itself was read when it joined, and names of topics are short.
        let encoded = encode_assignment(&metadata, &assigned).unwrap_or_default();
        encoded.freeze()
    }
}

impl Current {
    pub(super) fn to_record(&self) -> CurrentAssignmentValue {
        CurrentAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            assigned: owned_to_record(&self.assigned),
            pending_revocation: owned_to_record(&self.revoking),
        }
    }

    pub(super) fn from_record(value: &CurrentAssignmentValue) -> Current {
        let owned = |topics: &[TopicPartitions]| owned_from_record(topics, value.member_epoch);
        Current {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::from_code(value.state),
            assigned: owned(&value.assigned),
            revoking: owned(&value.pending_revocation),
        }
    }
}

fn owned_to_record(owned: &Owned) -> Vec<TopicPartitions> {
    let mut topics: Vec<TopicPartitions> = Vec::new();
    for ((topic_id, partition), epoch) in owned {
        match topics.last_mut().filter(|last| last.topic_id == *topic_id) {
            Some(last) => {
                last.partitions.push(*partition);
                last.assignment_epochs.get_or_insert_default().push(*epoch);
            }
            None => topics.push(TopicPartitions {
                topic_id: *topic_id,
                partitions: vec![*partition],
                assignment_epochs: Some(vec![*epoch]),
            }),
        }
    }
    topics
}

/// Where no epochs are recorded, the member's counts: nobody who had a partition before may commit.
fn owned_from_record(topics: &[TopicPartitions], member_epoch: i32) -> Owned {
    let mut owned = Owned::new();
    for topic in topics {
        let epochs = topic.assignment_epochs.as_deref().unwrap_or_default();
        for (at, partition) in topic.partitions.iter().enumerate() {
            let epoch = epochs.get(at).copied().unwrap_or(member_epoch);
            owned.insert((topic.topic_id, *partition), epoch);
        }
    }
    owned
}

pub(super) fn target_to_record(target: &BTreeSet<TopicPartition>) -> Vec<TopicPartitions> {
    by_topic(target.iter())
        .into_iter()
        .map(|(topic_id, partitions)| TopicPartitions {
            topic_id,
            partitions,
            assignment_epochs: None,
        })
        .collect()
}

pub(super) fn target_from_record(topics: &[TopicPartitions]) -> BTreeSet<TopicPartition> {
    let each = |topic: &TopicPartitions| {
        let id = topic.topic_id;
        topic.partitions.clone().into_iter().map(move |it| (id, it))
    };
    topics.iter().flat_map(each).collect()
}

/// Partitions in order, by topic.
pub(super) fn by_topic<'a>(
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> Vec<(protocol::model::Uuid, Vec<i32>)> {
    let mut topics: Vec<(protocol::model::Uuid, Vec<i32>)> = Vec::new();
    for (topic, partition) in partitions {
        match topics.last_mut().filter(|(last, _)| last == topic) {
            Some((_, partitions)) => partitions.push(*partition),
            None => topics.push((*topic, vec![*partition])),
        }
    }
    topics
}

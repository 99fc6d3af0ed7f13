//! Who is in sync, who leads, and what a broker's coming and going changes: Kafka's `PartitionChangeBuilder`.
//!
//! | a broker | ISR | ELR |
//! |---|---|---|
//! | is fenced | leaves it, unless it is the last | the rule below |
//! | has lost the directory of its replica | leaves it, unless it is the last | leaves it |
//! | begins another life | stays: what it acknowledged is on its disk | stays |
//! | the same, where the topic's records are not synced | leaves it, unless it is the last | leaves it |
//! | is fenced no more | comes back by the leader's proposal | stays |
//!
//! The rule of KIP-966: while the ISR has fewer members than `min.insync.replicas`, nothing is committed, so that who leaves it then, and who left it on
//! the way there, has all that is: they are the ELR. As soon as the ISR has enough, it is empty.
//!
//! A replica that is being added counts when it is in the ISR. As soon as all of them are, and enough of those that stay, the ones that are being removed are gone
//! (KIP-455): at no time has a partition fewer members in sync for that.
//!
//! A leadership has a number, and gets another with another leader, with another life of the leader, and whenever a replica goes (Kafka's `triggerLeaderEpochBumpIfNeeded`): leaders and
//! followers know each other by it, and a broker may get an empty replica where it had a full one.
//!
//! A leader whose directory is short of space gives way to a member of the ISR that has some, and comes back as preferred leaders do. It stays in the ISR: what is replicated is written as long
//! as there is room for it, and a replica that gets stuck falls out of sync.
//!
//! A leader comes from the ISR, those that have space first, in the order of the replicas, else from the ELR in the same way; else, where the topic allows it, it is any replica that is alive, and what only
//! the others had is lost.

use std::collections::BTreeMap;

use protocol::model::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId};

use crate::configs::{ConfigValidator, TopicRules};
use crate::image::{BrokerRegistration, PartitionImage};
use crate::record::{PartitionChangeRecord, ReassignmentRecord, Replica};
use crate::{DirectoryId, MetadataImage, MetadataRecord};

/// Whether a broker's registration is the beginning of another life of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is the process it was.
    Same,
    /// It may not lead on under an epoch of its former life, whose unsynced end is gone.
    New,
}

/// What a topic's configuration says of leaders and members.
pub(crate) fn rules(
    image: &MetadataImage,
    configs: &dyn ConfigValidator,
    topic: &str,
) -> TopicRules {
    match image.topic_configs(topic) {
        Some(set) => configs.topic_rules(set),
        None => configs.topic_rules(&BTreeMap::new()),
    }
}

/// The partition changes that go with `record`, which changes the broker's registration.
pub(crate) fn follow_broker(
    image: &MetadataImage,
    configs: &dyn ConfigValidator,
    record: &MetadataRecord,
    broker_id: BrokerId,
    life: Life,
) -> Vec<MetadataRecord> {
    let after = image.apply([record]).image;
    let Some(broker) = after.broker(broker_id) else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    for topic in after.topics() {
        let mut rules_of_topic = None;
        for (index, partition) in topic.partitions() {
            let Some(directory) = partition.directory_on(broker_id) else {
                continue;
            };
            let rules = *rules_of_topic.get_or_insert_with(|| rules(&after, configs, topic.name()));
            let mut next = partition.as_ref().clone();
            let forgot = life == Life::New && !rules.survives_restart;
            if broker.fenced || forgot {
                leave_isr(&mut next, broker_id);
            }
            if forgot && partition.isr != [broker_id] {
                next.elr.retain(|member| *member != broker_id);
            }
            if !broker.directories.contains(&directory) {
                refill(&mut next, broker);
            }
            let restarted = Restarted {
                led: Some(broker_id).filter(|_| life == Life::New),
                forgot: Some(broker_id).filter(|_| forgot),
            };
            if let Some(next) = settle(&after, rules, partition, next, restarted) {
                changes.extend(records_of((topic.topic_id(), index), partition, next));
            }
        }
    }
    changes
}

/// A broker that begins another life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Restarted {
    /// Its leadership, if it has it, ends.
    pub(crate) led: Option<BrokerId>,
    /// It may have lost what it had.
    pub(crate) forgot: Option<BrokerId>,
}

/// Gives a partition that has new members or whose brokers changed its ELR, its leader and its epochs; `None` if nothing changes.
pub(crate) fn settle(
    image: &MetadataImage,
    rules: TopicRules,
    before: &PartitionImage,
    mut next: PartitionImage,
    restarted: Restarted,
) -> Option<PartitionImage> {
    let can_lead = |broker: BrokerId, of: &PartitionImage| image.can_lead(broker, of);
    complete_reassignment(&mut next, rules, can_lead);
    let may_stay = |leader: BrokerId| next.isr.contains(&leader) && can_lead(leader, &next);
    let has_space = |broker: BrokerId, of: &PartitionImage| image.has_space(broker, of);
    match before.leader.filter(|leader| may_stay(*leader)) {
        Some(leader) if has_space(leader, &next) => {}
        Some(leader) => {
            let could = |broker: &BrokerId| may_stay(*broker) && has_space(*broker, &next);
            let successor = next.replica_brokers().find(could);
            next.leader = successor.or(Some(leader));
        }
        None => next.leader = elect(&mut next, can_lead, has_space, rules),
    }
    let enough = next.enough_in_sync(rules.min_insync_replicas);
    let elr: Vec<BrokerId> = match next.isr.len() >= enough {
        true => Vec::new(),
        // Who is in another directory than before has nothing.
        false => next
            .replica_brokers()
            .filter(|broker| !next.isr.contains(broker))
            .filter(|broker| before.isr.contains(broker) || before.elr.contains(broker))
            .filter(|broker| Some(*broker) != restarted.forgot)
            .filter(|broker| before.directory_on(*broker) == next.directory_on(*broker))
            .collect(),
    };
    next.elr = elr;
    // What a replica that is gone has said, or still says, must not count for one that comes in its place.
    let is_gone = |replica: &Replica| !next.replicas.contains(replica);
    let is_new_leadership = next.leader != before.leader
        || (restarted.led.is_some() && before.leader == restarted.led)
        || before.replicas.iter().any(is_gone);
    if is_new_leadership {
        next.leader_epoch = LeaderEpoch::new(before.leader_epoch.get() + 1);
    }
    if next == *before {
        return None;
    }
    next.partition_epoch = PartitionEpoch::new(before.partition_epoch.get() + 1);
    Some(next)
}

/// Lets the replicas go that are being removed, if all that come have come.
fn complete_reassignment(
    next: &mut PartitionImage,
    rules: TopicRules,
    can_lead: impl Fn(BrokerId, &PartitionImage) -> bool,
) {
    if !next.is_reassigning() {
        return;
    }
    let stays = |broker: &BrokerId| !next.removing.contains(broker);
    let isr: Vec<BrokerId> = next.isr.iter().copied().filter(stays).collect();
    let replicas = next.replicas.iter().copied();
    let replicas: Vec<Replica> = replicas.filter(|it| stays(&it.broker_id)).collect();
    let enough = rules.min_insync_replicas.clamp(1, replicas.len());
    let is_complete = next.adding.iter().all(|broker| isr.contains(broker))
        && isr.len() >= enough
        && isr.iter().any(|broker| can_lead(*broker, next));
    if is_complete {
        (next.isr, next.replicas) = (isr, replicas);
        next.elr.retain(|broker| !next.removing.contains(broker));
        (next.adding, next.removing) = (Vec::new(), Vec::new());
    }
}

/// The next leader. From beyond the ISR it is the only member of the next one.
fn elect(
    next: &mut PartitionImage,
    can_lead: impl Fn(BrokerId, &PartitionImage) -> bool,
    has_space: impl Fn(BrokerId, &PartitionImage) -> bool,
    rules: TopicRules,
) -> Option<BrokerId> {
    let mut alive: Vec<BrokerId> = next
        .replica_brokers()
        .filter(|broker| can_lead(*broker, next))
        .collect();
    alive.sort_by_key(|broker| !has_space(*broker, next));
    let mut in_sync = alive.iter().filter(|broker| next.isr.contains(broker));
    if let Some(leader) = in_sync.next() {
        return Some(*leader);
    }
    let mut eligible = alive.iter().filter(|broker| next.elr.contains(broker));
    let mut any = alive.iter().filter(|_| rules.unclean_leader_election);
    let leader = *eligible.next().or_else(|| any.next())?;
    next.isr = vec![leader];
    Some(leader)
}

/// The last member of an ISR stays: the partition is offline until it is back, or a member of the ELR leads.
fn leave_isr(partition: &mut PartitionImage, broker_id: BrokerId) {
    if partition.isr != [broker_id] {
        partition.isr.retain(|member| *member != broker_id);
    }
}

/// Takes a replica whose directory is gone out of ISR and ELR, and gives it a directory to refill in.
///
/// The last member of an ISR stays as it is: the partition is offline until that very directory is back. To lead
/// from an empty one would be to lose what was acknowledged.
fn refill(partition: &mut PartitionImage, broker: &BrokerRegistration) {
    let broker_id = broker.broker_id;
    if partition.isr == [broker_id] {
        return;
    }
    partition.isr.retain(|member| *member != broker_id);
    partition.elr.retain(|member| *member != broker_id);
    let has_space = |it: &&DirectoryId| !broker.short_of_space.contains(it);
    let roomy = broker.directories.iter().find(has_space);
    for replica in &mut partition.replicas {
        if replica.broker_id == broker_id {
            *replica = Replica {
                broker_id,
                directory_id: *roomy.unwrap_or(&broker.directories[0]),
            };
        }
    }
}

/// What leads from one state of a partition to the next.
pub(crate) fn records_of(
    (topic_id, partition): (TopicId, PartitionIndex),
    before: &PartitionImage,
    next: PartitionImage,
) -> impl Iterator<Item = MetadataRecord> + use<> {
    let is_moved = (&next.adding, &next.removing) != (&before.adding, &before.removing);
    let (adding, removing) = (next.adding, next.removing);
    let reassignment = is_moved.then_some(MetadataRecord::Reassignment(ReassignmentRecord {
        topic_id,
        partition,
        adding,
        removing,
    }));
    let change = MetadataRecord::PartitionChange(PartitionChangeRecord {
        topic_id,
        partition,
        replicas: (next.replicas != before.replicas).then_some(next.replicas),
        isr: (next.isr != before.isr).then_some(next.isr),
        elr: (next.elr != before.elr).then_some(next.elr),
        leader: next.leader,
        leader_epoch: next.leader_epoch,
        partition_epoch: next.partition_epoch,
    });
    std::iter::once(change).chain(reassignment)
}

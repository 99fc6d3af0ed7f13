//! The uniform assignor: balanced first, sticky second, near third.
//!
//! Where all members are subscribed to the same, no two differ by more than one partition, and no more moves than that takes. Where they are
//! not, partitions go to the member with the fewest of those that may have them, and are moved as long as that evens out two members.

use std::collections::{BTreeSet, VecDeque};

use super::super::super::cluster::TopicPartition;
use super::Spec;

type Targets = Vec<BTreeSet<TopicPartition>>;

pub(super) fn assign(spec: &Spec<'_>) -> Targets {
    let Some(first) = spec.members.first() else {
        return Targets::new();
    };
    let is_the_same = |member: &super::MemberSpec| {
        std::sync::Arc::ptr_eq(&member.topics, &first.topics) || member.topics == first.topics
    };
    match spec.members.iter().all(is_the_same) {
        true => assign_alike(spec),
        false => assign_unlike(spec),
    }
}

fn all_partitions(spec: &Spec<'_>) -> BTreeSet<TopicPartition> {
    let each = |(topic, partitions): (&protocol::model::Uuid, &i32)| {
        let topic = *topic;
        (0..*partitions).map(move |partition| (topic, partition))
    };
    spec.topics.iter().flat_map(each).collect()
}

/// All members are subscribed to all topics.
fn assign_alike(spec: &Spec<'_>) -> Targets {
    let mut free = all_partitions(spec);
    // What nobody is subscribed to is nobody's.
    free.retain(|(topic, _)| spec.members[0].topics.contains(topic));
    let members = spec.members.len();
    let quota = free.len() / members;
    // So many members have one more.
    let mut larger = free.len() % members;
    let mut targets: Targets = Vec::with_capacity(members);
    for member in spec.members {
        let mut kept = BTreeSet::new();
        for partition in member.target.iter() {
            let has_room = kept.len() < quota || (kept.len() == quota && larger > 0);
            if has_room && free.remove(partition) {
                larger -= usize::from(kept.len() == quota);
                kept.insert(*partition);
            }
        }
        targets.push(kept);
    }
    let mut room: Vec<usize> = targets
        .iter()
        .map(|kept| quota.saturating_sub(kept.len()))
        .collect();
    for (at, kept) in targets.iter().enumerate() {
        if larger > 0 && kept.len() <= quota {
            room[at] += 1;
            larger -= 1;
        }
    }
    if spec.has_racks() {
        assign_near(spec, &mut free, &mut room, &mut targets);
    }
    // In turns, so that the partitions of a topic are spread.
    let mut turns: VecDeque<usize> = (0..members).filter(|at| room[*at] > 0).collect();
    for partition in free {
        let Some(at) = turns.pop_front() else { break };
        targets[at].insert(partition);
        room[at] -= 1;
        if room[at] > 0 {
            turns.push_back(at);
        }
    }
    targets
}

/// Gives partitions to members in the rack of a replica, as far as there is room.
fn assign_near(
    spec: &Spec<'_>,
    free: &mut BTreeSet<TopicPartition>,
    room: &mut [usize],
    targets: &mut Targets,
) {
    let mut by_rack = std::collections::BTreeMap::new();
    for (at, member) in spec.members.iter().enumerate() {
        if let Some(rack) = member.rack.clone().filter(|_| room[at] > 0) {
            by_rack
                .entry(rack)
                .or_insert_with(VecDeque::new)
                .push_back(at);
        }
    }
    free.retain(|partition| {
        for rack in spec.cluster.racks(*partition) {
            let Some(turns) = by_rack.get_mut(&rack) else {
                continue;
            };
            let Some(at) = turns.pop_front() else {
                continue;
            };
            targets[at].insert(*partition);
            room[at] -= 1;
            if room[at] > 0 {
                turns.push_back(at);
            }
            return false;
        }
        true
    });
}

/// How often the topics are gone through to even members out. Two suffice where subscriptions overlap in a simple way.
const ROUNDS_MAX: usize = 10;

/// Members are subscribed to different topics.
fn assign_unlike(spec: &Spec<'_>) -> Targets {
    let mut free = all_partitions(spec);
    let mut targets: Targets = Vec::with_capacity(spec.members.len());
    for member in spec.members {
        let may_keep = |partition: &&TopicPartition| {
            member.topics.contains(&partition.0) && spec.is_there(partition)
        };
        let mut kept = BTreeSet::new();
        for partition in member.target.iter().filter(may_keep) {
            if free.remove(partition) {
                kept.insert(*partition);
            }
        }
        targets.push(kept);
    }
    // Topics with few subscribers first: others have more choice.
    let mut topics: Vec<_> = spec.topics.keys().copied().collect();
    let subscribers = |topic| {
        let members = spec.members.iter().enumerate();
        let subscribed = members.filter(move |(_, member)| member.topics.contains(&topic));
        subscribed.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let mut by_topic: Vec<_> = topics
        .drain(..)
        .map(|topic| (topic, subscribers(topic)))
        .collect();
    by_topic.sort_by_key(|(topic, subscribers)| (subscribers.len(), *topic));
    let has_racks = spec.has_racks();
    for (topic, subscribers) in &by_topic {
        let mut loads: BTreeSet<_> = subscribers
            .iter()
            .map(|at| (targets[*at].len(), *at))
            .collect();
        let unassigned: Vec<_> = free
            .range((*topic, 0)..=(*topic, i32::MAX))
            .copied()
            .collect();
        for partition in unassigned {
            let Some((least, first)) = loads.first().copied() else {
                break;
            };
            let at = match has_racks {
                true => nearest_of(spec, &loads, least, partition).unwrap_or(first),
                false => first,
            };
            loads.remove(&(least, at));
            loads.insert((least + 1, at));
            targets[at].insert(partition);
            free.remove(&partition);
        }
    }
    for _ in 0..ROUNDS_MAX {
        let mut has_moved = false;
        for (topic, subscribers) in &by_topic {
            has_moved |= even_out(*topic, subscribers, &mut targets);
        }
        if !has_moved {
            break;
        }
    }
    targets
}

/// The first of the members with the least load that is near.
fn nearest_of(
    spec: &Spec<'_>,
    loads: &BTreeSet<(usize, usize)>,
    least: usize,
    partition: TopicPartition,
) -> Option<usize> {
    let racks = spec.cluster.racks(partition);
    let mut candidates = loads.range((least, 0)..=(least, usize::MAX));
    let near = candidates.find(|(_, at)| spec.is_near(&spec.members[*at], &racks));
    near.map(|(_, at)| *at)
}

/// Moves partitions of a topic from those with most to those with fewest, as long as that brings two nearer to each other.
fn even_out(topic: protocol::model::Uuid, subscribers: &[usize], targets: &mut Targets) -> bool {
    let mut loads: BTreeSet<_> = subscribers
        .iter()
        .map(|at| (targets[*at].len(), *at))
        .collect();
    let mut has_moved = false;
    while let Some((most, from)) = loads.last().copied() {
        let Some((least, to)) = loads.first().copied() else {
            break;
        };
        if most < least + 2 {
            break;
        }
        let mut of_topic = targets[from].range((topic, 0)..=(topic, i32::MAX));
        let Some(partition) = of_topic.next_back().copied() else {
            // It has nothing of this topic to give.
            loads.remove(&(most, from));
            continue;
        };
        targets[from].remove(&partition);
        targets[to].insert(partition);
        loads.remove(&(most, from));
        loads.remove(&(least, to));
        loads.insert((most - 1, from));
        loads.insert((least + 1, to));
        has_moved = true;
    }
    has_moved
}

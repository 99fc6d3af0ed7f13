//! The range assignor: each topic by itself, in rows of as many partitions as every other member has, or one more.
//!
//! Members are in the same order for every topic, so that partitions of the same number in topics with as many partitions and the same
//! subscribers belong to the same member. Static members come first, by their instance ids: their order outlives their member ids.
//!
//! Where members and replicas have racks, partitions go to members near them first, and the rest in rows (KIP-881).

use std::collections::BTreeSet;

use protocol::model::Uuid;

use super::super::super::cluster::TopicPartition;
use super::{MemberSpec, Spec};

pub(super) fn assign(spec: &Spec<'_>) -> Vec<BTreeSet<TopicPartition>> {
    let mut order: Vec<usize> = (0..spec.members.len()).collect();
    let rank = |member: &MemberSpec| (member.instance.is_none(), member.instance.clone());
    order.sort_by_key(|at| (rank(&spec.members[*at]), spec.members[*at].id.clone()));
    let has_racks = spec.has_racks();
    let mut targets = vec![BTreeSet::new(); spec.members.len()];
    for (topic, partitions) in spec.topics {
        let subscribers = order.iter().copied();
        let subscribers: Vec<usize> = subscribers
            .filter(|at| spec.members[*at].topics.contains(topic))
            .collect();
        if !subscribers.is_empty() {
            assign_topic(
                spec,
                *topic,
                *partitions,
                &subscribers,
                has_racks,
                &mut targets,
            );
        }
    }
    targets
}

fn assign_topic(
    spec: &Spec<'_>,
    topic: Uuid,
    partitions: i32,
    subscribers: &[usize],
    has_racks: bool,
    targets: &mut [BTreeSet<TopicPartition>],
) {
    let mut free: BTreeSet<i32> = (0..partitions).collect();
    let quota = free.len() / subscribers.len();
    let mut larger = free.len() % subscribers.len();
    let mut room = vec![quota; subscribers.len()];
    if has_racks {
        let racks: Vec<_> = (0..partitions)
            .map(|partition| spec.cluster.racks((topic, partition)))
            .collect();
        for (place, at) in subscribers.iter().enumerate() {
            let member = &spec.members[*at];
            let near = free.iter().copied().filter(|partition| {
                let racks = usize::try_from(*partition).map(|it| &racks[it]);
                racks.is_ok_and(|racks| spec.is_near(member, racks))
            });
            let near: Vec<i32> = near.take(room[place]).collect();
            for partition in near {
                free.remove(&partition);
                targets[*at].insert((topic, partition));
                room[place] -= 1;
            }
        }
    }
    for (place, at) in subscribers.iter().enumerate() {
        let mut count = room[place];
        if larger > 0 {
            count += 1;
            larger -= 1;
        }
        for _ in 0..count {
            if let Some(partition) = free.pop_first() {
                targets[*at].insert((topic, partition));
            }
        }
    }
}

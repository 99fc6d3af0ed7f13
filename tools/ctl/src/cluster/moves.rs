//! Where replicas go: away from brokers that are to leave, and to brokers that have fewer than others.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::facts::{Facts, PartitionFacts, PartitionName};
use crate::CtlError;

/// A partition that is to have other replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The partition.
    pub partition: PartitionName,
    /// Who has it, or is about to.
    pub from: Vec<i32>,
    /// Who is to have it, the preferred leader first.
    pub to: Vec<i32>,
}

/// Takes everything off `leaving`. Each replica goes to a broker that is up, in a rack that has none of the partition where there is one, and to the one with the fewest
/// replicas among those. Its place among the replicas stays.
///
/// # Errors
/// A broker is not known, or a partition has more replicas than brokers would be left: there is nothing to be done then.
pub fn drain(facts: &Facts, leaving: &BTreeSet<i32>) -> Result<Vec<Move>, CtlError> {
    for id in leaving {
        if !facts.brokers.iter().any(|it| it.id == *id) {
            return Err(CtlError::Refused(format!("there is no broker {id}")));
        }
    }
    let mut load = Load::of(facts, |id| !leaving.contains(&id));
    let mut moves = Vec::new();
    for partition in &facts.partitions {
        let from = target(partition);
        if !from.iter().any(|id| leaving.contains(id)) {
            continue;
        }
        let mut to = from.clone();
        for at in 0..to.len() {
            if leaving.contains(&to[at]) {
                let Some(next) = load.place_for(&to, at) else {
                    return Err(CtlError::Refused(format!(
                        "{} has {} replicas, and of the brokers that would be left fewer are up",
                        partition.name,
                        from.len()
                    )));
                };
                load.replace(&mut to, at, next);
            }
        }
        let partition = partition.name.clone();
        moves.push(Move {
            partition,
            from,
            to,
        });
    }
    Ok(moves)
}

/// Moves as few replicas as it takes for all brokers that are up to have the same number, give or take one, as far as no rack gets more replicas of a partition for it.
pub fn rebalance(facts: &Facts) -> Vec<Move> {
    let mut load = Load::of(facts, |_| true);
    let before: BTreeMap<&PartitionName, Vec<i32>> = facts
        .partitions
        .iter()
        .map(|it| (&it.name, target(it)))
        .collect();
    let mut now = before.clone();
    while let Some((name, at, next)) = load.next_step(&now) {
        let replicas = now.get_mut(name).expect("it was found there");
        load.replace(replicas, at, next);
    }
    let changed = now.into_iter().zip(before.into_values());
    let changed = changed.filter(|((_, to), from)| to != from);
    changed
        .map(|((name, to), from)| Move {
            partition: name.clone(),
            from,
            to,
        })
        .collect()
}

/// Who has a partition when all that is under way is done.
fn target(partition: &PartitionFacts) -> Vec<i32> {
    let replicas = partition.replicas.iter().copied();
    replicas
        .filter(|id| !partition.removing.contains(id))
        .collect()
}

/// How many replicas brokers have, and how many of those are preferred leaders.
struct Load<'a> {
    /// Of those that may get more.
    replicas: BTreeMap<i32, usize>,
    leaders: BTreeMap<i32, usize>,
    racks: BTreeMap<i32, &'a str>,
}

impl<'a> Load<'a> {
    fn of(facts: &'a Facts, may_get: impl Fn(i32) -> bool) -> Load<'a> {
        let up = facts.brokers.iter().filter(|it| it.is_up());
        let up = up.filter(|it| may_get(it.id));
        let mut load = Load {
            replicas: up.map(|it| (it.id, 0)).collect(),
            leaders: BTreeMap::new(),
            racks: BTreeMap::new(),
        };
        for broker in &facts.brokers {
            if let Some(rack) = &broker.rack {
                load.racks.insert(broker.id, rack);
            }
        }
        for partition in &facts.partitions {
            for (at, id) in target(partition).into_iter().enumerate() {
                load.count(id, at, 1);
            }
        }
        load
    }

    fn count(&mut self, id: i32, at: usize, by: isize) {
        if let Some(replicas) = self.replicas.get_mut(&id) {
            *replicas = replicas.saturating_add_signed(by);
        }
        if at == 0 {
            let leaders = self.leaders.entry(id).or_default();
            *leaders = leaders.saturating_add_signed(by);
        }
    }

    fn leaders(&self, id: i32) -> usize {
        self.leaders.get(&id).copied().unwrap_or_default()
    }

    fn replace(&mut self, replicas: &mut [i32], at: usize, next: i32) {
        self.count(replicas[at], at, -1);
        self.count(next, at, 1);
        replicas[at] = next;
    }

    /// How many of the other replicas would be in the same rack.
    fn crowd(&self, replicas: &[i32], at: usize, id: i32) -> usize {
        let Some(rack) = self.racks.get(&id) else {
            return 0;
        };
        let others = replicas.iter().enumerate().filter(|(it, _)| *it != at);
        let racks = others.filter_map(|(_, other)| self.racks.get(other));
        racks.filter(|other| *other == rack).count()
    }

    fn place_for(&self, replicas: &[i32], at: usize) -> Option<i32> {
        let free = self.replicas.iter();
        let free = free.filter(|(id, _)| !replicas.contains(id));
        let best = free.min_by_key(|(id, count)| (self.crowd(replicas, at, **id), **count, **id));
        best.map(|(id, _)| *id)
    }

    /// One replica that goes from a broker to one with at least two fewer: the two that differ most, as far as there is one that may.
    fn next_step<'p>(
        &self,
        partitions: &BTreeMap<&'p PartitionName, Vec<i32>>,
    ) -> Option<(&'p PartitionName, usize, i32)> {
        let mut pairs: Vec<(i32, i32)> = Vec::new();
        for (from, more) in &self.replicas {
            let fewer = self.replicas.iter().filter(|(_, it)| **it + 2 <= *more);
            pairs.extend(fewer.map(|(to, _)| (*from, *to)));
        }
        let difference = |(from, to): &(i32, i32)| self.replicas[from] - self.replicas[to];
        pairs.sort_by_key(|pair| std::cmp::Reverse(difference(pair)));
        pairs.into_iter().find_map(|(from, to)| {
            let may_go = partitions.iter().filter_map(|(name, replicas)| {
                let at = replicas.iter().position(|id| *id == from)?;
                let crowd = self.crowd(replicas, at, to);
                let may = !replicas.contains(&to) && crowd <= self.crowd(replicas, at, from);
                may.then_some((*name, at))
            });
            // A leader goes where that evens out who leads, else one that follows.
            let leads_more = self.leaders(from) > self.leaders(to) + 1;
            let best = may_go.min_by_key(|(_, at)| (*at == 0) != leads_more);
            best.map(|(name, at)| (name, at, to))
        })
    }
}

#[cfg(test)]
mod tests;

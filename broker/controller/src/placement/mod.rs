//! Where replicas go: rendezvous hashing with bounded load, spread over racks.
//!
//! Every broker has a score for every partition, from a hash of the two; the highest win. So a broker that joins
//! n others takes what it scores highest for, about 1/(n+1) of all, and nothing moves between the others, except
//! where the bound on load says so: no broker takes more than a quarter above its share of the cluster or of
//! the topic (Mirrokni, Thorup, Zadimoghaddam: "Consistent Hashing with Bounded Loads"). Racks come first,
//! then the bound, then the score.
//!
//! On its broker, a replica goes to the directory that holds the fewest, as Kafka's `LogManager.nextLogDirs` has it. Directories that are short of space come last, and so do brokers that have no
//! others, within what racks allow.
//!
//! Leaderships are bounded in the same way. Where all replicas of a partition lead enough already, leaderships move on between partitions of the
//! request, so that one of them has room.
//!
//! Kafka stripes from a random start instead (`StripedReplicaPlacer`); we draw no randomness here.

use std::collections::BTreeMap;

use protocol::model::{BrokerId, PartitionIndex, TopicId};

use crate::image::{BrokerLoad, TopicImage};
use crate::record::Replica;
use crate::{DirectoryId, MetadataImage};

/// Places the topics of one request, each counted before the next.
pub(crate) struct Placement {
    candidates: Vec<Candidate>,
    partition_count: usize,
}

/// A broker that may get replicas.
#[derive(Clone, Debug)]
struct Candidate {
    broker_id: BrokerId,
    rack: Option<String>,
    fenced: bool,
    /// Its directories, each with whether it is short of space, and how many replicas it holds.
    directories: Vec<(DirectoryId, bool, usize)>,
    load: BrokerLoad,
    /// Of the topic that is being placed.
    topic_load: BrokerLoad,
}

impl Candidate {
    /// Whether there is none of its directories that has space.
    fn is_short_of_space(&self) -> bool {
        self.directories.iter().all(|(_, is_short, _)| *is_short)
    }
}

/// A partition of the topic that is being placed.
struct Placed {
    /// Positions of its candidates, the preferred leader first.
    chosen: Vec<usize>,
    /// The same, as they are recorded.
    replicas: Vec<Replica>,
}

impl Placed {
    /// Makes one of its replicas the preferred leader.
    fn lead(&mut self, at: usize) {
        if let Some(order) = self.chosen.iter().position(|it| *it == at) {
            self.chosen[..=order].rotate_right(1);
            self.replicas[..=order].rotate_right(1);
        }
    }
}

/// What a broker may hold at most.
#[derive(Clone, Copy, Debug)]
struct Bound {
    cluster: BrokerLoad,
    topic: BrokerLoad,
}

impl Placement {
    pub(crate) fn new(image: &MetadataImage) -> Placement {
        let candidates = image.brokers().map(|broker| Candidate {
            broker_id: broker.broker_id,
            rack: broker.rack.clone(),
            fenced: broker.fenced,
            directories: broker
                .directories
                .iter()
                .map(|id| {
                    let is_short = broker.short_of_space.contains(id);
                    (*id, is_short, image.directory_load(*id))
                })
                .collect(),
            load: image.load(broker.broker_id),
            topic_load: BrokerLoad::default(),
        });
        Placement {
            candidates: candidates.collect(),
            partition_count: image.partition_count(),
        }
    }

    /// Places the partitions from `first` to `end` of a topic. `existing` is the topic if it has partitions
    /// already. The error is Kafka's, less its beginning.
    pub(crate) fn place(
        &mut self,
        topic_id: TopicId,
        existing: Option<&TopicImage>,
        (first, end): (i32, i32),
        replication_factor: usize,
    ) -> Result<Vec<Vec<Replica>>, String> {
        self.check(replication_factor)?;
        self.begin_topic(existing);
        let bound = self.bound((first, end), replication_factor);
        let mut placed = Vec::new();
        for index in first..end {
            let partition = (topic_id, PartitionIndex::new(index));
            let mut chosen = self.choose(partition, replication_factor, bound);
            if let Some(order) = self.relieve(&mut placed, &chosen, bound) {
                chosen[..=order].rotate_right(1);
            }
            let replicas = self.take(&chosen);
            placed.push(Placed { chosen, replicas });
        }
        Ok(placed.into_iter().map(|placed| placed.replicas).collect())
    }

    /// Brokers for a partition that is to have more replicas: those it has, and behind them as many more as are alive, until they are `count`.
    pub(crate) fn more(
        &mut self,
        topic: &TopicImage,
        index: PartitionIndex,
        brokers: &[BrokerId],
        count: usize,
    ) -> Vec<BrokerId> {
        self.begin_topic(Some(topic));
        let end = i32::try_from(topic.partition_count()).unwrap_or(i32::MAX);
        let bound = self.bound((end, end), count);
        let scores = self.scores((topic.topic_id(), index));
        let at = |id: &BrokerId| self.candidates.iter().position(|it| it.broker_id == *id);
        let mut chosen: Vec<usize> = brokers.iter().filter_map(at).collect();
        while chosen.len() < count {
            let next = self.next(&chosen, &scores, bound);
            let Some(next) = next.filter(|at| !self.candidates[*at].fenced) else {
                break;
            };
            chosen.push(next);
            add(&mut self.candidates[next].load, chosen.len() - 1);
        }
        let ids = chosen.iter().map(|at| self.candidates[*at].broker_id);
        ids.collect()
    }

    /// Counts replicas that someone else placed, and says which directories they go to.
    pub(crate) fn assign(&mut self, brokers: &[BrokerId]) -> Vec<Replica> {
        let at = |id: &BrokerId| self.candidates.iter().position(|it| it.broker_id == *id);
        let chosen: Vec<_> = brokers.iter().filter_map(at).collect();
        self.take(&chosen)
    }

    fn check(&self, replication_factor: usize) -> Result<(), String> {
        if self.candidates.iter().all(|it| it.fenced) {
            return Err(
                "All brokers are currently fenced, or have all their log directories \
                        cordoned."
                    .into(),
            );
        }
        if replication_factor > self.candidates.len() {
            return Err(format!(
                "The target replication factor of {replication_factor} cannot be reached because \
                 only {} broker(s) are registered or some brokers have all their log directories \
                 cordoned.",
                self.candidates.len()
            ));
        }
        Ok(())
    }

    fn begin_topic(&mut self, existing: Option<&TopicImage>) {
        let mut loads: BTreeMap<BrokerId, BrokerLoad> = BTreeMap::new();
        for (_, partition) in existing.into_iter().flat_map(TopicImage::partitions) {
            for (at, broker_id) in partition.replica_brokers().enumerate() {
                add(loads.entry(broker_id).or_default(), at);
            }
        }
        for candidate in &mut self.candidates {
            candidate.topic_load = loads.remove(&candidate.broker_id).unwrap_or_default();
        }
    }

    fn bound(&self, (first, end): (i32, i32), replication_factor: usize) -> Bound {
        let added = usize::try_from(end - first).unwrap_or(0);
        let topic_partitions = usize::try_from(end).unwrap_or(0);
        let unfenced = self.candidates.iter().filter(|it| !it.fenced).count();
        let replicas: usize = self.candidates.iter().map(|it| it.load.replicas).sum();
        Bound {
            cluster: BrokerLoad {
                replicas: share(replicas + added * replication_factor, unfenced),
                preferred_leaders: share(self.partition_count + added, unfenced),
            },
            topic: BrokerLoad {
                replicas: share(topic_partitions * replication_factor, unfenced),
                preferred_leaders: share(topic_partitions, unfenced),
            },
        }
    }

    /// Positions of the chosen candidates, the preferred leader first.
    fn choose(
        &self,
        partition: (TopicId, PartitionIndex),
        count: usize,
        bound: Bound,
    ) -> Vec<usize> {
        let scores = self.scores(partition);
        let mut chosen: Vec<usize> = Vec::with_capacity(count);
        while chosen.len() < count {
            let Some(next) = self.next(&chosen, &scores, bound) else {
                break;
            };
            chosen.push(next);
        }
        self.lead(&mut chosen, bound);
        chosen
    }

    fn scores(&self, partition: (TopicId, PartitionIndex)) -> Vec<u64> {
        let of = |it: &Candidate| score(partition, it.broker_id.get() as u64);
        self.candidates.iter().map(of).collect()
    }

    fn next(&self, chosen: &[usize], scores: &[u64], bound: Bound) -> Option<usize> {
        let rack_use = |at: usize| {
            let rack = &self.candidates[at].rack;
            chosen
                .iter()
                .filter(|other| self.candidates[**other].rack == *rack)
                .count()
        };
        let full = |at: usize| {
            let it = &self.candidates[at];
            it.load.replicas >= bound.cluster.replicas
                || it.topic_load.replicas >= bound.topic.replicas
        };
        // Where all are full, the emptiest takes it.
        let pressure = |at: usize| {
            let it = &self.candidates[at];
            if full(at) {
                (it.topic_load.replicas, it.load.replicas)
            } else {
                (0, 0)
            }
        };
        let free = (0..self.candidates.len()).filter(|at| !chosen.contains(at));
        free.min_by_key(|&at| {
            let fenced = self.candidates[at].fenced;
            let rank = std::cmp::Reverse(scores[at]);
            (
                fenced,
                rack_use(at),
                self.candidates[at].is_short_of_space(),
                full(at),
                pressure(at),
                rank,
                self.candidates[at].broker_id,
            )
        })
    }

    /// Moves to the front the one who is to lead: the first that has room for another leadership.
    fn lead(&self, chosen: &mut [usize], bound: Bound) {
        let leader = (0..chosen.len()).min_by_key(|&order| {
            let it = &self.candidates[chosen[order]];
            let full = self.leads_enough(chosen[order], bound);
            let pressure = if full {
                (it.topic_load.preferred_leaders, it.load.preferred_leaders)
            } else {
                (0, 0)
            };
            (it.fenced, full, pressure, order)
        });
        if let Some(leader) = leader {
            chosen[..=leader].rotate_right(1);
        }
    }

    /// Whether a broker has no room for another leadership.
    fn leads_enough(&self, at: usize, bound: Bound) -> bool {
        let it = &self.candidates[at];
        it.load.preferred_leaders >= bound.cluster.preferred_leaders
            || it.topic_load.preferred_leaders >= bound.topic.preferred_leaders
    }

    /// Where all replicas of the next partition lead enough already: finds one that can give a leadership away to another replica of one of its
    /// partitions, over several brokers if need be, and has it do so. Returns its place among the chosen. (An augmenting path, as in a
    /// maximum matching.)
    fn relieve(&mut self, placed: &mut [Placed], chosen: &[usize], bound: Bound) -> Option<usize> {
        if !chosen.iter().all(|&at| self.leads_enough(at, bound)) {
            return None;
        }
        // By broker: the partition it would take over, and who leads that now. The chosen take over the new one.
        let mut taken_over: BTreeMap<usize, Option<(usize, usize)>> =
            chosen.iter().map(|at| (*at, None)).collect();
        let mut looked_at = chosen.to_vec();
        let mut next = 0;
        let mut free = None;
        while let Some(&leader) = looked_at.get(next).filter(|_| free.is_none()) {
            next += 1;
            let led = placed
                .iter()
                .enumerate()
                .filter(|(_, it)| it.chosen[0] == leader);
            for (partition, it) in led {
                for &other in &it.chosen[1..] {
                    if self.candidates[other].fenced || taken_over.contains_key(&other) {
                        continue;
                    }
                    taken_over.insert(other, Some((partition, leader)));
                    looked_at.push(other);
                    if free.is_none() && !self.leads_enough(other, bound) {
                        free = Some(other);
                    }
                }
            }
        }
        let mut at = free?;
        while let Some((partition, leader)) = taken_over.get(&at).copied().flatten() {
            placed[partition].lead(at);
            self.move_leadership(leader, at);
            at = leader;
        }
        chosen.iter().position(|it| *it == at)
    }

    fn move_leadership(&mut self, from: usize, to: usize) {
        for (at, by) in [(from, -1), (to, 1)] {
            let it = &mut self.candidates[at];
            for load in [&mut it.load, &mut it.topic_load] {
                load.preferred_leaders = load.preferred_leaders.saturating_add_signed(by);
            }
        }
    }

    fn take(&mut self, chosen: &[usize]) -> Vec<Replica> {
        self.partition_count += 1;
        let replica = |(order, at): (usize, &usize)| {
            let it = &mut self.candidates[*at];
            add(&mut it.load, order);
            add(&mut it.topic_load, order);
            Replica {
                broker_id: it.broker_id,
                directory_id: take_directory(it),
            }
        };
        chosen.iter().enumerate().map(replica).collect()
    }
}

fn add(load: &mut BrokerLoad, order: usize) {
    load.replicas += 1;
    load.preferred_leaders += usize::from(order == 0);
}

/// An even share, and a quarter more. With few to share, the quarter is nothing: three partitions go to three brokers.
fn share(total: usize, brokers: usize) -> usize {
    let brokers = brokers.max(1);
    total.div_ceil(brokers) + total / (4 * brokers)
}

/// The directory with the fewest replicas, the first of them, of those with space if there are any. It then has one more. A registration has at least one.
fn take_directory(candidate: &mut Candidate) -> DirectoryId {
    let fewest = candidate
        .directories
        .iter_mut()
        .min_by_key(|(_, is_short, load)| (*is_short, *load));
    let (id, _, load) = fewest.expect("a registration without directories is refused");
    *load += 1;
    *id
}

/// The rendezvous score of a node for a partition.
fn score((topic_id, partition): (TopicId, PartitionIndex), node: u64) -> u64 {
    let topic = topic_id.get().as_u128();
    let parts = [
        (topic >> 64) as u64,
        topic as u64,
        partition.get() as u64,
        node,
    ];
    parts
        .into_iter()
        .fold(0, |hash, part| mix(hash ^ mix(part)))
}

/// Scatters every bit of its input over every bit of its result (splitmix64, Steele et al. 2014).
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;

//! Who leads which partition, as the newest answer that anybody got has it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use client::{ClientError, ClusterMetadata, Connection, Topic};

use crate::seeds::{CLIENT_ID, Seeds};

/// A broker that takes longer is not waited for: another one is asked.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// A leader of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    pub id: i32,
    pub address: String,
    /// `None` from brokers that do not tell.
    pub epoch: Option<i32>,
}

/// Shared by all that write and read.
pub(crate) struct Leaders {
    topic: Topic,
    known: Mutex<Known>,
    asker: Mutex<Asker>,
}

#[derive(Default)]
struct Known {
    /// Grows with each answer.
    generation: u64,
    brokers: BTreeMap<i32, String>,
    partitions: BTreeMap<i32, Option<Leader>>,
    /// By partition; an answer of a broker that has not heard of it yet does not count.
    epochs: BTreeMap<i32, i32>,
}

/// Asks, one after the other.
struct Asker {
    seeds: Seeds,
    connection: Option<Connection>,
    next: usize,
}

impl Leaders {
    pub fn new(seeds: &Seeds, topic: &Topic) -> Leaders {
        Leaders {
            topic: topic.clone(),
            known: Mutex::default(),
            asker: Mutex::new(Asker {
                seeds: seeds.clone(),
                connection: None,
                next: 0,
            }),
        }
    }

    /// Who leads a partition, and the number of the answer that says so.
    pub fn of(&self, partition: i32) -> (u64, Option<Leader>) {
        let known = self.known();
        let leader = known.partitions.get(&partition).cloned().flatten();
        (known.generation, leader)
    }

    /// Asks anew, unless somebody did since the answer of that number. An error leaves everything as it is.
    pub fn refresh(&self, generation: u64) -> Result<(), ClientError> {
        let mut asker = lock(&self.asker);
        if self.known().generation > generation {
            return Ok(());
        }
        let addresses: Vec<String> = self.known().brokers.values().cloned().collect();
        let metadata = asker.ask(&self.topic.name, &addresses)?;
        self.known().apply(&self.topic, metadata);
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

impl Known {
    fn apply(&mut self, topic: &Topic, metadata: ClusterMetadata) {
        self.generation += 1;
        let brokers = metadata.brokers.into_iter();
        self.brokers = brokers.map(|it| (it.id, it.address)).collect();
        // Another topic of the same name is none of ours.
        let mut topics = metadata.topics.into_iter();
        let Some(found) = topics.find(|it| it.name == topic.name && it.id == topic.id) else {
            return;
        };
        for it in found.partitions {
            let epoch = it.leader_epoch.unwrap_or(0);
            let newest = self.epochs.entry(it.partition).or_insert(epoch);
            if epoch < *newest {
                continue;
            }
            *newest = epoch;
            let leader = it.leader.and_then(|id| {
                let address = self.brokers.get(&id)?.clone();
                let epoch = it.leader_epoch;
                Some(Leader { id, address, epoch })
            });
            self.partitions.insert(it.partition, leader);
        }
    }
}

impl Asker {
    /// Asks the broker that answered last, and then all others in turn.
    fn ask(&mut self, topic: &str, known: &[String]) -> Result<ClusterMetadata, ClientError> {
        if let Some(mut connection) = self.connection.take()
            && let Ok(metadata) = connection.metadata(Some(&[topic]))
        {
            self.connection = Some(connection);
            return Ok(metadata);
        }
        let addresses: Vec<&String> = self.seeds.addresses().iter().chain(known).collect();
        let mut outcome = Err(ClientError::NoVersion(protocol::ApiKey::Metadata));
        for _ in 0..addresses.len() {
            // Each time another one: the one that answered may be cut off from the others.
            self.next = (self.next + 1) % addresses.len();
            let connection = Connection::connect(addresses[self.next], CLIENT_ID, SILENCE_MAX);
            outcome = connection.and_then(|mut connection| {
                let metadata = connection.metadata(Some(&[topic]))?;
                self.connection = Some(connection);
                Ok(metadata)
            });
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

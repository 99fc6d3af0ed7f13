//! What is true of every image, checked where the state lives.

use std::collections::{BTreeMap, BTreeSet};

use protocol::model::{BrokerId, TopicIdPartition};

use super::{BrokerLoad, MetadataImage, PartitionImage};
use crate::record::Replica;
use crate::{DirectoryId, topic_name};

impl MetadataImage {
    /// Checks all of the image; the error names what is broken. It visits every partition: for tests and for a
    /// start, not for each change.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut partition_count = 0;
        let mut loads: BTreeMap<BrokerId, BrokerLoad> = BTreeMap::new();
        let mut directory_loads: BTreeMap<DirectoryId, usize> = BTreeMap::new();
        for topic in self.topics.values() {
            if self.topic_ids.get(topic.name()) != Some(&topic.topic_id()) {
                return Err(format!("topic {} is not found by its name", topic.name()));
            }
            if topic.partition_count() == 0 {
                return Err(format!("topic {} has no partition", topic.name()));
            }
            partition_count += topic.partition_count();
            for (index, partition) in topic.partitions() {
                let place = || format!("{}-{index}", topic.name());
                self.check_partition(partition)
                    .map_err(|what| format!("{}: {what}", place()))?;
                for (at, replica) in partition.replicas.iter().enumerate() {
                    let load = loads.entry(replica.broker_id).or_default();
                    load.replicas += 1;
                    load.preferred_leaders += usize::from(at == 0);
                    *directory_loads.entry(replica.directory_id).or_default() += 1;
                }
            }
        }
        if self.topic_ids.size() != self.topics.size() {
            return Err("a name leads to no topic".into());
        }
        let unified = self.topic_ids.keys().map(|name| topic_name::unified(name));
        if !unified
            .collect::<BTreeSet<_>>()
            .iter()
            .map(String::as_str)
            .eq(self.unified_names.keys().map(|name| &**name))
        {
            return Err("the colliding names are not those of the topics".into());
        }
        if partition_count != self.partition_count {
            return Err(format!(
                "{partition_count} partitions, counted {}",
                self.partition_count
            ));
        }
        if !loads.iter().eq(self.loads.iter()) {
            return Err("the brokers' loads are not what they hold".into());
        }
        if !directory_loads.iter().eq(self.directory_loads.iter()) {
            return Err("the directories' loads are not what they hold".into());
        }
        self.check_brokers()
    }

    fn check_brokers(&self) -> Result<(), String> {
        let mut directories = BTreeSet::new();
        let mut epochs = BTreeSet::new();
        for broker in self.brokers.values() {
            if !broker
                .directories
                .iter()
                .all(|directory| directories.insert(*directory))
            {
                return Err(format!(
                    "broker {} has another's directory",
                    broker.broker_id
                ));
            }
            let short = &broker.short_of_space;
            if !short.is_sorted() || !short.iter().all(|it| broker.directories.contains(it)) {
                return Err(format!(
                    "broker {} is short of space in what is no directory of it",
                    broker.broker_id
                ));
            }
            if !epochs.insert(broker.broker_epoch)
                || Some(broker.broker_epoch) > self.broker_epoch_max
            {
                return Err(format!(
                    "broker {} has no epoch of its own",
                    broker.broker_id
                ));
            }
        }
        Ok(())
    }

    /// Checks the partitions a change touched.
    pub(super) fn check_partitions(
        &self,
        partitions: &BTreeSet<TopicIdPartition>,
    ) -> Result<(), String> {
        partitions.iter().try_for_each(|id| {
            let partition = self.partition(id.topic_id, id.partition);
            partition.map_or(Ok(()), |partition| self.check_partition(partition))
        })
    }

    fn check_partition(&self, partition: &PartitionImage) -> Result<(), String> {
        let brokers: BTreeSet<_> = partition.replica_brokers().collect();
        if brokers.is_empty() || brokers.len() != partition.replicas.len() {
            return Err(format!(
                "the replicas are none, or not distinct: {partition:?}"
            ));
        }
        let isr: BTreeSet<_> = partition.isr.iter().copied().collect();
        if isr.is_empty() || isr.len() != partition.isr.len() || !isr.is_subset(&brokers) {
            return Err(format!("the ISR is no set of replicas: {partition:?}"));
        }
        let elr: BTreeSet<_> = partition.elr.iter().copied().collect();
        if elr.len() != partition.elr.len() || !elr.is_subset(&brokers) || !elr.is_disjoint(&isr) {
            return Err(format!(
                "the ELR is no set of other replicas: {partition:?}"
            ));
        }
        let moving: Vec<_> = partition.adding.iter().chain(&partition.removing).collect();
        let distinct: BTreeSet<_> = moving.iter().copied().collect();
        if distinct.len() != moving.len() || !distinct.iter().all(|it| brokers.contains(it)) {
            return Err(format!(
                "what is added and removed are no distinct replicas: {partition:?}"
            ));
        }
        if partition.replicas.len() == partition.removing.len() {
            return Err(format!("nothing of it stays: {partition:?}"));
        }
        match partition.leader {
            Some(leader) if !isr.contains(&leader) => {
                Err(format!("the leader is not in the ISR: {partition:?}"))
            }
            Some(leader) if !self.can_lead(leader, partition) => Err(format!(
                "the leader is fenced, or without the directory: {partition:?}"
            )),
            Some(leader)
                if !self.has_space(leader, partition)
                    && isr.iter().any(|broker| {
                        self.can_lead(*broker, partition) && self.has_space(*broker, partition)
                    }) =>
            {
                Err(format!(
                    "the leader is short of space, though another has some: {partition:?}"
                ))
            }
            None if isr
                .iter()
                .chain(&elr)
                .any(|broker| self.can_lead(*broker, partition)) =>
            {
                Err(format!("no leader, though one could lead: {partition:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a broker is alive, and has the directory its replica is in. A replica of which this is not true is offline.
    pub fn can_lead(&self, broker_id: BrokerId, partition: &PartitionImage) -> bool {
        let directory = partition.directory_on(broker_id);
        self.broker(broker_id).is_some_and(|broker| {
            !broker.fenced && directory.is_some_and(|it| broker.directories.contains(&it))
        })
    }

    /// Whether produce requests to a broker's replica would find space, as far as the broker has said.
    pub fn has_space(&self, broker_id: BrokerId, partition: &PartitionImage) -> bool {
        let mut replicas = partition.replicas.iter();
        let replica = replicas.find(|it| it.broker_id == broker_id);
        replica.is_some_and(|it| !self.is_short_of_space(it))
    }

    /// Whether a replica is in a directory that is short of space.
    pub(crate) fn is_short_of_space(&self, replica: &Replica) -> bool {
        self.broker(replica.broker_id)
            .is_some_and(|broker| broker.short_of_space.contains(&replica.directory_id))
    }
}

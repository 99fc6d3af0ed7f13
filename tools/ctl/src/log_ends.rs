//! Where the logs of partitions begin and end, as who leads them says.

use std::{collections::BTreeMap, time::Duration};

use client::{ClusterMetadata, Connection, OffsetSpec, PartitionMetadata, Topic, TopicMetadata};

use crate::seeds::CLIENT_ID;

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Asks those that lead, over connections that are made as they are needed.
pub(crate) struct LogEnds {
    addresses: BTreeMap<i32, String>,
    /// `None`: it does not answer.
    connections: BTreeMap<i32, Option<Connection>>,
}

impl LogEnds {
    pub fn new(metadata: &ClusterMetadata) -> LogEnds {
        let brokers = metadata.brokers.iter();
        LogEnds {
            addresses: brokers.map(|it| (it.id, it.address.clone())).collect(),
            connections: BTreeMap::new(),
        }
    }

    /// The first offset that is kept, and the end of what can be read. `None`: nobody leads the partition, or its leader does not answer.
    pub fn of(
        &mut self,
        topic: &TopicMetadata,
        partition: &PartitionMetadata,
    ) -> Option<(i64, i64)> {
        let leader = partition.leader?;
        let address = self.addresses.get(&leader)?;
        let connection = self.connections.entry(leader);
        let connection = connection
            .or_insert_with(|| Connection::connect(address, CLIENT_ID, SILENCE_MAX).ok())
            .as_mut()?;
        let asked = Topic {
            name: topic.name.clone(),
            id: topic.id,
            partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        };
        let mut ask = |spec| connection.list_offset(&asked, partition.partition, spec);
        let start = ask(OffsetSpec::Earliest).ok()?;
        let end = ask(OffsetSpec::Latest).ok()?;
        Some((start.get(), end.get()))
    }
}

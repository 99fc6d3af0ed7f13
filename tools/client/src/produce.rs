//! Produce with acks=all.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{
    ErrorCode,
    messages::{
        ApiKey, InitProducerIdRequest, ProduceRequest,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    model::{Offset, ProducerEpoch, ProducerId},
};

use crate::{
    ClientError, Connection, Topic,
    error::{check, error_code},
};

const ACKS_ALL: i16 = -1;
const TIMEOUT_MS: i32 = 30_000;

/// A batch for a partition.
#[derive(Clone, Debug)]
pub struct PartitionBatch<'a> {
    /// The topic.
    pub topic: &'a Topic,
    /// The partition's number.
    pub partition: i32,
    /// One record batch.
    pub batch: Bytes,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// The partition's number.
    pub partition: i32,
    /// The offset of its first record if it was acknowledged, else why not.
    pub outcome: Result<Offset, ErrorCode>,
}

/// Who an idempotent producer is (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdAndEpoch {
    /// The producer.
    pub id: ProducerId,
    /// Its incarnation.
    pub epoch: ProducerEpoch,
}

impl Connection {
    /// Asks for a producer id.
    pub fn init_producer_id(&mut self) -> Result<ProducerIdAndEpoch, ClientError> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let answer = self.call(&request)?;
        check("ask for a producer id", answer.error_code)?;
        let id = ProducerId::from_wire(answer.producer_id.0);
        let epoch = ProducerEpoch::from_wire(answer.producer_epoch);
        match (id, epoch) {
            (Some(id), Some(epoch)) => Ok(ProducerIdAndEpoch { id, epoch }),
            _ => Err(ClientError::Unrelated(ApiKey::InitProducerId)),
        }
    }

    /// Sends one request of batches, at most one for a partition; see
    /// [`receive_produced`](Connection::receive_produced).
    pub fn send_produce(&mut self, batches: &[PartitionBatch<'_>]) -> Result<(), ClientError> {
        let by_id = self.version(ApiKey::Produce)? >= 13;
        let mut topics: BTreeMap<&Topic, Vec<PartitionProduceData>> = BTreeMap::new();
        for batch in batches {
            let data = PartitionProduceData::default()
                .with_index(batch.partition)
                .with_records(Some(batch.batch.clone()));
            topics.entry(batch.topic).or_default().push(data);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            let data = TopicProduceData::default().with_partition_data(partitions);
            if by_id {
                data.with_topic_id(topic.id)
            } else {
                data.with_name(topic.wire_name())
            }
        });
        let request = ProduceRequest::default()
            .with_acks(ACKS_ALL)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(topics.collect());
        self.send(&request)
    }

    /// Waits for the outcome of the oldest request of batches, and gives it in the order in which
    /// `sent` has them.
    pub fn receive_produced(
        &mut self,
        sent: &[(&Topic, i32)],
    ) -> Result<Vec<Produced>, ClientError> {
        let by_id = self.version(ApiKey::Produce)? >= 13;
        let answer = self.receive::<ProduceRequest>()?;
        let mut produced = Vec::with_capacity(sent.len());
        for &(topic, partition) in sent {
            let found = answer.responses.iter().find(|response| match by_id {
                true => response.topic_id == topic.id,
                false => response.name.0.as_str() == topic.name,
            });
            let found = found.and_then(|response| {
                let mut partitions = response.partition_responses.iter();
                partitions.find(|response| response.index == partition)
            });
            let found = found.ok_or(ClientError::Unrelated(ApiKey::Produce))?;
            let outcome = match error_code(found.error_code)? {
                ErrorCode::None => Offset::from_wire(found.base_offset)
                    .map(Ok)
                    .ok_or(ClientError::Unrelated(ApiKey::Produce))?,
                code => Err(code),
            };
            produced.push(Produced { partition, outcome });
        }
        Ok(produced)
    }
}

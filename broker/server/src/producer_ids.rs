//! Producer ids, from blocks that the metadata quorum gives out: Kafka's `RPCProducerIdManager`.

use broker_controller::ApiError;
use broker_controller::decide::{AllocateProducerIds, ProducerIdBlock};
use protocol::model::{BrokerEpoch, BrokerId, ProducerId};

use crate::quorum::{Metadata, MetadataQuorum};

/// Hands out ids, each once in the life of the cluster.
pub struct ProducerIds {
    broker_id: BrokerId,
    broker_epoch: BrokerEpoch,
    /// What is left of the block. Held while the next one is fetched, so that one request does it for all who wait.
    block: tokio::sync::Mutex<Option<ProducerIdBlock>>,
}

impl ProducerIds {
    /// With no block yet.
    pub fn new(broker_id: BrokerId, broker_epoch: BrokerEpoch) -> ProducerIds {
        ProducerIds {
            broker_id,
            broker_epoch,
            block: tokio::sync::Mutex::new(None),
        }
    }

    /// The next id. Done means: the block it is from is durably given out.
    pub async fn next<Q: MetadataQuorum>(
        &self,
        metadata: &Metadata<Q>,
    ) -> Result<ProducerId, ApiError> {
        let mut block = self.block.lock().await;
        let current = match *block {
            Some(current) if current.first < current.end => current,
            _ => {
                let command = AllocateProducerIds {
                    broker_id: self.broker_id,
                    broker_epoch: self.broker_epoch,
                };
                metadata.submit(&command).await??
            }
        };
        let id = current.first;
        *block = Some(ProducerIdBlock {
            first: ProducerId::new(id.get() + 1),
            ..current
        });
        Ok(id)
    }
}

//! Producer ids are given to brokers in blocks (KIP-730), as Kafka's `ProducerIdControlManager` does.

use protocol::ErrorCode;
use protocol::model::{BrokerEpoch, BrokerId, ProducerId};
use serde::{Deserialize, Serialize};

use super::brokers::check_broker_epoch;
use crate::record::ProducerIdsRecord;
use crate::{ApiError, Command, Context, Decision, MetadataRecord};

/// Ids in a block, as in Kafka. What a broker has not used of one when it stops is never used.
pub const PRODUCER_ID_BLOCK_LEN: i64 = 1000;

/// A broker wants more ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocateProducerIds {
    /// The broker.
    pub broker_id: BrokerId,
    /// Its life.
    pub broker_epoch: BrokerEpoch,
}

/// Ids that nobody else has or will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerIdBlock {
    /// The first.
    pub first: ProducerId,
    /// The one behind the last.
    pub end: ProducerId,
}

impl Command for AllocateProducerIds {
    type Response = Result<ProducerIdBlock, ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let (broker_id, broker_epoch) = (self.broker_id, self.broker_epoch);
        if let Err(error) = check_broker_epoch(context.image, broker_id, broker_epoch) {
            return Decision::unchanged(Err(error));
        }
        let first = context.image.next_producer_id();
        let Some(next_producer_id) = first.get().checked_add(PRODUCER_ID_BLOCK_LEN) else {
            return Decision::unchanged(Err(ApiError::new(
                ErrorCode::UnknownServerError,
                "Exhausted all producerIds as the next block's end producerId has exceeded the \
                 int64 type limit",
            )));
        };
        let record = ProducerIdsRecord {
            broker_id,
            broker_epoch,
            next_producer_id,
        };
        Decision {
            records: vec![MetadataRecord::ProducerIds(record)],
            response: Ok(ProducerIdBlock {
                first,
                end: ProducerId::new(next_producer_id),
            }),
        }
    }
}

//! A broker leaves the cluster for good: `ClusterControlManager.unregisterBroker`.
//!
//! Kafka forgets whatever broker it is told to, one that lives or has the only copy of a partition too. Here it has to be one that nothing needs any more, and the
//! refusal says what is to be done first: who gives this command has a machine to take away, and may have mistaken its number.

use protocol::ErrorCode;
use protocol::model::BrokerId;
use serde::{Deserialize, Serialize};

use crate::record::UnregisterBrokerRecord;
use crate::{ApiError, Command, Context, Decision, MetadataImage, MetadataRecord};

/// A request to forget a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnregisterBroker {
    /// The broker, as it came.
    pub broker_id: i32,
    /// Who votes in the metadata quorum.
    pub voters: Vec<BrokerId>,
}

impl Command for UnregisterBroker {
    /// Done: no broker of this id is registered. It is again, as a new one, when it starts again.
    type Response = Result<(), ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        match self.check(context.image) {
            Ok(record) => Decision {
                records: vec![MetadataRecord::UnregisterBroker(record)],
                response: Ok(()),
            },
            Err(error) => Decision::unchanged(Err(error)),
        }
    }
}

impl UnregisterBroker {
    fn check(&self, image: &MetadataImage) -> Result<UnregisterBrokerRecord, ApiError> {
        let broker_id = BrokerId::new(self.broker_id);
        let Some(broker) = image.broker(broker_id) else {
            return Err(ApiError::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("Broker ID {broker_id} is not currently registered"),
            ));
        };
        let refused = |message| Err(ApiError::new(ErrorCode::PolicyViolation, message));
        if self.voters.contains(&broker_id) {
            return refused(format!(
                "Broker {broker_id} votes in the metadata quorum. Remove the voter first \
                 (kafka-metadata-quorum remove-controller)."
            ));
        }
        if !broker.fenced {
            return refused(format!(
                "Broker {broker_id} is alive. Stop it first; it would be registered again as soon as \
                 it starts."
            ));
        }
        // Members of ISR and ELR, and brokers that replicas are on their way to or from, are replicas all.
        let count = image.load(broker_id).replicas;
        if count > 0 {
            let topics = image.topics_by_name().flat_map(|topic| {
                let partitions = topic.partitions();
                partitions.map(move |(index, partition)| (topic.name(), index, partition))
            });
            let mut held = topics.filter(|(.., it)| it.directory_on(broker_id).is_some());
            let (topic, index, _) = held.next().expect("it was counted");
            let held = match count {
                1 => format!("the partition {topic}-{index}"),
                _ => format!("{count} partitions, {topic}-{index} among them"),
            };
            return refused(format!(
                "Broker {broker_id} still is a replica of {held}. Move what it has to other brokers \
                 first (kafka-reassign-partitions)."
            ));
        }
        Ok(UnregisterBrokerRecord {
            broker_id,
            broker_epoch: broker.broker_epoch,
        })
    }
}

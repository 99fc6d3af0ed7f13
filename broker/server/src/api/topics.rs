//! How requests name topics, by name or by id, and what they find.

use broker_controller::image::PartitionImage;
use broker_controller::{ApiError, MetadataImage, topic_name};
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::model::{PartitionIndex, TopicId, TopicIdPartition, Uuid};
use std::sync::Arc;

use crate::broker::{Broker, is_private};
use crate::partition::Partition;

/// Refuses a request that names too many partitions, or topics that cannot be, before their names are repeated for every partition.
pub(super) fn check_named<'a>(
    broker: &Broker,
    topics: impl Iterator<Item = (&'a StrBytes, usize)>,
) -> Result<(), ApiError> {
    let mut partitions = 0;
    for (name, count) in topics {
        partitions += count;
        if name.len() > topic_name::NAME_BYTES_MAX {
            let message = "A topic's name is longer than any can be.";
            return Err(ApiError::new(ErrorCode::InvalidTopicException, message));
        }
    }
    if partitions > broker.config.broker.topics.partitions_per_request_max {
        let message = "Excessively large number of partitions per request.";
        return Err(ApiError::new(ErrorCode::PolicyViolation, message));
    }
    Ok(())
}

/// Finds a partition that this broker leads.
pub(super) fn find_partition(
    broker: &Broker,
    topic_id: TopicId,
    partition: i32,
) -> Result<Arc<Partition>, ErrorCode> {
    let Some(partition) = PartitionIndex::from_wire(partition) else {
        return Err(ErrorCode::UnknownTopicOrPartition);
    };
    let id = TopicIdPartition {
        topic_id,
        partition,
    };
    if let Some(partition) = broker.partitions.get(id) {
        return Ok(partition);
    }
    let is_offline = |state: &PartitionImage| {
        let directory = state.directory_on(broker.id);
        directory.is_some_and(|id| broker.data_dirs.get(id).is_none())
    };
    match broker.metadata.image().partition(topic_id, partition) {
        // As Kafka answers for a replica in a directory that is offline.
        Some(state) if is_offline(state) => Err(ErrorCode::KafkaStorageError),
        Some(state) if state.leader.is_none() => Err(ErrorCode::LeaderNotAvailable),
        Some(state) if state.leader == Some(broker.id) => Err(ErrorCode::KafkaStorageError),
        Some(_) => Err(ErrorCode::NotLeaderOrFollower),
        None => Err(ErrorCode::UnknownTopicOrPartition),
    }
}

/// The id of a topic by name.
pub(super) fn id_of(broker: &Broker, name: &str) -> Result<TopicId, ErrorCode> {
    if is_private(name) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    let image = broker.metadata.image();
    image
        .topic_named(name)
        .map(|topic| topic.topic_id())
        .ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// The name of a topic by id.
pub(super) fn name_of(image: &MetadataImage, id: Uuid) -> Result<Arc<str>, ErrorCode> {
    let topic = TopicId::new(id).and_then(|id| image.topic(id));
    let topic = topic.ok_or(ErrorCode::UnknownTopicId)?;
    Ok(Arc::clone(topic.name()))
}

/// Whether there is such a partition for clients.
pub(super) fn has_partition(image: &MetadataImage, topic: &str, partition: i32) -> bool {
    let topic = image.topic_named(topic).filter(|_| !is_private(topic));
    let partition = PartitionIndex::from_wire(partition);
    topic
        .zip(partition)
        .is_some_and(|(topic, partition)| topic.partition(partition).is_some())
}

/// An id from the wire, if there is such a topic.
pub(super) fn known_id(broker: &Broker, id: Uuid) -> Result<TopicId, ErrorCode> {
    let id = TopicId::new(id).ok_or(ErrorCode::UnknownTopicId)?;
    match broker.metadata.image().topic(id) {
        Some(_) => Ok(id),
        None => Err(ErrorCode::UnknownTopicId),
    }
}

/// A string for the wire.
pub(super) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// A fresh topic id.
pub(super) fn new_topic_id() -> TopicId {
    loop {
        // Ids that Kafka reserves are all but zero in their upper half; a random one practically never is.
        let id = Uuid::new_v4();
        if let Some(id) = TopicId::new(id).filter(|_| id.as_u128() >> 64 != 0) {
            return id;
        }
    }
}

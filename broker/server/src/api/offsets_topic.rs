//! The topic that groups are recorded in.

use std::sync::Arc;

use broker_controller::decide::{CreateTopics, NewTopic};
use broker_coordinators::group::OFFSETS_TOPIC;
use protocol::ErrorCode;

use super::topics::new_topic_id;
use crate::broker::Broker;

/// The least that a topic may have as `segment.bytes`.
const SEGMENT_BYTES_MIN: i32 = 1 << 20;

/// Makes the topic, unless it is there. Done means that its partitions have their coordinators, which may still be loading.
pub(super) async fn make_offsets_topic(broker: &Arc<Broker>) -> Result<(), ErrorCode> {
    let image = broker.metadata.image();
    if image.topic_named(OFFSETS_TOPIC).is_some() {
        return Ok(());
    }
    let settings = broker.settings.now();
    let segment_bytes: i32 = settings.number("offsets.topic.segment.bytes");
    let replicas: i16 = settings.number("offsets.topic.replication.factor");
    // Some may still be starting: it is not to be born with fewer replicas for that.
    let alive = image.brokers().filter(|it| !it.fenced).count();
    let brokers = alive.max(broker.config.broker.cluster.peers.len());
    let brokers = i16::try_from(brokers).unwrap_or(i16::MAX);
    let configs = [
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        (
            "segment.bytes",
            segment_bytes.max(SEGMENT_BYTES_MIN).to_string(),
        ),
    ];
    let topic = NewTopic {
        name: OFFSETS_TOPIC.to_owned(),
        topic_id: new_topic_id(),
        num_partitions: Some(settings.number("offsets.topic.num.partitions")),
        replication_factor: Some(replicas.min(brokers).max(1)),
        assignments: Vec::new(),
        configs: configs
            .map(|(name, value)| (name.to_owned(), Some(value)))
            .into(),
    };
    let command = CreateTopics {
        topics: vec![topic],
        validate_only: false,
    };
    let results = broker.metadata.submit(&command).await;
    let failed = |error: broker_controller::ApiError| match error.code {
        // Another request was faster.
        ErrorCode::TopicAlreadyExists => Ok(()),
        _ => {
            tracing::error!(
                topic = OFFSETS_TOPIC,
                ?error,
                "cannot make the topic of consumer groups"
            );
            Err(ErrorCode::CoordinatorNotAvailable)
        }
    };
    for result in results.or_else(|error| failed(error).map(|()| Vec::new()))? {
        result.result.map(|_| ()).or_else(failed)?;
    }
    Ok(())
}

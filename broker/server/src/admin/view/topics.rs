//! Topics, and the partitions of one.

use broker_controller::MetadataImage;
use broker_controller::image::PartitionImage;
use protocol::model::{BrokerId, LeaderEpoch, Offset, PartitionIndex, TopicId, TopicIdPartition};
use serde::Serialize;

use super::Refusal;
use super::health::{Health, MinInsyncReplicas, conditions};
use super::query::Filter;
use crate::broker::{Broker, is_private};

/// Topics that are shown.
const TOPICS_MAX: usize = 200;
/// Partitions of a topic that are shown.
const PARTITIONS_MAX: usize = 200;

/// Which topics are asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) filter: Filter,
    /// Those that are not as they should be.
    pub(super) unhealthy: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Topics {
    /// How many there are.
    total: usize,
    /// How many of them are asked for.
    matching: usize,
    topics: Vec<TopicRow>,
}

#[derive(Debug, Serialize)]
struct TopicRow {
    name: String,
    id: String,
    partitions: usize,
    replication_factor: usize,
    min_insync_replicas: usize,
    health: Health,
}

pub(super) fn topics(broker: &Broker, wanted: &Wanted) -> Topics {
    let image = broker.metadata.image();
    let min_insync_replicas = MinInsyncReplicas::on(broker);
    let mut shown = Topics {
        total: 0,
        matching: 0,
        topics: Vec::new(),
    };
    for topic in image.topics_by_name().filter(|it| !is_private(it.name())) {
        shown.total += 1;
        if !wanted.filter.matches(topic.name()) {
            continue;
        }
        let min_insync_replicas = min_insync_replicas.of(&image, topic.name());
        let health = Health::of(topic, min_insync_replicas);
        if wanted.unhealthy && health.is_healthy() {
            continue;
        }
        shown.matching += 1;
        if shown.topics.len() < TOPICS_MAX {
            shown.topics.push(TopicRow {
                name: topic.name().to_string(),
                id: topic.topic_id().to_string(),
                partitions: topic.partition_count(),
                replication_factor: topic.replication_factor(),
                min_insync_replicas,
                health,
            });
        }
    }
    shown
}

#[derive(Debug, Serialize)]
pub(super) struct Topic {
    name: String,
    id: String,
    min_insync_replicas: usize,
    partition_count: usize,
    /// The number of the first that is shown.
    from: usize,
    /// How many are shown at a time.
    partitions_max: usize,
    partitions: Vec<PartitionRow>,
}

#[derive(Debug, Serialize)]
struct PartitionRow {
    partition: PartitionIndex,
    leader: Option<BrokerId>,
    leader_epoch: LeaderEpoch,
    /// The preferred leader first.
    replicas: Vec<BrokerId>,
    isr: Vec<BrokerId>,
    conditions: Vec<&'static str>,
    /// The replica of this broker, if it has one.
    here: Option<Here>,
}

/// A replica of this broker.
#[derive(Debug, Serialize)]
struct Here {
    log_start_offset: Offset,
    /// Of one that follows: as far as it has heard.
    high_watermark: Offset,
    log_end_offset: Offset,
    size_bytes: u64,
}

pub(super) fn topic(broker: &Broker, name: &str, from: usize) -> Result<Topic, Refusal> {
    let image = broker.metadata.image();
    let topic = image.topic_named(name).filter(|_| !is_private(name));
    let topic = topic.ok_or_else(|| Refusal::not_found("there is no topic of that name"))?;
    let min_insync_replicas = MinInsyncReplicas::on(broker).of(&image, name);
    let partitions = topic.partitions().skip(from).take(PARTITIONS_MAX);
    let rows = partitions.map(|(index, state)| {
        let conditions = conditions(&image, state, min_insync_replicas);
        row(broker, topic.topic_id(), (index, state), conditions)
    });
    Ok(Topic {
        name: name.to_owned(),
        id: topic.topic_id().to_string(),
        min_insync_replicas,
        partition_count: topic.partition_count(),
        from,
        partitions_max: PARTITIONS_MAX,
        partitions: rows.collect(),
    })
}

fn row(
    broker: &Broker,
    topic_id: TopicId,
    (partition, state): (PartitionIndex, &PartitionImage),
    conditions: Vec<&'static str>,
) -> PartitionRow {
    let id = TopicIdPartition {
        topic_id,
        partition,
    };
    PartitionRow {
        partition,
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        replicas: state.replica_brokers().collect(),
        isr: state.isr.clone(),
        conditions,
        here: here(broker, id),
    }
}

fn here(broker: &Broker, id: TopicIdPartition) -> Option<Here> {
    if let Some(led) = broker.partitions.get(id) {
        let offsets = led.offsets();
        return Some(Here {
            log_start_offset: offsets.log_start,
            high_watermark: offsets.high_watermark,
            log_end_offset: offsets.log_end,
            size_bytes: led.log().size_bytes(),
        });
    }
    let followed = broker.partitions.followed(id)?;
    let log = followed.log();
    let offsets = log.offsets();
    Some(Here {
        log_start_offset: offsets.start,
        high_watermark: log.high_watermark(),
        log_end_offset: offsets.end,
        size_bytes: log.size_bytes(),
    })
}

/// The end of what can be read of a partition, as far as a replica here knows.
pub(super) fn high_watermark(
    broker: &Broker,
    image: &MetadataImage,
    (topic, partition): (&str, i32),
) -> Option<Offset> {
    let topic_id = image.topic_named(topic).map(|it| it.topic_id())?;
    let partition = PartitionIndex::from_wire(partition)?;
    let id = TopicIdPartition {
        topic_id,
        partition,
    };
    if let Some(led) = broker.partitions.get(id) {
        return Some(led.offsets().high_watermark);
    }
    let followed = broker.partitions.followed(id)?;
    Some(followed.log().high_watermark())
}

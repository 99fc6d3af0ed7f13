//! What topics and partitions share: assignments made by hand, the first state of a partition, and limits.

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::model::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId};
use serde::{Deserialize, Serialize};

use crate::record::{PartitionRecord, Replica};
use crate::{ApiError, Context, MetadataImage, MetadataRecord};

/// Where a client wants a partition's replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaAssignment {
    /// The partition's number, as it came.
    pub partition: i32,
    /// The brokers, the preferred leader first.
    pub brokers: Vec<BrokerId>,
}

/// Checks one partition's brokers; `replicas` is the number the topic's other partitions have.
pub(super) fn check_brokers(
    image: &MetadataImage,
    brokers: &[BrokerId],
    replicas: Option<usize>,
) -> Result<(), ApiError> {
    let refused = |what: String| {
        let message = format!("The manual partition assignment includes {what}");
        Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message))
    };
    if brokers.is_empty() {
        return refused("an empty replica list.".into());
    }
    let mut sorted = brokers.to_vec();
    sorted.sort_unstable();
    let mut seen = BTreeSet::new();
    for broker in sorted {
        if image.broker(broker).is_none() {
            return refused(format!(
                "broker {broker}, but no such broker is registered."
            ));
        }
        if !seen.insert(broker) {
            return refused(format!("the broker {broker} more than once."));
        }
    }
    match replicas {
        Some(replicas) if replicas != brokers.len() => refused(format!(
            "a partition with {} replica(s), but this is not consistent with previous partitions, \
             which have {replicas} replica(s).",
            brokers.len()
        )),
        _ => Ok(()),
    }
}

/// Refuses an assignment by hand to brokers none of which could lead.
pub(super) fn check_one_active(
    image: &MetadataImage,
    partition: i32,
    brokers: &[BrokerId],
) -> Result<(), ApiError> {
    if brokers.iter().any(|broker| is_active(image, *broker)) {
        return Ok(());
    }
    let message = format!(
        "All brokers specified in the manual partition assignment for partition {partition} are \
         fenced or in controlled shutdown."
    );
    Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message))
}

/// A new partition: in sync are the replicas that are alive, and the first of them leads that has space.
pub(super) fn new_partition(
    image: &MetadataImage,
    topic_id: TopicId,
    partition: PartitionIndex,
    replicas: Vec<Replica>,
) -> MetadataRecord {
    let alive = |it: &&Replica| is_active(image, it.broker_id);
    let in_sync = || replicas.iter().filter(alive);
    let with_space = in_sync().find(|it| !image.is_short_of_space(it));
    let leader = with_space.or_else(|| in_sync().next());
    let leader = leader.map(|it| it.broker_id);
    let isr = in_sync().map(|it| it.broker_id).collect();
    MetadataRecord::Partition(PartitionRecord {
        topic_id,
        partition,
        replicas,
        elr: Vec::new(),
        leader,
        isr,
        leader_epoch: LeaderEpoch::new(0),
        partition_epoch: PartitionEpoch::new(0),
    })
}

/// Refuses a request that is about too many partitions, before any work is done for it.
pub(super) fn check_request(context: &Context<'_>, partitions: usize) -> Result<(), ApiError> {
    if partitions <= context.config.request_partitions_max {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::PolicyViolation,
        "Excessively large number of partitions per request.",
    ))
}

/// Refuses a request that would create too many partitions, before any work is done for it.
pub(super) fn check_partition_counts(context: &Context<'_>, added: usize) -> Result<(), ApiError> {
    check_request(context, added)?;
    let cluster_partitions_max = context.config.cluster_partitions_max;
    if context.image.partition_count().saturating_add(added) > cluster_partitions_max {
        let message = format!(
            "The cluster has {} partition(s) and may have {cluster_partitions_max}; {added} more \
             would be too many.",
            context.image.partition_count()
        );
        return Err(ApiError::new(ErrorCode::PolicyViolation, message));
    }
    Ok(())
}

fn is_active(image: &MetadataImage, broker: BrokerId) -> bool {
    image.broker(broker).is_some_and(|it| !it.fenced)
}

//! What the metadata says of a partition, for its leader.

use broker_controller::MetadataImage;
use broker_controller::image::PartitionImage;
use broker_replication::PartitionView;

/// What an image says. `min_insync_replicas` is as configured.
pub fn view_of(
    image: &MetadataImage,
    partition: &PartitionImage,
    min_insync_replicas: i32,
) -> PartitionView {
    let replicas = partition.replica_brokers();
    let alive = replicas.filter_map(|id| image.broker(id).filter(|broker| !broker.fenced));
    let min = usize::try_from(min_insync_replicas).unwrap_or(0);
    PartitionView {
        leader_epoch: partition.leader_epoch,
        partition_epoch: partition.partition_epoch,
        isr: partition.isr.clone(),
        live: alive
            .map(|broker| (broker.broker_id, broker.broker_epoch))
            .collect(),
        min_insync_replicas: partition.enough_in_sync(min),
        has_elr: !partition.elr.is_empty(),
        has_others: partition.replica_brokers().count() > 1,
        short_of_space: partition
            .replica_brokers()
            .filter(|id| !image.has_space(*id, partition))
            .collect(),
    }
}

//! What a fetch reads from: a partition led here, or a replica that follows (KIP-392).

use std::sync::Arc;

use protocol::ErrorCode;
use protocol::model::{LeaderEpoch, Offset, PartitionIndex, TopicId, TopicIdPartition};

use super::topics::find_partition;
use crate::broker::Broker;
use crate::clock::monotonic_ms;
use crate::metrics::TopicMetrics;
use crate::partition::{FetchWait, Partition, PartitionOffsets, PartitionRead, Reader, Records};
use crate::replication::Followed;

/// Less than this is copied: it takes fewer calls.
const REGION_BYTES_MIN: u64 = 64 << 10;

/// A replica on this broker.
#[derive(Clone)]
pub(super) enum Source {
    Led(Arc<Partition>),
    /// For consumers only.
    Followed(Arc<Followed>),
}

fn is_not_led_here(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower | ErrorCode::LeaderNotAvailable
    )
}

impl Source {
    /// The replica of a partition here; one that follows only if `or_followed`.
    pub(super) fn find(
        broker: &Broker,
        topic_id: TopicId,
        partition: i32,
        or_followed: bool,
    ) -> Result<Source, ErrorCode> {
        let refused = match find_partition(broker, topic_id, partition) {
            Ok(partition) => return Ok(Source::Led(partition)),
            Err(code) => code,
        };
        let partition = PartitionIndex::from_wire(partition).filter(|_| or_followed);
        let id = partition.map(|partition| TopicIdPartition {
            topic_id,
            partition,
        });
        match id.and_then(|id| broker.partitions.followed(id)) {
            // What is committed can be read while there is no leader, too.
            Some(followed) if is_not_led_here(refused) => {
                followed.on_asked(monotonic_ms());
                Ok(Source::Followed(followed))
            }
            _ => Err(refused),
        }
    }

    pub(super) fn metrics(&self) -> &TopicMetrics {
        match self {
            Source::Led(partition) => partition.metrics(),
            Source::Followed(followed) => followed.metrics(),
        }
    }

    pub(super) fn check_epoch(&self, current: Option<LeaderEpoch>) -> Result<(), ErrorCode> {
        match self {
            Source::Led(partition) => partition.check_epoch(current),
            Source::Followed(followed) => followed.check_epoch(current),
        }
    }

    pub(super) fn offsets(&self) -> PartitionOffsets {
        match self {
            Source::Led(partition) => partition.offsets(),
            Source::Followed(followed) => followed.offsets(),
        }
    }

    /// Whether there may be more that is committed, of which nobody tells this broker: others lead, or are in sync without it.
    pub(super) fn is_cut_off(&self, broker: &Broker) -> bool {
        match self {
            Source::Led(partition) => partition.is_abandoned(),
            Source::Followed(followed) => {
                let contact = broker.node.contact();
                !followed.is_in_sync() || contact.hands_on() || contact.is_lost(monotonic_ms())
            }
        }
    }

    /// The last epoch here that is not greater, and where it ends.
    pub(super) fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        match self {
            Source::Led(partition) => partition.log().end_of_epoch(epoch),
            Source::Followed(followed) => followed.log().end_of_epoch(epoch),
        }
    }

    pub(super) fn read(
        &self,
        reader: Reader,
        offset: Offset,
        max_bytes: usize,
    ) -> Result<PartitionRead, ErrorCode> {
        match self {
            Source::Led(partition) => partition.read(reader, offset, max_bytes),
            Source::Followed(followed) => followed.read(offset, max_bytes),
        }
    }

    /// The same from files. Blocks on the disk. A consumer is sent what is trusted as it lies there; a follower may be told of more than
    /// is committed, which a truncation may take back meanwhile.
    pub(super) fn read_files(
        &self,
        reader: Reader,
        offset: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Records>, ErrorCode> {
        let bytes = REGION_BYTES_MIN..max_bytes as u64;
        if reader == Reader::Consumer && !bytes.is_empty() {
            let found = match self {
                Source::Led(partition) => partition.find_trusted(offset, bytes)?,
                Source::Followed(followed) => followed.find_trusted(offset, bytes)?,
            };
            if let Some(region) = found {
                return Ok(vec![Records::File(region)]);
            }
        }
        let read = match self {
            Source::Led(partition) => partition.read_files(reader, offset, max_bytes),
            Source::Followed(followed) => followed.read_files(offset, max_bytes),
        };
        Ok(read?.into_iter().map(Records::Memory).collect())
    }

    /// Tells `wait` when the high watermark moves beyond `seen`.
    pub(super) fn when_readable(&self, seen: Offset, wait: &Arc<FetchWait>) {
        match self {
            Source::Led(partition) => partition.when_readable(seen, wait),
            Source::Followed(followed) => followed.when_readable(seen, wait),
        }
    }

    /// Tells `wait`, of a follower, when the log is longer than `seen`.
    pub(super) fn when_appended(&self, seen: Offset, wait: &Arc<FetchWait>) {
        match self {
            Source::Led(partition) => partition.when_appended(seen, wait),
            // No follower asks another one.
            Source::Followed(_) => {}
        }
    }

    pub(super) fn forget_fetch(&self, wait: &Arc<FetchWait>) {
        match self {
            Source::Led(partition) => partition.forget_fetch(wait),
            Source::Followed(followed) => followed.forget_fetch(wait),
        }
    }
}

//! What the metrics ask the broker, and what the network tells them.

use std::sync::Arc;

use broker_coordinators::group::GroupView;
use protocol::model::{PartitionIndex, TopicIdPartition};
use storage::data_dir::{DataDir, SpaceState};

use crate::broker::Broker;
use crate::metrics::{
    ControllerSample, GroupSample, GroupTotals, Metrics, OffsetSample, PartitionSample, Samples,
    Scrape, StorageSample,
};
use crate::net::{CloseReason, Observer};

/// Answers a scrape from the broker's state.
pub struct BrokerScrape(Arc<Broker>);

impl BrokerScrape {
    /// Of this broker.
    pub fn new(broker: Arc<Broker>) -> BrokerScrape {
        BrokerScrape(broker)
    }
}

impl Scrape for BrokerScrape {
    fn collect(&self, samples: &mut Samples) {
        let broker = &self.0;
        let held = broker.budget.capacity() - broker.budget.available();
        let held = i64::try_from(held).unwrap_or(i64::MAX);
        broker.metrics.requests.bytes_in_flight.set(held);
        for partition in broker.partitions.all() {
            let offsets = partition.offsets();
            let sample = PartitionSample {
                log_start_offset: offsets.log_start.get(),
                log_end_offset: offsets.log_end.get(),
                high_watermark: offsets.high_watermark.get(),
                size_bytes: partition.log().size_bytes(),
                segments: partition.log().segment_count() as u64,
                leader: true,
                under_replicated: false,
                under_min_isr: false,
            };
            samples.partition(partition.topic(), partition.id().partition.get(), sample);
        }
        for directory in broker.data_dirs.directories() {
            let path = directory.path().display().to_string();
            samples.storage(&path, directory.online().map(|it| storage(&it)));
        }
        collect_groups(broker, samples);
        let image = broker.metadata.image();
        samples.controller(ControllerSample {
            active: true,
            offline_partitions: image
                .topics()
                .flat_map(|topic| topic.partitions())
                .filter(|(_, partition)| partition.leader.is_none())
                .count() as u64,
            topics: image.topic_count() as u64,
            partitions: image.partition_count() as u64,
        });
    }
}

fn collect_groups(broker: &Broker, samples: &mut Samples) {
    let mut groups = Vec::new();
    let counters = broker.groups.counters();
    let totals = GroupTotals {
        rebalances: counters.rebalances.get(),
        settled: counters.settled.get(),
        unsettled_ms: counters.unsettled_ms.get(),
        expired_members: counters.expired_members.get(),
        commits: counters.commits.get(),
        expired_offsets: counters.expired_offsets.get(),
    };
    broker.groups.for_each(|coordinator| {
        groups.extend(coordinator.groups().map(sample_of));
    });
    // Without the lock of a coordinator.
    for mut group in groups {
        for committed in &mut group.offsets {
            committed.lag = lag(broker, committed);
        }
        samples.group(group);
    }
    samples.group_totals(totals);
}

fn sample_of(group: GroupView<'_>) -> GroupSample {
    let offsets = group.offsets();
    let offsets = offsets.map(|(topic, partition, offset)| OffsetSample {
        topic: Arc::clone(topic),
        partition,
        offset,
        lag: None,
    });
    GroupSample {
        group: Arc::clone(group.group),
        state: group.state,
        members: group.members as u64,
        offsets: offsets.collect(),
    }
}

fn lag(broker: &Broker, committed: &OffsetSample) -> Option<i64> {
    let image = broker.metadata.image();
    let topic_id = image.topic_named(&committed.topic)?.topic_id();
    let partition = PartitionIndex::from_wire(committed.partition)?;
    let id = TopicIdPartition {
        topic_id,
        partition,
    };
    let end = broker.partitions.get(id)?.offsets().high_watermark.get();
    // A topic that was made again has less than was committed.
    Some(end.saturating_sub(committed.offset).max(0))
}

fn storage(data_dir: &DataDir) -> StorageSample {
    let usage = data_dir.journal_usage();
    let tail_bytes = data_dir.tails().bytes() as u64;
    let space = data_dir.disk_space().unwrap_or_default();
    let deleted = data_dir.retention().deleted();
    StorageSample {
        journal_bytes_used: usage.live,
        journal_bytes_capacity: usage.capacity,
        tail_bytes,
        write_behind_bytes: tail_bytes,
        disk_bytes_free: space.available,
        disk_bytes_capacity: space.total,
        disk_bytes_free_min: data_dir.free_bytes_min(),
        reserve_bytes: data_dir.reserve_bytes(),
        refusing: data_dir.space_state() != SpaceState::Enough,
        deleted_segments: deleted.segments,
        deleted_bytes: deleted.bytes,
        retention_paused: data_dir.retention().is_paused(),
        compaction: data_dir.compaction().progress(),
    }
}

/// Counts connections and bytes.
pub struct NetworkObserver(Arc<Metrics>);

impl NetworkObserver {
    /// Into these metrics.
    pub fn new(metrics: Arc<Metrics>) -> NetworkObserver {
        NetworkObserver(metrics)
    }
}

impl Observer for NetworkObserver {
    fn connection_opened(&self, _: &str) {
        self.0.network.on_open();
    }

    fn connection_closed(&self, _: &str, reason: CloseReason) {
        self.0.network.on_close(reason);
    }

    fn connection_refused(&self, _: &str, reason: CloseReason) {
        self.0.network.on_refused(reason);
    }

    fn bytes_in(&self, bytes: u64) {
        self.0.network.bytes_in.add(bytes);
    }

    fn bytes_out(&self, bytes: u64) {
        self.0.network.bytes_out.add(bytes);
    }
}

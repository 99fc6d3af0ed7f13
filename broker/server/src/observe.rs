//! What the metrics ask the broker, and what the network tells them.

use std::sync::Arc;

use broker_controller::MetadataImage;
use broker_controller::image::BrokerRegistration;
use broker_coordinators::group::GroupView;
use protocol::model::{PartitionIndex, TopicIdPartition};
use storage::data_dir::{DataDir, SpaceState};

use crate::broker::Broker;
use crate::metrics::{
    ControllerSample, FollowedSample, FollowerSample, GroupSample, GroupTotals, Metrics,
    OffsetSample, PartitionSample, Samples, Scrape, StorageSample,
};
use crate::net::{CloseReason, Observer};
use crate::quorum::{Controller, MetadataQuorum};

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
        let image = broker.metadata.image();
        for partition in broker.partitions.all() {
            let offsets = partition.offsets();
            let id = partition.id();
            let replicas = image.partition(id.topic_id, id.partition);
            let replicas = replicas.map_or(0, |it| it.replica_brokers().count());
            let (in_sync, min) = partition.in_sync();
            let sample = PartitionSample {
                log_start_offset: offsets.log_start.get(),
                log_end_offset: offsets.log_end.get(),
                high_watermark: offsets.high_watermark.get(),
                size_bytes: partition.log().size_bytes(),
                segments: partition.log().segment_count() as u64,
                leader: true,
                under_replicated: in_sync < replicas,
                under_min_isr: in_sync < min,
                at_min_isr: in_sync == min && replicas > min,
            };
            samples.partition(partition.topic(), id.partition.get(), sample);
            let replicas = image.partition(id.topic_id, id.partition);
            let replicas = replicas.into_iter().flat_map(|it| it.replica_brokers());
            for lag in partition.lags(replicas) {
                samples.follower(FollowerSample {
                    topic: Arc::clone(partition.topic()),
                    partition: id.partition.get(),
                    follower: lag.broker_id.get(),
                    lag: lag.lag,
                    in_sync: lag.in_sync,
                });
            }
        }
        for followed in broker.partitions.all_followed() {
            let log = followed.log();
            let offsets = log.offsets();
            let sample = PartitionSample {
                log_start_offset: offsets.start.get(),
                log_end_offset: offsets.end.get(),
                high_watermark: log.high_watermark().get(),
                size_bytes: log.size_bytes(),
                segments: log.segment_count() as u64,
                ..PartitionSample::default()
            };
            samples.partition(followed.topic(), followed.id().partition.get(), sample);
            if let Some((leader, lag)) = followed.lag() {
                samples.followed(FollowedSample {
                    topic: Arc::clone(followed.topic()),
                    partition: followed.id().partition.get(),
                    leader: leader.get(),
                    lag,
                });
            }
            if followed.stopped().is_some_and(|it| it.is_failure()) {
                samples.stopped();
            }
        }
        for directory in broker.data_dirs.directories() {
            let path = directory.path().display().to_string();
            samples.storage(&path, directory.online().map(|it| storage(&it)));
        }
        collect_groups(broker, samples);
        samples.controller(controller(broker, &image));
    }
}

fn controller(broker: &Broker, image: &MetadataImage) -> ControllerSample {
    let quorum = broker.metadata.quorum();
    let (controller, leader) = (quorum.controller(), quorum.leader());
    let partitions = image.topics().flat_map(|topic| topic.partitions());
    let offline = partitions.filter(|(_, partition)| partition.leader.is_none());
    let is_active = controller == Controller::Here;
    let fenced = image.brokers().filter(|broker| broker.fenced).count();
    let is_short = |broker: &&Arc<BrokerRegistration>| !broker.short_of_space.is_empty();
    let short_of_space = image.brokers().filter(is_short).count();
    ControllerSample {
        active: is_active,
        // All brokers know; one says so, for sums over all.
        offline_partitions: if is_active { offline.count() as u64 } else { 0 },
        topics: image.topic_count() as u64,
        partitions: image.partition_count() as u64,
        active_brokers: (image.broker_count() - fenced) as u64,
        fenced_brokers: fenced as u64,
        short_of_space_brokers: short_of_space as u64,
        state: match (controller, quorum.is_member()) {
            (Controller::Here, _) => "leader",
            (Controller::Nowhere, _) => "unattached",
            (Controller::There, true) => "follower",
            (Controller::There, false) => "observer",
        },
        leader: leader.map_or(-1, |(_, voter)| i64::from(voter.broker_id.get())),
        epoch: quorum.term(),
        high_watermark: broker.metadata.applied().saturating_add(1),
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
        bypassed_bytes: data_dir.bypassed_bytes(),
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

//! Values that others hold, asked for at each scrape.

use super::exposition::Exposition;
use super::groups::{GroupSample, GroupSamples, GroupTotals};
use super::lags::{FollowedSample, FollowerSample, LagSamples};
use super::storage::{StorageSample, StorageSamples};

/// Someone who holds values that `/metrics` shows.
pub trait Scrape: Send + Sync {
    /// Puts them in. Called from a thread that may block, one scrape at a time.
    fn collect(&self, samples: &mut Samples);
}

/// A partition hosted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionSample {
    /// The first offset it has.
    pub log_start_offset: i64,
    /// The end of its log.
    pub log_end_offset: i64,
    /// The end of what consumers can read.
    pub high_watermark: i64,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Segments on disk.
    pub segments: u64,
    /// Whether this broker leads it.
    pub leader: bool,
    /// Whether it has fewer in-sync replicas than replicas; only its leader says so.
    pub under_replicated: bool,
    /// Whether it has fewer in-sync replicas than `min.insync.replicas`; only its leader says so.
    pub under_min_isr: bool,
    /// Whether it has just as many; only its leader says so.
    pub at_min_isr: bool,
}

/// The metadata quorum, as this node sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControllerSample {
    /// Whether this node is the active controller.
    pub active: bool,
    /// Partitions without a leader; only the active controller says so.
    pub offline_partitions: u64,
    /// Topics of the cluster.
    pub topics: u64,
    /// Partitions of the cluster.
    pub partitions: u64,
    /// Brokers that may lead.
    pub active_brokers: u64,
    /// Brokers that may not.
    pub fenced_brokers: u64,
    /// Brokers that have a data directory without space for produce requests.
    pub short_of_space_brokers: u64,
    /// What this node is to the quorum: `leader`, `follower`, `observer`, or `unattached` where no leader is known.
    pub state: &'static str,
    /// The broker that leads the quorum; -1: none is known.
    pub leader: i64,
    /// The number of its leadership, as far as known here.
    pub epoch: u64,
    /// What is behind the last entry that is applied here.
    pub high_watermark: u64,
}

/// What a scrape has collected.
#[derive(Debug, Default)]
pub struct Samples {
    partitions: Vec<(String, String, PartitionSample)>,
    lags: LagSamples,
    groups: GroupSamples,
    storage: StorageSamples,
    controller: Option<ControllerSample>,
}

/// A metric's name, its help, and its value in a partition.
type Column = (&'static str, &'static str, fn(&PartitionSample) -> i64);

const PER_PARTITION: [Column; 5] = [
    (
        "kafka_log_log_logstartoffset",
        "The first offset of a partition.",
        |p| p.log_start_offset,
    ),
    (
        "kafka_log_log_logendoffset",
        "The end of a partition's log.",
        |p| p.log_end_offset,
    ),
    (
        "holdfast_partition_high_watermark",
        "The end of what can be read.",
        |p| p.high_watermark,
    ),
    ("kafka_log_log_size", "Bytes of a partition on disk.", |p| {
        to_i64(p.size_bytes)
    }),
    (
        "kafka_log_log_numlogsegments",
        "Segments of a partition on disk.",
        |p| to_i64(p.segments),
    ),
];

/// A metric's name, its help, and the partitions that it counts.
type Count = (&'static str, &'static str, fn(&PartitionSample) -> bool);

const PARTITION_COUNTS: [Count; 5] = [
    (
        "kafka_server_replicamanager_partitioncount",
        "Partitions hosted here.",
        |_| true,
    ),
    (
        "kafka_server_replicamanager_leadercount",
        "Partitions led here.",
        |p| p.leader,
    ),
    (
        "kafka_server_replicamanager_underreplicatedpartitions",
        "Partitions led here with replicas out of sync.",
        |p| p.under_replicated,
    ),
    (
        "kafka_server_replicamanager_atminisrpartitioncount",
        "Partitions led here that refuse acks=all once another replica is out of sync.",
        |p| p.at_min_isr,
    ),
    (
        "kafka_server_replicamanager_underminisrpartitioncount",
        "Partitions led here that refuse acks=all.",
        |p| p.under_min_isr,
    ),
];

impl Samples {
    /// Adds a partition.
    pub fn partition(&mut self, topic: &str, partition: i32, sample: PartitionSample) {
        self.partitions
            .push((topic.to_owned(), partition.to_string(), sample));
    }

    /// Adds how far a replica here that follows is behind.
    pub fn followed(&mut self, sample: FollowedSample) {
        self.lags.followed(sample);
    }

    /// Counts a replica here that should follow and does not any more.
    pub fn stopped(&mut self) {
        self.lags.stopped();
    }

    /// Adds how far a follower of a partition led here is behind.
    pub fn follower(&mut self, sample: FollowerSample) {
        self.lags.follower(sample);
    }

    /// Adds a group.
    pub fn group(&mut self, sample: GroupSample) {
        self.groups.groups.push(sample);
    }

    /// Sets what was counted in all groups.
    pub fn group_totals(&mut self, totals: GroupTotals) {
        self.groups.totals = totals;
    }

    /// Adds a data directory; without a sample it is offline.
    pub fn storage(&mut self, path: &str, sample: Option<StorageSample>) {
        self.storage.0.push((path.to_owned(), sample));
    }

    /// Sets the state of the metadata quorum.
    pub fn controller(&mut self, sample: ControllerSample) {
        self.controller = Some(sample);
    }

    pub(super) fn expose(&self, out: &mut Exposition) {
        for (name, help, value) in PER_PARTITION {
            let mut family = out.gauge(name, help);
            for (topic, partition, sample) in &self.partitions {
                family.value(&[("topic", topic), ("partition", partition)], value(sample));
            }
        }
        for (name, help, counts) in PARTITION_COUNTS {
            let count = self
                .partitions
                .iter()
                .filter(|(.., sample)| counts(sample))
                .count();
            out.gauge(name, help).value(&[], count);
        }
        self.lags.expose(out);
        self.groups.expose(out);
        self.storage.expose(out);
        if let Some(controller) = &self.controller {
            controller.expose(out);
        }
    }
}

impl ControllerSample {
    fn expose(&self, out: &mut Exposition) {
        let gauges = [
            (
                "kafka_controller_kafkacontroller_activecontrollercount",
                "1 on the active controller.",
                u64::from(self.active),
            ),
            (
                "kafka_controller_kafkacontroller_offlinepartitionscount",
                "Partitions without a leader.",
                self.offline_partitions,
            ),
            (
                "kafka_controller_kafkacontroller_globaltopiccount",
                "Topics.",
                self.topics,
            ),
            (
                "kafka_controller_kafkacontroller_globalpartitioncount",
                "Partitions.",
                self.partitions,
            ),
            (
                "kafka_controller_kafkacontroller_activebrokercount",
                "Brokers that may lead.",
                self.active_brokers,
            ),
            (
                "kafka_controller_kafkacontroller_fencedbrokercount",
                "Brokers that may not lead.",
                self.fenced_brokers,
            ),
            (
                "holdfast_controller_short_of_space_broker_count",
                "Brokers with a data directory that is short of space: others that have space lead what is there.",
                self.short_of_space_brokers,
            ),
            (
                "kafka_server_raftmetrics_current_epoch",
                "The leadership of the metadata quorum.",
                self.epoch,
            ),
            (
                "kafka_server_raftmetrics_high_watermark",
                "The end of the metadata that this node goes by.",
                self.high_watermark,
            ),
        ];
        for (name, help, value) in gauges {
            out.gauge(name, help).value(&[], value);
        }
        out.gauge(
            "kafka_server_raftmetrics_current_leader",
            "The broker that leads the metadata quorum; -1: none is known.",
        )
        .value(&[], self.leader);
        out.gauge(
            "kafka_server_raftmetrics_current_state",
            "1: what this node is to the metadata quorum.",
        )
        .value(&[("current_state", self.state)], 1);
    }
}

fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

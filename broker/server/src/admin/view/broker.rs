//! This broker, and what it has counted: whoever asks twice knows how much of it lies between.

use protocol::ApiKey;
use protocol::model::{BrokerEpoch, BrokerId};
use serde::Serialize;
use storage::data_dir::{DataDir, SpaceState};

use crate::broker::Broker;
use crate::clock::monotonic_ms;
use crate::data_dirs::Directory;
use crate::metrics::Histogram;

#[derive(Debug, Serialize)]
pub(super) struct Live {
    id: BrokerId,
    /// This life of it: in another one all counts begin anew.
    epoch: BrokerEpoch,
    version: &'static str,
    /// Why clients are not served.
    not_ready: Option<String>,
    /// When this was counted, by a clock that never jumps.
    monotonic_ms: i64,
    connections: i64,
    records_in: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// How long Produce requests took.
    produce: Distribution,
    /// How long the durable writes of the journal took.
    sync: Distribution,
    engine: Option<Engine>,
    /// Bytes of requests and of what is in tails, and how many there may be.
    memory_bytes: usize,
    memory_bytes_max: usize,
    directories: Vec<DirectoryRow>,
}

#[derive(Debug, Serialize)]
struct Engine {
    name: &'static str,
    /// Why it is not the ring.
    fallback_reason: String,
}

/// A histogram in seconds.
#[derive(Debug, Serialize)]
struct Distribution {
    bounds: Vec<f64>,
    /// How many took at most so long, for each bound, and then all.
    counts: Vec<u64>,
}

impl Distribution {
    fn of(histogram: &Histogram) -> Distribution {
        let cumulative = histogram.snapshot().cumulative;
        Distribution {
            bounds: cumulative.iter().filter_map(|(bound, _)| *bound).collect(),
            counts: cumulative.iter().map(|(_, count)| *count).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct DirectoryRow {
    path: String,
    /// None of one that is offline.
    usage: Option<Usage>,
}

#[derive(Debug, Serialize)]
struct Usage {
    /// Bytes of the journal that are not released.
    journal_bytes_used: u64,
    journal_bytes_capacity: u64,
    /// Memory of what is in the journal and not in a segment yet.
    write_behind_bytes: u64,
    disk_bytes_free: u64,
    disk_bytes_capacity: u64,
    /// Produce requests are refused for want of space.
    is_refusing: bool,
}

pub(super) fn broker(broker: &Broker, not_ready: Option<String>) -> Live {
    let metrics = &broker.metrics;
    let produce = metrics.requests.api(ApiKey::Produce as i16);
    let engine = metrics.start.engine();
    let budget = &broker.budget;
    let directories = broker.data_dirs.directories().iter();
    Live {
        id: broker.id,
        epoch: broker.epoch,
        version: env!("CARGO_PKG_VERSION"),
        not_ready,
        monotonic_ms: monotonic_ms(),
        connections: metrics.network.connections(),
        records_in: metrics.topics.total(|it| &it.messages_in),
        bytes_in: metrics.topics.total(|it| &it.bytes_in),
        bytes_out: metrics.topics.total(|it| &it.bytes_out),
        produce: Distribution::of(produce.duration()),
        sync: Distribution::of(metrics.journal.sync()),
        engine: engine.map(|(name, fallback_reason)| Engine {
            name,
            fallback_reason,
        }),
        memory_bytes: budget.capacity().saturating_sub(budget.available()),
        memory_bytes_max: budget.capacity(),
        directories: directories.map(|it| row(it)).collect(),
    }
}

fn row(directory: &Directory) -> DirectoryRow {
    DirectoryRow {
        path: directory.path().display().to_string(),
        usage: directory.online().map(|it| usage(&it)),
    }
}

fn usage(data_dir: &DataDir) -> Usage {
    let journal = data_dir.journal_usage();
    let disk = data_dir.disk_space().unwrap_or_default();
    Usage {
        journal_bytes_used: journal.live,
        journal_bytes_capacity: journal.capacity,
        write_behind_bytes: data_dir.tails().bytes() as u64,
        disk_bytes_free: disk.available,
        disk_bytes_capacity: disk.total,
        is_refusing: data_dir.space_state() != SpaceState::Enough,
    }
}

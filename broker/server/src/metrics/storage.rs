//! The data directories, asked for at each scrape.

use storage::data_dir::CompactionProgress;

use super::exposition::Exposition;

/// A data directory that can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageSample {
    /// Bytes of the journal that are not released.
    pub journal_bytes_used: u64,
    /// Bytes of the journal.
    pub journal_bytes_capacity: u64,
    /// Bytes of batches that were written once, past the journal, since the start.
    pub bypassed_bytes: u64,
    /// Memory of the ends of its logs.
    pub tail_bytes: u64,
    /// Memory of what is not written to segments yet.
    pub write_behind_bytes: u64,
    /// Bytes free on the file system.
    pub disk_bytes_free: u64,
    /// Bytes of the file system.
    pub disk_bytes_capacity: u64,
    /// Bytes to be left free on the file system.
    pub disk_bytes_free_min: u64,
    /// Bytes of the reserve.
    pub reserve_bytes: u64,
    /// Whether produce requests are refused for want of space.
    pub refusing: bool,
    /// Segments that retention has deleted since the start.
    pub deleted_segments: u64,
    /// Bytes of them.
    pub deleted_bytes: u64,
    /// Whether retention by age pauses because of the clock.
    pub retention_paused: bool,
    /// What compaction has done and has before it.
    pub compaction: CompactionProgress,
}

/// All directories, by path; `None` for one that is offline.
#[derive(Debug, Default)]
pub(super) struct StorageSamples(pub(super) Vec<(String, Option<StorageSample>)>);

/// A metric's name, its help, and its value for a directory.
type Column = (&'static str, &'static str, fn(&StorageSample) -> u64);

const GAUGES: [Column; 14] = [
    ("holdfast_journal_bytes_used", "Bytes not released.", |s| {
        s.journal_bytes_used
    }),
    ("holdfast_journal_bytes_capacity", "Bytes at all.", |s| {
        s.journal_bytes_capacity
    }),
    (
        "holdfast_log_tail_bytes",
        "Memory of the ends of all logs.",
        |s| s.tail_bytes,
    ),
    (
        "holdfast_log_write_behind_bytes",
        "Memory of what is in the journal and not in a segment yet.",
        |s| s.write_behind_bytes,
    ),
    (
        "holdfast_disk_bytes_free",
        "Bytes free on the file system.",
        |s| s.disk_bytes_free,
    ),
    (
        "holdfast_disk_bytes_capacity",
        "Bytes of the file system.",
        |s| s.disk_bytes_capacity,
    ),
    (
        "holdfast_disk_bytes_free_min",
        "Bytes to be left free: with less, produce requests are refused.",
        |s| s.disk_bytes_free_min,
    ),
    (
        "holdfast_disk_reserve_bytes",
        "Bytes kept for what is only in the journal, given up when the disk is full.",
        |s| s.reserve_bytes,
    ),
    (
        "holdfast_disk_refusing",
        "1 while produce requests are refused for want of space.",
        |s| u64::from(s.refusing),
    ),
    (
        "holdfast_retention_paused",
        "1 while nothing is deleted for its age, since the clock has jumped.",
        |s| u64::from(s.retention_paused),
    ),
    (
        "holdfast_compaction_dirty_bytes",
        "Bytes of segments that could be compacted, as of the last look for dirty partitions.",
        |s| s.compaction.dirty_bytes,
    ),
    (
        "holdfast_compaction_under_way_bytes",
        "Bytes that the pass under way has read and written; 0 between passes.",
        |s| s.compaction.bytes_under_way,
    ),
    (
        "kafka_log_logcleanermanager_max_dirty_percent",
        "The greatest dirty share of a partition, in percent, as of the last look for dirty partitions.",
        |s| u64::from(s.compaction.dirtiest_ppm / 10_000),
    ),
    (
        "kafka_log_logcleanermanager_uncleanable_partitions_count",
        "Partitions that are not compacted any more, since they are damaged or their records cannot be read.",
        |s| s.compaction.uncleanable_logs as u64,
    ),
];

const COUNTERS: [Column; 7] = [
    (
        "holdfast_journal_bypassed_bytes_total",
        "Bytes of batches that were written to their segment only.",
        |s| s.bypassed_bytes,
    ),
    (
        "holdfast_retention_deleted_segments_total",
        "Segments that retention has deleted.",
        |s| s.deleted_segments,
    ),
    (
        "holdfast_retention_deleted_bytes_total",
        "Bytes of those segments.",
        |s| s.deleted_bytes,
    ),
    (
        "holdfast_compaction_passes_total",
        "Passes of compaction over a partition.",
        |s| s.compaction.passes,
    ),
    (
        "holdfast_compaction_read_bytes_total",
        "Bytes of segments that compaction has read.",
        |s| s.compaction.bytes_read,
    ),
    (
        "holdfast_compaction_written_bytes_total",
        "Bytes of segments that compaction has written.",
        |s| s.compaction.bytes_written,
    ),
    (
        "holdfast_compaction_removed_records_total",
        "Records that compaction has left out.",
        |s| s.compaction.records_removed,
    ),
];

impl StorageSamples {
    pub(super) fn expose(&self, out: &mut Exposition) {
        let online = || {
            let samples = self.0.iter();
            samples.filter_map(|(path, sample)| Some((path.as_str(), sample.as_ref()?)))
        };
        for (name, help, value) in GAUGES {
            let mut family = out.gauge(name, help);
            for (path, sample) in online() {
                family.value(&[("directory", path)], value(sample));
            }
        }
        for (name, help, value) in COUNTERS {
            let mut family = out.counter(name, help);
            for (path, sample) in online() {
                family.value(&[("directory", path)], value(sample));
            }
        }
        let mut family = out.gauge(
            "kafka_log_logmanager_logdirectoryoffline",
            "1 for a data directory that is offline.",
        );
        for (path, sample) in &self.0 {
            family.value(&[("logDirectory", path)], u8::from(sample.is_none()));
        }
        let offline = self.0.iter().filter(|(_, sample)| sample.is_none()).count();
        out.gauge(
            "kafka_log_logmanager_offlinelogdirectorycount",
            "Data directories that are offline.",
        )
        .value(&[], offline);
    }
}

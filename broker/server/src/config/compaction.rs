//! The settings of compaction, in the type the storage works with.

use storage::data_dir::CompactionSettings;

use super::settings::Settings;
use super::value::Value;

/// Less is of no use: Kafka refuses to start with it.
const MAP_BYTES_MIN: i64 = 1 << 20;

/// What the broker's settings say about compaction.
pub fn compaction_settings(settings: &Settings) -> CompactionSettings {
    let map_bytes: i64 = settings.number("log.cleaner.dedupe.buffer.size");
    CompactionSettings {
        is_enabled: settings.boolean("log.cleaner.enable"),
        backoff_ms: settings.number("log.cleaner.backoff.ms"),
        map_bytes_max: usize::try_from(map_bytes.max(MAP_BYTES_MIN)).unwrap_or(usize::MAX),
        bytes_per_second_max: match settings.get("log.cleaner.io.max.bytes.per.second").value {
            Some(Value::Double(bytes)) => bytes,
            _ => f64::INFINITY,
        },
    }
}

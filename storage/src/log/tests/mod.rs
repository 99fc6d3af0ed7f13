//! Tests of a log: segments and indexes as Kafka's, damage, timestamps, producers, truncation.

mod bypass;
mod damage;
mod files;
mod page_cache;
mod producers;
mod replica;
mod retention;
mod segments;
mod timestamps;
mod truncation;
mod trusted;

use crate::fixture::{Node, Running, append_at, node};
use crate::log::LogConfig;

/// A node with small segments: about three batches of 1000 bytes each, an index entry for nearly every one.
fn small_segments() -> Node {
    let mut node = node();
    node.log_config = LogConfig {
        segment_bytes: 4 << 10,
        index_interval_bytes: 500,
        ..LogConfig::default()
    };
    node
}

/// Appends batches of a record each, with growing timestamps, and writes them behind, synced.
fn fill(running: &mut Running, topic: &str, records: usize) {
    let log = running.log(topic);
    for _ in 0..records {
        let number = log.offsets().end.get();
        let value = format!("{topic}-{number}-{}", "x".repeat(900));
        append_at(&log, number * 10, 0, &[value.as_bytes()]).expect("it is appended");
        running.commit();
    }
    log.set_high_watermark(log.offsets().durable_end);
    running.dir.checkpoint(None).expect("a checkpoint");
}

pub(crate) fn log_path(topic: &str, base: i64, extension: &str) -> std::path::PathBuf {
    format!("{}/{topic}-0/{base:020}.{extension}", crate::fixture::ROOT).into()
}

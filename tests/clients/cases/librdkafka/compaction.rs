//! `cleanup.policy=compact`: what is left of the same records.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use tests_clients::{Content, NUM_PARTITIONS, Record, Target};

use super::client::{PATIENCE, acknowledged, consume, create_topic, produce};
use crate::own_broker::Broker;

const RECORDS: usize = 40_000;
const VALUE_BYTES: usize = 200;
/// Between two looks at what is left.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Most keys come again and again, some once; some records are tombstones.
fn content(index: usize) -> Content {
    let number = index / NUM_PARTITIONS as usize;
    let key = match number % 10 {
        0 => format!("once-{number}"),
        _ => format!("key-{}", number * 7919 % 500),
    };
    // What no codec makes small, so that there are segments.
    let mut word = number as u64;
    let value: Vec<u8> = (0..VALUE_BYTES)
        .map(|_| {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            word.to_be_bytes()[0]
        })
        .collect();
    Content {
        timestamp: 1_750_000_000_000 + index as i64,
        key: Some(key.into_bytes()),
        value: (number % 17 != 3).then_some(value),
        headers: vec![("number".to_owned(), Some(number.to_string().into_bytes()))],
    }
}

/// Of the records with one key the last one stays, where it was; only what lies in the last segment stays as it is. That
/// is all a broker may choose: where its last segment begins.
pub(super) fn compaction(target: &Target) {
    let often = [("log.cleaner.backoff.ms", "100")];
    let mut broker = Broker::start(target.backend, &often);
    let target = broker.target(target.backend);
    let configs = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("segment.bytes", "1048576"),
    ];
    for codec in ["none", "zstd"] {
        let topic = format!("compacted-{codec}");
        create_topic(&target, &topic, &configs);
        let contents: Vec<Content> = (0..RECORDS).map(content).collect();
        let settings = [("compression.codec", codec), ("batch.size", "16384")];
        let written = acknowledged(produce(&target, &topic, &contents, &settings));
        let all: Vec<Record> = written
            .iter()
            .zip(&contents)
            .map(|(written, content)| content.at(written.partition, written.offset))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        let mut left = consume(&target, &topic, &[]);
        loop {
            let before = left.len();
            thread::sleep(LOOK_INTERVAL);
            left = consume(&target, &topic, &[]);
            let is_done = (0..NUM_PARTITIONS).all(|partition| is_compacted(partition, &all, &left));
            if is_done && before == left.len() {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{codec}: {} of {RECORDS} are left, and not what should be",
                left.len()
            );
        }
        eprintln!(
            "{:?} keeps {} of {RECORDS} records ({codec})",
            target.backend,
            left.len()
        );
    }
    broker.stop();
}

/// Whether what is left of a partition is what compaction leaves, up to a point within the last segment's reach.
fn is_compacted(partition: i32, all: &[Record], left: &[Record]) -> bool {
    let of = |records: &[Record]| -> BTreeMap<i64, Record> {
        let its = records
            .iter()
            .filter(|record| record.partition == partition);
        its.map(|record| (record.offset, record.clone())).collect()
    };
    let (all, left) = (of(all), of(left));
    if !left
        .iter()
        .all(|(offset, record)| all.get(offset) == Some(record))
    {
        return false;
    }
    // Behind the last record that is gone, everything may be in the last segment.
    let Some(gone) = all.keys().rev().find(|offset| !left.contains_key(offset)) else {
        return false;
    };
    let behind: usize = all.range(gone + 1..).map(|(_, record)| size(record)).sum();
    // A segment holds 1 MiB, and some of what lies before is the last of its key.
    behind < 3 << 19 && is_kept_up_to_some_end(&all, &left, *gone)
}

fn size(record: &Record) -> usize {
    record.value.as_ref().map_or(0, Vec::len) + 60
}

/// Whether there is an end behind `gone` before which exactly the last record of each key is left.
fn is_kept_up_to_some_end(
    all: &BTreeMap<i64, Record>,
    left: &BTreeMap<i64, Record>,
    gone: i64,
) -> bool {
    let is_left = |offset: &i64| left.contains_key(offset);
    let mut last: BTreeMap<&Option<Vec<u8>>, i64> = BTreeMap::new();
    // Records before the end that are left and should not be, or the other way round.
    let mut wrong: i64 = 0;
    for (offset, record) in all {
        if let Some(before) = last.insert(&record.key, *offset) {
            wrong += if is_left(&before) { 1 } else { -1 };
        }
        wrong += i64::from(!is_left(offset));
        if *offset > gone && wrong == 0 {
            return true;
        }
    }
    false
}

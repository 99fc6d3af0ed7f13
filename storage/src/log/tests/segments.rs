//! Rolling, indexing and reading, by Kafka's rules.

use std::sync::Arc;

use protocol::model::Offset;

use super::{fill, log_path, small_segments};
use crate::fixture::{append_at, node, read_all, values};
use crate::journal::NobodyWaits;
use crate::log::{LogConfig, ReadError, TailRead};

#[test]
fn a_segment_is_closed_before_it_grows_beyond_its_size() {
    let node = small_segments();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 20);
    let image = node.image();
    let logs: Vec<_> = image
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|name| name == "log"))
        .collect();
    assert!(logs.len() >= 5, "{}", logs.len());
    assert!(logs.iter().all(|(_, bytes)| bytes.len() <= 4 << 10));
    assert_eq!(values(&running.log("a")).len(), 20);
    assert_eq!(running.log("a").segment_count(), logs.len());
    let bytes: usize = logs.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(running.log("a").size_bytes(), bytes as u64);
    let running = node.crash(running);
    assert_eq!(
        running.log("a").size_bytes(),
        bytes as u64,
        "also before it is opened"
    );
}

#[test]
fn a_segment_is_closed_when_a_batch_is_much_newer_than_its_first() {
    let mut node = node();
    node.log_config = LogConfig {
        segment_ms: 100,
        ..LogConfig::default()
    };
    let mut running = node.start();
    let log = running.create("a");
    for timestamp in [1000, 1050, 1100, 1101, 1200, 1202] {
        append_at(&log, timestamp, 0, &[b"v"]).expect("it is appended");
    }
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    // As Kafka: only what is *more* than segment.ms newer rolls.
    let found: Vec<i64> = (0..6)
        .filter(|base| node.image().contains_key(&log_path("a", *base, "log")))
        .collect();
    assert_eq!(found, [0, 3, 5]);
}

#[test]
fn a_segment_is_closed_when_its_index_is_full() {
    let mut node = node();
    node.log_config = LogConfig {
        segment_index_bytes: 24,
        index_interval_bytes: 0,
        ..LogConfig::default()
    };
    let mut running = node.start();
    let log = running.create("a");
    for _ in 0..9 {
        append_at(&log, 0, 0, &[b"v"]).expect("it is appended");
    }
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    for (path, bytes) in node.image() {
        if path.extension().is_some_and(|name| name == "index") {
            assert!(bytes.len() <= 24, "{path:?}");
        }
    }
    assert!(log.segment_count() >= 2);
    assert_eq!(values(&log).len(), 9);
}

#[test]
fn index_entries_point_where_kafka_points() {
    let mut node = node();
    node.log_config = LogConfig {
        index_interval_bytes: 150,
        ..LogConfig::default()
    };
    let mut running = node.start();
    let log = running.create("a");
    let value = [b'v'; 31];
    let mut positions = vec![0_u32];
    for number in 0..5 {
        // Two records a batch, 138 bytes.
        append_at(&log, 1000 + number, 0, &[&value, &value]).expect("it is appended");
        running.commit();
        running.dir.checkpoint(None).expect("a checkpoint");
        positions.push(node.read(&log_path("a", 0, "log")).len() as u32);
    }
    // An entry stands before a batch that more than 150 bytes separate from the last one: batches 2 and 4. Its offset is
    // the batch's last (LogSegment.append, since the large batch fix KAFKA-4108), relative to the base.
    let expected: Vec<u8> = [(5_u32, positions[2]), (9, positions[4])]
        .iter()
        .flat_map(|(offset, position)| [offset.to_be_bytes(), position.to_be_bytes()])
        .flatten()
        .collect();
    assert_eq!(node.read(&log_path("a", 0, "index")), expected);
    let expected: Vec<u8> = [(1002_i64, 5_u32), (1004, 9)]
        .iter()
        .flat_map(|(time, offset)| [time.to_be_bytes().to_vec(), offset.to_be_bytes().to_vec()])
        .flatten()
        .collect();
    assert_eq!(node.read(&log_path("a", 0, "timeindex")), expected);
}

#[test]
fn reads_respect_their_bounds_wherever_the_bytes_are() {
    let node = small_segments();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 7);
    for _ in 0..3 {
        append_at(&running.log("a"), 0, 0, &[&[b'y'; 900]]).expect("it is appended");
    }
    running.commit();
    let check = |running: &crate::fixture::Running| {
        let log = running.log("a");
        for from in 0..10 {
            for end in from..=10 {
                for max_bytes in [0, 1500, 100_000] {
                    let (at, end) = (Offset::new(from), Offset::new(end));
                    let read = match log.read_tail(at, end, max_bytes).expect("in range") {
                        TailRead::Batches(batches) => batches,
                        TailRead::Files => log.read_files(at, end, max_bytes).expect("in range"),
                    };
                    let bytes: usize = read.iter().map(bytes::Bytes::len).sum();
                    assert_eq!(read.is_empty(), at == end, "{at} {end}");
                    assert!(
                        bytes <= max_bytes || read.len() == 1,
                        "{at} {end} {max_bytes}"
                    );
                    let mut next = at;
                    for batch in read.iter().flat_map(|read| protocol::batch::batches(read)) {
                        let (header, _) = batch.expect("whole batches");
                        assert_eq!(header.base_offset, next);
                        next = header.end_offset();
                    }
                    assert!(next <= end);
                }
            }
        }
        let beyond = log.read_tail(Offset::new(11), Offset::new(11), 1);
        assert!(matches!(beyond, Err(ReadError::OutOfRange { .. })));
    };
    check(&running);
    let running = node.crash(running);
    check(&running);
    running.dir.checkpoint(None).expect("a checkpoint");
    check(&running);
}

#[test]
fn records_before_the_start_are_gone() {
    let node = small_segments();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 10);
    running
        .log("a")
        .advance_start(Offset::new(4), Arc::new(NobodyWaits))
        .expect("online");
    running.commit();
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!(log.offsets().start.get(), 4);
    assert_eq!(read_all(&log).0.first().map(|(offset, _)| *offset), Some(4));
    let before = log.read_tail(Offset::new(3), Offset::new(10), 1);
    assert!(matches!(before, Err(ReadError::OutOfRange { .. })));
}

#[test]
fn a_log_made_again_under_the_same_name_is_another() {
    let node = small_segments();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 10);
    let running = node.crash(running);
    // Never opened by this process: what it holds back must not touch the new log's files.
    let old = running.log("a");
    running.dir.drop_log(old.partition()).expect("online");
    let mut running = running;
    let new = running.create("a");
    append_at(&new, 0, 0, &[b"new"]).expect("it is appended");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    assert!(matches!(
        old.read_files(Offset::ZERO, Offset::new(10), 1),
        Err(ReadError::Io(_))
    ));
    assert!(append_at(&old, 0, 0, &[b"late"]).is_err());
    assert!(old.truncate(Offset::ZERO).is_err());
    assert_eq!(values(&new), ["new"]);
    running.dir.remove_dropped().expect("it is removed");
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["new"]);
    assert_eq!(running.dir.logs().len(), 1);
}

#[test]
fn ten_thousand_idle_logs_are_not_looked_at() {
    let mut node = node();
    node.config.journal_file_bytes = 4 << 20;
    node.config.journal_first_file_bytes = 4 << 20;
    let mut running = node.start();
    for number in 0..10_000 {
        running.create(&format!("t{number}"));
    }
    running.commit();
    let log = running.log("t77");
    append_at(&log, 0, 0, &[b"v"]).expect("it is appended");
    running.commit();
    // By the environment's own list: one log waits, then none.
    assert!(
        running.dir.write_behind(0).expect("space") == 0,
        "it is too young"
    );
    assert!(running.dir.write_behind(5000).expect("space") > 0);
    assert_eq!(running.dir.waiting(), 0);
    append_at(&log, 0, 0, &[b"v"]).expect("it is appended");
    assert_eq!(running.dir.waiting(), 1);
}

#[test]
fn what_is_worth_a_write_does_not_wait_for_its_age() {
    let mut node = node();
    node.config.journal_file_bytes = 4 << 20;
    node.config.journal_first_file_bytes = 4 << 20;
    let mut running = node.start();
    let log = running.create("a");
    running.commit();
    let value = vec![b'x'; 70 << 10];
    append_at(&log, 0, 0, &[&value]).expect("it is appended");
    running.commit();
    assert_eq!(running.dir.write_behind(0).expect("space"), 0);
    append_at(&log, 0, 0, &[&value]).expect("it is appended");
    running.commit();
    assert!(running.dir.write_behind(0).expect("space") > 2 * value.len());
}

//! What leaves a log for its age, its size, or its start, and how its files go.

use std::sync::Arc;

use protocol::model::Offset;

use super::{fill, log_path, small_segments};
use crate::fixture::{Node, Running, append, append_as, append_at, node, values};
use crate::journal::NobodyWaits;
use crate::log::{Log, LogConfig, ReadError, Retained, Retention, RetentionTime, TailRead};

const DELAY: i64 = 1000;

/// Segments of four records; a record a [`fill`], ten milliseconds apart.
fn kept(retention: Retention) -> Node {
    let mut node = small_segments();
    node.log_config.retention = Some(retention);
    node.log_config.file_delete_delay_ms = DELAY;
    node
}

fn at(wall_ms: i64) -> RetentionTime {
    RetentionTime {
        wall_ms: Some(wall_ms),
        monotonic_ms: 0,
    }
}

/// Without a time, so that nothing is too old.
const TIMELESS: RetentionTime = RetentionTime {
    wall_ms: None,
    monotonic_ms: 0,
};

fn retain(log: &Arc<Log>, now: RetentionTime) -> Retained {
    log.retain(now).expect("it can be looked at")
}

fn start(log: &Log) -> i64 {
    log.offsets().start.get()
}

fn has_file(node: &Node, base: i64) -> bool {
    ["log", "index", "timeindex", "snapshot"]
        .iter()
        .any(|extension| node.image().contains_key(&log_path("a", base, extension)))
}

fn filled(node: &Node, records: usize) -> Running {
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", records);
    running
}

#[test]
fn segments_older_than_the_limit_go_and_younger_ones_stay() {
    let node = kept(Retention {
        ms: Some(1000),
        bytes: None,
    });
    let running = filled(&node, 12);
    let log = running.log("a");
    // The first segment's newest record is from 30.
    assert_eq!(retain(&log, at(1030)), Retained::default());
    let retained = retain(&log, at(1031));
    assert_eq!((retained.segments, start(&log)), (1, 4));
    assert!(retained.bytes > 3600);
    assert_eq!(values(&log).len(), 8);
    assert!(matches!(
        log.read_tail(Offset::new(3), Offset::new(12), 1),
        Err(ReadError::OutOfRange { .. })
    ));
}

#[test]
fn the_last_segment_goes_when_it_is_old_as_well_and_offsets_go_on() {
    let node = kept(Retention {
        ms: Some(1000),
        bytes: None,
    });
    let mut running = filled(&node, 10);
    let log = running.log("a");
    assert_eq!(retain(&log, at(9000)).segments, 3);
    assert_eq!((start(&log), log.size_bytes()), (10, 0));
    running.dir.checkpoint(None).expect("a checkpoint");
    running.dir.remove_condemned(DELAY).expect("they go");
    assert!((0..12).all(|base| !has_file(&node, base)));
    fill(&mut running, "a", 1);
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!((start(&log), log.offsets().end.get()), (10, 11));
    assert_eq!(values(&log).len(), 1);
    assert!(log.damaged().is_empty());
}

#[test]
fn a_clock_that_is_not_trusted_deletes_nothing() {
    let node = kept(Retention {
        ms: Some(1000),
        bytes: None,
    });
    let running = filled(&node, 12);
    assert_eq!(retain(&running.log("a"), TIMELESS), Retained::default());
}

#[test]
fn size_is_kept_from_below() {
    let mut node = kept(Retention {
        ms: None,
        bytes: Some(5000),
    });
    node.log_config.segment_bytes = 4 << 10;
    let running = filled(&node, 16);
    let log = running.log("a");
    let before = log.size_bytes();
    let retained = retain(&log, TIMELESS);
    let left = log.size_bytes();
    assert_eq!(left, before - retained.bytes);
    assert!((5000..5000 + 4096).contains(&left), "{left}");
    assert_eq!(retain(&log, TIMELESS), Retained::default());
}

#[test]
fn what_lies_before_a_new_start_goes_without_any_limit() {
    let node = small_segments();
    let mut running = filled(&node, 12);
    let log = running.log("a");
    log.advance_start(Offset::new(9), Arc::new(NobodyWaits))
        .expect("online");
    assert_eq!(retain(&log, TIMELESS).segments, 2, "those that end by it");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!((start(&log), values(&log).len()), (9, 3));
    assert_eq!(log.segment_count(), 3, "files wait for their delay");
    assert_eq!(retain(&log, TIMELESS).segments, 2);
}

#[test]
fn what_is_not_committed_stays() {
    let node = kept(Retention {
        ms: Some(0),
        bytes: Some(0),
    });
    let running = filled(&node, 12);
    let log = running.log("a");
    log.set_high_watermark(Offset::new(7));
    assert_eq!(retain(&log, at(i64::MAX)).segments, 1);
    assert_eq!(start(&log), 4);
}

#[test]
fn files_go_after_a_checkpoint_and_after_their_delay() {
    let node = kept(Retention {
        ms: None,
        bytes: Some(0),
    });
    let mut running = filled(&node, 9);
    let dir = Arc::clone(&running.dir);
    dir.retain(TIMELESS);
    running.commit();
    dir.remove_condemned(DELAY).expect("nothing to do");
    assert!(has_file(&node, 0), "no checkpoint yet");
    dir.checkpoint(None).expect("a checkpoint");
    dir.remove_condemned(DELAY - 1).expect("nothing to do");
    assert!(has_file(&node, 0), "too early");
    dir.remove_condemned(DELAY).expect("they go");
    assert!(!has_file(&node, 0));
}

#[test]
fn on_a_full_disk_files_go_as_soon_as_the_new_start_is_durable() {
    let node = kept(Retention {
        ms: None,
        bytes: Some(5000),
    });
    let mut running = filled(&node, 12);
    let log = running.log("a");
    append_at(&log, 0, 0, &[&[b'x'; 3000]]).expect("it is appended");
    running.commit();
    node.disk.set_capacity(0);
    running.dir.checkpoint(None).expect_err("the disk is full");
    assert!(running.dir.is_full());
    running.dir.retain(TIMELESS);
    running.dir.remove_condemned(0).expect("nothing to do");
    assert!(has_file(&node, 0), "a crash now must find it");
    running.commit();
    running.dir.remove_condemned(0).expect("they go");
    assert!(!has_file(&node, 0));
    node.disk.set_capacity(u64::MAX);
    let first = start(&log);
    assert!(first > 0);
    // No checkpoint says so: a recovery reads it in the journal, and does not miss what is gone.
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!(start(&log), first);
    assert_eq!(values(&log).len() as i64, 13 - first);
    assert!(log.damaged().is_empty(), "{:?}", log.damaged());
}

#[test]
fn a_start_that_was_not_durable_is_undone_and_nothing_is_missing() {
    let node = kept(Retention {
        ms: None,
        bytes: Some(0),
    });
    let running = filled(&node, 12);
    running.dir.retain(TIMELESS);
    assert!(start(&running.log("a")) > 0);
    running.dir.remove_condemned(i64::MAX).expect("nothing yet");
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 12);
}

#[test]
fn a_reader_at_work_on_a_deleted_segment_is_told_that_it_is_out_of_range() {
    let node = kept(Retention {
        ms: None,
        bytes: Some(0),
    });
    let mut running = filled(&node, 9);
    let log = running.log("a");
    let end = log.offsets().end;
    let before = log.read_tail(Offset::ZERO, end, 1).expect("in range");
    assert!(matches!(before, TailRead::Files));
    running.dir.retain(TIMELESS);
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    running.dir.remove_condemned(i64::MAX).expect("they go");
    assert!(matches!(
        log.read_files(Offset::ZERO, end, 1),
        Err(ReadError::OutOfRange { .. })
    ));
}

#[test]
fn a_log_made_again_under_the_name_keeps_its_files() {
    let node = kept(Retention {
        ms: None,
        bytes: Some(0),
    });
    let mut running = filled(&node, 9);
    running.dir.retain(TIMELESS);
    running.dir.checkpoint(None).expect("a checkpoint");
    let log = running.log("a");
    running.dir.drop_log(log.partition()).expect("online");
    running.commit();
    running.create("a");
    fill(&mut running, "a", 2);
    running.dir.remove_condemned(i64::MAX).expect("nothing");
    assert!(has_file(&node, 0));
    assert_eq!(values(&running.log("a")).len(), 2);
}

#[test]
fn producers_of_deleted_segments_are_still_known_after_a_truncation() {
    let node = kept(Retention {
        ms: None,
        bytes: Some(0),
    });
    let mut running = node.start();
    let log = running.create("a");
    let producer = protocol::batch::BatchProducer {
        id: protocol::model::ProducerId::new(5),
        epoch: protocol::model::ProducerEpoch::new(0),
        base_sequence: Some(protocol::model::Sequence::new(0)),
    };
    append_as(&log, producer, 1).expect("it is appended");
    fill(&mut running, "a", 8);
    running.dir.retain(TIMELESS);
    assert_eq!(start(&log), 9);
    fill(&mut running, "a", 2);
    running.dir.checkpoint(None).expect("a checkpoint");
    running.dir.remove_condemned(i64::MAX).expect("they go");
    log.truncate(Offset::new(10)).expect("online");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    let running = node.crash(running);
    let again = append_as(&running.log("a"), producer, 1).expect("a retry");
    assert!(again.duplicate.is_some());
}

#[test]
fn segments_without_timestamps_go_with_the_next_one() {
    let mut node = kept(Retention {
        ms: Some(100),
        bytes: None,
    });
    node.log_config.segment_bytes = 200;
    let mut running = node.start();
    let log = running.create("a");
    for timestamp in [-1, -1, 50, -1] {
        append_at(&log, timestamp, 0, &[&[b'v'; 100]]).expect("it is appended");
    }
    running.commit();
    log.set_high_watermark(log.offsets().durable_end);
    running.dir.checkpoint(None).expect("a checkpoint");
    assert_eq!(log.segment_count(), 4);
    assert_eq!(retain(&log, at(150)).segments, 0);
    assert_eq!(retain(&log, at(151)).segments, 3);
    assert_eq!(retain(&log, at(i64::MAX)).segments, 0, "it has no time");
}

#[test]
fn a_time_index_that_lies_deletes_nothing_early() {
    let node = kept(Retention {
        ms: Some(1000),
        bytes: None,
    });
    let running = filled(&node, 12);
    let running = {
        drop(running);
        node.disk.kill();
        let path = log_path("a", 0, "timeindex");
        let last = node.read(&path).len() as u64 - 12;
        node.overwrite(&path, last, &5_i64.to_be_bytes());
        node.start()
    };
    let log = running.log("a");
    assert_eq!(retain(&log, at(1030)), Retained::default());
    assert_eq!(retain(&log, at(1031)).segments, 1);
}

#[test]
fn thousands_of_logs_that_are_looked_at_do_not_stay_open() {
    let mut node = kept(Retention {
        ms: Some(i64::MAX),
        bytes: None,
    });
    node.config.unsynced_files_max = 12;
    let mut running = node.start();
    for number in 0..20 {
        let topic = format!("t{number}");
        running.create(&topic);
        fill(&mut running, &topic, 2);
    }
    let running = node.crash(running);
    running.dir.checkpoint(None).expect("a checkpoint");
    running.dir.retain(at(0));
    // What is opened may have to be synced, and keeps its files open until then.
    let open = running.dir.unsynced_files();
    assert!(open <= 12 + 3, "{open} files");
}

#[test]
fn jitter_closes_segments_earlier_each_at_its_own_time_and_the_same_again() {
    let bases = |jitter: i64| {
        let mut node = node();
        node.log_config = LogConfig {
            segment_ms: 1000,
            segment_jitter_ms: jitter,
            ..LogConfig::default()
        };
        let mut running = node.start();
        let log = running.create("a");
        for number in 0..200 {
            append_at(&log, number * 50, 0, &[b"v"]).expect("it is appended");
        }
        running.commit();
        running.dir.checkpoint(None).expect("a checkpoint");
        let is_log = |base: &i64| node.image().contains_key(&log_path("a", *base, "log"));
        (0..200).filter(is_log).collect::<Vec<i64>>()
    };
    let regular = bases(0);
    assert_eq!(regular.len(), 10);
    let early = bases(900);
    assert!(early.len() > regular.len());
    let lengths: std::collections::BTreeSet<i64> =
        early.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(lengths.len() > 3, "{lengths:?}");
    assert_eq!(early, bases(900));
}

/// A checkpoint takes its lines one by one, while logs go on: a line may be taken between an append and its write-behind.
#[test]
fn a_start_behind_what_the_files_hold_is_left_to_the_journal() {
    let node = kept(Retention::default());
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"0");
    append(&log, b"1");
    running.commit();
    log.advance_start(Offset::new(2), Arc::new(NobodyWaits))
        .expect("online");
    let (line, unsynced) = log.checkpoint(false).expect("space").expect("it is there");
    assert_eq!((line.start.get(), line.written_end.get()), (0, 0));
    drop(unsynced);
    running.commit();
    let running = node.crash(running);
    assert_eq!(start(&running.log("a")), 2);
}

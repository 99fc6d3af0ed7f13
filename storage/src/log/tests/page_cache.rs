//! Logs that are stored in the page cache: what a process leaves, what the power takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use protocol::batch::BatchProducer;
use protocol::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use super::{log_path, small_segments};
use crate::fixture::{Node, Running, append_as, append_at, values};
use crate::journal::JournalFault;
use crate::journal::NobodyWaits;
use crate::log::{Durability, Log, LogListener};

/// Remembers what it was told.
#[derive(Default)]
struct Told {
    end: AtomicI64,
    faults: AtomicI64,
}

impl LogListener for Told {
    fn on_durable(&self, durable_end: Offset) {
        self.end.store(durable_end.get(), Ordering::Relaxed);
    }

    fn on_fault(&self, _: &JournalFault) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }
}

fn start(node: &Node) -> (Running, Arc<Log>, Arc<Told>) {
    let mut running = node.start();
    let log = running.create_with("a", Durability::Os);
    running.commit();
    let told = Arc::new(Told::default());
    log.set_listener(Arc::clone(&told) as _);
    (running, log, told)
}

/// Segments of four records.
fn fill(running: &mut Running, log: &Arc<Log>, records: usize) {
    for _ in 0..records {
        let number = log.offsets().end.get();
        let value = format!("{number}-{}", "x".repeat(900));
        append_at(log, number * 10, 0, &[value.as_bytes()]).expect("it is appended");
    }
    running.commit();
}

fn kill(node: &Node, running: Running) -> Running {
    drop(running);
    node.disk.kill();
    node.start()
}

#[test]
fn a_record_is_stored_when_it_is_written_and_not_before() {
    let node = small_segments();
    let mut running = node.start();
    let log = running.create_with("a", Durability::Os);
    let told = Arc::new(Told::default());
    log.set_listener(Arc::clone(&told) as _);
    append_at(&log, 0, 0, &[b"v"]).expect("it is appended");
    let write = |running: &Running| running.dir.write_waiting_page_cache(0).expect("space");
    write(&running);
    assert_eq!(
        told.end.load(Ordering::Relaxed),
        0,
        "a recovery would not know of the log"
    );
    running.commit();
    write(&running);
    assert_eq!(told.end.load(Ordering::Relaxed), 1);
    append_at(&log, 0, 0, &[b"v"]).expect("it is appended");
    assert_eq!(log.offsets().durable_end, Offset::new(1));
    write(&running);
    assert_eq!(told.end.load(Ordering::Relaxed), 2);
}

#[test]
fn nothing_of_it_is_in_the_journal() {
    let node = small_segments();
    let (mut running, log, _) = start(&node);
    append_at(&log, 0, 0, &[b"do-not-write-me-twice"]).expect("it is appended");
    running.commit();
    let image = node.image();
    let holds = |bytes: &[u8]| bytes.windows(21).any(|it| it == b"do-not-write-me-twice");
    let holders: Vec<_> = image.iter().filter(|(_, bytes)| holds(bytes)).collect();
    assert_eq!(holders.len(), 1);
    assert_eq!(*holders[0].0, log_path("a", 0, "log"));
}

#[test]
fn what_was_written_survives_the_process() {
    let node = small_segments();
    let (mut running, log, _) = start(&node);
    fill(&mut running, &log, 3);
    running.dir.checkpoint(None).expect("a checkpoint");
    fill(&mut running, &log, 10);
    let producer = BatchProducer {
        id: ProducerId::new(5),
        epoch: ProducerEpoch::new(0),
        base_sequence: Some(Sequence::new(0)),
    };
    append_as(&log, producer, 1).expect("it is appended");
    append_at(&log, 0, 3, &[b"of another leader"]).expect("it is appended");
    running.commit();
    let mut running = kill(&node, running);
    let log = running.log("a");
    assert_eq!(values(&log).len(), 15);
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch::new(3)));
    assert_eq!(log.epoch_at(Offset::new(13)), Some(LeaderEpoch::new(0)));
    assert!(log.producers().iter().any(|(id, _)| id == producer.id));
    // And again, without a checkpoint between: offsets go on.
    append_at(&log, 0, 3, &[b"next"]).expect("it is appended");
    running.commit();
    let running = kill(&node, running);
    assert_eq!(values(&running.log("a")).len(), 16);
}

#[test]
fn the_power_takes_what_no_checkpoint_has_synced() {
    let node = small_segments();
    let (mut running, log, _) = start(&node);
    fill(&mut running, &log, 5);
    log.set_high_watermark(Offset::new(15));
    running.dir.checkpoint(None).expect("a checkpoint");
    fill(&mut running, &log, 10);
    let running = node.crash(running);
    let log = running.log("a");
    let left = values(&log);
    assert!((5..15).contains(&left.len()), "{}", left.len());
    // What takes the place of the others is not committed with them.
    assert_eq!(log.high_watermark(), log.offsets().end);
    assert!(log.damaged().is_empty());
}

#[test]
fn flush_messages_syncs_before_it_is_told() {
    let mut node = small_segments();
    node.log_config.flush_messages = Some(1);
    let (mut running, log, told) = start(&node);
    fill(&mut running, &log, 10);
    assert_eq!(told.end.load(Ordering::Relaxed), 10);
    let mut running = node.crash(running);
    let log = running.log("a");
    assert_eq!(values(&log).len(), 10);
    fill(&mut running, &log, 5);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 15);
}

#[test]
fn flush_ms_syncs_by_age() {
    let mut node = small_segments();
    node.log_config.flush_ms = Some(100);
    let (mut running, log, _) = start(&node);
    running.dir.checkpoint(None).expect("a checkpoint");
    append_at(&log, 0, 0, &[b"v"]).expect("it is appended");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    append_at(&log, 0, 0, &[b"w"]).expect("it is appended");
    running.commit();
    running.dir.write_waiting_page_cache(99).expect("space");
    node.disk.fail_next_sync(".log", 5);
    running
        .dir
        .write_waiting_page_cache(99)
        .expect("no sync yet");
    assert!(running.dir.fault().is_none());
    running
        .dir
        .write_waiting_page_cache(100)
        .expect_err("the sync fails");
    assert!(
        running.dir.fault().is_some(),
        "and takes the directory offline"
    );
}

#[test]
fn who_waits_is_told_when_the_directory_goes_offline() {
    let node = small_segments();
    let (mut running, log, told) = start(&node);
    fill(&mut running, &log, 1);
    append_at(&log, 0, 0, &[b"v"]).expect("it is appended");
    node.disk.fail_next_write(".log", 5);
    running
        .dir
        .write_waiting_page_cache(0)
        .expect_err("the write fails");
    assert_eq!(told.end.load(Ordering::Relaxed), 1);
    assert_eq!(told.faults.load(Ordering::Relaxed), 1);
    append_at(&log, 0, 0, &[b"w"]).expect_err("offline");
}

#[test]
fn a_torn_end_is_cut_and_later_segments_go() {
    let node = small_segments();
    let (mut running, log, _) = start(&node);
    fill(&mut running, &log, 2);
    running.dir.checkpoint(None).expect("a checkpoint");
    fill(&mut running, &log, 10);
    drop(running);
    node.disk.kill();
    node.flip(&log_path("a", 4, "log"), 1000);
    let mut running = node.start();
    let log = running.log("a");
    let left = values(&log).len();
    assert_eq!(left, 5, "up to the flipped batch");
    assert!(!node.image().contains_key(&log_path("a", 8, "log")));
    fill(&mut running, &log, 5);
    assert_eq!(values(&log).len(), 10);
}

#[test]
fn a_truncation_holds_and_what_came_after_it_is_there() {
    let node = small_segments();
    let (mut running, log, _) = start(&node);
    fill(&mut running, &log, 10);
    running.dir.checkpoint(None).expect("a checkpoint");
    log.truncate(Offset::new(6)).expect("online");
    append_at(&log, 0, 1, &[b"instead"]).expect("it is appended");
    running.dir.write_waiting_page_cache(0).expect("space");
    assert_eq!(
        log.offsets().durable_end,
        Offset::new(6),
        "the truncation comes first"
    );
    running.commit();
    assert_eq!(log.offsets().durable_end, Offset::new(7));
    let running = kill(&node, running);
    let left = values(&running.log("a"));
    assert_eq!((left.len(), left[6].as_str()), (7, "instead"));
}

#[test]
fn a_start_behind_what_the_power_took_is_where_the_log_goes_on() {
    let node = small_segments();
    let (mut running, log, _) = start(&node);
    fill(&mut running, &log, 10);
    log.advance_start(Offset::new(9), Arc::new(NobodyWaits))
        .expect("online");
    while running.writer.step() == crate::journal::WriterStep::Progress {}
    let mut running = node.crash(running);
    let log = running.log("a");
    assert_eq!(log.offsets().start, Offset::new(9));
    assert_eq!(log.offsets().end, Offset::new(9));
    fill(&mut running, &log, 2);
    assert_eq!(values(&log).len(), 2);
    let running = kill(&node, running);
    assert_eq!(values(&running.log("a")).len(), 2);
}

#[test]
fn records_after_a_jump_to_the_start_have_a_segment_of_their_own() {
    let node = small_segments();
    let (mut running, log, _) = start(&node);
    fill(&mut running, &log, 10);
    log.advance_start(Offset::new(9), Arc::new(NobodyWaits))
        .expect("online");
    while running.writer.step() == crate::journal::WriterStep::Progress {}
    drop(running);
    node.disk.kill();
    // As a power loss may leave it: the names of all segments, and nothing in them.
    for base in [0, 4, 8] {
        let path = log_path("a", base, "log");
        let options = crate::io::OpenOptions::default();
        let file = node.disk.io().open(&path, options).expect("it is there");
        file.set_len(0).expect("it is cut");
    }
    let mut running = node.start();
    let log = running.log("a");
    fill(&mut running, &log, 3);
    let running = kill(&node, running);
    let log = running.log("a");
    assert_eq!(
        (log.offsets().start, log.offsets().end),
        (Offset::new(9), Offset::new(12))
    );
    assert_eq!(values(&log).len(), 3);
}

#[test]
fn a_log_of_the_same_name_is_not_taken_for_it() {
    let node = small_segments();
    let (mut running, log, _) = start(&node);
    fill(&mut running, &log, 3);
    running.dir.drop_log(log.partition()).expect("online");
    running.commit();
    running.create_with("a", Durability::Os);
    running.commit();
    let running = kill(&node, running);
    assert_eq!(running.log("a").offsets().end, Offset::ZERO);
}

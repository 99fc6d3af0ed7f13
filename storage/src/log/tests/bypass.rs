//! Large batches that are written once, past the journal.

use std::sync::Arc;

use protocol::batch::BatchProducer;
use protocol::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use super::{log_path, small_segments};
use crate::fixture::{Node, Running, append_as, append_at, values};
use crate::log::{BypassConfig, Log, TailRead};

/// Batches of a kilobyte bypass, however little the journal has to do.
fn bypassing() -> Node {
    let mut node = small_segments();
    node.config.bypass = BypassConfig {
        batch_bytes_min: Some(900),
        backlog_bytes_min: 0,
        sync_bytes_min: 0,
    };
    node
}

fn large(log: &Arc<Log>, epoch: i32) -> String {
    let number = log.offsets().end.get();
    let value = format!("{number}-{}", "x".repeat(900));
    append_at(log, number * 10, epoch, &[value.as_bytes()]).expect("it is appended");
    value
}

fn small(log: &Arc<Log>) {
    let number = log.offsets().end.get();
    append_at(log, number * 10, 0, &[b"little"]).expect("it is appended");
}

fn store(running: &mut Running) {
    running.dir.store_all_bypassing().expect("space");
    running.commit();
}

fn start(node: &Node) -> (Running, Arc<Log>) {
    let mut running = node.start();
    let log = running.create("a");
    running.commit();
    (running, log)
}

/// How many files hold these bytes, and whether the journal is among them.
fn holders(node: &Node, bytes: &[u8]) -> (usize, bool) {
    let image = node.image();
    let holds = |file: &[u8]| file.windows(bytes.len()).any(|it| it == bytes);
    let holders: Vec<_> = image.iter().filter(|(_, file)| holds(file)).collect();
    let in_journal = holders
        .iter()
        .any(|(path, _)| path.starts_with(format!("{}/journal", crate::fixture::ROOT)));
    (holders.len(), in_journal)
}

#[test]
fn a_large_batch_is_written_once() {
    let node = bypassing();
    let (mut running, log) = start(&node);
    let value = large(&log, 0);
    store(&mut running);
    assert_eq!(log.offsets().durable_end, Offset::new(1));
    assert_eq!(holders(&node, value.as_bytes()), (1, false));
    // When the power is lost, too.
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 1);
    assert_eq!(holders(&node, value.as_bytes()), (1, false));
}

#[test]
fn it_counts_when_the_journal_says_so_and_not_before() {
    let node = bypassing();
    let (mut running, log) = start(&node);
    large(&log, 0);
    running.commit();
    assert_eq!(
        log.offsets().durable_end,
        Offset::ZERO,
        "nobody has stored it"
    );
    running.dir.store_all_bypassing().expect("space");
    let offsets = log.offsets();
    assert_eq!(
        (offsets.written_end, offsets.durable_end),
        (Offset::ZERO, Offset::ZERO)
    );
    let bytes = node.read(&log_path("a", 0, "log")).len() as u64;
    assert_eq!(log.size_bytes(), bytes, "it is in the file and in memory");
    // Followers have it from memory meanwhile.
    let read = log.read_tail(Offset::ZERO, offsets.end, 1 << 20);
    assert!(matches!(read, Ok(TailRead::Batches(batches)) if batches.len() == 1));
    running.commit();
    let offsets = log.offsets();
    assert_eq!(
        (offsets.written_end, offsets.durable_end),
        (Offset::new(1), Offset::new(1))
    );
    assert_eq!(log.tail_bytes(), 0);
    // Without the journal's word it is not there after a crash, though it was synced.
    large(&log, 0);
    running.dir.store_all_bypassing().expect("space");
    let mut running = node.crash(running);
    let log = running.log("a");
    assert_eq!(values(&log).len(), 1);
    let next = large(&log, 0);
    store(&mut running);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).last(), Some(&next));
}

#[test]
fn what_follows_goes_the_same_way_until_it_is_stored() {
    let node = bypassing();
    let (mut running, log) = start(&node);
    small(&log);
    large(&log, 0);
    small(&log);
    assert!(log.bypasses_now());
    running.commit();
    assert_eq!(
        log.offsets().durable_end,
        Offset::new(1),
        "the first is in the journal"
    );
    running.dir.store_all_bypassing().expect("space");
    assert!(!log.bypasses_now());
    // It is behind the entry about those before it.
    small(&log);
    assert!(!log.bypasses_now());
    assert_eq!(log.offsets().durable_end, Offset::new(1));
    running.commit();
    assert_eq!(log.offsets().durable_end, Offset::new(4));
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 4);
}

#[test]
fn a_journal_that_has_little_to_do_takes_large_ones() {
    let mut node = bypassing();
    node.config.bypass.backlog_bytes_min = 2_500;
    let (mut running, log) = start(&node);
    large(&log, 0);
    large(&log, 0);
    assert!(!log.bypasses_now());
    large(&log, 0);
    assert!(log.bypasses_now());
    store(&mut running);
    // Nothing waits in the journal any more.
    large(&log, 0);
    assert!(!log.bypasses_now());
    running.commit();
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 4);
}

#[test]
fn what_is_on_its_way_past_the_journal_keeps_the_disk_busy_too() {
    let mut node = bypassing();
    node.config.bypass.backlog_bytes_min = 1_900;
    let (mut running, first) = start(&node);
    let second = running.create("b");
    running.commit();
    for _ in 0..3 {
        large(&first, 0);
    }
    running.commit();
    // The journal has nothing to do.
    large(&second, 0);
    assert!(second.bypasses_now());
    store(&mut running);
    large(&second, 0);
    assert!(!second.bypasses_now());
    // What was taken back waits no longer.
    for _ in 0..3 {
        large(&first, 0);
    }
    assert!(first.bypasses_now());
    first.truncate(Offset::new(3)).expect("it is cut");
    running.commit();
    large(&second, 0);
    assert!(!second.bypasses_now());
}

#[test]
fn a_log_that_had_much_to_store_bypasses_once_more() {
    let mut node = bypassing();
    node.config.bypass.sync_bytes_min = 1_900;
    let (mut running, log) = start(&node);
    large(&log, 0);
    assert!(!log.bypasses_now());
    large(&log, 0);
    assert!(log.bypasses_now());
    store(&mut running);
    large(&log, 0);
    assert!(log.bypasses_now());
    store(&mut running);
    // That was not much.
    large(&log, 0);
    assert!(!log.bypasses_now());
}

#[test]
fn a_truncation_leaves_what_was_stored_before_it() {
    let node = bypassing();
    let (mut running, log) = start(&node);
    for _ in 0..3 {
        large(&log, 0);
    }
    running.dir.store_all_bypassing().expect("space");
    log.truncate(Offset::new(1)).expect("it is cut");
    let other = large(&log, 1);
    running.commit();
    assert_eq!(
        log.offsets().durable_end,
        Offset::new(1),
        "its entry is about this one, too"
    );
    store(&mut running);
    assert_eq!(log.offsets().durable_end, Offset::new(2));
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!(values(&log).len(), 2);
    assert_eq!(values(&log)[1], other);
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch::new(1)));
}

#[test]
fn leaders_and_producers_are_known_after_a_crash() {
    let node = bypassing();
    let (mut running, log) = start(&node);
    let producer = BatchProducer {
        id: ProducerId::new(5),
        epoch: ProducerEpoch::new(0),
        base_sequence: Some(Sequence::new(0)),
    };
    large(&log, 0);
    append_as(&log, producer, 1).expect("it is appended");
    large(&log, 3);
    // Several segments.
    for _ in 0..10 {
        large(&log, 3);
    }
    store(&mut running);
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!(values(&log).len(), 13);
    assert!(log.segment_count() > 2);
    assert_eq!(log.epoch_at(Offset::new(1)), Some(LeaderEpoch::new(0)));
    assert_eq!(log.epoch_at(Offset::new(2)), Some(LeaderEpoch::new(3)));
    assert!(log.producers().iter().any(|(id, _)| id == producer.id));
    assert!(running.report.damage.is_empty());
}

#[test]
fn a_full_disk_has_it_go_into_the_journal() {
    let node = bypassing();
    let (mut running, log) = start(&node);
    let value = large(&log, 0);
    node.disk.set_free(0);
    running
        .dir
        .store_all_bypassing()
        .expect("the journal takes it");
    assert!(running.dir.is_full());
    running.commit();
    assert_eq!(log.offsets().durable_end, Offset::new(1));
    assert!(holders(&node, value.as_bytes()).1);
    node.disk.set_capacity(u64::MAX);
    running.dir.write_behind(10_000).expect("space");
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 1);
}

#[test]
fn an_entry_that_cannot_be_read_is_reported() {
    let node = bypassing();
    let (mut running, log) = start(&node);
    large(&log, 0);
    store(&mut running);
    large(&log, 0);
    store(&mut running);
    small(&log);
    running.seal();
    drop(running);
    // The payload of the second entry: start, other segments, base and bytes of the active one.
    let journal = node.journal(node.newest());
    let bytes = node.read(&log_path("a", 0, "log")).len() as u64;
    let payload = [0, 0, 0, bytes].map(u64::to_le_bytes).concat();
    let image = node.read(&journal);
    let at = image
        .windows(payload.len())
        .position(|window| window == payload);
    node.flip(&journal, at.expect("it is there") as u64 + 24);
    let running = node.start();
    let log = running.log("a");
    assert!(!running.report.damage.is_empty());
    assert_eq!(log.damaged().len(), 1);
    assert_eq!(
        log.offsets().end,
        Offset::new(3),
        "its offsets are never given out again"
    );
}

#[test]
fn a_disk_that_may_hang_is_tried_by_the_journal() {
    let node = bypassing();
    let (mut running, log) = start(&node);
    running.seal();
    let commits = |node: &Node| node.commits(node.newest()).len();
    let before = commits(&node);
    // Nothing is being stored.
    for _ in 0..3 {
        running.dir.disk_progress();
        running.commit();
    }
    assert_eq!(commits(&node), before);
    let storing = log.environment.bypass.begin();
    for looks in 0..3 {
        running.dir.disk_progress();
        running.commit();
        assert_eq!(commits(&node), before + looks + 1);
    }
    drop(storing);
    running.dir.disk_progress();
    running.commit();
    assert_eq!(commits(&node), before + 3);
}

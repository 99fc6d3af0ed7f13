//! Disks that are full, or nearly: what was acknowledged reaches the segments all the same, what frees space works, and what was refused is
//! taken again when there is space.

use std::path::Path;
use std::sync::Arc;

use crate::data_dir::{DataDir, SpaceState};
use crate::fixture::{Node, ROOT, Running, append, node, values};
use crate::log::{Log, is_disk_full};

const KIB: u64 = 1 << 10;
/// Three files of 256 KiB.
const JOURNAL: u64 = 768 * KIB;

/// Makes the whole journal and the whole reserve.
fn complete(dir: &DataDir) {
    while dir.grow_journal().expect("space") {}
    while dir.grow_reserve().expect("space") {}
    assert_eq!(dir.reserve_bytes(), JOURNAL);
    assert_eq!(dir.space_state(), SpaceState::Enough);
}

/// Appends until the journal has no file left. What comes behind that waits, and is not acknowledged.
fn fill_journal(running: &mut Running, log: &Arc<Log>) -> usize {
    let mut appended = 0;
    loop {
        let end = append(log, format!("{appended}-{}", "x".repeat(9_000)).as_bytes()).end;
        running.commit();
        if log.offsets().durable_end < end {
            return appended;
        }
        appended += 1;
    }
}

fn remove_reserve(node: &Node) {
    let path = Path::new(ROOT).join("reserve");
    node.disk.io().remove_file(&path).expect("it is there");
}

#[test]
fn what_was_acknowledged_reaches_the_segments_of_a_full_disk() {
    let node = node();
    let mut running = node.start();
    complete(&running.dir);
    let log = running.create("a");
    let acknowledged = fill_journal(&mut running, &log);
    assert!(acknowledged > 30, "{acknowledged}");
    node.disk.set_free(0);
    running.dir.checkpoint(None).expect("the reserve is enough");
    assert_eq!(running.dir.reserve_bytes(), 0);
    assert_eq!(
        running.dir.space_state(),
        SpaceState::Low,
        "there was no space, and nothing more is taken"
    );
    assert!(log.offsets().written_end.get() as usize >= acknowledged);
    running.commit();
    assert_eq!(log.offsets().durable_end, log.offsets().end);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), acknowledged + 1);
}

#[test]
fn a_side_file_is_replaced_on_a_full_disk_too() {
    let node = node();
    let running = node.start();
    complete(&running.dir);
    running.dir.write_side_file("vote", b"1").expect("space");
    node.disk.set_free(0);
    let replaced = running.dir.write_side_file("vote", b"2");
    replaced.expect("the reserve is enough");
    assert_eq!(running.dir.space_state(), SpaceState::Low);
    node.disk.set_free(0);
    let error = running.dir.write_side_file("vote", b"3");
    assert!(is_disk_full(&error.expect_err("no space")));
    assert!(running.dir.fault().is_none(), "nothing has failed");
    let read = running.dir.read_side_file("vote").expect("it is whole");
    assert_eq!(read.as_deref(), Some(&b"2"[..]));
    node.disk.set_free(JOURNAL);
    running.dir.write_side_file("vote", b"3").expect("space");
}

#[test]
fn without_a_reserve_it_waits_in_the_journal() {
    let node = node();
    let mut running = node.start();
    while running.dir.grow_journal().expect("space") {}
    let log = running.create("a");
    let acknowledged = fill_journal(&mut running, &log);
    node.disk.set_free(0);
    let error = running.dir.checkpoint(None).expect_err("no space");
    assert!(is_disk_full(&error));
    assert!(running.dir.is_full());
    assert!(!running.dir.has_room_to_follow());
    assert!(running.dir.fault().is_none(), "nothing has failed");
    node.disk.set_free(2 * JOURNAL);
    running.dir.checkpoint(None).expect("space");
    assert!(!running.dir.is_full());
    assert!(running.dir.has_room_to_follow());
    running.commit();
    assert_eq!(values(&log).len(), acknowledged + 1);
}

#[test]
fn the_reserve_is_taken_again_before_new_records_are() {
    let mut node = node();
    node.config.free_bytes_min = Some(100 * KIB);
    let mut running = node.start();
    complete(&running.dir);
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    node.disk.set_free(0);
    running.dir.checkpoint(None).expect("the reserve is enough");
    // Less than the reserve, the watermark and a quarter of it.
    for (spare, state, grows) in [
        (-1, SpaceState::Low, false),
        (0, SpaceState::Low, true),
        (24, SpaceState::Low, true),
        (25, SpaceState::Enough, true),
    ] {
        let missing = JOURNAL - running.dir.reserve_bytes();
        node.disk
            .set_free((missing + 100 * KIB).saturating_add_signed(spare * KIB as i64));
        running.dir.measure_space();
        assert_eq!(running.dir.space_state(), state, "{spare} KiB");
        assert_eq!(
            running.dir.grow_reserve().expect("space"),
            grows && missing > 0
        );
        running.dir.measure_space();
        assert_eq!(
            running.dir.space_state(),
            state,
            "taking the reserve changes nothing"
        );
    }
    assert_eq!(running.dir.reserve_bytes(), JOURNAL);
    // Once taken, they are taken until the watermark is reached.
    node.disk.set_free(100 * KIB);
    running.dir.measure_space();
    assert_eq!(running.dir.space_state(), SpaceState::Enough);
    node.disk.set_free(100 * KIB - 1);
    running.dir.measure_space();
    assert_eq!(running.dir.space_state(), SpaceState::Low);
}

#[test]
fn bytes_that_are_still_to_be_written_count_as_taken() {
    let mut node = node();
    node.config.free_bytes_min = Some(100 * KIB);
    let mut running = node.start();
    complete(&running.dir);
    let log = running.create("a");
    node.disk.set_free(120 * KIB);
    append(&log, &[b'x'; 30_000]);
    running.dir.measure_space();
    assert_eq!(running.dir.space_state(), SpaceState::Low);
    running.commit();
    running.dir.write_behind(10_000).expect("space");
    running.dir.measure_space();
    assert_eq!(running.dir.space_state(), SpaceState::Low);
    assert_eq!(
        values(&log).len(),
        1,
        "what was appended is written and read"
    );
}

#[test]
fn the_watermark_is_a_twentieth_of_the_disk_and_at_most_the_journal() {
    for (disk, expected) in [(2 << 20, (2 << 20) / 20), (1 << 30, JOURNAL)] {
        let node = node();
        node.disk.set_capacity(disk);
        assert_eq!(node.start().dir.free_bytes_min(), expected);
    }
}

#[test]
fn neither_the_journal_nor_the_reserve_takes_the_last_space() {
    let mut node = node();
    node.config.free_bytes_min = Some(100 * KIB);
    node.config.journal_first_file_bytes = 64 * KIB;
    let running = node.start();
    node.disk.set_free(300 * KIB);
    assert!(!running.dir.grow_journal().expect("not tried"));
    assert!(!running.dir.grow_reserve().expect("not tried"));
    node.disk.set_free(JOURNAL + 100 * KIB);
    assert!(
        !running.dir.grow_journal().expect("not tried"),
        "the reserve comes first where there is not enough for both"
    );
    assert!(running.dir.grow_reserve().expect("space"));
    assert_eq!(running.dir.reserve_bytes(), JOURNAL);
}

#[test]
fn a_start_gives_up_the_reserve_for_a_journal_file() {
    let node = node();
    let mut running = node.start();
    complete(&running.dir);
    let log = running.create("a");
    let acknowledged = fill_journal(&mut running, &log);
    drop(log);
    node.disk.set_free(0);
    let running = node.crash(running);
    assert_eq!(
        running.dir.reserve_bytes(),
        JOURNAL,
        "one file was kept free"
    );
    // It was killed again, and again, before it could write anything behind.
    let running = node.crash(running);
    let mut running = node.crash(running);
    append(&running.log("a"), b"more");
    running.commit();
    let mut running = node.crash(running);
    let values = values(&running.log("a"));
    assert_eq!(values.len(), acknowledged + 1);
    append(&running.log("a"), b"more");
    running.commit();
    let running = node.crash(running);
    assert_eq!(
        running.log("a").offsets().end.get() as usize,
        acknowledged + 2
    );
    assert_eq!(running.dir.reserve_bytes(), 0);
    assert_eq!(running.dir.space_state(), SpaceState::Low);
}

#[test]
fn a_deletion_frees_a_full_disk() {
    let node = node();
    let mut running = node.start();
    complete(&running.dir);
    let (large, small) = (running.create("large"), running.create("small"));
    for _ in 0..8 {
        append(&large, &[b'x'; 60_000]);
        running.commit();
        running.dir.checkpoint(None).expect("space");
    }
    append(&small, b"acknowledged");
    running.commit();
    // Somebody takes all there is, the reserve included.
    remove_reserve(&node);
    node.disk.set_free(0);
    assert!(running.dir.write_behind(10_000).is_err());
    assert!(running.dir.is_full());
    running
        .dir
        .drop_log(large.partition())
        .expect("it needs no space");
    running.commit();
    assert_eq!(running.dir.remove_dropped().expect("it needs no space"), 1);
    assert!(running.dir.write_behind(10_000).expect("there is space") > 0);
    assert!(!running.dir.is_full());
    let running = node.crash(running);
    assert_eq!(values(&running.log("small")), ["acknowledged"]);
}

#[test]
fn a_reserve_that_somebody_removed_is_made_again() {
    let node = node();
    let mut running = node.start();
    complete(&running.dir);
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    remove_reserve(&node);
    node.disk.set_free(0);
    assert!(running.dir.write_behind(10_000).is_err());
    node.disk.set_free(4 * JOURNAL);
    running.dir.write_behind(10_000).expect("space");
    complete(&running.dir);
}

#[test]
fn a_smaller_journal_has_a_smaller_reserve_and_a_larger_one_a_larger() {
    let mut node = node();
    let running = node.start();
    complete(&running.dir);
    drop(running);
    node.disk.kill();
    for (files, expected) in [(4, 4 * 256 * KIB), (2, JOURNAL)] {
        node.config.journal_files = files;
        let running = node.start();
        while running.dir.grow_reserve().expect("space") {}
        // The files that there are stay.
        assert_eq!(running.dir.reserve_bytes(), expected);
        drop(running);
        node.disk.kill();
    }
}

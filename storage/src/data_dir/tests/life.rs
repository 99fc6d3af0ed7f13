//! Logs that come and go, and how full a directory is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use protocol::batch::{set_base_offset, set_partition_leader_epoch};
use protocol::model::{LeaderEpoch, Offset};

use crate::data_dir::{PRODUCE_DELAY_MAX, produce_delay};
use crate::fixture::{ROOT, append, batch_at, node, read_from, values};
use crate::journal::NobodyWaits;
use crate::journal::{Entry, EntryKind};

#[test]
fn a_deleted_log_is_gone_and_so_are_its_files() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    running.dir.drop_log(log.partition()).expect("online");
    assert!(running.dir.log(log.partition()).is_none());
    assert_eq!(
        running.dir.remove_dropped().expect("space"),
        0,
        "not before it is durable"
    );
    let is_there = |name: &str| {
        node.image()
            .keys()
            .any(|path| path.starts_with(Path::new(ROOT).join(name)))
    };
    assert!(is_there("a-0.0-delete") && !is_there("a-0"));
    running.commit();
    assert_eq!(
        running.dir.remove_dropped().expect("space"),
        0,
        "not while a checkpoint counts it"
    );
    running.dir.checkpoint(None).expect("a checkpoint");
    assert_eq!(running.dir.remove_dropped().expect("space"), 1);
    assert!(!is_there("a-0.0-delete"));
    let running = node.crash(running);
    assert!(running.dir.logs().is_empty());
}

#[test]
fn a_deletion_that_is_not_durable_is_undone() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    running.dir.drop_log(log.partition()).expect("online");
    drop(running);
    node.disk.kill();
    let running = node.start();
    assert_eq!(values(&running.log("a")), ["v"]);
}

/// A topic was made again under the name of a deleted one, and the last commits of the journal, which say so, rot.
#[test]
fn a_log_that_is_back_has_its_own_files_and_not_those_of_a_later_one() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    let before = node.read(&node.journal(0));
    running.dir.drop_log(log.partition()).expect("online");
    running.commit();
    running.dir.remove_dropped().expect("nothing to remove yet");
    append(&running.create("a"), b"of another");
    running.commit();
    running.dir.write_behind(10_000).expect("space");
    drop((log, running));
    node.disk.kill();
    node.overwrite(&node.journal(0), 0, &before);
    for _ in 0..2 {
        let running = node.start();
        assert_eq!(running.dir.logs().len(), 1);
        assert_eq!(values(&running.log("a")), ["v"]);
        running.dir.checkpoint(None).expect("a checkpoint");
        running.dir.remove_dropped().expect("space");
        drop(running);
        node.disk.crash();
    }
    let named = |path: &&std::path::PathBuf| path.to_string_lossy().contains("-delete");
    assert_eq!(node.image().keys().find(named), None);
}

#[test]
fn a_name_that_both_generations_left_behind_is_no_obstacle() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    running.dir.drop_log(log.partition()).expect("online");
    running.commit();
    drop(running);
    node.disk.kill();
    // A power loss kept the deleted name, and another the old one.
    let io = node.disk.io();
    let create = crate::io::OpenOptions {
        create: true,
        ..Default::default()
    };
    io.create_dir_all(&Path::new(ROOT).join("a-0"))
        .expect("space");
    drop(
        io.open(&Path::new(ROOT).join("a-0/x"), create)
            .expect("space"),
    );
    let running = node.start();
    running.dir.checkpoint(None).expect("a checkpoint");
    running.dir.remove_dropped().expect("it is removed");
    assert!(
        !node
            .image()
            .keys()
            .any(|path| path.to_string_lossy().contains("a-0"))
    );
}

#[test]
fn a_tail_without_a_log_is_not_counted() {
    let node = node();
    let running = node.start();
    let log = running.create("a");
    append(&log, b"v");
    assert!(running.dir.tails().bytes() > 0);
    running.dir.drop_log(log.partition()).expect("online");
    assert_eq!(running.dir.tails().bytes(), 0);
}

#[test]
fn pressure_grows_with_the_journal_and_falls_with_a_checkpoint() {
    let node = node();
    let mut running = node.start();
    while running.dir.grow_journal().expect("space") {}
    let log = running.create("a");
    let mut last = running.dir.pressure();
    assert!(last < 0.1);
    for _ in 0..10 {
        append(&log, &[b'x'; 30_000]);
        running.commit();
        let now = running.dir.pressure();
        assert!(now > last);
        last = now;
    }
    assert!(last > 0.5);
    running.dir.checkpoint(None).expect("a checkpoint");
    assert!(running.dir.pressure() < 0.3);
}

#[test]
fn producers_are_delayed_gradually() {
    assert_eq!(produce_delay(0.0), Duration::ZERO);
    assert_eq!(produce_delay(0.75), Duration::ZERO);
    assert!(produce_delay(0.8) > Duration::ZERO);
    assert!(produce_delay(0.8) < produce_delay(0.9));
    assert_eq!(produce_delay(1.0), PRODUCE_DELAY_MAX);
    assert_eq!(produce_delay(7.0), PRODUCE_DELAY_MAX);
}

#[test]
fn a_checkpoint_that_a_full_disk_stopped_leaves_nothing_unsynced() {
    const ENOSPC: i32 = 28;
    let node = node();
    let mut running = node.start();
    let (first, second) = (running.create("a"), running.create("b"));
    append(&first, b"of the log that was written");
    append(&second, b"of the log that had no space");
    running.commit();
    node.disk.fail_next_write("b-0", ENOSPC);
    assert!(running.dir.checkpoint(None).is_err());
    running.dir.checkpoint(None).expect("space");
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 1);
    assert_eq!(values(&running.log("b")).len(), 1);
}

/// A name that a killed process left in the page cache is seen by the next start and gone after a power loss.
#[test]
fn a_kill_at_any_operation_and_then_a_power_loss() {
    let mut survived = 0;
    for step in 0.. {
        let node = node();
        let mut running = node.start();
        let log = running.create("a");
        append(&log, b"first");
        running.commit();
        let before = node.disk.mutations();
        node.disk.kill_after(step);
        let _ = running
            .dir
            .grow_journal()
            .and_then(|_| running.dir.checkpoint(None));
        if running.dir.fault().is_none() {
            append(&log, b"maybe");
            running.commit();
        }
        let is_through = !node.disk.is_down();
        drop((log, running));
        if is_through {
            node.disk.kill();
        } else {
            node.disk.restart();
        }
        let mut running = node.start();
        append(&running.log("a"), b"second");
        running.seal();
        let acknowledged = values(&running.log("a"));
        let running = node.crash(running);
        assert_eq!(
            values(&running.log("a")),
            acknowledged,
            "killed {step} operations on"
        );
        assert!(acknowledged.len() >= 2);
        survived += 1;
        if is_through {
            assert!(node.disk.mutations() > before + step);
            break;
        }
    }
    assert!(survived > 20, "{survived}");
}

/// Entries that no log of ours queues, with all their checksums right.
#[test]
fn entries_that_do_not_continue_their_log_cost_no_others() {
    const HUGE: &[u8] = b"says that it has two gigabytes";
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"0");
    let queue = |offset: i64, epoch: i32, payload: &[u8]| {
        let mut batch = batch_at(0, &[payload]);
        set_base_offset(&mut batch, Offset::new(offset));
        set_partition_leader_epoch(&mut batch, LeaderEpoch::new(epoch));
        if payload.is_empty() {
            batch.clear();
        }
        if payload == HUGE {
            // The first byte of the batch's length.
            batch[8] = 0x7f;
        }
        let entry = Entry {
            kind: EntryKind::Append,
            log_id: log.id(),
            leader_epoch: Some(LeaderEpoch::new(epoch)),
            offset: Offset::new(offset),
            end: Offset::new(offset + 1),
            payload: batch.freeze(),
        };
        let journal = &running.dir.environment.journal;
        journal.push(entry, Arc::new(NobodyWaits)).expect("online");
    };
    queue(5, 3, b"behind a gap");
    queue(6, 2, b"of an older leader");
    queue(7, 3, b"");
    queue(8, 3, b"8");
    queue(9, 3, HUGE);
    queue(10, 3, b"10");
    running.commit();
    drop(log);
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!(log.offsets().end.get(), 11);
    let served = |at| match read_from(&log, Offset::new(at)).0.first() {
        Some((offset, value)) if *offset == at => String::from_utf8(value.clone()).ok(),
        _ => None,
    };
    let expected = [
        (0, Some("0")),
        (1, None),
        (4, None),
        (5, Some("behind a gap")),
        (6, None),
        (7, None),
        (8, Some("8")),
        (9, None),
        (10, Some("10")),
    ];
    for (offset, value) in expected {
        assert_eq!(served(offset).as_deref(), value, "at {offset}");
    }
    assert_eq!(running.report.damage.len(), 4);
}

//! Damage below the durable mark, on real bytes: replayed from a copy, reported, or refused. Never passed over.

use std::sync::Arc;

use crate::data_dir::OpenError;
use crate::fixture::{Node, ROOT, Running, append, node, read_all, read_from, values};
use crate::io::OpenOptions;
use crate::journal::NobodyWaits;
use crate::journal::format::{COMMIT_HEADER, FileHeader, TABLE_ENTRY};
use crate::journal::{BadBytes, ScanError};
use crate::log::ReadError;
use protocol::model::Offset;
use uuid::Uuid;

/// Logs "a" and "b" with a record each in one commit, and another of each after it, sealed. Returns the place of that commit.
fn two_logs(node: &Node) -> (Running, u64, u64) {
    let mut running = node.start();
    let (a, b) = (running.create("a"), running.create("b"));
    running.commit();
    append(&a, b"a0");
    append(&b, b"b0");
    running.commit();
    append(&a, b"a1");
    append(&b, b"b1");
    running.seal();
    let (at, commit) = node.commits(0)[1].clone();
    assert_eq!(commit.entries, 2);
    (running, at, u64::from(commit.total_len))
}

fn crash_with_flips(node: &Node, running: Running, places: &[u64]) -> Result<Running, OpenError> {
    drop(running);
    node.disk.crash();
    for place in places {
        node.flip(&node.journal(0), *place);
    }
    node.try_start()
}

fn everything_is_there(running: &Running) {
    assert_eq!(values(&running.log("a")), ["a0", "a1"]);
    assert_eq!(values(&running.log("b")), ["b0", "b1"]);
}

fn reported(running: &Running, what: &str) {
    let found = running
        .report
        .damage
        .iter()
        .any(|bad| bad.what.contains(what));
    assert!(found, "{what}: {:?}", running.report.damage);
}

#[test]
fn a_damaged_commit_header_is_replaced_by_its_copy() {
    let node = node();
    let (running, at, _) = two_logs(&node);
    let running = crash_with_flips(&node, running, &[at + 30]).expect("it starts");
    everything_is_there(&running);
    reported(&running, "header of a commit is damaged");
    assert_eq!(running.report.damage[0].offset, at);
    assert_eq!(running.report.damage[0].path, node.journal(0));
}

#[test]
fn a_damaged_table_is_replaced_by_its_copy() {
    let node = node();
    let (running, at, _) = two_logs(&node);
    let table = at + COMMIT_HEADER as u64 + 8;
    let running = crash_with_flips(&node, running, &[table]).expect("it starts");
    everything_is_there(&running);
    reported(&running, "table of a commit is damaged");
}

#[test]
fn header_and_table_may_be_damaged_at_one_end() {
    let node = node();
    let (running, at, _) = two_logs(&node);
    let table = at + COMMIT_HEADER as u64 + 8;
    let running = crash_with_flips(&node, running, &[at + 30, table]).expect("it starts");
    everything_is_there(&running);
}

#[test]
fn a_damaged_trailer_or_padding_costs_nothing() {
    let node = node();
    let (running, at, len) = two_logs(&node);
    let trailer = at + len - 40;
    let padding = at + len - 600;
    let running = crash_with_flips(&node, running, &[trailer, padding]).expect("it starts");
    everything_is_there(&running);
}

#[test]
fn a_damaged_payload_is_lost_alone_and_stays_lost() {
    let node = node();
    let (running, at, _) = two_logs(&node);
    let payload = at + (COMMIT_HEADER + 2 * TABLE_ENTRY) as u64;
    let mut running = crash_with_flips(&node, running, &[payload + 20]).expect("it starts");
    reported(&running, "payload of a journal entry");
    assert_eq!(running.report.damage[0].offset, payload);
    for round in 0..3 {
        assert_eq!(
            values(&running.log("b")),
            ["b0", "b1"],
            "the other log is whole"
        );
        let a = running.log("a");
        match read_all(&a) {
            (served, Some(ReadError::Damaged(bad))) => {
                assert!(served.is_empty());
                assert_eq!((bad.path, bad.offset), (node.journal(0), payload));
            }
            other => panic!("{other:?}"),
        }
        let (behind, _) = read_from(&a, Offset::new(1));
        assert_eq!(behind[0], (1, b"a1".to_vec()), "what lies behind is served");
        // Its offset is never given to another record.
        let appended = append(&a, b"later");
        assert_eq!(appended.base.get(), 2 + round);
        running.commit();
        running.dir.checkpoint(None).expect("a checkpoint");
        running = node.crash(running);
        assert_eq!(running.log("a").damaged().len(), 1);
    }
}

#[test]
fn damage_at_the_end_of_a_log_keeps_its_offsets() {
    let node = node();
    let mut running = node.start();
    let a = running.create("a");
    running.commit();
    append(&a, b"a0");
    running.commit();
    append(&a, b"a1");
    running.seal();
    let (at, _) = node.commits(0)[2];
    let payload = at + (COMMIT_HEADER + TABLE_ENTRY) as u64;
    let running = crash_with_flips(&node, running, &[payload + 20]).expect("it starts");
    assert_eq!(running.log("a").offsets().end.get(), 2);
    running.dir.checkpoint(None).expect("a checkpoint");
    let mut running = node.crash(running);
    let a = running.log("a");
    assert_eq!(
        a.offsets().end.get(),
        2,
        "a checkpoint does not forget the hole"
    );
    assert_eq!(append(&a, b"a2").base.get(), 2);
    running.commit();
    let running = node.crash(running);
    let (served, error) = read_all(&running.log("a"));
    assert_eq!(served, [(0, b"a0".to_vec())]);
    assert!(matches!(error, Some(ReadError::Damaged(_))));
    assert_eq!(
        read_from(&running.log("a"), Offset::new(2)).0,
        [(2, b"a2".to_vec())]
    );
}

fn refused(node: &Node, expected: &BadBytes) {
    let before = node.image();
    match node.try_start().err() {
        Some(OpenError::Journal(ScanError::Unreadable(bad))) => {
            assert_eq!(
                (&bad.path, bad.offset),
                (&expected.path, expected.offset),
                "{bad}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(node.image(), before, "nothing was changed");
}

#[test]
fn a_commit_without_a_readable_table_refuses_the_start() {
    let node = node();
    let (running, at, len) = two_logs(&node);
    drop(running);
    node.disk.crash();
    node.flip(&node.journal(0), at + 30);
    node.flip(&node.journal(0), at + len - 40);
    refused(
        &node,
        &BadBytes {
            path: node.journal(0),
            offset: at,
            what: "",
        },
    );
}

#[test]
fn damage_below_a_later_file_refuses_the_start_however_old() {
    let node = node();
    let (running, at, len) = two_logs(&node);
    let mut running = node.crash(running);
    append(&running.log("a"), b"a2");
    running.commit();
    drop(running);
    node.disk.crash();
    // The last commit of the first run: its seal. No header knows it durable, but the file after it does.
    let (seal_at, seal) = node.commits(0).last().cloned().expect("the seal");
    assert!(seal_at > at + len && seal.seal);
    node.flip(&node.journal(0), seal_at + 30);
    node.flip(&node.journal(0), seal_at + 4096 - 40);
    refused(
        &node,
        &BadBytes {
            path: node.journal(0),
            offset: seal_at,
            what: "",
        },
    );
}

#[test]
fn one_copy_of_a_file_header_suffices() {
    for (copy, is_reported) in [(0, true), (4096, false)] {
        let node = node();
        let (running, ..) = two_logs(&node);
        let running = crash_with_flips(&node, running, &[copy + 45]).expect("it starts");
        everything_is_there(&running);
        let found = running
            .report
            .damage
            .iter()
            .any(|bad| bad.what.contains("file header"));
        assert_eq!(found, is_reported);
    }
}

#[test]
fn both_copies_of_a_file_header_refuse_the_start() {
    let node = node();
    let (running, ..) = two_logs(&node);
    drop(running);
    node.disk.crash();
    node.flip(&node.journal(0), 45);
    node.flip(&node.journal(0), 4096 + 45);
    refused(
        &node,
        &BadBytes {
            path: node.journal(0),
            offset: 0,
            what: "",
        },
    );
}

#[test]
fn the_newest_file_is_missed_when_its_header_is_gone() {
    let node = node();
    let (running, ..) = two_logs(&node);
    let mut running = node.crash(running);
    append(&running.log("a"), b"acknowledged in the second file");
    running.seal();
    drop(running);
    node.disk.crash();
    let newest = node.newest();
    assert_ne!(newest, 0);
    node.flip(&node.journal(newest), 45);
    node.flip(&node.journal(newest), 4096 + 45);
    refused(
        &node,
        &BadBytes {
            path: node.journal(newest),
            offset: 0,
            what: "",
        },
    );
}

#[test]
fn a_missing_journal_file_refuses_the_start() {
    let node = node();
    let (running, ..) = two_logs(&node);
    let running = node.crash(running);
    running.dir.grow_journal().expect("space");
    running.dir.checkpoint(None).expect("a checkpoint");
    drop(running);
    node.disk.crash();
    for index in 0..3 {
        let away = node.journal(index).with_extension("away");
        node.disk
            .io()
            .rename(&node.journal(index), &away)
            .expect("it is renamed");
        refused(
            &node,
            &BadBytes {
                path: node.journal(index),
                offset: 0,
                what: "",
            },
        );
        node.disk
            .io()
            .rename(&away, &node.journal(index))
            .expect("it is renamed");
    }
    everything_is_there(&node.start());
}

#[test]
fn a_file_of_another_directory_refuses_the_start() {
    let node = node();
    let (running, ..) = two_logs(&node);
    drop(running);
    node.disk.crash();
    let bytes = node.read(&node.journal(0));
    let header = FileHeader::decode(&bytes).expect("a header");
    let mut block = [0; 4096];
    FileHeader {
        directory_id: Uuid::from_u128(99),
        ..header
    }
    .encode(&mut block);
    node.overwrite(&node.journal(0), 0, &block);
    node.overwrite(&node.journal(0), 4096, &block);
    let before = node.image();
    match node.try_start().err() {
        Some(OpenError::Journal(ScanError::Foreign {
            path,
            found,
            expected,
        })) => {
            assert_eq!(path, node.journal(0));
            assert_eq!((found, expected), (Uuid::from_u128(99), Uuid::from_u128(1)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(node.image(), before);
}

#[test]
fn a_damaged_checkpoint_refuses_the_start() {
    let node = node();
    let (running, ..) = two_logs(&node);
    drop(running);
    node.disk.crash();
    let path = std::path::Path::new(ROOT).join("checkpoint");
    node.flip(&path, 20);
    let before = node.image();
    match node.try_start().err() {
        Some(OpenError::Checkpoint { path: found, .. }) => assert_eq!(found, path),
        other => panic!("{other:?}"),
    }
    assert_eq!(node.image(), before);
}

#[test]
fn a_creation_that_is_damaged_is_reported() {
    let node = node();
    let (running, ..) = two_logs(&node);
    let (at, _) = node.commits(0)[0];
    let payload = at + (COMMIT_HEADER + 2 * TABLE_ENTRY) as u64;
    let running = crash_with_flips(&node, running, &[payload + 3]).expect("it starts");
    reported(&running, "creation of a log is unreadable");
    assert_eq!(values(&running.log("b")), ["b0", "b1"]);
}

#[test]
fn a_batch_that_rots_between_replay_and_write_behind_is_lost_alone() {
    let node = node();
    let (running, at, _) = two_logs(&node);
    let mut running = node.crash(running);
    let payload = at + (COMMIT_HEADER + 2 * TABLE_ENTRY) as u64;
    // The base offset: the batch's own checksum does not cover it.
    node.flip(&node.journal(0), payload + 5);
    running
        .dir
        .checkpoint(None)
        .expect("the directory stays online");
    assert_eq!(values(&running.log("b")), ["b0", "b1"]);
    let a = running.log("a");
    assert!(matches!(read_all(&a).1, Some(ReadError::Damaged(_))));
    assert_eq!(read_from(&a, Offset::new(1)).0, [(1, b"a1".to_vec())]);
    append(&a, b"a2");
    running.commit();
    let running = node.crash(running);
    assert_eq!(read_from(&running.log("a"), Offset::new(1)).0.len(), 2);
}

/// As short as a block, it has no room for a commit, and not even for both copies of its header.
#[test]
fn a_newest_file_that_was_cut_to_a_block_does_not_keep_the_broker_from_starting() {
    let node = node();
    let (running, ..) = two_logs(&node);
    running.dir.checkpoint(None).expect("a checkpoint");
    let mut running = node.crash(running);
    running.seal();
    drop(running);
    for round in 0..4 {
        node.disk.crash();
        let newest = node.journal(node.newest());
        let io = node.disk.io();
        let file = io
            .open(&newest, OpenOptions::default())
            .expect("it is there");
        file.set_len(4096).expect("it is cut");
        file.sync().expect("it syncs");
        let mut running = node.start();
        let a = running.log("a");
        append(&a, format!("round {round}").as_bytes());
        for _ in 0..2 {
            running.commit();
            running.dir.checkpoint(None).expect("a checkpoint");
        }
        let written = values(&running.log("a"));
        assert_eq!(written.last(), Some(&format!("round {round}")));
        let running = node.crash(running);
        assert_eq!(values(&running.log("a")), written);
    }
}

/// What an operator does about damaged records: the log begins behind them. The batches before them are still in the segment.
#[test]
fn records_behind_damage_are_served_when_the_log_begins_there() {
    let node = node();
    let mut running = node.start();
    let a = running.create("a");
    running.commit();
    for value in [b"a0", b"a1", b"a2"] {
        append(&a, value);
        running.commit();
    }
    running.seal();
    let (at, _) = node.commits(0)[2];
    let payload = at + (COMMIT_HEADER + TABLE_ENTRY) as u64;
    let mut running = crash_with_flips(&node, running, &[payload + 20]).expect("it starts");
    running.dir.checkpoint(None).expect("a checkpoint");
    let a = running.log("a");
    assert_eq!(a.damaged().len(), 1);
    a.advance_start(Offset::new(2), Arc::new(NobodyWaits))
        .expect("online");
    running.commit();
    for _ in 0..3 {
        assert_eq!(values(&running.log("a")), ["a2"]);
        running.dir.checkpoint(None).expect("a checkpoint");
        running = node.crash(running);
    }
}

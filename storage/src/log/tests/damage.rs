//! Damage in partition files: never served, reported by file and offset, and no business of other logs. Indexes are built again.

use std::path::Path;

use protocol::batch::batches;
use protocol::model::Offset;

use super::{fill, log_path, small_segments};
use crate::fixture::{Node, Running, append, read_all, read_from, values};
use crate::log::ReadError;

fn two_logs(node: &Node) -> Running {
    let mut running = node.start();
    running.create("a");
    running.create("b");
    fill(&mut running, "a", 20);
    fill(&mut running, "b", 20);
    running
}

/// How many batches stand in the first segment.
fn first_segment(running: &Running) -> usize {
    let log = running.log("a");
    read_all(&log).0.len() / log.segment_count()
}

#[test]
fn any_flipped_bit_of_a_segment_is_noticed_and_never_served() {
    let node = small_segments();
    let running = two_logs(&node);
    let whole = values(&running.log("a"));
    let path = log_path("a", 0, "log");
    let len = node.read(&path).len() as u64;
    drop(running);
    // Every byte of the first batch's header, and some of its records and of later batches.
    for at in (0..61).chain((61..len).step_by(97)) {
        node.disk.crash();
        node.flip(&path, at);
        let running = node.start();
        let log = running.log("a");
        let (served, error) = read_all(&log);
        for (offset, value) in &served {
            assert_eq!(value, whole[*offset as usize].as_bytes(), "flip at {at}");
        }
        match error {
            Some(ReadError::Damaged(bad)) => {
                assert_eq!(bad.path, path, "flip at {at}");
                assert!(bad.offset <= at, "flip at {at}: {bad}");
                let size = len / first_segment(&running).max(1) as u64;
                assert!(
                    bad.offset + 3 * size > at || bad.offset == 0,
                    "flip at {at}: {bad}"
                );
            }
            other => panic!("flip at {at}: {other:?}, served {}", served.len()),
        }
        assert_eq!(
            values(&running.log("b")).len(),
            20,
            "the other log is whole"
        );
        let (behind, error) = read_from(&log, Offset::new(10));
        assert!(
            error.is_none() && behind.len() == 10,
            "other segments are whole"
        );
        drop(running);
        node.disk.crash();
        node.flip(&path, at);
    }
    assert_eq!(values(&node.start().log("a")), whole);
}

#[test]
fn batches_before_the_damage_are_served() {
    let node = small_segments();
    let running = two_logs(&node);
    let path = log_path("a", 0, "log");
    let second = node.read(&path).len() as u64 / 4 + 300;
    node.flip(&path, second);
    let (served, error) = read_all(&running.log("a"));
    assert_eq!(served.len(), 1);
    assert!(matches!(error, Some(ReadError::Damaged(_))));
}

#[test]
fn a_closed_segment_that_was_cut_is_a_damaged_range() {
    for keep in [0, 1, 1500, 2900] {
        let node = small_segments();
        let running = two_logs(&node);
        let path = log_path("a", 4, "log");
        drop(running);
        node.disk.crash();
        cut(&node, &path, keep);
        let mut running = node.start();
        for _ in 0..2 {
            let log = running.log("a");
            let (served, error) = read_all(&log);
            assert!((4..8).contains(&served.len()), "{}", served.len());
            assert!(matches!(error, Some(ReadError::Damaged(_))), "{error:?}");
            assert_eq!(read_from(&log, Offset::new(8)).0.len(), 12);
            assert_eq!(log.damaged().len(), 1);
            assert_eq!(log.damaged()[0].bad.path, path);
            running.dir.checkpoint(None).expect("a checkpoint");
            running = node.crash(running);
            let _ = read_all(&running.log("a"));
        }
    }
}

#[test]
fn a_closed_segment_that_is_missing_is_a_damaged_range() {
    for base in [0, 4, 8] {
        let node = small_segments();
        let running = two_logs(&node);
        drop(running);
        node.disk.crash();
        node.disk
            .io()
            .remove_file(&log_path("a", base, "log"))
            .expect("it is there");
        let running = node.start();
        let log = running.log("a");
        let (served, error) = read_all(&log);
        assert_eq!(served.len() as i64, base);
        assert!(matches!(error, Some(ReadError::Damaged(_))), "{error:?}");
        assert_eq!(
            read_from(&log, Offset::new(base + 4)).0.len() as i64,
            20 - base - 4
        );
    }
}

#[test]
fn an_active_segment_shorter_than_its_checkpoint_loses_its_end_alone() {
    for keep in [0, 500, 2000] {
        let node = small_segments();
        let running = two_logs(&node);
        drop(running);
        node.disk.crash();
        let path = log_path("a", 16, "log");
        cut(&node, &path, keep);
        let mut running = node.start();
        let log = running.log("a");
        let appended = append(&log, b"new");
        assert_eq!(
            appended.base.get(),
            20,
            "lost offsets are never given out again"
        );
        running.commit();
        for _ in 0..3 {
            let log = running.log("a");
            let (served, error) = read_all(&log);
            assert!((16..20).contains(&served.len()));
            assert!(matches!(error, Some(ReadError::Damaged(_))), "{error:?}");
            assert_eq!(read_from(&log, Offset::new(20)).0, [(20, b"new".to_vec())]);
            running.dir.checkpoint(None).expect("a checkpoint");
            running = node.crash(running);
        }
    }
}

/// Of the last batch, a bit of the field that says where it ends.
#[test]
fn a_last_batch_that_claims_offsets_beyond_the_end_hides_nothing_that_is_appended() {
    const LAST_OFFSET_DELTA: u64 = 23;
    let node = small_segments();
    let running = two_logs(&node);
    let path = log_path("a", 16, "log");
    let bytes = node.read(&path);
    let last = batches(&bytes).map(|batch| batch.expect("a batch").1.len());
    let last = bytes.len() - last.last().expect("it has some");
    drop(running);
    node.disk.crash();
    node.flip(&path, last as u64 + LAST_OFFSET_DELTA + 2);
    let mut running = node.start();
    assert_eq!(append(&running.log("a"), b"new").base.get(), 20);
    running.commit();
    for _ in 0..3 {
        let log = running.log("a");
        let (served, error) = read_all(&log);
        assert_eq!(served.len(), 19);
        assert!(matches!(error, Some(ReadError::Damaged(_))), "{error:?}");
        assert_eq!(read_from(&log, Offset::new(20)).0, [(20, b"new".to_vec())]);
        running.dir.checkpoint(None).expect("a checkpoint");
        running = node.crash(running);
    }
}

fn cut(node: &Node, path: &Path, len: u64) {
    let file = node
        .disk
        .io()
        .open(path, crate::io::OpenOptions::default())
        .expect("it is there");
    file.set_len(len).expect("it is cut");
    file.sync().expect("it syncs");
}

/// What may happen to an index, and to no other file.
/// A way to harm a file.
type Harm = fn(&Node, &Path);

const INDEX_DAMAGE: [(&str, Harm); 6] = [
    ("flipped", |node, path| node.flip(path, 1)),
    ("flipped at the end", |node, path| {
        node.flip(path, node.read(path).len() as u64 - 1);
    }),
    ("zeroed", |node, path| {
        node.overwrite(path, 0, &vec![0; node.read(path).len()]);
    }),
    ("cut", |node, path| cut(node, path, 13)),
    ("empty", |node, path| cut(node, path, 0)),
    ("missing", |node, path| {
        node.disk.io().remove_file(path).expect("it is there");
    }),
];

#[test]
fn a_damaged_index_is_built_again() {
    for extension in ["index", "timeindex"] {
        for base in [0, 4, 16] {
            for (name, damage) in INDEX_DAMAGE {
                let node = small_segments();
                let running = two_logs(&node);
                let whole = values(&running.log("a"));
                let path = log_path("a", base, extension);
                running.stop();
                node.disk.crash();
                let good = node.read(&path);
                damage(&node, &path);
                let running = node.start();
                let log = running.log("a");
                let context = format!("{extension} of {base} {name}");
                assert_eq!(values(&log), whole, "{context}");
                for offset in 0..20 {
                    assert_eq!(
                        read_from(&log, Offset::new(offset)).0.len() as i64,
                        20 - offset
                    );
                }
                let end = log.offsets().end;
                for number in 0..20 {
                    let found = log
                        .find_timestamp(number * 10 - 5, end)
                        .expect("it is found");
                    assert_eq!(
                        found.map(|found| found.batch_base.get()),
                        Some(number),
                        "{context}"
                    );
                }
                let greatest = log.find_max_timestamp(end).expect("it is found");
                assert_eq!(
                    greatest.map(|found| found.batch_base.get()),
                    Some(19),
                    "{context}"
                );
                running.stop();
                let found = node.read(&path);
                let is_hint = extension == "index" && base < 16;
                assert!(found == good || is_hint, "{context}: {found:?} {good:?}");
            }
        }
    }
}

//! Truncation: at once in memory, in the files only when it is durable, and the same after every crash.

use std::sync::Arc;

use protocol::batch::BatchProducer;
use protocol::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use super::{fill, small_segments};
use crate::fixture::{append_as, append_at, node, read_all, values};
use crate::journal::NobodyWaits;
use crate::log::{Log, Producers};

fn ends(log: &Log) -> (i64, i64, i64) {
    let offsets = log.offsets();
    (
        offsets.written_end.get(),
        offsets.durable_end.get(),
        offsets.end.get(),
    )
}

#[test]
fn what_is_not_durable_yet_is_taken_back() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append_at(&log, 0, 0, &[b"keep"]).expect("it is appended");
    running.commit();
    append_at(&log, 0, 0, &[b"gone"]).expect("it is appended");
    assert_eq!(log.truncate(Offset::new(1)).expect("online").get(), 1);
    assert_eq!(ends(&log), (0, 1, 1));
    append_at(&log, 0, 1, &[b"new", b"new too"]).expect("it is appended");
    running.commit();
    assert_eq!(values(&log), ["keep", "new", "new too"]);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["keep", "new", "new too"]);
}

/// Rule 3: write 1-3, truncate to 1, write 1-2. The old completion must not count for the new bytes.
#[test]
fn an_old_completion_does_not_count_for_new_bytes() {
    let mut node = node();
    node.config.writer.commit_bytes_max = 4096;
    let mut running = node.start();
    let log = running.create("a");
    append_at(&log, 0, 0, &[b"keep"]).expect("it is appended");
    running.commit();
    append_at(&log, 0, 0, &[&[b'o'; 3900]]).expect("it is appended");
    log.truncate(Offset::new(1)).expect("online");
    append_at(&log, 0, 1, &[&[b'n'; 3900]]).expect("it is appended");
    // One commit after the other: first the old bytes complete.
    running.writer.step();
    assert_eq!(ends(&log), (0, 1, 2), "the new record is not durable");
    let crashed = node.crash(running);
    assert_ne!(crashed.log("a").offsets().end.get(), 3);
    for (_, value) in read_all(&crashed.log("a")).0.iter().skip(1) {
        assert_eq!(value[0], b'o', "only what was written is there");
    }
}

#[test]
fn a_batch_is_never_split() {
    for behind in [false, true] {
        let node = node();
        let mut running = node.start();
        let log = running.create("a");
        append_at(&log, 0, 0, &[b"0", b"1"]).expect("it is appended");
        append_at(&log, 0, 0, &[b"2", b"3", b"4"]).expect("it is appended");
        running.commit();
        if behind {
            running.dir.checkpoint(None).expect("a checkpoint");
        }
        assert_eq!(log.truncate(Offset::new(9)).expect("online").get(), 5);
        assert_eq!(log.truncate(Offset::new(4)).expect("online").get(), 2);
        running.commit();
        assert_eq!(values(&log), ["0", "1"]);
    }
}

#[test]
fn files_are_cut_only_when_the_truncation_is_durable() {
    let node = small_segments();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 20);
    let log = running.log("a");
    let files = || {
        let image = node.image();
        image
            .into_iter()
            .filter(|(path, _)| path.starts_with("/data/a-0"))
            .collect::<Vec<_>>()
    };
    let before = files();
    log.truncate(Offset::new(6)).expect("online");
    assert_eq!(ends(&log), (6, 6, 6), "for readers it has happened");
    append_at(&log, 0, 1, &[b"new"]).expect("it is appended");
    running.dir.write_behind(i64::MAX).expect("space");
    running.dir.checkpoint(None).expect("a checkpoint");
    assert_eq!(files(), before, "no file was touched");
    // Not durable: after a crash it has not happened.
    let mut running = node.crash(running);
    assert_eq!(running.log("a").offsets().end.get(), 20);
    assert_eq!(values(&running.log("a")).len(), 20);

    let log = running.log("a");
    log.truncate(Offset::new(6)).expect("online");
    append_at(&log, 0, 1, &[b"new"]).expect("it is appended");
    running.commit();
    assert_eq!(values(&log).len(), 7);
    let running = node.crash(running);
    assert_eq!(
        values(&running.log("a")).len(),
        7,
        "durable, not done to the files"
    );
    running.dir.write_behind(i64::MAX).expect("space");
    assert_eq!(
        values(&running.log("a")).last().map(String::as_str),
        Some("new")
    );
    let running = node.crash(running);
    assert_eq!(
        values(&running.log("a")).len(),
        7,
        "done, not covered by a checkpoint"
    );
    running.dir.checkpoint(None).expect("a checkpoint");
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!(values(&log).len(), 7);
    assert!(log.damaged().is_empty());
    assert_eq!(log.segment_count(), 2);
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch::new(1)));
}

#[test]
fn truncations_add_up() {
    let node = small_segments();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 20);
    let log = running.log("a");
    for (to, epoch) in [(12, 1), (13, 2), (5, 3), (5, 4), (6, 5), (0, 6)] {
        log.truncate(Offset::new(to)).expect("online");
        let end = log.offsets().end.get();
        assert!(end <= to);
        for number in 0..3 {
            let value = format!("{epoch}-{number}");
            append_at(&log, 0, epoch, &[value.as_bytes()]).expect("it is appended");
        }
        running.commit();
        let expected = values(&log);
        assert_eq!(expected.len() as i64, end + 3);
        running.dir.write_behind(i64::MAX).expect("space");
        assert_eq!(values(&log), expected);
    }
    let expected = values(&log);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), expected);
    assert_eq!(expected, ["6-0", "6-1", "6-2"]);
    assert!(running.log("a").damaged().is_empty());
}

#[test]
fn producers_are_those_of_the_new_end() {
    for segmented in [false, true] {
        let node = if segmented { small_segments() } else { node() };
        let mut running = node.start();
        let log = running.create("a");
        let producer = |id, sequence| BatchProducer {
            id: ProducerId::new(id),
            epoch: ProducerEpoch::new(0),
            base_sequence: Some(Sequence::new(sequence)),
        };
        let mut expected = None;
        for number in 0..60 {
            append_as(&log, producer(i64::from(number % 3), number / 3 * 4), 4).expect("next");
            if number == 29 {
                expected = Some(log.producers());
            }
        }
        running.commit();
        if segmented {
            running.dir.checkpoint(None).expect("a checkpoint");
            assert!(log.segment_count() > 1);
        }
        log.truncate(Offset::new(120)).expect("online");
        running.commit();
        let expected = expected.expect("it was noted");
        let check = |found: Producers| {
            for (id, state) in expected.iter() {
                let (_, other) = found.iter().find(|(other, _)| *other == id).expect("known");
                assert_eq!(other.epoch, state.epoch);
                assert_eq!(
                    other.batches.back(),
                    state.batches.back(),
                    "segmented {segmented}"
                );
            }
            assert_eq!(found.iter().len(), 3);
        };
        check(log.producers());
        let crashed = node.crash(running);
        check(crashed.log("a").producers());
        append_as(&crashed.log("a"), producer(0, 40), 4).expect("what follows is accepted");
        let again = append_as(&crashed.log("a"), producer(1, 36), 4).expect("a duplicate");
        assert!(again.duplicate.is_some());
    }
}

/// The files remember the epoch of records that are gone.
#[test]
fn a_log_that_lost_all_its_records_takes_those_of_an_older_leader() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append_at(&log, 0, 5, &[b"0", b"1"]).expect("it is appended");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    log.advance_start(Offset::new(2), Arc::new(NobodyWaits))
        .expect("online");
    append_at(&log, 0, 5, &[b"gone"]).expect("it is appended");
    running.commit();
    log.truncate(Offset::new(2)).expect("online");
    append_at(&log, 0, 4, &[b"2"]).expect("it is appended");
    running.commit();
    for _ in 0..2 {
        running.dir.checkpoint(None).expect("a checkpoint");
        let log = running.log("a");
        assert_eq!(values(&log), ["2"]);
        assert_eq!(log.epoch_at(Offset::new(2)), Some(LeaderEpoch::new(4)));
        running = node.crash(running);
    }
}

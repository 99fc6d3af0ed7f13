//! The end of the journal after a crash: what is cut, and that it stays cut.

use crate::fixture::{Node, Running, append, batch_at, node, values};
use crate::journal::format::{CommitHeader, FIRST_COMMIT};

/// A running directory with a log "a" whose records `a0`, `a1`.. are a commit each.
fn with_commits(node: &Node, count: usize) -> Running {
    let mut running = node.start();
    let log = running.create("a");
    running.commit();
    for number in 0..count {
        append(&log, format!("a{number}").as_bytes());
        running.commit();
    }
    running
}

#[test]
fn a_torn_tail_is_cut_and_everything_before_it_stays() {
    let node = node();
    let running = with_commits(&node, 3);
    let (at, last) = node.commits(0)[3].clone();
    assert!(
        last.durable_through < last.sequence,
        "nobody knew the last commit durable"
    );
    node.flip(&node.journal(0), at + u64::from(last.total_len) / 2);
    node.flip(&node.journal(0), at + 200);
    let running = node.crash(running);
    let cut = running.report.cut.clone().expect("the tail is cut");
    assert_eq!((cut.path, cut.offset), (node.journal(0), at));
    assert!(running.report.suspect, "no seal vouches for the end");
    assert!(running.report.damage.is_empty());
    assert_eq!(values(&running.log("a")), ["a0", "a1"]);
}

#[test]
fn a_torn_commit_takes_the_whole_one_after_it_along() {
    let mut node = node();
    node.config.writer.depth = 2;
    node.config.writer.commit_bytes_max = 4096;
    let mut running = with_commits(&node, 1);
    let log = running.log("a");
    // Too large to share a commit, so that two are in flight at once.
    append(&log, &[b'k'; 3000]);
    append(&log, &[b'l'; 3000]);
    running.commit();
    let commits = node.commits(0);
    let (at, torn) = &commits[2];
    let (_, whole) = &commits[3];
    assert!(
        whole.durable_through < torn.sequence,
        "they were in flight together"
    );
    node.flip(&node.journal(0), at + 1000);
    let mut running = node.crash(running);
    assert_eq!(running.report.cut.clone().map(|cut| cut.offset), Some(*at));
    assert_eq!(values(&running.log("a")), ["a0"]);

    // A new run, another crash: the whole one after the cut is dead.
    append(&running.log("a"), b"new");
    running.commit();
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["a0", "new"]);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["a0", "new"]);
}

#[test]
fn the_dead_stay_dead_when_the_run_that_cut_them_wrote_nothing() {
    let mut node = node();
    node.config.writer.depth = 2;
    node.config.writer.commit_bytes_max = 4096;
    let mut running = with_commits(&node, 1);
    let log = running.log("a");
    append(&log, &[b'k'; 3000]);
    append(&log, &[b'l'; 3000]);
    running.commit();
    let (at, _) = node.commits(0)[2];
    node.flip(&node.journal(0), at + 1000);
    let mut running = running;
    for _ in 0..10 {
        running = node.crash(running);
        assert_eq!(values(&running.log("a")), ["a0"]);
    }
    // Ten starts without a commit used one file between them.
    assert_eq!(running.dir.journal_usage().live, FIRST_COMMIT + (256 << 10));
    append(&running.log("a"), b"new");
    running.commit();
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["a0", "new"]);
}

#[test]
fn an_empty_file_opened_again_does_not_revive_what_was_torn_in_it() {
    let node = node();
    let running = node.start();
    let log = running.create("a");
    running.dir.checkpoint(None).expect("a checkpoint");
    let mut running = node.crash(running);
    drop(log);
    // The first commit of this run's file is damaged before anybody knew it durable.
    append(&running.log("a"), b"lost");
    running.commit();
    let newest = node.newest();
    let (at, _) = node.commits(newest)[0];
    node.flip(&node.journal(newest), at + 150);
    let running = node.crash(running);
    assert!(running.report.cut.is_some());
    assert_eq!(node.newest(), newest, "its file is opened again");
    // The damage heals, as if it had been a bad cable.
    node.flip(&node.journal(newest), at + 150);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), Vec::<String>::new());
}

#[test]
fn a_sealed_end_is_not_suspect() {
    let node = node();
    let mut running = with_commits(&node, 2);
    running.seal();
    let running = node.crash(running);
    assert!(
        running.report.cut.is_some(),
        "only a clean stop knows the end for certain"
    );
    assert!(!running.report.suspect);
    assert_eq!(values(&running.log("a")), ["a0", "a1"]);
}

#[test]
fn a_clean_stop_is_read_without_a_cut() {
    let node = node();
    let running = with_commits(&node, 2);
    running.stop();
    node.disk.crash();
    let running = node.start();
    assert!(running.report.clean);
    assert_eq!(running.report.cut, None);
    assert_eq!(running.report.batches, 0, "everything is in the segments");
    assert_eq!(values(&running.log("a")), ["a0", "a1"]);
}

#[test]
fn a_clean_stop_says_nothing_of_the_run_after_it() {
    let node = node();
    with_commits(&node, 1).stop();
    node.disk.crash();
    let mut running = node.start();
    append(&running.log("a"), b"acknowledged");
    running.seal();
    let newest = node.newest();
    let (at, commit) = node.commits(newest)[0].clone();
    drop(running);
    node.disk.crash();
    node.flip(&node.journal(newest), at);
    node.flip(&node.journal(newest), at + u64::from(commit.total_len) - 1);
    let error = node
        .try_start()
        .err()
        .expect("acknowledged records are unreadable");
    let text = error.to_string();
    assert!(
        text.contains(&format!("{} at byte {at}", node.journal(newest).display())),
        "{text}"
    );
}

#[test]
fn a_clean_stop_of_an_idle_run_is_not_confused_with_the_next_one() {
    let node = node();
    with_commits(&node, 1).stop();
    node.start().stop();
    let mut running = node.start();
    append(&running.log("a"), b"a1");
    running.commit();
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["a0", "a1"]);
}

#[test]
fn records_cannot_forge_a_commit() {
    let node = node();
    let mut running = with_commits(&node, 1);
    // What a producer could know of the format, at every block: a commit that claims that everything is durable.
    let mut forged = vec![0; 40 << 10];
    let header = CommitHeader {
        salt: [0; 16],
        sequence: 1_000_000,
        durable_through: 999_999,
        total_len: 4096,
        ..CommitHeader::default()
    };
    for at in (0..forged.len() - 4096).step_by(32) {
        header.encode(&mut forged[at..at + 96]);
    }
    let log = running.log("a");
    let batch = batch_at(0, &[&forged]);
    let parsed = protocol::batch::BatchHeader::parse(&batch).expect("a batch");
    let epoch = protocol::model::LeaderEpoch::new(0);
    log.append(batch, &parsed, epoch, 0, None)
        .expect("it is appended");
    running.commit();
    let (at, _) = node.commits(0)[2];
    node.flip(&node.journal(0), at + 50);
    node.flip(&node.journal(0), at + 20_000);
    let running = node.crash(running);
    assert_eq!(running.report.cut.clone().map(|cut| cut.offset), Some(at));
    assert_eq!(values(&running.log("a")), ["a0"]);
}

#[test]
fn commits_of_a_former_use_of_the_file_are_nothing() {
    let node = node();
    let mut running = with_commits(&node, 40);
    // Fills files until the first is used again.
    let log = running.log("a");
    let mut uses = 0;
    while uses < 3 {
        append(&log, &[b'x'; 20_000]);
        running.commit();
        if running.dir.journal_usage().live > 200 << 10 {
            running.dir.checkpoint(None).expect("a checkpoint");
            running.dir.grow_journal().expect("space");
            running.dir.grow_journal().expect("space");
            append(&log, &[b'x'; 60_000]);
            running.commit();
            uses += 1;
        }
    }
    let count = log.offsets().durable_end.get();
    let running = node.crash(running);
    assert!(
        running.report.damage.is_empty(),
        "{:?}",
        running.report.damage
    );
    assert_eq!(running.log("a").offsets().durable_end.get(), count);
    assert_eq!(values(&running.log("a")).len() as i64, count);
}

//! Disks that fail: nothing is acknowledged that may be lost, no sync is tried twice, and what was acknowledged is there after a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::model::Offset;

use crate::data_dir::DataDir;
use crate::fixture::{Running, append, node, node_on, read_all, values};
use crate::io::sim::{SimConfig, SimDisk};
use crate::journal::{JournalFault, WriterStep};
use crate::log::{AppendError, Durability, LogListener, ReadError, is_disk_full};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Counts what a log is told.
#[derive(Default)]
struct Told {
    durable: AtomicUsize,
    faults: AtomicUsize,
}

impl LogListener for Told {
    fn on_durable(&self, _: Offset) {
        self.durable.fetch_add(1, Ordering::Relaxed);
    }

    fn on_fault(&self, _: &JournalFault) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }
}

fn count_offline(dir: &Arc<DataDir>) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    dir.set_offline_listener(Box::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    count
}

/// An offline directory: nothing is taken, nothing written, and nothing is held in memory.
fn assert_offline(running: &mut Running, told: &AtomicUsize) {
    let dir = &running.dir;
    assert!(dir.fault().is_some());
    assert_eq!(told.load(Ordering::Relaxed), 1, "it is said once");
    assert!(dir.logs().is_empty());
    assert_eq!(dir.tails().bytes(), 0);
    assert!(dir.write_behind(100_000).is_err());
    assert!(dir.checkpoint(None).is_err());
    assert_eq!(running.writer.step(), WriterStep::Failed);
    assert!((dir.pressure() - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_read_that_fails_is_that_read_alone() {
    let node = node();
    let mut running = node.start();
    let (log, other) = (running.create("a"), running.create("b"));
    append(&log, b"v");
    append(&other, b"w");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    node.disk.fail_next_read("a-0", EIO);
    let (served, error) = read_all(&log);
    assert!(served.is_empty());
    assert!(matches!(error, Some(ReadError::Io(_))), "{error:?}");
    assert!(running.dir.fault().is_none(), "it can still be written");
    assert_eq!(values(&other), ["w"]);
    assert_eq!(values(&log), ["v"], "a sector may come back");
    append(&log, b"more");
    running.commit();
    assert_eq!(log.offsets().durable_end, log.offsets().end);
}

#[test]
fn a_failed_write_to_a_segment_takes_the_directory_offline() {
    let node = node();
    let mut running = node.start();
    let offline = count_offline(&running.dir);
    let log = running.create("a");
    let told = Arc::new(Told::default());
    log.set_listener(Arc::clone(&told) as _);
    append(&log, b"acknowledged");
    running.commit();
    append(&log, b"queued");
    node.disk.fail_next_write(".log", EIO);
    let error = running.dir.write_behind(10_000).expect_err("EIO");
    assert!(!is_disk_full(&error));
    assert_eq!(told.faults.load(Ordering::Relaxed), 1, "who waits is told");
    let refused = crate::fixture::append_at(&log, 0, 0, &[b"late"]);
    assert!(matches!(refused, Err(AppendError::Offline(_))));
    let durable = told.durable.load(Ordering::Relaxed);
    drop(log);
    assert_offline(&mut running, &offline);
    assert_eq!(told.durable.load(Ordering::Relaxed), durable);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["acknowledged"]);
}

#[test]
fn a_sync_that_failed_is_never_tried_again() {
    for (place, errno) in [
        (".log", EIO),
        (".index", ENOSPC),
        ("/data/a-0", EIO),
        ("checkpoint", ENOSPC),
    ] {
        let config = SimConfig {
            trace_len_max: 1000,
            ..SimConfig::default()
        };
        let node = node_on(SimDisk::new(1, config));
        let mut running = node.start();
        let offline = count_offline(&running.dir);
        let log = running.create("a");
        append(&log, b"acknowledged");
        running.commit();
        drop(log);
        node.disk.fail_next_sync(place, errno);
        let error = running.dir.checkpoint(None).expect_err("the sync failed");
        assert!(!is_disk_full(&error), "{place}: never merely a full disk");
        let before = node.disk.mutations();
        assert_offline(&mut running, &offline);
        assert_eq!(
            node.disk.mutations(),
            before,
            "{place}: {:?}",
            node.disk.trace()
        );
        let running = node.crash(running);
        assert_eq!(values(&running.log("a")), ["acknowledged"], "{place}");
    }
}

#[test]
fn a_failed_write_to_the_journal_is_not_acknowledged() {
    for is_write in [true, false] {
        let config = SimConfig {
            direct: is_write,
            ..SimConfig::default()
        };
        let node = node_on(SimDisk::new(1, config));
        let mut running = node.start();
        let offline = count_offline(&running.dir);
        let log = running.create("a");
        append(&log, b"acknowledged");
        running.commit();
        let told = Arc::new(Told::default());
        log.set_listener(Arc::clone(&told) as _);
        append(&log, b"in flight");
        if is_write {
            node.disk.fail_next_write(".journal", EIO);
        } else {
            node.disk.fail_next_sync(".journal", EIO);
        }
        running.commit();
        assert_eq!(told.faults.load(Ordering::Relaxed), 1);
        assert_eq!(told.durable.load(Ordering::Relaxed), 0);
        assert_eq!(log.offsets().durable_end.get(), 1);
        drop(log);
        assert_offline(&mut running, &offline);
        let running = node.crash(running);
        assert_eq!(values(&running.log("a"))[0], "acknowledged");
    }
}

#[test]
fn a_replayed_batch_that_cannot_be_read_any_more_is_not_passed_over() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"acknowledged");
    running.seal();
    drop(log);
    let mut running = node.crash(running);
    let offline = count_offline(&running.dir);
    node.disk.fail_next_read(".journal", EIO);
    running
        .dir
        .write_behind(10_000)
        .expect_err("it was acknowledged");
    assert_offline(&mut running, &offline);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["acknowledged"]);
}

/// They wait for no entry of the journal, and must not be forgotten with the logs.
#[test]
fn who_waits_for_the_page_cache_is_told_as_well() {
    let node = node();
    let mut running = node.start();
    let offline = count_offline(&running.dir);
    let log = running.create_with("a", Durability::Os);
    running.commit();
    let told = Arc::new(Told::default());
    log.set_listener(Arc::clone(&told) as _);
    append(&log, b"waiting");
    running.create("b");
    node.disk.fail_next_write(".journal", EIO);
    running.commit();
    assert_eq!(told.faults.load(Ordering::Relaxed), 1);
    assert_eq!(told.durable.load(Ordering::Relaxed), 0);
    drop(log);
    assert_offline(&mut running, &offline);
}

#[test]
fn a_disk_that_breaks_down_loses_nothing_that_was_acknowledged() {
    let node = node();
    let mut running = node.start();
    let offline = count_offline(&running.dir);
    let log = running.create("a");
    append(&log, b"in a segment");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    append(&log, b"in the journal");
    running.commit();
    append(&log, b"in flight");
    node.disk.set_broken(true);
    running.commit();
    assert_eq!(log.offsets().durable_end.get(), 2);
    drop(log);
    assert_offline(&mut running, &offline);
    drop(running);
    assert!(node.try_start().is_err());
    node.disk.set_broken(false);
    node.disk.crash();
    let running = node.start();
    let found = values(&running.log("a"));
    assert_eq!(found[..2], ["in a segment", "in the journal"]);
}

#[test]
fn a_sync_that_fails_when_a_reader_opens_a_log_takes_the_directory_offline() {
    let mut node = node();
    node.config.unsynced_files_max = 3;
    let mut running = node.start();
    for name in ["a", "b"] {
        append(&running.create(name), b"acknowledged");
    }
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    let mut running = node.crash(running);
    let offline = count_offline(&running.dir);
    assert_eq!(values(&running.log("a")), ["acknowledged"], "three files");
    node.disk.fail_next_sync(".log", EIO);
    let log = running.log("b");
    let (served, error) = read_all(&log);
    assert!(served.is_empty());
    assert!(matches!(error, Some(ReadError::Io(_))), "{error:?}");
    drop(log);
    assert_offline(&mut running, &offline);
    let running = node.crash(running);
    for name in ["a", "b"] {
        assert_eq!(values(&running.log(name)), ["acknowledged"]);
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::batch::{
    BatchBuilder, BatchHeader, BatchProducer, Compression, NewRecord, batches, compress, records_in,
};
use protocol::model::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence};

use super::{CompactError, Compacted, Compaction, Pass};
use crate::fixture::{Node, Running, node};
use crate::io::OpenOptions;
use crate::journal::NobodyWaits;
use crate::log::{Log, LogConfig, TailRead};

const DELETE_RETENTION: i64 = 1_000;

fn compacted() -> Node {
    let mut node = node();
    node.log_config = LogConfig {
        segment_bytes: 2 << 10,
        index_interval_bytes: 200,
        compaction: Some(Compaction {
            min_dirty_ppm: 500_000,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            delete_retention_ms: DELETE_RETENTION,
        }),
        ..LogConfig::default()
    };
    node
}

fn pass_at(now_ms: i64) -> Pass {
    Pass {
        now_ms: Some(now_ms),
        map_bytes_max: 1 << 20,
        hash_key: [3; 16],
    }
}

fn compact(log: &Arc<Log>) -> Option<Compacted> {
    compact_with(log, &pass_at(0))
}

fn compact_with(log: &Arc<Log>, pass: &Pass) -> Option<Compacted> {
    log.compact(pass, &mut |_| true).expect("a pass")
}

/// A key, and its value; none is a tombstone.
type Keyed = (String, Option<String>);

struct Written {
    compression: Compression,
    producer: Option<BatchProducer>,
    epoch: i32,
}

const PLAIN: Written = Written {
    compression: Compression::None,
    producer: None,
    epoch: 0,
};

fn append(running: &mut Running, written: &Written, records: &[Keyed]) {
    let log = running.log("a");
    let mut builder = BatchBuilder::new();
    if let Some(producer) = written.producer {
        builder = builder.producer(producer);
    }
    for (key, value) in records {
        builder.push(&NewRecord {
            timestamp: log.offsets().end.get(),
            key: Some(key.as_bytes()),
            value: value.as_ref().map(String::as_bytes),
            headers: &[("h", Some(b"header"))],
        });
    }
    let plain = builder.build();
    let batch = match written.compression {
        Compression::None => plain,
        compression => compress(&plain, compression, 1 << 20).expect("it is packed"),
    };
    let header = BatchHeader::parse(&batch).expect("a batch");
    let epoch = LeaderEpoch::new(written.epoch);
    log.append(batch, &header, epoch, 0, None)
        .expect("it is appended");
    running.commit();
}

/// As many batches of two records with keys in turn.
fn fill(running: &mut Running, batches: usize, keys: usize) {
    for batch in 0..batches {
        // The journal of a test is small.
        if batch % 20 == 19 {
            settle(running);
        }
        let next = running.log("a").offsets().end.get();
        let record = |offset: i64| {
            let key = format!("k{}", offset % keys as i64);
            (key, Some(format!("{offset}-{}", "x".repeat(60))))
        };
        append(running, &PLAIN, &[record(next), record(next + 1)]);
    }
    settle(running);
}

/// Everything is committed, and covered by a checkpoint.
fn settle(running: &Running) {
    let log = running.log("a");
    log.set_high_watermark(log.offsets().durable_end);
    running.dir.checkpoint(None).expect("a checkpoint");
}

fn started(node: &Node) -> Running {
    let running = node.start();
    while running.dir.grow_journal().expect("space") {}
    running.create("a");
    running
}

/// All records by offset; every offset from the start to the end is in a batch.
fn contents(log: &Log) -> BTreeMap<i64, Keyed> {
    let end = log.offsets().durable_end;
    let (mut at, mut found) = (log.offsets().start, BTreeMap::new());
    let mut scratch = Vec::new();
    while at < end {
        let chunks = match log.read_tail(at, end, 1_000).expect("a tail") {
            TailRead::Batches(chunks) => chunks,
            TailRead::Files => log.read_files(at, end, 1_000).expect("files"),
        };
        for batch in chunks.iter().flat_map(|chunk| batches(chunk)) {
            let (header, bytes) = batch.expect("a batch");
            // While somebody reads, what is before may become one batch with it.
            assert!(header.base_offset <= at, "{log:?} has a gap");
            for record in records_in(bytes, 1 << 20, &mut scratch).expect("records") {
                let record = record.expect("a record");
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
                let key = record.key.map(text).expect("a key");
                assert_eq!(record.headers.count(), 1);
                found.insert(record.offset.get(), (key, record.value.map(text)));
            }
            at = header.end_offset();
        }
    }
    found
}

fn latest(contents: &BTreeMap<i64, Keyed>) -> BTreeMap<String, (i64, Option<String>)> {
    let each = contents.iter();
    each.map(|(offset, (key, value))| (key.clone(), (*offset, value.clone())))
        .collect()
}

/// The base of the active segment: what is before may be compacted.
fn active_base(log: &Log) -> i64 {
    let state = log.state();
    state.segments.last().map_or(0, |it| it.base().get())
}

#[test]
fn of_each_key_the_last_record_stays_where_it_was() {
    let node = compacted();
    let mut running = started(&node);
    fill(&mut running, 60, 7);
    let log = running.log("a");
    let before = contents(&log);
    let segments = log.segment_count();
    assert!(segments > 5);
    let dirtiness = log.dirtiness(Some(0)).expect("a look").expect("dirty");
    assert_eq!((dirtiness.ppm(), dirtiness.clean_bytes), (1_000_000, 0));

    let done = compact(&log).expect("there is something to do");
    let after = contents(&log);
    let active = active_base(&log);
    assert_eq!(done.end.get(), active);
    let kept: BTreeSet<i64> = (active - 7..active).collect();
    for (offset, record) in &before {
        let is_kept = *offset >= active || kept.contains(offset);
        assert_eq!(after.get(offset), is_kept.then_some(record), "{offset}");
    }
    assert_eq!(done.records_removed, (before.len() - after.len()) as u64);
    assert!(log.segment_count() <= segments);

    // Nothing is dirty, and a pass would change nothing.
    let dirtiness = log.dirtiness(Some(0)).expect("a look").expect("clean");
    assert_eq!(dirtiness.dirty_bytes, 0);
    assert_eq!(compact(&log), None);
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!(contents(&log), after);
    assert!(log.damaged().is_empty());
    // After a loss of power it may be looked at once more.
    compact(&log);
    assert_eq!(latest(&contents(&log)), latest(&before));
    let after = contents(&log);
    drop((log, running));
    node.disk.kill();
    let running = node.start();
    let log = running.log("a");
    assert_eq!(compact(&log), None, "how far it is compacted is known");
    assert_eq!(contents(&log), after);
}

#[test]
fn passes_go_on_where_the_last_one_ended_and_leave_alone_what_stays_the_same() {
    let node = compacted();
    let mut running = started(&node);
    // The first segments hold keys that never come again.
    for _ in 0..30 {
        let next = running.log("a").offsets().end.get();
        let record = |offset: i64| (format!("once{offset}"), Some("x".repeat(60)));
        append(&mut running, &PLAIN, &[record(next), record(next + 1)]);
    }
    fill(&mut running, 30, 3);
    let log = running.log("a");
    compact(&log).expect("there is something to do");
    let before = contents(&log);
    fill(&mut running, 30, 3);
    let done = compact(&log).expect("there is something to do");
    assert!(done.segments_replaced < 12, "{done:?}");
    assert!(done.bytes_written < done.bytes_read / 2, "{done:?}");
    // What has become small is one with its neighbours.
    assert!(done.segments_written < done.segments_replaced, "{done:?}");
    let after = contents(&log);
    for (offset, record) in before.range(..60) {
        assert_eq!(after.get(offset), Some(record));
    }
}

#[test]
fn tombstones_stay_for_their_time() {
    let node = compacted();
    let mut running = started(&node);
    let mut records: Vec<Keyed> = vec![("gone".into(), Some("value".into()))];
    records.push(("gone".into(), None));
    append(&mut running, &PLAIN, &records);
    fill(&mut running, 30, 3);
    let log = running.log("a");
    let tombstone = (1, ("gone".to_owned(), None));
    let first = |log: &Log| contents(log).into_iter().next().expect("a record");
    let dirty_again = |running: &mut Running| fill(running, 12, 3);

    // Without a trusted clock nobody knows when its time begins.
    let timeless = Pass {
        now_ms: None,
        ..pass_at(0)
    };
    compact_with(&log, &timeless).expect("there is something to do");
    assert_eq!(first(&log), tombstone, "only the value has gone");
    dirty_again(&mut running);
    compact_with(&log, &pass_at(10)).expect("its time begins");
    assert_eq!(first(&log), tombstone);
    let horizon = horizons(&log);
    assert_eq!(horizon, [10 + DELETE_RETENTION]);
    let running = {
        dirty_again(&mut running);
        compact_with(&log, &pass_at(9 + DELETE_RETENTION)).expect("it is not over");
        assert_eq!(first(&log), tombstone);
        assert_eq!(horizons(&log), horizon, "it does not begin anew");
        let mut running = node.crash(running);
        let log = running.log("a");
        dirty_again(&mut running);
        compact_with(&log, &pass_at(10 + DELETE_RETENTION)).expect("it is over");
        assert_ne!(first(&log), tombstone);
        running
    };
    assert!(!latest(&contents(&running.log("a"))).contains_key("gone"));
}

/// The delete horizons of a log's batches, and that timestamps are right besides.
fn horizons(log: &Log) -> Vec<i64> {
    let end = log.offsets().written_end;
    let (mut at, mut found, mut scratch) = (Offset::ZERO, Vec::new(), Vec::new());
    while at < end {
        for chunk in log.read_files(at, end, 1_000).expect("files") {
            for batch in batches(&chunk) {
                let (header, bytes) = batch.expect("a batch");
                if header.has_delete_horizon() {
                    found.push(header.base_timestamp);
                    let mut records = records_in(bytes, 1 << 20, &mut scratch).expect("records");
                    let first = records.next().expect("a record").expect("a record");
                    assert_eq!(first.timestamp, 0, "as it was appended");
                }
                at = header.end_offset();
            }
        }
    }
    found
}

#[test]
fn memory_is_bounded_and_a_pass_goes_as_far_as_it_reaches() {
    let node = compacted();
    let mut running = started(&node);
    fill(&mut running, 100, 50);
    let log = running.log("a");
    let small = Pass {
        map_bytes_max: 24 * 30,
        ..pass_at(0)
    };
    let mut ends = Vec::new();
    while let Some(done) = compact_with(&log, &small) {
        assert!(done.keys <= 27, "{done:?}");
        ends.push(done.end.get());
        assert!(ends.len() < 100, "{ends:?}");
    }
    assert!(ends.len() > 4 && ends.is_sorted(), "{ends:?}");
    let active = active_base(&log);
    let after = contents(&log);
    let closed: Vec<_> = after.range(..active).map(|(_, (key, _))| key).collect();
    let distinct: BTreeSet<_> = closed.iter().collect();
    assert_eq!(closed.len(), distinct.len());

    let tiny = Pass {
        map_bytes_max: 24 * 2,
        ..pass_at(0)
    };
    fill(&mut running, 40, 50);
    let error = log.compact(&tiny, &mut |_| true).expect_err("too small");
    assert!(matches!(error, CompactError::MapTooSmall(_)) && error.is_final());
}

#[test]
fn only_what_a_durable_checkpoint_has_seen_closed_and_is_committed_is_compacted() {
    let node = compacted();
    let mut running = started(&node);
    fill(&mut running, 5, 3);
    let log = running.log("a");
    // Closed since the checkpoint: a recovery would look for its bytes.
    for _ in 0..40 {
        let record = ("k".to_owned(), Some("x".repeat(60)));
        append(&mut running, &PLAIN, &[record.clone(), record]);
    }
    log.set_high_watermark(log.offsets().durable_end);
    running.dir.write_behind(i64::MAX).expect("space");
    assert!(log.segment_count() > 2);
    assert_eq!(compact(&log), None);
    running.dir.checkpoint(None).expect("a checkpoint");
    log.set_high_watermark(Offset::new(20));
    let done = compact(&log).map_or(0, |done| done.end.get());
    assert!(done <= 20, "{done}");
    settle(&running);
    let done = compact(&log).expect("there is something to do");
    assert_eq!(done.end.get(), active_base(&log));
}

#[test]
fn young_segments_stay_and_old_ones_are_overdue() {
    let mut node = compacted();
    node.log_config.compaction = Some(Compaction {
        min_dirty_ppm: 500_000,
        min_lag_ms: 50,
        max_lag_ms: 200,
        delete_retention_ms: DELETE_RETENTION,
    });
    let mut running = started(&node);
    // The timestamp of a record is the offset of its batch.
    fill(&mut running, 60, 3);
    let log = running.log("a");
    let look = |now_ms| log.dirtiness(now_ms).expect("a look");
    assert_eq!(look(None), None, "nobody knows what is young");
    assert_eq!(look(Some(49)).expect("some").dirty_bytes, 0);
    let some = look(Some(110)).expect("some");
    assert!(some.dirty_bytes > 0 && !some.is_overdue);
    assert!(some.uncleanable_bytes > some.dirty_bytes / 10);
    assert!(!look(Some(200)).expect("some").is_overdue);
    assert!(look(Some(201)).expect("some").is_overdue);
    let done = compact_with(&log, &pass_at(110)).expect("some");
    assert!((40..62).contains(&done.end.get()), "{done:?}");
}

#[test]
fn batches_keep_their_codec_and_their_leader_epoch() {
    let node = compacted();
    let mut running = started(&node);
    let codecs = [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
        Compression::None,
    ];
    for number in 0..200 {
        let written = Written {
            compression: codecs[number % codecs.len()],
            producer: None,
            epoch: i32::try_from(number / 20).expect("small"),
        };
        let record = |key: String| (key, Some(format!("{number}-{}", "x".repeat(100))));
        let records = [
            record(format!("k{}", number % 3)),
            record(format!("own{number}")),
        ];
        append(&mut running, &written, &records);
    }
    settle(&running);
    let log = running.log("a");
    let before = contents(&log);
    compact(&log).expect("there is something to do");
    assert_eq!(latest(&before), latest(&contents(&log)));
    let end = log.offsets().written_end;
    let mut at = Offset::ZERO;
    let mut seen = BTreeSet::new();
    while at < end {
        for chunk in log.read_files(at, end, 1 << 20).expect("files") {
            for batch in batches(&chunk) {
                let (header, _) = batch.expect("a batch");
                let number = usize::try_from(header.base_offset.get() / 2).expect("small");
                let epoch = i32::try_from(number / 20).expect("small");
                assert_eq!(header.partition_leader_epoch, Some(LeaderEpoch::new(epoch)));
                if header.record_count > 0 {
                    assert_eq!(header.compression(), codecs[number % codecs.len()]);
                    seen.insert(number % codecs.len());
                }
                at = header.end_offset();
            }
        }
    }
    assert_eq!(seen.len(), codecs.len());
}

#[test]
fn the_last_sequence_of_a_producer_stays_though_its_records_go() {
    let node = compacted();
    let mut running = started(&node);
    for sequence in 0..3 {
        let producer = BatchProducer {
            id: ProducerId::new(7),
            epoch: ProducerEpoch::new(1),
            base_sequence: Some(Sequence::new(sequence)),
        };
        let written = Written {
            producer: Some(producer),
            ..PLAIN
        };
        append(&mut running, &written, &[("k0".into(), Some("v".into()))]);
    }
    fill(&mut running, 40, 3);
    let log = running.log("a");
    compact(&log).expect("there is something to do");
    assert!(!contents(&log).contains_key(&2));
    let chunk = log.read_files(Offset::ZERO, log.offsets().end, 1 << 20);
    let chunk = chunk.expect("files").remove(0);
    let of_producer: Vec<BatchHeader> = batches(&chunk)
        .map(|batch| batch.expect("a batch").0)
        .filter(|header| header.producer.is_some())
        .collect();
    let [only] = &of_producer[..] else {
        panic!("{of_producer:?}");
    };
    assert_eq!((only.base_offset.get(), only.record_count), (2, 0));
    let sequence = only.last_sequence().expect("a sequence");
    assert_eq!(sequence, Sequence::new(2));
    // And as long as it writes nothing else it stays.
    fill(&mut running, 40, 3);
    compact(&log).expect("there is something to do");
    let chunk = log.read_files(Offset::ZERO, log.offsets().end, 1 << 20);
    let chunk = chunk.expect("files").remove(0);
    let is_its =
        |batch: Result<(BatchHeader, &[u8]), _>| batch.expect("a batch").0.producer.is_some();
    assert_eq!(
        batches(&chunk)
            .filter(|batch| is_its(batch.clone()))
            .count(),
        1
    );
}

#[test]
fn damage_is_left_as_it_is() {
    let node = compacted();
    let mut running = started(&node);
    fill(&mut running, 60, 3);
    let log = running.log("a");
    let path = crate::log::tests::log_path("a", 0, "log");
    node.flip(&path, 300);
    let image = node.read(&path);
    let error = log.compact(&pass_at(0), &mut |_| true).expect_err("damage");
    assert!(error.is_final(), "{error}");
    assert_eq!(node.read(&path), image);
    assert!(
        node.image()
            .keys()
            .all(|name| !name.to_string_lossy().ends_with("cleaned"))
    );
}

#[test]
fn a_pass_that_is_stopped_leaves_a_whole_log() {
    for steps in 0..60 {
        let node = compacted();
        let mut running = started(&node);
        fill(&mut running, 40, 5);
        let log = running.log("a");
        let before = contents(&log);
        let mut left = steps;
        let stopped = log.compact(&pass_at(0), &mut |_| {
            left -= 1;
            left >= 0
        });
        match stopped {
            Ok(done) => assert!(done.is_some()),
            Err(error) => assert!(matches!(error, CompactError::Stopped)),
        }
        assert_eq!(latest(&contents(&log)), latest(&before));
        let running = node.crash(running);
        let log = running.log("a");
        assert_eq!(latest(&contents(&log)), latest(&before));
        let left_over = |name: &std::path::PathBuf| name.to_string_lossy().ends_with("cleaned");
        assert!(!node.image().keys().any(left_over), "after it was opened");
    }
}

#[test]
fn a_crash_at_any_moment_of_a_pass_loses_no_key() {
    let mut swapped = 0;
    for (steps, is_power) in (0..150).flat_map(|steps| [(steps, true), (steps, false)]) {
        let node = compacted();
        let mut running = started(&node);
        append(&mut running, &PLAIN, &[("gone".into(), Some("x".into()))]);
        append(&mut running, &PLAIN, &[("gone".into(), None)]);
        fill(&mut running, 40, 5);
        let log = running.log("a");
        compact_with(&log, &pass_at(0)).expect("the tombstone gets its time");
        fill(&mut running, 40, 5);
        let before = contents(&log);
        match is_power {
            true => node.disk.crash_after(steps),
            false => node.disk.kill_after(steps),
        }
        let outcome = log.compact(&pass_at(DELETE_RETENTION), &mut |_| true);
        assert!(outcome.is_err() || !node.disk.is_down());
        drop((log, running));
        match node.disk.is_down() {
            true => node.disk.restart(),
            false => node.disk.crash(),
        }
        let mut running = node.start();
        let log = running.log("a");
        let mut expected = latest(&before);
        let after = contents(&log);
        assert!(log.damaged().is_empty(), "{steps} {:?}", log.damaged());
        let found = latest(&after);
        swapped += u64::from(after.len() < before.len());
        // It may have gone by now; what it deleted must not be back.
        if !found.contains_key("gone") {
            expected.remove("gone");
        }
        assert_eq!(found, expected, "after {steps} operations");
        fill(&mut running, 20, 5);
        let later = latest(&contents(&log));
        compact_with(&log, &pass_at(DELETE_RETENTION));
        let mut compacted = latest(&contents(&log));
        compacted.entry("gone".into()).or_insert((1, None));
        let mut expected = later;
        expected.entry("gone".into()).or_insert((1, None));
        assert_eq!(compacted, expected);
    }
    assert!(swapped > 20, "{swapped}");
}

/// That a segment was removed after another one took its place may not be durable, for any of them.
#[test]
fn a_segment_that_comes_back_after_it_was_replaced_is_removed_again() {
    let node = compacted();
    let mut running = started(&node);
    fill(&mut running, 60, 3);
    compact(&running.log("a")).expect("segments become small");
    fill(&mut running, 12, 3);
    let before = node.image();
    let log = running.log("a");
    let done = compact(&log).expect("they become one");
    assert!(
        done.segments_replaced > done.segments_written + 2,
        "{done:?}"
    );
    let expected = contents(&log);
    running.dir.checkpoint(None).expect("a checkpoint");
    drop((log, running));
    node.disk.crash();
    let after = node.image();
    let is_log = |path: &std::path::Path| path.extension().is_some_and(|it| it == "log");
    let gone: Vec<_> = before
        .iter()
        .filter(|(path, _)| is_log(path) && !after.contains_key(*path))
        .collect();
    assert!(gone.len() > 2);
    for (path, bytes) in gone {
        let options = OpenOptions {
            create: true,
            ..OpenOptions::default()
        };
        let file = node.disk.io().open(path, options).expect("it opens");
        file.write_all_at(&[bytes], 0).expect("it takes bytes");
        file.sync().expect("it syncs");
        node.disk
            .io()
            .sync_dir(path.parent().expect("a directory"))
            .expect("it syncs");
        let running = node.start();
        let log = running.log("a");
        assert_eq!(contents(&log), expected, "{}", path.display());
        assert!(log.damaged().is_empty());
        assert!(!node.disk.io().exists(path).expect("a look"));
        drop((log, running));
        node.disk.kill();
    }
}

/// A checkpoint does not sync what lies before the start: after a crash it may be longer than it was when it was closed.
#[test]
fn a_segment_before_the_start_takes_nothing_for_its_own() {
    let node = compacted();
    let mut running = started(&node);
    fill(&mut running, 60, 3);
    let log = running.log("a");
    let bases: Vec<Offset> = log.state().segments.iter().map(|it| it.base()).collect();
    log.set_high_watermark(log.offsets().durable_end);
    log.advance_start(bases[1], Arc::new(NobodyWaits))
        .expect("it advances");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    let expected = contents(&log);
    let dir = log.dir.clone();
    drop((log, running));
    node.disk.crash();
    let image = node.image();
    let path = |base| dir.join(crate::log::segment::file_name(base, "log"));
    let [first, second] = [&image[&path(bases[0])], &image[&path(bases[1])]];
    node.overwrite(
        &path(bases[0]),
        first.len() as u64,
        &second[..second.len() / 2],
    );
    let running = node.start();
    let log = running.log("a");
    assert_eq!(contents(&log), expected);
    assert!(log.damaged().is_empty());
}

#[test]
fn a_log_that_was_cut_behind_what_is_compacted_is_compacted_anew() {
    let node = compacted();
    let mut running = started(&node);
    fill(&mut running, 60, 3);
    let log = running.log("a");
    let end = compact(&log).expect("there is something to do").end;
    // An unclean election.
    let to = Offset::new(end.get() - 20);
    log.truncate(to).expect("it is cut");
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    fill(&mut running, 60, 3);
    let running = node.crash(running);
    let log = running.log("a");
    let dirtiness = log.dirtiness(Some(0)).expect("a look").expect("dirty");
    assert_eq!(dirtiness.clean_bytes, 0);
}

#[test]
fn who_reads_while_segments_are_replaced_finds_what_there_is() {
    let node = compacted();
    let mut running = started(&node);
    fill(&mut running, 200, 5);
    let log = running.log("a");
    let expected = latest(&contents(&log));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (log, stop, expected) = (Arc::clone(&log), Arc::clone(&stop), expected.clone());
            std::thread::spawn(move || {
                let mut reads = 0;
                loop {
                    assert_eq!(latest(&contents(&log)), expected);
                    log.find_timestamp(20, log.offsets().end).expect("a look");
                    reads += 1;
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        return reads;
                    }
                }
            })
        })
        .collect();
    let small = Pass {
        map_bytes_max: 24 * 20,
        ..pass_at(0)
    };
    while compact_with(&log, &small).is_some() {}
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().expect("no panic") > 0);
    }
}

//! Everything at once on a real file system, under both engines: appenders, readers, deletions, write-behind, checkpoints, restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use protocol::model::{BrokerId, Offset, PartitionIndex, TopicId, TopicIdPartition, Uuid};

use crate::data_dir::{DataDir, DataDirConfig, Identity, Workers};
use crate::fixture::{NoObserver, append, node, read_all, read_from, values};
use crate::io::{EngineChoice, Io, open_engine};
use crate::log::{Durability, Log, LogConfig};

const APPENDERS: usize = 3;
const LOGS: u128 = 40;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 64 << 10,
        index_interval_bytes: 1000,
        ..LogConfig::default()
    }
}

fn open(engine: EngineChoice, path: &std::path::Path) -> (Arc<DataDir>, Workers) {
    let io = open_engine(engine).expect("the engine works here").io;
    let mut bounds = node().config;
    bounds.journal_file_bytes = 4 << 20;
    bounds.journal_first_file_bytes = 1 << 20;
    bounds.journal_files = 4;
    bounds.writer.depth = 4;
    bounds.tail_bytes_max = 512 << 10;
    bounds.write_behind_ms = 50;
    bounds.open_files_max = 30;
    bounds.unsynced_files_max = 30;
    open_on(io, path, bounds)
}

/// A directory on a real file system, with its threads.
pub(super) fn open_on(
    io: Arc<dyn Io>,
    path: &std::path::Path,
    mut bounds: DataDirConfig,
) -> (Arc<DataDir>, Workers) {
    bounds.writer.salt = Arc::new(|| *Uuid::new_v4().as_bytes());
    let identity = Identity {
        cluster_id: None,
        node_id: BrokerId::new(1),
        new_directory_id: Uuid::from_u128(1),
        new_cluster_id: Uuid::from_u128(2),
    };
    let (dir, report) = DataDir::open(
        io,
        path,
        &identity,
        bounds,
        &|_| config(),
        Arc::new(NoObserver),
        now_ms(),
    )
    .expect("it opens");
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    let workers = Workers::start(Arc::clone(&dir), Arc::new(now_ms)).expect("threads");
    (dir, workers)
}

fn now_ms() -> i64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as i64
}

pub(super) fn partition(number: u128) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::new(Uuid::from_u128(number + 1)).expect("an id"),
        partition: PartitionIndex::new(0),
    }
}

fn value_of(log: &Log, offset: i64) -> Vec<u8> {
    let mut value = format!("{}@{offset}:", log.topic()).into_bytes();
    value.resize(
        value.len() + usize::try_from(offset * 37 % 3000).unwrap_or(0),
        b'x',
    );
    value
}

fn check(log: &Log, from: Offset) -> usize {
    let (found, error) = read_from(log, from);
    assert!(error.is_none(), "{log:?}: {error:?}");
    for (offset, value) in &found {
        assert_eq!(*value, value_of(log, *offset), "{log:?} at {offset}");
    }
    found.len()
}

pub(super) fn wait_durable(log: &Log, end: Offset) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while log.offsets().durable_end < end {
        assert!(
            Instant::now() < deadline,
            "{log:?}: {end} is not durable after a minute"
        );
        std::thread::yield_now();
    }
}

fn everything_at_once(engine: EngineChoice) {
    let temporary = tempfile::tempdir().expect("a directory");
    let path = temporary.path().join("data");
    let (dir, workers) = open(engine, &path);
    for number in 0..LOGS {
        dir.create_log(
            partition(number),
            &format!("t{number}"),
            Durability::Fsync,
            config(),
        )
        .expect("online");
    }
    let (stop, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let appenders: Vec<_> = (0..APPENDERS)
            .map(|appender| {
                let dir = &dir;
                scope.spawn(move || {
                    for round in 0..3000 {
                        // Each log has one appender, so that offsets are known before the append.
                        let number = (round * 7 % LOGS / 3 * 3 + appender as u128) % LOGS;
                        if number % 3 != appender as u128 {
                            continue;
                        }
                        let log = dir.log(partition(number)).expect("it is there");
                        let offset = log.offsets().end.get();
                        let appended = append(&log, &value_of(&log, offset));
                        assert_eq!(appended.base.get(), offset);
                        if round % 50 == 0 {
                            wait_durable(&log, appended.end);
                        }
                    }
                })
            })
            .collect();
        for reader in 0..2 {
            let (dir, stop, reads) = (&dir, &stop, &reads);
            scope.spawn(move || {
                let mut number = reader;
                while !stop.load(Ordering::Relaxed) {
                    number = (number + 7) % LOGS;
                    let log = dir.log(partition(number)).expect("it is there");
                    let end = log.offsets().durable_end.get();
                    reads.fetch_add(check(&log, Offset::new(end / 2)), Ordering::Relaxed);
                    log.find_max_timestamp(log.offsets().durable_end)
                        .expect("sound");
                }
            });
        }
        let (dir, stop) = (&dir, &stop);
        scope.spawn(move || {
            let mut made = LOGS;
            while !stop.load(Ordering::Relaxed) {
                made += 1;
                // One name for all of them: files of one must never pass for another's.
                let log = dir
                    .create_log(partition(made), "again", Durability::Fsync, config())
                    .expect("online");
                for _ in 0..20 {
                    let end = append(&log, &value_of(&log, log.offsets().end.get())).end;
                    wait_durable(&log, end);
                }
                dir.checkpoint(None).expect("space");
                assert_eq!(check(&log, Offset::ZERO), 20);
                dir.drop_log(partition(made)).expect("online");
                let (_, error) = read_all(&log);
                assert!(error.is_some(), "a deleted log is not read");
            }
        });
        for appender in appenders {
            appender.join().expect("no assertion failed");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 0);
    let ends: Vec<Offset> = dir.logs().iter().map(|log| log.offsets().end).collect();
    workers.stop().expect("a clean stop");
    drop(dir);

    let (dir, workers) = open(engine, &path);
    assert_eq!(dir.logs().len() as u128, LOGS);
    for (log, end) in dir.logs().iter().zip(ends) {
        assert_eq!(log.offsets().durable_end, end);
        assert_eq!(check(log, Offset::ZERO) as i64, end.get());
    }
    let log = dir.logs().remove(0);
    let before = values(&log).len();
    let end = append(&log, &value_of(&log, before as i64)).end;
    wait_durable(&log, end);
    workers.stop().expect("a clean stop");
}

#[test]
fn everything_at_once_with_threads() {
    everything_at_once(EngineChoice::Threads);
}

#[test]
fn everything_at_once_with_the_ring() {
    if open_engine(EngineChoice::Uring).is_err() {
        eprintln!("io_uring is not available here: not tested");
        return;
    }
    everything_at_once(EngineChoice::Uring);
}

//! The task, with both engines on a real disk: what becomes durable, the seal, the end, and a runtime that goes away.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use protocol::batch::{BatchBuilder, BatchHeader, NewRecord};
use protocol::model::{LeaderEpoch, Offset, PartitionIndex, TopicId, TopicIdPartition, Uuid};
use storage::data_dir::{DataDir, RecoveryReport, Workers};
use storage::io::{EngineChoice, open_engine};
use storage::journal::{JournalFault, JournalObserver};
use storage::log::{Durability, Log, LogConfig, LogListener};
use tokio::runtime::{Builder, Runtime};

use crate::testing::open_small;

/// A test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The engines of this machine.
fn engines() -> impl Iterator<Item = EngineChoice> {
    let all = [EngineChoice::Threads, EngineChoice::Uring];
    all.into_iter()
        .filter(|engine| open_engine(*engine).is_ok())
}

/// Sends the entries of each commit.
struct Commits(Sender<u64>);

impl JournalObserver for Commits {
    fn on_commit(&self, _: u64, entries: u64, _: u64) {
        // Nobody listens any more when a directory is stopped.
        let _ = self.0.send(entries);
    }
}

/// Sends what is durable.
struct Durable(Sender<Offset>);

impl LogListener for Durable {
    fn on_durable(&self, durable_end: Offset) {
        let _ = self.0.send(durable_end);
    }

    fn on_fault(&self, _: &JournalFault) {}
}

/// A directory whose journal is a task of a runtime.
struct Running {
    runtime: Runtime,
    data_dir: Arc<DataDir>,
    workers: Workers,
    report: RecoveryReport,
    commits: Receiver<u64>,
}

fn start(path: &Path, engine: EngineChoice) -> Running {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (committed, commits) = channel();
    let (data_dir, report) = open_small(path, engine, Arc::new(Commits(committed)));
    let started = Workers::start_with(Arc::clone(&data_dir), Arc::new(|| 0), |writer| {
        super::spawn(writer, runtime.handle())
    });
    Running {
        runtime,
        data_dir,
        workers: started.expect("threads"),
        report,
        commits,
    }
}

const PARTITION: PartitionIndex = PartitionIndex::new(0);

fn create_log(data_dir: &DataDir) -> (Arc<Log>, Receiver<Offset>) {
    let partition = TopicIdPartition {
        topic_id: TopicId::new(Uuid::from_u128(7)).expect("an id"),
        partition: PARTITION,
    };
    let log = data_dir
        .create_log(partition, "t", Durability::Fsync, LogConfig::default())
        .expect("online");
    let (heard, durable) = channel();
    log.set_listener(Arc::new(Durable(heard)));
    (log, durable)
}

fn append(log: &Arc<Log>) {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord {
        value: Some(b"v"),
        ..NewRecord::default()
    });
    let batch = builder.build();
    let header = BatchHeader::parse(&batch).expect("a batch");
    log.append(batch, &header, LeaderEpoch::new(0), 0, None)
        .expect("it is appended");
}

fn await_end(durable: &Receiver<Offset>, end: i64) {
    while durable.recv_timeout(PATIENCE).expect("it becomes durable") < Offset::new(end) {}
}

#[test]
fn what_is_appended_becomes_durable_and_nothing_is_replayed_after_a_stop() {
    for engine in engines() {
        let directory = tempfile::tempdir().expect("a directory");
        let running = start(directory.path(), engine);
        let (log, durable) = create_log(&running.data_dir);
        for round in 0..50 {
            (0..10).for_each(|_| append(&log));
            await_end(&durable, (round + 1) * 10);
        }
        running.workers.stop().expect("a clean stop");
        drop((log, running.data_dir, running.runtime));

        let again = start(directory.path(), engine);
        assert!(
            again.report.clean && again.report.batches == 0,
            "{engine:?}: {:?}",
            again.report
        );
        let logs = again.data_dir.logs();
        assert_eq!(logs[0].offsets().durable_end, Offset::new(500));
        again.workers.stop().expect("a clean stop");
    }
}

#[test]
fn an_idle_journal_is_sealed_by_itself() {
    for engine in engines() {
        let directory = tempfile::tempdir().expect("a directory");
        let running = start(directory.path(), engine);
        let (log, durable) = create_log(&running.data_dir);
        for round in 0..2 {
            append(&log);
            await_end(&durable, round + 1);
            let mut commits = std::iter::from_fn(|| running.commits.recv_timeout(PATIENCE).ok());
            assert!(commits.any(|entries| entries == 0), "{engine:?}: no seal");
        }
        running.workers.stop().expect("a clean stop");
    }
}

#[test]
fn a_journal_whose_runtime_goes_away_has_no_end_and_loses_nothing() {
    for engine in engines() {
        let directory = tempfile::tempdir().expect("a directory");
        let running = start(directory.path(), engine);
        let (log, durable) = create_log(&running.data_dir);
        append(&log);
        await_end(&durable, 1);
        drop(running.runtime);
        running
            .workers
            .stop()
            .expect_err("nobody can say where the journal ends");
        drop((log, running.data_dir));

        let again = start(directory.path(), engine);
        let logs = again.data_dir.logs();
        assert_eq!(logs[0].offsets().durable_end, Offset::new(1));
        again.workers.stop().expect("a clean stop");
    }
}

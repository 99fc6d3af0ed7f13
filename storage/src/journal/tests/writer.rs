//! The writer: files in turn, growth, stalls, seals, failures, and the order of acknowledgements.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use protocol::model::Offset;
use uuid::Uuid;

use crate::fixture::{NoObserver, append, append_at, node, values};
use crate::io::{Io, IoCompletion, IoOp, IoQueue};
use crate::journal::files::FILE_BYTES_MIN;
use crate::journal::{
    DurableListener, Entry, EntryKind, JournalFault, JournalFiles, JournalPosition, JournalQueue,
    JournalWriter, LogId, RunStart, Turn, WriterConfig, WriterStep, WriterWait,
};
use crate::log::{AppendError, LogListener};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[test]
fn files_are_used_in_turn_as_checkpoints_release_them() {
    let node = node();
    let mut running = node.start();
    while running.dir.grow_journal().expect("space") {}
    let log = running.create("a");
    let mut generations = std::collections::BTreeSet::new();
    for _ in 0..60 {
        append(&log, &[b'x'; 30_000]);
        running.commit();
        generations.insert(node.newest());
        running.dir.checkpoint(None).expect("a checkpoint");
    }
    assert_eq!(
        generations.len(),
        3,
        "every file had its turn: {generations:?}"
    );
    assert_eq!(log.offsets().durable_end.get(), 60);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 60);
}

#[test]
fn a_full_journal_stalls_and_goes_on_after_a_checkpoint() {
    let node = node();
    let mut running = node.start();
    while running.dir.grow_journal().expect("space") {}
    let log = running.create("a");
    let mut appended = 0;
    loop {
        append(&log, &[b'x'; 30_000]);
        appended += 1;
        let mut step = running.writer.step();
        while step == WriterStep::Progress {
            step = running.writer.step();
        }
        if step == WriterStep::Stalled {
            break;
        }
    }
    assert!(running.dir.pressure() >= 1.0);
    assert!(
        log.offsets().durable_end.get() < appended,
        "what waits is not acknowledged"
    );
    assert!(running.dir.checkpoint(None).expect("a checkpoint") > 0);
    running.commit();
    assert_eq!(log.offsets().durable_end.get(), appended);
    assert!(running.dir.pressure() < 1.0);
    let running = node.crash(running);
    assert_eq!(running.log("a").offsets().durable_end.get(), appended);
}

#[test]
fn a_stalled_journal_can_be_started_again() {
    let node = node();
    let mut running = node.start();
    while running.dir.grow_journal().expect("space") {}
    let log = running.create("a");
    while running.writer.step() != WriterStep::Stalled {
        append(&log, &[b'x'; 30_000]);
    }
    let durable = log.offsets().durable_end;
    // The disk takes nothing: not a new file, not a segment.
    drop(running);
    node.disk.crash();
    node.disk.set_capacity(0);
    let running = node.start();
    assert!(running.log("a").offsets().durable_end >= durable);
    assert_eq!(
        values(&running.log("a")).len() as i64,
        running.log("a").offsets().end.get()
    );
    let full = running.dir.checkpoint(None).expect_err("there is no space");
    assert!(crate::log::is_disk_full(&full), "{full}");
    assert!(running.dir.is_full() && running.dir.fault().is_none());
    node.disk.set_capacity(u64::MAX);
    running.dir.checkpoint(None).expect("space again");
    assert!(!running.dir.is_full());
}

#[test]
fn growth_makes_the_set_complete_and_small_files_large() {
    let mut node = node();
    node.config.journal_first_file_bytes = 64 << 10;
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    while running.dir.grow_journal().expect("space") {}
    let sizes = |node: &crate::fixture::Node| {
        (0..3)
            .map(|index| node.read(&node.journal(index)).len())
            .collect::<Vec<_>>()
    };
    assert_eq!(sizes(&node), [64 << 10, 256 << 10, 256 << 10]);
    // Leave the small one, and it grows.
    append(&log, &[b'x'; 60_000]);
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    while running.dir.grow_journal().expect("space") {}
    assert_eq!(sizes(&node), [256 << 10; 3]);
}

#[test]
fn a_file_that_cannot_be_made_leaves_nothing_behind() {
    let node = node();
    let running = node.start();
    node.disk.fail_next_write("0001", ENOSPC);
    assert!(running.dir.grow_journal().is_err());
    assert!(
        !node
            .image()
            .keys()
            .any(|path| path.extension().is_some_and(|name| name == "new"))
    );
    assert!(running.dir.fault().is_none());
    assert!(running.dir.grow_journal().expect("space again"));
}

#[test]
fn an_unfinished_file_of_a_crash_is_removed() {
    let node = node();
    drop(node.start());
    let path = node.journal(1).with_extension("new");
    let options = crate::io::OpenOptions {
        create: true,
        ..Default::default()
    };
    let file = node.disk.io().open(&path, options).expect("it opens");
    file.write_all_at(&[&[0; 4096]], 0).expect("space");
    drop(file);
    node.disk.kill();
    drop(node.start());
    assert!(!node.image().contains_key(&path));
}

#[test]
fn an_idle_journal_is_sealed_once() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    assert!(!running.writer.is_sealed());
    running.seal();
    let commits = node.commits(0);
    let seal = &commits.last().expect("the seal").1;
    assert!(seal.seal && seal.entries == 0);
    assert_eq!(
        seal.durable_through,
        seal.sequence - 1,
        "the seal knows everything before it"
    );
    running.seal();
    assert_eq!(node.commits(0).len(), commits.len());
}

#[test]
fn a_seal_that_has_no_room_opens_the_next_file() {
    let node = node();
    let mut running = node.start();
    while running.dir.grow_journal().expect("space") {}
    let log = running.create("a");
    running.commit();
    // Commits of a block each, until the file is full to its last.
    let capacity = 256 << 10;
    while running.dir.journal_usage().live < capacity {
        append(&log, b"v");
        running.commit();
    }
    running.seal();
    assert_ne!(node.newest(), 0);
    let running = node.crash(running);
    assert!(!running.report.suspect);
}

#[derive(Default)]
struct Heard {
    durable: Mutex<Vec<i64>>,
    faults: Mutex<usize>,
}

impl LogListener for Heard {
    fn on_durable(&self, durable_end: Offset) {
        self.durable.lock().push(durable_end.get());
    }

    fn on_fault(&self, _: &JournalFault) {
        *self.faults.lock() += 1;
    }
}

#[test]
fn a_failed_journal_write_acknowledges_nothing_and_takes_the_directory_offline() {
    for errno in [EIO, ENOSPC] {
        let node = node();
        let mut running = node.start();
        let log = running.create("a");
        append(&log, b"good");
        running.commit();
        let heard = Arc::new(Heard::default());
        log.set_listener(Arc::clone(&heard) as _);
        append(&log, b"in the commit that fails");
        node.disk.fail_next_write("journal", errno);
        running.commit();
        assert_eq!(running.writer.step(), WriterStep::Failed);
        assert_eq!(log.offsets().durable_end.get(), 1);
        assert!(heard.durable.lock().is_empty());
        assert_eq!(*heard.faults.lock(), 1, "who waits is told");
        let refused = append_at(&log, 0, 0, &[b"later"]);
        assert!(
            matches!(refused, Err(AppendError::Offline(_))),
            "{refused:?}"
        );
        assert!(running.dir.fault().is_some());
        assert!(running.dir.pressure() >= 1.0);
        assert!(
            running.dir.checkpoint(None).is_err(),
            "nothing is written any more"
        );
        assert!(running.writer.finish().is_none());
        let running = node.crash(running);
        let found = values(&running.log("a"));
        assert_eq!(found[0], "good");
        assert!(found.len() <= 2);
    }
}

#[test]
fn a_failed_sync_of_a_segment_is_never_repeated() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append(&log, b"v");
    running.commit();
    node.disk.fail_next_sync(".log", ENOSPC);
    assert!(running.dir.checkpoint(None).is_err());
    assert!(
        running.dir.fault().is_some(),
        "not even when the disk was merely full"
    );
    let mutations = node.disk.mutations();
    assert!(running.dir.checkpoint(None).is_err());
    assert!(running.dir.write_behind(i64::MAX).is_err());
    assert_eq!(
        running.writer.step(),
        WriterStep::Failed,
        "the writer hears of it"
    );
    assert!(running.writer.finish().is_none());
    assert_eq!(node.disk.mutations(), mutations, "nothing was written");
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")), ["v"]);
}

#[test]
fn a_full_disk_is_waited_out_when_written_behind() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    for _ in 0..10 {
        append(&log, &[b'x'; 10_000]);
    }
    running.commit();
    for errno in [ENOSPC, ENOSPC, ENOSPC] {
        for place in [".log", ".index", "partition", "checkpoint"] {
            node.disk.fail_next_write(place, errno);
            let failed = running
                .dir
                .write_behind(i64::MAX)
                .and_then(|_| running.dir.checkpoint(None));
            if let Err(error) = failed {
                assert!(crate::log::is_disk_full(&error), "{error}");
            }
            node.disk.clear_faults();
        }
    }
    assert!(running.dir.fault().is_none());
    running.dir.checkpoint(None).expect("space");
    assert!(!running.dir.is_full());
    assert_eq!(values(&log).len(), 10);
    let running = node.crash(running);
    assert_eq!(values(&running.log("a")).len(), 10);
}

#[test]
fn an_entry_may_fill_a_file() {
    let node = node();
    let mut running = node.start();
    while running.dir.grow_journal().expect("space") {}
    let log = running.create("a");
    append(&log, b"small");
    running.commit();
    let max = running.dir.batch_bytes_max();
    let value = vec![b'x'; max - 100];
    append(&log, &value);
    running.commit();
    let too_large = append_at(&log, 0, 0, &[&vec![b'x'; max]]);
    assert!(
        matches!(too_large, Err(AppendError::TooLarge { .. })),
        "{too_large:?}"
    );
    let running = node.crash(running);
    let found = values(&running.log("a"));
    assert_eq!((found.len(), found[1].len()), (2, value.len()));
}

/// Completes the newest operation first.
struct Backwards {
    inner: Box<dyn IoQueue>,
    waiting: VecDeque<IoOp>,
}

impl IoQueue for Backwards {
    fn submit(&mut self, op: IoOp) {
        self.waiting.push_front(op);
    }

    fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    fn wait(&mut self, min: usize, completions: &mut Vec<IoCompletion>) -> io::Result<()> {
        for _ in 0..min.max(1) {
            let Some(op) = self.waiting.pop_front() else {
                return Ok(());
            };
            self.inner.submit(op);
            self.inner.wait(1, completions)?;
        }
        Ok(())
    }

    fn share(&mut self) -> io::Result<Option<OwnedFd>> {
        self.inner.share()
    }
}

#[derive(Default)]
struct Positions(Mutex<Vec<u64>>);

impl DurableListener for Positions {
    fn on_durable(&self, position: JournalPosition) {
        self.0.lock().push(position.0);
    }

    fn on_fault(&self, _: &JournalFault) {}
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A writer on a queue, and the queue.
fn writer_on(
    files: JournalFiles,
    io: Box<dyn IoQueue>,
    config: WriterConfig,
) -> (Arc<JournalQueue>, JournalWriter) {
    let queue = Arc::new(JournalQueue::new(JournalPosition(0), 4096));
    let writer = JournalWriter::start(
        Arc::clone(&queue),
        Arc::new(files),
        io,
        Arc::new(NoObserver),
        config,
        Uuid::from_u128(1),
        RunStart {
            run: 1,
            generation: 1,
            sequence: 1,
            ..RunStart::default()
        },
    )
    .expect("it starts");
    (queue, writer)
}

/// One small file.
fn one_file(io: &Arc<dyn Io>) -> JournalFiles {
    let dir = Path::new("/journal");
    io.create_dir_all(dir).expect("space");
    JournalFiles::make_first(io.as_ref(), dir, FILE_BYTES_MIN + (64 << 10)).expect("space");
    let free = crate::journal::files::open(io.as_ref(), dir, 0).expect("it is there");
    JournalFiles::new(
        Arc::clone(io),
        dir,
        64 << 10,
        1,
        VecDeque::new(),
        vec![free],
        None,
    )
}

fn entry() -> Entry {
    Entry {
        kind: EntryKind::Append,
        log_id: LogId(0),
        leader_epoch: None,
        offset: Offset::ZERO,
        end: Offset::ZERO,
        payload: vec![1; 3000].into(),
    }
}

/// Turns until there is something to wait for, or the end.
fn turns(writer: &mut JournalWriter) -> Turn {
    loop {
        match writer.turn() {
            // The disk of the simulation completes when it likes.
            Turn::Again | Turn::Wait(WriterWait::Completion) => {}
            turn => return turn,
        }
    }
}

#[test]
fn a_task_is_woken_once_when_it_has_to_look_again() {
    let node = node();
    let io = node.disk.io();
    let config = node.config.writer.clone();
    let ring = io.queue(1).expect("a queue");
    let (queue, mut writer) = writer_on(one_file(&io), ring, config);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let heard = Arc::new(Positions::default());

    assert_eq!(turns(&mut writer), Turn::Wait(WriterWait::Entry));
    assert!(writer.poll_wake(&mut cx, WriterWait::Entry).is_pending());
    for _ in 0..3 {
        queue
            .push(entry(), Arc::clone(&heard) as _)
            .expect("online");
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert!(writer.poll_wake(&mut cx, WriterWait::Entry).is_ready());
    assert_eq!(turns(&mut writer), Turn::Wait(WriterWait::Entry));
    assert_eq!(*heard.0.lock(), [2], "one commit");

    // An entry that comes between a turn and the wait after it.
    queue
        .push(entry(), Arc::clone(&heard) as _)
        .expect("online");
    assert_eq!(
        writer.poll_wake(&mut cx, WriterWait::Completion),
        Poll::Ready(())
    );
    // Without a file only a wake counts.
    assert!(writer.poll_wake(&mut cx, WriterWait::File).is_pending());
    queue.wake();
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    assert!(writer.poll_wake(&mut cx, WriterWait::File).is_ready());

    assert_eq!(turns(&mut writer), Turn::Wait(WriterWait::Entry));
    assert!(!writer.is_sealed());
    queue.close();
    assert!(writer.poll_wake(&mut cx, WriterWait::Entry).is_ready());
    // It goes on to the end by itself, when what is in flight has completed.
    assert!(
        writer
            .poll_wake(&mut cx, WriterWait::Completion)
            .is_pending()
    );
    let Turn::Ended(Some(end)) = turns(&mut writer) else {
        panic!("what is closed ends");
    };
    assert!(writer.is_sealed());
    // Two commits with entries, and the seal.
    assert_eq!((end.generation, end.sequence), (1, 3));
    assert_eq!(*heard.0.lock(), [2, 3]);
}

#[test]
fn a_journal_whose_files_are_full_ends_without_an_end() {
    let node = node();
    let io = node.disk.io();
    let config = node.config.writer.clone();
    let ring = io.queue(1).expect("a queue");
    let (queue, mut writer) = writer_on(one_file(&io), ring, config);
    let heard = Arc::new(Positions::default());
    while turns(&mut writer) != Turn::Wait(WriterWait::File) {
        queue
            .push(entry(), Arc::clone(&heard) as _)
            .expect("online");
    }
    queue.close();
    assert_eq!(turns(&mut writer), Turn::Ended(None));
}

#[test]
fn commits_that_complete_out_of_order_are_acknowledged_in_order() {
    let node = node();
    let io = node.disk.io();
    let backwards = Backwards {
        inner: io.queue(1).expect("a queue"),
        waiting: VecDeque::new(),
    };
    let mut config = node.config.writer.clone();
    config.depth = 4;
    config.commit_bytes_max = 4096;
    let (queue, mut writer) = writer_on(one_file(&io), Box::new(backwards), config);
    let heard = Arc::new(Positions::default());
    for _ in 0..4 {
        queue
            .push(entry(), Arc::clone(&heard) as _)
            .expect("online");
    }
    // Four commits in flight; the last three to be submitted complete first.
    for expected in [0, 0, 0, 4] {
        writer.step();
        assert_eq!(heard.0.lock().len(), expected);
    }
    assert_eq!(*heard.0.lock(), [0, 1, 2, 3]);
    assert_eq!(writer.step(), WriterStep::Idle);
}

//! One suite over every engine of the seam: the ring, the threads and the simulated disk, each with
//! direct durable files and with buffered ones.

use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use storage::io::sim::{SimConfig, SimDisk};
use storage::io::{
    AlignedBuf, BLOCK, DirectIo, EngineChoice, Io, IoCompletion, IoFile, IoOp, IoOpKind, IoQueue,
    OpenOptions, open_engine_with,
};
use tempfile::TempDir;

const CREATE: OpenOptions = OpenOptions {
    create: true,
    create_new: false,
    truncate: false,
    read_only: false,
    durable: false,
};
const DURABLE: OpenOptions = OpenOptions {
    durable: true,
    ..CREATE
};
const EXISTING: OpenOptions = OpenOptions {
    create: false,
    ..CREATE
};
const READ_ONLY: OpenOptions = OpenOptions {
    read_only: true,
    ..EXISTING
};

struct Env {
    io: Arc<dyn Io>,
    dir: PathBuf,
    direct: DirectIo,
    _temporary: Option<TempDir>,
}

impl Env {
    /// `None` where the kernel or a container forbids the ring. Under `CI=true` that is a failure.
    fn real(choice: EngineChoice, direct: DirectIo, parent: Option<&str>) -> Option<Env> {
        let engine = match open_engine_with(choice, direct) {
            Ok(engine) => engine,
            Err(error) => {
                assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}");
                eprintln!("not run: {error}");
                return None;
            }
        };
        assert_eq!(engine.fallback_reason, None);
        let temporary = match parent {
            Some(parent) => TempDir::new_in(parent),
            None => TempDir::new(),
        };
        let temporary = temporary.expect("a temporary directory");
        let dir = temporary.path().to_owned();
        Some(Env {
            io: engine.io,
            dir,
            direct,
            _temporary: Some(temporary),
        })
    }

    fn simulated(direct: DirectIo) -> Option<Env> {
        let config = SimConfig {
            direct: direct == DirectIo::Probe,
            ..SimConfig::default()
        };
        let io = SimDisk::new(1, config).io();
        io.create_dir_all(Path::new("/data")).expect("create");
        Some(Env {
            io,
            dir: PathBuf::from("/data"),
            direct,
            _temporary: None,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn open(&self, name: &str, options: OpenOptions) -> Arc<dyn IoFile> {
        self.io.open(&self.path(name), options).expect("open")
    }

    fn open_error(&self, name: &str, options: OpenOptions) -> ErrorKind {
        self.io
            .open(&self.path(name), options)
            .expect_err("refused")
            .kind()
    }

    fn names(&self) -> Vec<String> {
        let entries = self.io.read_dir(&self.dir).expect("read_dir");
        entries.into_iter().map(|entry| entry.name).collect()
    }
}

use DirectIo::{Never, Probe};
use EngineChoice::{Threads, Uring};

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        suite!(@ uring, Env::real(Uring, Probe, None), $($case),*);
        suite!(@ uring_buffered, Env::real(Uring, Never, None), $($case),*);
        suite!(@ uring_tmpfs, Env::real(Uring, Probe, Some("/dev/shm")), $($case),*);
        suite!(@ threads, Env::real(Threads, Probe, None), $($case),*);
        suite!(@ threads_buffered, Env::real(Threads, Never, None), $($case),*);
        suite!(@ threads_tmpfs, Env::real(Threads, Probe, Some("/dev/shm")), $($case),*);
        suite!(@ sim, Env::simulated(Probe), $($case),*);
        suite!(@ sim_buffered, Env::simulated(Never), $($case),*);
    };
    (@ $engine:ident, $env:expr, $($case:ident),*) => {
        mod $engine {
            use super::*;
            $(#[test] fn $case() {
                if let Some(env) = $env {
                    super::$case(&env);
                }
            })*
        }
    };
}

suite!(
    opening,
    read_write_extend,
    vectored_writes_of_many_pieces,
    reads_without_blocking,
    what_is_cached,
    locks,
    durable_writes_at_depth,
    queue_reads_across_the_end,
    waiting_for_nothing_starts_operations,
    a_queue_moves_between_threads,
    a_shared_queue_tells_of_completions,
    names_and_directories,
    operations_report_their_errors,
    misuse_is_asserted,
    dropping_waits_for_what_is_in_flight,
    space_and_hints,
    allocated_space_is_taken,
);

fn pattern(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| ((i / 7 + i) ^ (seed * 131)) as u8)
        .collect()
}

fn aligned(bytes: &[u8]) -> AlignedBuf {
    let mut buf = AlignedBuf::with_capacity(bytes.len());
    buf.extend_from_slice(bytes);
    buf
}

fn write_op(token: u64, file: &Arc<dyn IoFile>, offset: u64, bytes: &[u8]) -> IoOp {
    let kind = IoOpKind::WriteDurable;
    IoOp {
        token,
        kind,
        file: Arc::clone(file),
        offset,
        buf: aligned(bytes),
    }
}

fn read_op(token: u64, file: &Arc<dyn IoFile>, offset: u64, capacity: usize) -> IoOp {
    let buf = AlignedBuf::with_capacity(capacity);
    IoOp {
        token,
        kind: IoOpKind::Read,
        file: Arc::clone(file),
        offset,
        buf,
    }
}

fn run(queue: &mut dyn IoQueue, op: IoOp) -> IoCompletion {
    assert_eq!(queue.in_flight(), 0);
    queue.submit(op);
    assert_eq!(queue.in_flight(), 1);
    let mut completions = Vec::new();
    queue.wait(1, &mut completions).expect("wait");
    assert_eq!((completions.len(), queue.in_flight()), (1, 0));
    completions.pop().expect("counted")
}

fn contents(file: &Arc<dyn IoFile>) -> Vec<u8> {
    let mut bytes = vec![0; file.len().expect("len") as usize + 10];
    let read = file.read_at(&mut bytes, 0).expect("read");
    bytes.truncate(read);
    bytes
}

fn opening(env: &Env) {
    assert_eq!(env.open_error("missing", EXISTING), ErrorKind::NotFound);
    assert_eq!(env.open_error("missing", READ_ONLY), ErrorKind::NotFound);
    assert_eq!(env.open_error("missing/file", CREATE), ErrorKind::NotFound);
    assert_eq!(env.open_error("", READ_ONLY), ErrorKind::IsADirectory);

    let new = OpenOptions {
        create_new: true,
        ..EXISTING
    };
    let file = env.open("file", new);
    assert_eq!(file.path(), env.path("file"));
    assert!(file.is_empty().expect("len"));
    assert_eq!(env.open_error("file", new), ErrorKind::AlreadyExists);
    assert_eq!(
        env.open_error("file/below", CREATE),
        ErrorKind::NotADirectory
    );

    file.write_all_at(&[b"kept"], 0).expect("write");
    assert_eq!(contents(&env.open("file", CREATE)), b"kept");
    let reader = env.open("file", READ_ONLY);
    assert_eq!(contents(&reader), b"kept");
    assert!(reader.write_all_at(&[b"no"], 0).is_err());
    assert!(!reader.is_direct());
    env.open(
        "file",
        OpenOptions {
            truncate: true,
            ..EXISTING
        },
    );
    assert_eq!(reader.len().expect("len"), 0);

    let durable = env.open("durable", DURABLE);
    assert!(env.direct == Probe || !durable.is_direct());
    assert!(
        !env.names().iter().any(|name| name.contains("probe")),
        "the probe leaves nothing"
    );
}

fn read_write_extend(env: &Env) {
    let file = env.open("file", CREATE);
    file.write_all_at(&[b"hello ", b"", b"world"], 0)
        .expect("write");
    file.write_all_at(&[b"far"], 10_000).expect("write");
    assert_eq!(file.len().expect("len"), 10_003);
    let all = contents(&file);
    assert_eq!(&all[..11], b"hello world");
    assert!(
        all[11..10_000].iter().all(|byte| *byte == 0),
        "a hole reads as zeros"
    );
    assert_eq!(&all[10_000..], b"far");

    let mut buf = [1; 8];
    assert_eq!(file.read_at(&mut buf, 9_998).expect("read"), 5);
    assert_eq!(&buf, b"\0\0far\x01\x01\x01");
    assert_eq!(file.read_at(&mut buf, 10_003).expect("read"), 0);
    assert_eq!(file.read_at(&mut buf, 1 << 40).expect("read"), 0);
    assert_eq!(file.read_at(&mut [], 0).expect("read"), 0);

    file.set_len(5).expect("cut");
    assert_eq!(contents(&file), b"hello");
    file.set_len(8).expect("extend");
    assert_eq!(contents(&file), b"hello\0\0\0");
    file.write_all_at(&[], 0).expect("nothing");
    file.sync().expect("sync");
    file.sync().expect("sync");
}

fn vectored_writes_of_many_pieces(env: &Env) {
    let file = env.open("file", CREATE);
    let bytes = pattern(3, 5_000);
    let pieces: Vec<&[u8]> = bytes.chunks(2).collect();
    assert!(pieces.len() > 2 * 1024, "more than one call can take");
    file.write_all_at(&pieces, 77).expect("write");
    assert_eq!(&contents(&file)[77..], bytes);
}

fn reads_without_blocking(env: &Env) {
    let file = env.open("file", CREATE);
    let bytes = pattern(4, 20_000);
    file.write_all_at(&[&bytes], 0).expect("write");
    for offset in [0, 1, 19_990, 20_000, 30_000] {
        let mut buf = [0; 100];
        if let Some(read) = file.try_read_at(&mut buf, offset as u64).expect("read") {
            let start = bytes.len().min(offset);
            let expected = &bytes[start..bytes.len().min(offset + 100)];
            assert_eq!(&buf[..read], expected);
        }
    }
}

/// Linux has `cachestat` since 6.5.
fn can_tell_what_is_cached() -> bool {
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    let mut numbers = release
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(5))
}

fn what_is_cached(env: &Env) {
    let file = env.open("file", CREATE);
    let len = 5 * BLOCK as u64;
    file.write_all_at(&[&pattern(4, 5 * BLOCK)], 0)
        .expect("write");
    let Some(fd) = file.as_fd() else {
        return;
    };
    let can_tell = can_tell_what_is_cached();
    assert_eq!(file.is_cached(0, len), can_tell);
    assert_eq!(file.is_cached(1, len - 2), can_tell);
    assert!(!file.is_cached(0, 0));
    assert!(!file.is_cached(0, len + 1), "beyond the end");
    assert!(!file.is_cached(u64::MAX, 1));
    if env.dir.starts_with("/dev/shm") {
        return;
    }
    file.sync().expect("sync");
    let advice = rustix::fs::Advice::DontNeed;
    rustix::fs::fadvise(fd, 0, None, advice).expect("advice");
    assert!(!file.is_cached(0, len));
    assert!(!file.is_cached(BLOCK as u64, 1));
    file.read_at(&mut vec![0; 5 * BLOCK], 0).expect("read");
    assert_eq!(file.is_cached(0, len), can_tell);
}

fn locks(env: &Env) {
    for options in [CREATE, DURABLE] {
        let first = env.open("lock", options);
        let second = env.open("lock", options);
        assert!(first.try_lock().expect("lock"));
        assert!(
            !second.try_lock().expect("lock"),
            "held by another open file description"
        );
        assert!(first.try_lock().expect("lock"), "already held by this one");
        drop(first);
        assert!(second.try_lock().expect("lock"));
    }
}

fn durable_writes_at_depth(env: &Env) {
    const DEPTH: usize = 8;
    const WRITES: u64 = 120;
    let file = env.open("journal", DURABLE);
    let mut queue = env.io.queue(DEPTH).expect("queue");
    let mut expected = Vec::new();
    let mut returned = Vec::new();
    let mut completions = Vec::new();
    for token in 0..WRITES {
        let blocks = [1, 2, 3, 16, 33, 64][token as usize % 6];
        let bytes = pattern(token, blocks * BLOCK);
        while queue.in_flight() == DEPTH {
            queue.wait(1, &mut completions).expect("wait");
        }
        queue.submit(write_op(token, &file, expected.len() as u64, &bytes));
        queue.wait(0, &mut completions).expect("wait");
        expected.extend_from_slice(&bytes);
        returned.extend(completions.drain(..).map(|completion| {
            completion.result.expect("written");
            assert_eq!(
                completion.buf.as_slice()[..BLOCK],
                pattern(completion.token, BLOCK)
            );
            completion.token
        }));
    }
    let left = queue.in_flight();
    queue.wait(left, &mut completions).expect("wait");
    returned.extend(completions.drain(..).map(|completion| completion.token));
    returned.sort_unstable();
    assert_eq!(returned, (0..WRITES).collect::<Vec<_>>());

    assert!(contents(&file) == expected, "through the file");
    let whole = run(&mut *queue, read_op(0, &file, 0, expected.len()));
    whole.result.expect("read");
    assert!(whole.buf.as_slice() == expected, "through the queue");
    assert!(
        contents(&env.open("journal", READ_ONLY)) == expected,
        "through another descriptor"
    );

    // Over what is there already, as the journal does it.
    let bytes = pattern(500, 2 * BLOCK);
    run(&mut *queue, write_op(1, &file, BLOCK as u64, &bytes))
        .result
        .expect("written");
    expected[BLOCK..3 * BLOCK].copy_from_slice(&bytes);
    assert!(contents(&file) == expected);
}

fn queue_reads_across_the_end(env: &Env) {
    let bytes = pattern(9, 3 * BLOCK + 100);
    for options in [CREATE, DURABLE] {
        let file = env.open("file", options);
        file.write_all_at(&[&bytes], 0).expect("write");
        let mut queue = env.io.queue(4).expect("queue");
        let ends = [(0, 4), (0, 64), (1, 1), (2, 8), (3, 1), (4, 1), (400, 2)];
        for (block, blocks) in ends {
            let start = bytes.len().min(block * BLOCK);
            let end = bytes.len().min((block + blocks) * BLOCK);
            let op = read_op(1, &file, (block * BLOCK) as u64, blocks * BLOCK);
            let completion = run(&mut *queue, op);
            completion.result.expect("read");
            assert_eq!(
                completion.buf.as_slice(),
                &bytes[start..end],
                "{block} {blocks}"
            );
        }
        let completion = run(&mut *queue, read_op(1, &file, 4_097, BLOCK));
        completion.result.expect("reads may start anywhere");
        assert_eq!(completion.buf.as_slice(), &bytes[4_097..4_097 + BLOCK]);
    }
}

fn waiting_for_nothing_starts_operations(env: &Env) {
    let file = env.open("file", DURABLE);
    let mut queue = env.io.queue(2).expect("queue");
    let mut completions = Vec::new();
    queue
        .wait(0, &mut completions)
        .expect("nothing to wait for");
    queue.submit(write_op(1, &file, 0, &pattern(1, BLOCK)));
    let give_up = Instant::now() + Duration::from_secs(20);
    while completions.is_empty() {
        assert!(
            Instant::now() < give_up,
            "wait(0) did not start or did not reap the operation"
        );
        queue.wait(0, &mut completions).expect("wait");
        thread::yield_now();
    }
    assert_eq!(queue.in_flight(), 0);
    assert_eq!(contents(&file), pattern(1, BLOCK));
}

fn a_queue_moves_between_threads(env: &Env) {
    let file = env.open("file", DURABLE);
    let mut queue = env.io.queue(2).expect("queue");
    for round in 0..3 {
        let op = write_op(round, &file, 0, &pattern(round, BLOCK));
        queue = thread::spawn(move || {
            run(&mut *queue, op).result.expect("written");
            queue
        })
        .join()
        .expect("no panic");
        assert_eq!(contents(&file), pattern(round, BLOCK));
    }
}

/// An epoll that watches for edges of one descriptor.
fn edges(of: &OwnedFd) -> OwnedFd {
    let watcher = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&watcher, of, epoll::EventData::new_u64(0), flags).expect("it can be watched");
    watcher
}

/// Waits for an edge. False when there is none for long.
fn await_edge(watcher: &OwnedFd) -> bool {
    let limit = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let mut events = [MaybeUninit::uninit(); 1];
    loop {
        match epoll::wait(watcher, &mut events, Some(&limit)) {
            Ok((events, _)) => return !events.is_empty(),
            Err(Errno::INTR) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn a_shared_queue_tells_of_completions(env: &Env) {
    let file = env.open("file", DURABLE);
    let mut queue = env.io.queue(2).expect("queue");
    let op = write_op(0, &file, 0, &pattern(0, BLOCK));
    run(&mut *queue, op).result.expect("by one thread first");
    let told = queue.share().expect("nothing is in flight");
    let mut watcher = told.as_ref().map(edges);
    for round in 1..50 {
        queue.submit(write_op(round, &file, 0, &pattern(round, BLOCK)));
        let mut completions = Vec::new();
        queue.wait(0, &mut completions).expect("submitted");
        // Another thread takes what this one submitted and does not wait for.
        let taker = thread::spawn(move || {
            while completions.is_empty() {
                if let Some(watcher) = &watcher {
                    assert!(await_edge(watcher), "round {round}: nothing tells");
                }
                queue.wait(0, &mut completions).expect("taken");
            }
            (queue, watcher, completions)
        });
        let completions;
        (queue, watcher, completions) = taker.join().expect("no panic");
        assert_eq!(completions[0].token, round);
        assert_eq!((completions.len(), queue.in_flight()), (1, 0));
        assert_eq!(contents(&file), pattern(round, BLOCK));
    }
}

fn names_and_directories(env: &Env) {
    let io = &env.io;
    env.open("b", CREATE)
        .write_all_at(&[b"12345"], 0)
        .expect("write");
    env.open("a", CREATE)
        .write_all_at(&[b"1"], 0)
        .expect("write");
    io.create_dir_all(&env.path("c/d")).expect("create");
    io.create_dir_all(&env.path("c/d")).expect("it is there");
    env.open("c/d/deep", CREATE)
        .write_all_at(&[b"deep"], 0)
        .expect("write");
    let entries = io.read_dir(&env.dir).expect("read_dir");
    let entries: Vec<_> = entries
        .iter()
        .map(|e| (e.name.as_str(), e.is_dir, e.len))
        .collect();
    assert_eq!(entries, [("a", false, 1), ("b", false, 5), ("c", true, 0)]);

    io.rename(&env.path("a"), &env.path("b")).expect("replaces");
    assert_eq!(contents(&env.open("b", EXISTING)), b"1");
    io.rename(&env.path("c/d"), &env.path("e"))
        .expect("a directory");
    assert_eq!(contents(&env.open("e/deep", EXISTING)), b"deep");
    assert_eq!(env.names(), ["b", "c", "e"]);
    for dir in ["", "c", "e"] {
        io.sync_dir(&env.path(dir)).expect("sync_dir");
    }
    assert!(io.exists(&env.path("e/deep")).expect("exists"));
    assert!(!io.exists(&env.path("c/d/deep")).expect("exists"));

    let open = env.open("b", EXISTING);
    io.remove_file(&env.path("b")).expect("remove");
    assert_eq!(contents(&open), b"1", "an open file outlives its name");
    assert_eq!(env.open_error("b", EXISTING), ErrorKind::NotFound);
    io.remove_dir_all(&env.path("e")).expect("remove");
    assert_eq!(env.names(), ["c"]);

    let kind = |outcome: io::Result<()>| outcome.expect_err("refused").kind();
    assert_eq!(
        kind(io.rename(&env.path("x"), &env.path("y"))),
        ErrorKind::NotFound
    );
    assert_eq!(kind(io.remove_file(&env.path("x"))), ErrorKind::NotFound);
    assert_eq!(kind(io.remove_dir_all(&env.path("x"))), ErrorKind::NotFound);
    assert_eq!(kind(io.sync_dir(&env.path("x"))), ErrorKind::NotFound);
    assert_eq!(
        kind(io.read_dir(&env.path("x")).map(drop)),
        ErrorKind::NotFound
    );
    env.open("f", CREATE);
    assert_eq!(
        kind(io.rename(&env.path("f"), &env.path("c"))),
        ErrorKind::IsADirectory
    );
    assert_eq!(
        kind(io.rename(&env.path("c"), &env.path("f"))),
        ErrorKind::NotADirectory
    );
    assert_eq!(
        kind(io.rename(&env.path("c"), &env.path("c/c"))),
        ErrorKind::InvalidInput
    );
    assert_eq!(kind(io.sync_dir(&env.path("f"))), ErrorKind::NotADirectory);
}

fn operations_report_their_errors(env: &Env) {
    let (refused, name, options) = if env.io.engine() == "sim" {
        let read_only = OpenOptions {
            durable: true,
            ..READ_ONLY
        };
        env.open("read-only", CREATE);
        (None, env.path("read-only"), read_only)
    } else {
        (
            Some(ErrorKind::StorageFull),
            PathBuf::from("/dev/full"),
            EXISTING,
        )
    };
    let file = env.io.open(&name, options).expect("open");
    let mut queue = env.io.queue(2).expect("queue");
    let bytes = pattern(2, BLOCK);
    let completion = run(&mut *queue, write_op(5, &file, 0, &bytes));
    let error = completion.result.expect_err("cannot be written");
    if let Some(refused) = refused {
        assert_eq!(error.kind(), refused);
    }
    assert_eq!(
        (completion.token, completion.buf.as_slice()),
        (5, &bytes[..])
    );

    let good = env.open("good", DURABLE);
    run(&mut *queue, write_op(6, &good, 0, &bytes))
        .result
        .expect("the queue goes on");
}

fn misuse_is_asserted(env: &Env) {
    let file = env.open("file", DURABLE);
    let mut queue = env.io.queue(1).expect("queue");
    let mut refused = |op: IoOp| {
        let outcome = catch_unwind(AssertUnwindSafe(|| queue.submit(op)));
        assert!(outcome.is_err(), "not asserted");
    };
    refused(write_op(1, &file, 512, &pattern(1, BLOCK)));
    refused(write_op(1, &file, 0, &pattern(1, BLOCK + 512)));
    refused(write_op(1, &file, 0, &[]));
    assert_eq!(queue.in_flight(), 0);

    queue.submit(write_op(1, &file, 0, &pattern(1, BLOCK)));
    let second = write_op(2, &file, 0, &pattern(1, BLOCK));
    assert!(
        catch_unwind(AssertUnwindSafe(|| queue.submit(second))).is_err(),
        "over the depth"
    );
    let two = catch_unwind(AssertUnwindSafe(|| queue.wait(2, &mut Vec::new())));
    assert!(two.is_err(), "it would wait for ever");
    queue.wait(1, &mut Vec::new()).expect("wait");

    let foreign = SimDisk::new(9, SimConfig::default()).io();
    if env.io.engine() != "sim" {
        let foreign = foreign.open(Path::new("file"), CREATE).expect("open");
        let op = read_op(1, &foreign, 0, BLOCK);
        assert!(
            catch_unwind(AssertUnwindSafe(|| queue.submit(op))).is_err(),
            "a foreign file"
        );
    }
}

fn dropping_waits_for_what_is_in_flight(env: &Env) {
    let bytes = pattern(8, 64 * BLOCK);
    for round in 0..10 {
        let name = format!("file-{round}");
        let file = env.open(&name, DURABLE);
        let mut queue = env.io.queue(8).expect("queue");
        for token in 0..8 {
            queue.submit(write_op(token, &file, token * bytes.len() as u64, &bytes));
        }
        if round % 2 == 0 {
            queue.wait(0, &mut Vec::new()).expect("wait");
        }
        drop(queue);
        let all = contents(&file);
        assert_eq!(all.len(), 8 * bytes.len());
        assert!(
            all.chunks(bytes.len()).all(|chunk| chunk == bytes),
            "all of them happened"
        );
    }
}

fn space_and_hints(env: &Env) {
    let space = env.io.disk_space(&env.dir).expect("space");
    assert!(
        space.total > 0 && space.available <= space.total,
        "{space:?}"
    );
    let file = env.open("file", CREATE);
    file.write_all_at(&[&pattern(1, 100_000)], 0)
        .expect("write");
    file.start_writeback(0, 0).expect("nothing");
    file.start_writeback(4_096, 50_000).expect("a range");
    file.sync().expect("sync");
    assert_eq!(contents(&file), pattern(1, 100_000));
}

fn allocated_space_is_taken(env: &Env) {
    const LEN: u64 = (3 << 20) + 5;
    let file = env.open("file", CREATE);
    file.write_all_at(&[b"front"], 0).expect("write");
    let before = env.io.disk_space(&env.dir).expect("space").available;
    file.allocate(LEN).expect("space");
    file.allocate(7).expect("there already");
    assert_eq!(file.len().expect("length"), LEN);
    let bytes = contents(&file);
    assert!(bytes.starts_with(b"front"));
    assert!(bytes[5..].iter().all(|byte| *byte == 0));
    let taken = match std::fs::metadata(env.dir.join("file")) {
        Ok(metadata) => metadata.blocks() * 512,
        // The simulated disk, which nobody else uses.
        Err(_) => 512 + before - env.io.disk_space(&env.dir).expect("space").available,
    };
    assert!(taken >= LEN, "{taken}");
}

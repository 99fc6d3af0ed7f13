//! Builds commits out of queued entries, keeps several in flight, and tells logs what has become durable.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use uuid::Uuid;

use super::format::{CommitHeader, FIRST_COMMIT, Salt};
use super::queue::Queued;
use super::{DurableListener, JournalFault, JournalFiles, JournalPosition, JournalQueue};
use crate::io::{AlignedBuf, BLOCK, IoCompletion, IoFile, IoOp, IoOpKind, IoQueue};

use commit::{encode_commit, listeners_of};
use opening::Opening;

mod commit;
mod opening;

/// Who is to be told, and what.
type Told = (Arc<dyn DurableListener>, JournalPosition);

/// Bounds of the writer.
#[derive(Clone)]
pub struct WriterConfig {
    /// Bytes of a commit, unless a single entry needs more.
    pub commit_bytes_max: usize,
    /// Commits in flight at once.
    pub depth: usize,
    /// With a commit in flight, another is started only when so many payload bytes wait: a commit takes as long as it takes,
    /// and entries that arrive meanwhile share the next one.
    pub overlap_bytes_min: usize,
    /// An idle journal is sealed after this time, so that its end is known.
    pub seal_after: Duration,
    /// A clock for measuring, in nanoseconds from an arbitrary start.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Draws the salt of a newly opened file.
    pub salt: Arc<dyn Fn() -> Salt + Send + Sync>,
}

/// Hears what the writer measures.
pub trait JournalObserver: Send + Sync {
    /// A commit became durable: its bytes on disk, its entries, and the nanoseconds of its write.
    fn on_commit(&self, bytes: u64, entries: u64, write_ns: u64);
}

/// What [`JournalWriter::step`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterStep {
    /// Something was submitted or completed; call again.
    Progress,
    /// Nothing is queued, nothing in flight.
    Idle,
    /// Entries wait, but no file is free: a checkpoint must release one.
    Stalled,
    /// The directory is offline.
    Failed,
}

struct Active {
    file: Arc<dyn IoFile>,
    capacity: u64,
    salt: Salt,
    end: u64,
}

struct InFlight {
    sequence: u64,
    done: bool,
    bytes: u64,
    payload_bytes: usize,
    entries: u64,
    started_ns: u64,
    listeners: Vec<Told>,
}

/// What follows a turn of a task: see [`JournalWriter::turn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another turn.
    Again,
    /// Nothing, until that happens.
    Wait(WriterWait),
    /// Nothing any more. The end of the journal, sealed, or `None` when the directory went offline or entries have no file.
    Ended(Option<JournalEnd>),
}

/// What a writer waits for, beside the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterWait {
    /// A completion, or more entries.
    Completion,
    /// An entry. Nothing is in flight.
    Entry,
    /// A free file.
    File,
}

/// What came of an attempt to submit a commit.
#[derive(PartialEq, Eq)]
enum Submitted {
    Yes,
    /// Something in flight has to end before.
    Later,
    NoFile,
}

/// The writer of one journal. One thread (or one simulation) owns it and calls [`JournalWriter::step`]; or a task does, and calls [`JournalWriter::turn`].
pub struct JournalWriter {
    queue: Arc<JournalQueue>,
    files: Arc<JournalFiles>,
    io: Box<dyn IoQueue>,
    observer: Arc<dyn JournalObserver>,
    config: WriterConfig,
    directory_id: Uuid,
    run: u64,
    next_generation: u64,
    next_sequence: u64,
    next_position: JournalPosition,
    durable_through: u64,
    previous_header_crc: u32,
    active: Option<Active>,
    opening: Option<Opening>,
    waiting: VecDeque<Queued>,
    waiting_bytes: usize,
    in_flight: VecDeque<InFlight>,
    completions: Vec<IoCompletion>,
    spare: Vec<AlignedBuf>,
    sealed: bool,
    failed: bool,
}

/// Where a new run continues: what the recovery before it replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunStart {
    /// The number of this process start.
    pub run: u64,
    /// The generation of the first file it opens.
    pub generation: u64,
    /// The sequence of its first commit: one more than the last replayed.
    pub sequence: u64,
    /// The position of its first entry.
    pub position: JournalPosition,
    /// The checksum field of the last replayed commit's header.
    pub previous_header_crc: u32,
}

/// The last commit of a clean stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEnd {
    /// The file that holds it.
    pub generation: u64,
    /// Its sequence.
    pub sequence: u64,
}

impl JournalWriter {
    /// Starts a run: opens a fresh file, durably. Fails when no file is free or the disk refuses.
    pub fn start(
        queue: Arc<JournalQueue>,
        files: Arc<JournalFiles>,
        io: Box<dyn IoQueue>,
        observer: Arc<dyn JournalObserver>,
        config: WriterConfig,
        directory_id: Uuid,
        start: RunStart,
    ) -> std::io::Result<JournalWriter> {
        let mut writer = JournalWriter {
            queue,
            files,
            io,
            observer,
            config,
            directory_id,
            run: start.run,
            next_generation: start.generation,
            next_sequence: start.sequence,
            next_position: start.position,
            durable_through: start.sequence - 1,
            previous_header_crc: start.previous_header_crc,
            active: None,
            opening: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            in_flight: VecDeque::new(),
            completions: Vec::new(),
            spare: Vec::new(),
            sealed: true,
            failed: false,
        };
        let Some(free) = writer.files.take_first() else {
            return Err(std::io::Error::other("no journal file is free"));
        };
        writer.open_file(free, false);
        while writer.opening.is_some() {
            writer.complete(1);
        }
        match writer.queue.fault() {
            Some(fault) => Err(std::io::Error::other(fault)),
            None => Ok(writer),
        }
    }

    /// Runs until the queue is closed: the body of a thread of the journal's own. Returns the end of the journal, sealed, or `None` when
    /// the directory went offline.
    pub fn run(mut self) -> Option<JournalEnd> {
        loop {
            match self.step() {
                WriterStep::Progress => {}
                WriterStep::Failed => return None,
                // NobodyWaits frees files for a journal that is closed.
                WriterStep::Stalled if self.queue.is_closed() => return self.finish(),
                WriterStep::Stalled => {
                    self.queue.sleep_for_wake();
                }
                WriterStep::Idle if self.queue.is_closed() => {
                    return self.finish();
                }
                WriterStep::Idle => {
                    let limit = (!self.sealed).then_some(self.config.seal_after);
                    if !self.queue.sleep(limit) {
                        self.seal();
                    }
                }
            }
        }
    }

    /// Seals an idle journal and says where it ends. `None` when it is offline, or entries still wait for a file.
    pub fn finish(&mut self) -> Option<JournalEnd> {
        loop {
            while self.step() == WriterStep::Progress {}
            if self.sealed || self.failed || !self.waiting.is_empty() {
                return self.end();
            }
            self.seal();
        }
    }

    fn end(&self) -> Option<JournalEnd> {
        let ended = !self.failed && self.waiting.is_empty();
        ended.then_some(JournalEnd {
            generation: self.next_generation - 1,
            sequence: self.next_sequence - 1,
        })
    }

    /// Whether the last commit is a seal, so that the journal's end is known.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// How long an idle journal is left unsealed.
    pub fn seal_after(&self) -> Duration {
        self.config.seal_after
    }

    /// Takes what is queued, submits what may be, and handles what completed. Waits for a completion
    /// when something is in flight and nothing more may be submitted.
    pub fn step(&mut self) -> WriterStep {
        self.advance(1).unwrap_or(WriterStep::Progress)
    }

    /// For a task that takes turns, on whatever thread: the descriptor of [`IoQueue::share`]. Before anything is queued.
    pub fn share(&mut self) -> std::io::Result<Option<OwnedFd>> {
        self.io.share()
    }

    /// Like [`JournalWriter::step`], but never waits, and brings a closed journal to its end.
    pub fn turn(&mut self) -> Turn {
        match self.advance(0) {
            None => Turn::Wait(WriterWait::Completion),
            Some(WriterStep::Progress) => Turn::Again,
            Some(WriterStep::Failed) => Turn::Ended(None),
            Some(WriterStep::Stalled) if self.queue.is_closed() => Turn::Ended(self.end()),
            Some(WriterStep::Stalled) => Turn::Wait(WriterWait::File),
            Some(WriterStep::Idle) if !self.queue.is_closed() => Turn::Wait(WriterWait::Entry),
            Some(WriterStep::Idle) if self.sealed => Turn::Ended(self.end()),
            Some(WriterStep::Idle) => {
                self.seal();
                Turn::Again
            }
        }
    }

    /// After a turn: ready when there is a reason for another one, beside a completion.
    pub fn poll_wake(&mut self, cx: &mut Context<'_>, waits: WriterWait) -> Poll<()> {
        self.queue.poll_sleep(cx, waits)
    }

    /// `None` when something is in flight and nothing has completed.
    fn advance(&mut self, wait_for: usize) -> Option<WriterStep> {
        if !self.failed
            && let Some(fault) = self.queue.fault()
        {
            // Partition files could not be written: the directory is offline as a whole.
            self.end_with(&fault);
        }
        if self.failed {
            return Some(WriterStep::Failed);
        }
        self.take_queued();
        let has_work = self.is_writing() || !self.waiting.is_empty();
        self.files.set_waits(has_work);
        let mut stalled = false;
        while self.may_submit() {
            match self.submit_commit() {
                Submitted::Yes => {}
                Submitted::Later => break,
                Submitted::NoFile => {
                    stalled = true;
                    break;
                }
            }
        }
        self.files.set_stalled(stalled);
        let is_idle = !self.is_writing() && !stalled;
        if is_idle && self.queue.take_probe() {
            self.sealed = false;
            self.seal();
            self.files.set_waits(self.is_writing());
        }
        if !self.is_writing() {
            self.files.set_waits(false);
            return Some(if stalled {
                WriterStep::Stalled
            } else {
                WriterStep::Idle
            });
        }
        let completed = self.complete(wait_for);
        match completed {
            _ if self.failed => Some(WriterStep::Failed),
            0 => None,
            _ => Some(WriterStep::Progress),
        }
    }

    /// Whether something is in flight.
    fn is_writing(&self) -> bool {
        !self.in_flight.is_empty() || self.opening.is_some()
    }

    /// Handles completions, at least `wait_for` of them. Returns how many.
    fn complete(&mut self, wait_for: usize) -> usize {
        let mut completions = std::mem::take(&mut self.completions);
        let waited = self.io.wait(wait_for, &mut completions);
        if let Err(error) = waited {
            self.fail("waiting for the journal's writes", error);
        }
        let completed = completions.len();
        for completion in completions.drain(..) {
            self.on_completion(completion);
        }
        self.completions = completions;
        completed
    }

    /// Starts an empty commit that records how far the journal is durable. Call when idle.
    pub fn seal(&mut self) {
        if self.sealed || self.failed || self.is_writing() || !self.waiting.is_empty() {
            return;
        }
        if self.has_room(BLOCK) {
            self.submit(0, true);
            return;
        }
        match self.files.take_free(super::files::FILE_BYTES_MIN) {
            Some(free) => self.open_file(free, true),
            // The next file's header will say the same, as soon as there is one.
            None => self.sealed = true,
        }
    }

    fn take_queued(&mut self) {
        let known = self.waiting.len();
        self.queue.take(&mut self.waiting);
        self.waiting_bytes += self
            .waiting
            .iter()
            .skip(known)
            .map(|queued| queued.entry.payload.len())
            .sum::<usize>();
    }

    fn may_submit(&self) -> bool {
        if self.failed || self.waiting.is_empty() || self.opening.is_some() {
            return false;
        }
        self.in_flight.is_empty()
            || (self.in_flight.len() < self.config.depth
                && self.waiting_bytes >= self.config.overlap_bytes_min)
    }

    /// Submits one commit of what waits, or what has to be there before.
    fn submit_commit(&mut self) -> Submitted {
        let (entries, bytes) = self.plan_commit();
        if self.has_room(bytes) {
            self.submit(entries, false);
            return Submitted::Yes;
        }
        // A file is opened only when everything in the one before is durable: recovery relies on it.
        if !self.in_flight.is_empty() {
            return Submitted::Later;
        }
        match self.files.take_free(FIRST_COMMIT + bytes as u64) {
            Some(free) => {
                self.open_file(free, false);
                Submitted::Later
            }
            None => Submitted::NoFile,
        }
    }

    /// How many of the waiting entries the next commit takes, and its bytes on disk.
    fn plan_commit(&self) -> (usize, usize) {
        let mut entries = 0;
        let mut payload = 0;
        let mut bytes = 0;
        for queued in &self.waiting {
            let more = payload + queued.entry.payload.len();
            let total = CommitHeader::total_len_for(entries + 1, more);
            if entries > 0 && total > self.config.commit_bytes_max {
                break;
            }
            entries += 1;
            payload = more;
            bytes = total;
        }
        (entries, bytes)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.active
            .as_ref()
            .is_some_and(|active| active.end + bytes as u64 <= active.capacity)
    }

    fn submit(&mut self, entries: usize, seal: bool) {
        let taken: Vec<Queued> = self.waiting.drain(..entries).collect();
        let payload_len: usize = taken.iter().map(|queued| queued.entry.payload.len()).sum();
        self.waiting_bytes -= payload_len;
        let total_len = CommitHeader::total_len_for(entries, payload_len);
        let Some(active) = self.active.as_mut() else {
            unreachable!("a commit is submitted only where there is room");
        };
        let mut buf = self
            .spare
            .pop()
            .filter(|buf| buf.capacity() >= total_len)
            .unwrap_or_else(|| {
                AlignedBuf::with_capacity(total_len.max(self.config.commit_bytes_max))
            });
        let header = CommitHeader {
            salt: active.salt,
            sequence: self.next_sequence,
            durable_through: self.durable_through,
            first_position: self.next_position.0,
            previous_header_crc: self.previous_header_crc,
            seal,
            ..CommitHeader::default()
        };
        self.previous_header_crc = encode_commit(&mut buf, header, &taken, total_len);
        assert!(
            taken
                .first()
                .is_none_or(|queued| queued.position == self.next_position),
            "entries reach the journal in the order of their positions"
        );
        self.io.submit(IoOp {
            token: self.next_sequence,
            kind: IoOpKind::WriteDurable,
            file: Arc::clone(&active.file),
            offset: active.end,
            buf,
        });
        active.end += total_len as u64;
        self.files.set_active_end(active.end);
        self.in_flight.push_back(InFlight {
            sequence: self.next_sequence,
            done: false,
            bytes: total_len as u64,
            payload_bytes: payload_len,
            entries: entries as u64,
            started_ns: (self.config.clock)(),
            listeners: listeners_of(taken),
        });
        self.next_sequence += 1;
        self.next_position = JournalPosition(self.next_position.0 + entries as u64);
        self.sealed = seal;
    }

    fn on_completion(&mut self, completion: IoCompletion) {
        self.files.add_done();
        if completion.token == opening::TOKEN {
            self.on_header_written(completion);
            return;
        }
        if self.spare.len() < self.config.depth
            && completion.buf.capacity() <= self.config.commit_bytes_max
        {
            self.spare.push(completion.buf);
        }
        if let Err(error) = completion.result {
            self.fail("writing the journal", error);
            return;
        }
        if self.failed {
            return;
        }
        let now_ns = (self.config.clock)();
        if let Some(commit) = self
            .in_flight
            .iter_mut()
            .find(|commit| commit.sequence == completion.token)
        {
            commit.done = true;
            let write_ns = now_ns.saturating_sub(commit.started_ns);
            self.observer
                .on_commit(commit.bytes, commit.entries, write_ns);
        }
        while self.in_flight.front().is_some_and(|commit| commit.done) {
            let Some(commit) = self.in_flight.pop_front() else {
                break;
            };
            self.durable_through = commit.sequence;
            self.queue.on_written(commit.payload_bytes);
            for (listener, position) in commit.listeners {
                listener.on_durable(position);
            }
        }
    }

    /// Takes the directory offline. Nothing that is not durable now will be acknowledged by this process.
    fn fail(&mut self, what: &'static str, error: std::io::Error) {
        if self.failed {
            return;
        }
        let fault = JournalFault {
            what,
            error: Arc::new(error),
        };
        let path = self.files.dir().display();
        tracing::error!(what, error = %fault.error, %path, "data directory goes offline");
        self.queue.fail(&fault);
        self.end_with(&fault);
    }

    fn end_with(&mut self, fault: &JournalFault) {
        self.failed = true;
        self.opening = None;
        for commit in self.in_flight.drain(..) {
            for (listener, _) in commit.listeners {
                listener.on_fault(fault);
            }
        }
        for queued in self.waiting.drain(..) {
            queued.listener.on_fault(fault);
        }
    }
}

/// Whoever waits for an entry that no writer will ever write is told so.
impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.take_queued();
        if !self.waiting.is_empty() || !self.in_flight.is_empty() {
            self.fail(
                "ending the journal",
                std::io::Error::other("entries are left that are not durable"),
            );
        }
    }
}

//! Builds commits out of queued entries, keeps several in flight, and tells logs what has become durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::files::{FreeFile, LiveFile, write_durable};
use super::format::{
    COMMIT_HEADER, CommitHeader, FIRST_COMMIT, FileHeader, Salt, TABLE_ENTRY, TableEntry,
};
use super::queue::Queued;
use super::{DurableListener, JournalFault, JournalFiles, JournalPosition, JournalQueue};
use crate::io::{AlignedBuf, BLOCK, IoCompletion, IoFile, IoOp, IoOpKind, IoQueue};

/// How far back a commit's list of listeners is searched for one that is already there.
const LISTENER_LOOKBACK: usize = 16;

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
    entries: u64,
    started_ns: u64,
    listeners: Vec<(Arc<dyn DurableListener>, JournalPosition)>,
}

/// The writer of one journal. One thread (or one simulation) owns it and calls [`JournalWriter::step`].
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
        writer.open_file(free)?;
        Ok(writer)
    }

    /// Runs until the queue is closed: the body of the journal's thread. Returns the end of the journal, sealed, or `None` when
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
        while self.step() == WriterStep::Progress {}
        self.seal();
        while self.step() == WriterStep::Progress {}
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

    /// Takes what is queued, submits what may be, and handles what completed. Waits for a completion
    /// when something is in flight and nothing more may be submitted.
    pub fn step(&mut self) -> WriterStep {
        if !self.failed
            && let Some(fault) = self.queue.fault()
        {
            // Partition files could not be written: the directory is offline as a whole.
            self.end_with(&fault);
        }
        if self.failed {
            return WriterStep::Failed;
        }
        self.take_queued();
        let has_work = !self.in_flight.is_empty() || !self.waiting.is_empty();
        self.files.set_waits(has_work);
        let mut stalled = false;
        while self.may_submit() {
            if !self.submit_commit() {
                stalled = true;
                break;
            }
        }
        if self.failed {
            return WriterStep::Failed;
        }
        self.files.set_stalled(stalled && self.in_flight.is_empty());
        if self.in_flight.is_empty() {
            self.files.set_waits(false);
            return if stalled {
                WriterStep::Stalled
            } else {
                WriterStep::Idle
            };
        }
        let mut completions = std::mem::take(&mut self.completions);
        let waited = self.io.wait(1, &mut completions);
        if let Err(error) = waited {
            self.fail("waiting for the journal's writes", error);
        }
        for completion in completions.drain(..) {
            self.on_completion(completion);
        }
        self.completions = completions;
        if self.failed {
            WriterStep::Failed
        } else {
            WriterStep::Progress
        }
    }

    /// Starts an empty commit that records how far the journal is durable. Call when idle.
    pub fn seal(&mut self) {
        if self.sealed || self.failed || !self.in_flight.is_empty() || !self.waiting.is_empty() {
            return;
        }
        if !self.has_room(BLOCK) {
            let Some(free) = self.files.take_free(super::files::FILE_BYTES_MIN) else {
                // The next file's header will say the same, as soon as there is one.
                self.sealed = true;
                return;
            };
            if let Err(error) = self.open_file(free) {
                self.fail("opening a journal file", error);
                return;
            }
        }
        self.submit(0, true);
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
        if self.failed || self.waiting.is_empty() {
            return false;
        }
        self.in_flight.is_empty()
            || (self.in_flight.len() < self.config.depth
                && self.waiting_bytes >= self.config.overlap_bytes_min)
    }

    /// Submits one commit of what waits. False when that needs a file and none is free.
    fn submit_commit(&mut self) -> bool {
        let (entries, bytes) = self.plan_commit();
        if !self.has_room(bytes) {
            // A file is opened only when everything in the one before is durable: recovery relies on it.
            if !self.in_flight.is_empty() {
                return false;
            }
            let Some(free) = self.files.take_free(FIRST_COMMIT + bytes as u64) else {
                return false;
            };
            if let Err(error) = self.open_file(free) {
                self.fail("opening a journal file", error);
                return false;
            }
        }
        self.submit(entries, false);
        true
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
            for (listener, position) in commit.listeners {
                listener.on_durable(position);
            }
        }
    }

    /// Writes both copies of the file's header, one after the other, and makes it the active file.
    fn open_file(&mut self, free: FreeFile) -> std::io::Result<()> {
        let header = FileHeader {
            directory_id: self.directory_id,
            generation: self.next_generation,
            run: self.run,
            salt: (self.config.salt)(),
            first_sequence: self.next_sequence,
            first_position: self.next_position.0,
            previous_header_crc: self.previous_header_crc,
        };
        for copy in 0..2 {
            let mut block = AlignedBuf::with_capacity(BLOCK);
            block.set_len(BLOCK);
            header.encode(block.as_mut_slice());
            write_durable(self.io.as_mut(), &free.file, copy * BLOCK as u64, block)?;
            self.files.add_done();
        }
        self.files.push_live(LiveFile {
            index: free.index,
            file: Arc::clone(&free.file),
            capacity: free.capacity,
            generation: header.generation,
            first_position: self.next_position,
        });
        self.files.set_active_end(FIRST_COMMIT);
        self.next_generation += 1;
        self.active = Some(Active {
            file: free.file,
            capacity: free.capacity,
            salt: header.salt,
            end: FIRST_COMMIT,
        });
        Ok(())
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

/// Fills `buf` with a whole commit and returns the checksum field of its header. Copies each payload once.
fn encode_commit(
    buf: &mut AlignedBuf,
    mut header: CommitHeader,
    entries: &[Queued],
    total_len: usize,
) -> u32 {
    buf.set_len(total_len);
    let bytes = buf.as_mut_slice();
    let table_end = COMMIT_HEADER + entries.len() * TABLE_ENTRY;
    let mut payload_at = table_end;
    for (at, queued) in entries.iter().enumerate() {
        let entry = &queued.entry;
        let payload = &entry.payload;
        let payload_crc = crc32c::crc32c(payload);
        bytes[payload_at..payload_at + payload.len()].copy_from_slice(payload);
        payload_at += payload.len();
        let line = TableEntry {
            kind: entry.kind.to_wire(),
            leader_epoch: entry.leader_epoch.map_or(-1, |epoch| epoch.get()),
            log_id: entry.log_id.0,
            offset: entry.offset.get(),
            payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            payload_crc,
            end_offset: entry.end.get(),
        };
        line.encode(&mut bytes[COMMIT_HEADER + at * TABLE_ENTRY..]);
    }
    let trailer = total_len - COMMIT_HEADER;
    let trailer_table = trailer - entries.len() * TABLE_ENTRY;
    bytes[payload_at..trailer_table].fill(0);
    bytes.copy_within(COMMIT_HEADER..table_end, trailer_table);
    header.entries = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    header.table_crc = crc32c::crc32c(&bytes[COMMIT_HEADER..table_end]);
    header.payload_len = u32::try_from(payload_at - table_end).unwrap_or(u32::MAX);
    header.total_len = u32::try_from(total_len).unwrap_or(u32::MAX);
    header.encode_trailer(&mut bytes[trailer..]);
    header.encode(bytes)
}

/// Who is to be told, each with its greatest position; entries of the same log mostly follow each other closely.
fn listeners_of(entries: Vec<Queued>) -> Vec<(Arc<dyn DurableListener>, JournalPosition)> {
    let mut listeners: Vec<(Arc<dyn DurableListener>, JournalPosition)> = Vec::new();
    for queued in entries {
        let from = listeners.len().saturating_sub(LISTENER_LOOKBACK);
        let known = listeners[from..].iter_mut().find(|(listener, _)| {
            std::ptr::addr_eq(Arc::as_ptr(listener), Arc::as_ptr(&queued.listener))
        });
        match known {
            Some((_, position)) => *position = queued.position,
            None => listeners.push((queued.listener, queued.position)),
        }
    }
    listeners
}

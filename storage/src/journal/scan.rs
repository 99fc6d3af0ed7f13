//! Reads the journal at a start: which files are live, which commits count, where it ends.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::model::{LeaderEpoch, Offset};
use uuid::Uuid;

use super::files::{FILE_BYTES_MIN, FreeFile, JournalFiles, LiveFile};
use super::format::{
    COMMIT_HEADER, CommitHeader, FIRST_COMMIT, FileHeader, TableEntry, decode_table,
};
use super::verdict::{Facts, Found, Verdict, judge};
use super::{BadBytes, EntryKind, JournalEnd, JournalPosition, LogId, RunStart};
use crate::io::{AlignedBuf, BLOCK, Io, IoFile};

/// Bytes read at once.
const WINDOW: usize = 4 << 20;

/// Where to begin, from the checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct ScanStart {
    /// The directory the files must belong to.
    pub directory_id: Uuid,
    /// The first generation that may hold something needed.
    pub generation: u64,
    /// Where a clean stop ended the journal, if the last stop was one.
    pub clean_end: Option<JournalEnd>,
    /// Files there were at the checkpoint.
    pub files: u32,
}

/// An entry that counts.
#[derive(Debug)]
pub struct ScannedEntry<'a> {
    /// Its place.
    pub position: JournalPosition,
    /// What happened.
    pub kind: EntryKind,
    /// To which log.
    pub log_id: LogId,
    /// The leader epoch of an append.
    pub leader_epoch: Option<LeaderEpoch>,
    /// Base offset, new end or new start.
    pub offset: Offset,
    /// The offset after an appended batch.
    pub end: Offset,
    /// The journal file, and where in it the payload starts.
    pub file: &'a Arc<dyn IoFile>,
    /// The byte of the file at which the payload starts.
    pub payload_at: u64,
    /// The payload, or what is wrong with it.
    pub payload: Result<&'a [u8], BadBytes>,
}

/// What a scan found.
#[derive(Debug)]
pub struct Scan {
    /// Where the new run continues.
    pub next: RunStart,
    /// Files that hold what was scanned, oldest first.
    pub live: VecDeque<LiveFile>,
    /// Files that hold nothing needed.
    pub free: Vec<FreeFile>,
    /// The newest file, if no commit was ever acknowledged in it. The new run opens it again, under the same generation and
    /// another salt, so that crashes in a row do not use up the files.
    pub reopen: Option<FreeFile>,
    /// Where the tail was cut: the place and the expected sequence. `None` when the end was known.
    pub cut: Option<BadBytes>,
    /// A tail was cut that no seal preceded: what was in flight is gone, and this replica may miss what
    /// others have (it loses elections against clean members of the ISR).
    pub suspect: bool,
    /// Damage below the durable mark, and file headers with one bad copy.
    pub damage: Vec<BadBytes>,
    /// Commits replayed.
    pub commits: u64,
    /// Bytes of those commits.
    pub bytes: u64,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A call failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process has the journal open.
    #[error(
        "{path} is in use by another process (or by writes of a killed one that the kernel has not finished): stop it first"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Acknowledged records are unreadable, and nothing says whose they were.
    #[error(
        "{0}; acknowledged records are unreadable there and it is not known which partitions they belong to. Restore this directory from a replica or a backup; nothing was changed"
    )]
    Unreadable(BadBytes),
    /// The file belongs to another directory.
    #[error(
        "{path} belongs to data directory {found}, not to {expected}: was it copied here? Nothing was changed"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its directory id.
        found: Uuid,
        /// Ours.
        expected: Uuid,
    },
}

struct Candidate {
    free: FreeFile,
    header: FileHeader,
    /// Its header was read from the second copy.
    first_copy_is_bad: bool,
}

/// Scans the journal in `dir` and hands every entry that counts to `visit`, in order.
pub fn scan(
    io: &dyn Io,
    dir: &Path,
    start: ScanStart,
    visit: &mut dyn FnMut(ScannedEntry<'_>),
) -> Result<Scan, ScanError> {
    let (mut files, free) = collect(io, dir, start)?;
    files.sort_by_key(|file| file.header.generation);
    let newest = files.last().map_or(0, |file| file.header.generation);
    let newest_run = files.last().map_or(0, |file| file.header.run);
    let (mut old, live): (Vec<_>, Vec<_>) = files
        .into_iter()
        .partition(|file| file.header.generation < start.generation);
    let mut free: Vec<FreeFile> = free
        .into_iter()
        .chain(old.drain(..).map(|file| file.free))
        .collect();
    free.sort_by_key(|file| file.index);
    check_succession(dir, &live, start)?;

    let mut walk = Walk {
        start,
        expected: live.first().map_or(1, |file| file.header.first_sequence),
        position: JournalPosition(live.first().map_or(0, |file| file.header.first_position)),
        previous_header_crc: live
            .first()
            .map_or(0, |file| file.header.previous_header_crc),
        durable_mark: 0,
        sealed: true,
        cut: None,
        damage: Vec::new(),
        commits: 0,
        bytes: 0,
        last_file: Vec::new(),
    };
    for (at, file) in live.iter().enumerate() {
        let successor = live.get(at + 1).map(|next| next.header.first_sequence);
        walk.file(file, successor, visit)?;
    }
    if let Some(last) = live.last() {
        walk.settle(&last.free).map_err(|source| ScanError::Io {
            path: last.free.file.path().to_owned(),
            source,
        })?;
    }
    let suspect = walk.cut.is_some() && !walk.sealed;
    let mut live = live;
    let is_empty = live.last().is_some_and(|last| {
        let ended_cleanly = start
            .clean_end
            .is_some_and(|end| end.generation == last.header.generation);
        let is_of_use = last.free.capacity >= FILE_BYTES_MIN;
        last.header.first_sequence == walk.expected && !ended_cleanly && is_of_use
    });
    let reopen = if is_empty {
        live.pop().map(|last| last.free)
    } else {
        None
    };
    // In an empty file this is a crash while it was opened again.
    for file in live.iter().filter(|file| file.first_copy_is_bad) {
        walk.damage.push(BadBytes {
            path: file.free.file.path().to_owned(),
            offset: 0,
            what: "first copy of the file header is damaged; the second is used",
        });
    }
    Ok(Scan {
        next: RunStart {
            run: newest_run + 1,
            generation: if reopen.is_some() { newest } else { newest + 1 },
            sequence: walk.expected,
            position: walk.position,
            previous_header_crc: walk.previous_header_crc,
        },
        live: live
            .into_iter()
            .map(|file| LiveFile {
                index: file.free.index,
                file: file.free.file,
                capacity: file.free.capacity,
                generation: file.header.generation,
                first_position: JournalPosition(file.header.first_position),
            })
            .collect(),
        free,
        reopen,
        cut: walk.cut,
        suspect,
        damage: walk.damage,
        commits: walk.commits,
        bytes: walk.bytes,
    })
}

/// Opens every file of the set and reads its header.
fn collect(
    io: &dyn Io,
    dir: &Path,
    start: ScanStart,
) -> Result<(Vec<Candidate>, Vec<FreeFile>), ScanError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ScanError::Io { path, source }
    };
    let mut used = Vec::new();
    let mut free = Vec::new();
    let mut expected_index = 0;
    let missing = |index| {
        let path = JournalFiles::path(dir, index);
        Err(ScanError::Unreadable(BadBytes {
            path,
            offset: 0,
            what: "journal file is missing",
        }))
    };
    for entry in io.read_dir(dir).map_err(failed(dir))? {
        let index = entry
            .name
            .strip_suffix(".journal")
            .and_then(|stem| stem.parse().ok());
        let Some(index) = index else { continue };
        if index != expected_index {
            return missing(expected_index);
        }
        expected_index += 1;
        let path = JournalFiles::path(dir, index);
        let file = match super::files::open(io, dir, index) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                return Err(ScanError::Locked { path });
            }
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut blocks = vec![0; 2 * BLOCK];
        let read = file.file.read_at(&mut blocks, 0).map_err(failed(&path))?;
        blocks[read..].fill(0);
        let (first, second) = blocks.split_at(BLOCK);
        let copies = [FileHeader::decode(first), FileHeader::decode(second)];
        let header = match &copies {
            // The first copy is written first, and synced, before the second.
            [Some(first), Some(second)] if second.generation > first.generation => Some(second),
            [Some(first), _] => Some(first),
            [None, second] => second.as_ref(),
        };
        let Some(header) = header.cloned() else {
            if second.iter().any(|byte| *byte != 0) {
                let what = "both copies of the file header are damaged";
                return Err(ScanError::Unreadable(BadBytes {
                    path,
                    offset: 0,
                    what,
                }));
            }
            // Never used, or torn when it was to be used first.
            free.push(file);
            continue;
        };
        if header.directory_id != start.directory_id {
            return Err(ScanError::Foreign {
                path,
                found: header.directory_id,
                expected: start.directory_id,
            });
        }
        let first_copy_is_bad = copies[0].as_ref() != Some(&header);
        used.push(Candidate {
            free: file,
            header,
            first_copy_is_bad,
        });
    }
    if expected_index < start.files {
        return missing(expected_index);
    }
    Ok((used, free))
}

/// Generations are given out one by one: one that is missing is a file whose header, both copies, is gone.
fn check_succession(dir: &Path, live: &[Candidate], start: ScanStart) -> Result<(), ScanError> {
    let missing = |what| {
        Err(ScanError::Unreadable(BadBytes {
            path: dir.to_owned(),
            offset: 0,
            what,
        }))
    };
    // 0 is what a freshly formatted directory says, in which nothing was opened yet.
    for (expected, file) in (start.generation.max(1)..).zip(live) {
        if file.header.generation != expected {
            return missing("a journal file is missing, or both copies of its header are damaged");
        }
    }
    if live.is_empty() && start.generation > 0 {
        return missing("the journal file the checkpoint refers to is missing");
    }
    Ok(())
}

struct Walk {
    start: ScanStart,
    expected: u64,
    position: JournalPosition,
    previous_header_crc: u32,
    durable_mark: u64,
    sealed: bool,
    cut: Option<BadBytes>,
    damage: Vec<BadBytes>,
    commits: u64,
    bytes: u64,
    /// Commits of the last file: sequence, place and bytes.
    last_file: Vec<(u64, u64, u32)>,
}

/// What stands at a place of a file.
enum Place {
    /// The commit that is expected there.
    Commit(Readable),
    /// Something else.
    Other,
    /// Neither it nor the header of any commit up to the end of the file.
    NothingBehind,
}

impl Place {
    /// With a table or without: then it cannot be read.
    fn of(commit: Option<Readable>) -> Place {
        commit.map_or(Place::Other, Place::Commit)
    }
}

/// A commit that can be read, at least in part.
struct Readable {
    header: CommitHeader,
    header_crc: u32,
    table: Vec<TableEntry>,
    /// Where its first payload starts.
    payload_at: u64,
    /// What is wrong with its header or its table, if anything.
    bad: Option<&'static str>,
}

impl Walk {
    fn file(
        &mut self,
        file: &Candidate,
        successor_first: Option<u64>,
        visit: &mut dyn FnMut(ScannedEntry<'_>),
    ) -> Result<(), ScanError> {
        let path = file.free.file.path().to_owned();
        let failed = |source| ScanError::Io {
            path: path.clone(),
            source,
        };
        let mut window = Window::new(&file.free);
        let mut at = FIRST_COMMIT;
        let mut is_looked_through = false;
        self.last_file.clear();
        // A run that followed a cut leaves out the positions that checkpoints had given to what was cut.
        self.position = self
            .position
            .max(JournalPosition(file.header.first_position));
        loop {
            let mut facts = Facts {
                expected: self.expected,
                found: Found::Nothing,
                successor_first,
                durable_mark: self.durable_mark,
                clean_through: self
                    .start
                    .clean_end
                    .filter(|end| end.generation == file.header.generation)
                    .map(|end| end.sequence),
            };
            let unless_found = judge(&facts);
            if unless_found == Verdict::NextFile {
                return Ok(());
            }
            let place = self.read_front(&mut window, file, at).map_err(failed)?;
            let place = match place {
                Some(place) => place,
                // Nothing was in flight that could be torn.
                None if unless_found == Verdict::CleanEnd => return Ok(()),
                None => self.read_trailer(&mut window, file, at).map_err(failed)?,
            };
            is_looked_through |= matches!(place, Place::NothingBehind);
            let commit = match place {
                Place::Commit(commit) => Some(commit),
                Place::Other | Place::NothingBehind => None,
            };
            let intact = match &commit {
                Some(commit) => {
                    commit.bad.is_none()
                        && payloads_are_whole(&mut window, commit).map_err(failed)?
                }
                None => false,
            };
            facts.found = match &commit {
                Some(_) if intact => Found::Whole,
                Some(_) => Found::Damaged,
                None => Found::Nothing,
            };
            if !intact && successor_first.is_none() && judge(&facts) != Verdict::CleanEnd {
                // Once: what lies behind a later place was seen from the first.
                if !is_looked_through {
                    self.look_ahead(&mut window, file, at).map_err(failed)?;
                    is_looked_through = true;
                }
                facts.durable_mark = self.durable_mark;
            }
            let bad = BadBytes {
                path: path.clone(),
                offset: at,
                what: "no commit where one must be",
            };
            match (judge(&facts), commit) {
                (Verdict::Replay, Some(commit)) => {
                    self.durable_mark = self.durable_mark.max(commit.header.durable_through);
                    self.last_file
                        .push((self.expected, at, commit.header.total_len));
                    self.replay(&mut window, file, &commit, intact, visit)
                        .map_err(failed)?;
                    at += u64::from(commit.header.total_len);
                }
                (Verdict::ReplayIntact, Some(commit)) => {
                    if let Some(what) = commit.bad {
                        self.damage.push(BadBytes { what, ..bad });
                    }
                    self.last_file
                        .push((self.expected, at, commit.header.total_len));
                    self.replay(&mut window, file, &commit, intact, visit)
                        .map_err(failed)?;
                    at += u64::from(commit.header.total_len);
                }
                (Verdict::CleanEnd | Verdict::NextFile, _) => return Ok(()),
                (Verdict::Cut, _) => {
                    self.cut = Some(BadBytes {
                        what: "end of what was durable",
                        ..bad
                    });
                    return Ok(());
                }
                (Verdict::Refuse | Verdict::Replay | Verdict::ReplayIntact, _) => {
                    return Err(ScanError::Unreadable(bad));
                }
            }
        }
    }

    /// Makes durable what was replayed of the last file: a killed process may have left it in the page cache or the device's.
    ///
    /// Where durable writes go through the page cache, a sync that failed leaves pages that are read back well, are lost, and are
    /// not written by another sync. So whatever nobody knew durable is written again.
    fn settle(&self, file: &FreeFile) -> io::Result<()> {
        if !file.file.is_direct() {
            let unknown = self
                .last_file
                .iter()
                .filter(|(sequence, ..)| *sequence > self.durable_mark);
            for (_, at, len) in unknown {
                let mut bytes = vec![0; *len as usize];
                let read = file.file.read_at(&mut bytes, *at)?;
                file.file.write_all_at(&[&bytes[..read]], *at)?;
            }
        }
        file.file.sync()
    }

    /// What the header at `at` tells of. `None` if there is none that can be read.
    fn read_front(
        &self,
        window: &mut Window,
        file: &Candidate,
        at: u64,
    ) -> io::Result<Option<Place>> {
        // A file that was cut may end before its first commit.
        if at >= file.free.capacity {
            return Ok(Some(Place::NothingBehind));
        }
        let front = CommitHeader::decode(window.get(at, COMMIT_HEADER)?, &file.header.salt);
        if let Some((header, header_crc)) = front {
            let follows = header.sequence == self.expected
                && header.previous_header_crc == self.previous_header_crc
                && header.first_position == self.position.0
                && at + u64::from(header.total_len) <= file.free.capacity;
            if !follows {
                return Ok(Some(Place::Other));
            }
            // One read for the whole commit: everything below looks at parts of it.
            window.get(at, header.total_len as usize)?;
            let table_at = at + COMMIT_HEADER as u64;
            let payload_at = table_at + header.table_len() as u64;
            let table = decode_table(&header, window.get(table_at, header.table_len())?);
            let (table, bad) = match table {
                Some(table) => (Some(table), None),
                None => {
                    let copy_at = at + u64::from(header.total_len)
                        - (COMMIT_HEADER + header.table_len()) as u64;
                    let copy = decode_table(&header, window.get(copy_at, header.table_len())?);
                    (copy, Some("table of a commit is damaged; its copy is used"))
                }
            };
            return Ok(Some(Place::of(table.map(|table| Readable {
                header,
                header_crc,
                table,
                payload_at,
                bad,
            }))));
        }
        Ok(None)
    }

    /// Looks for the trailer of the expected commit, which ends with a block, where its front cannot be read.
    fn read_trailer(&self, window: &mut Window, file: &Candidate, at: u64) -> io::Result<Place> {
        let mut end = at + BLOCK as u64;
        while end <= file.free.capacity {
            let block = window.get(end - BLOCK as u64, BLOCK)?;
            let tail = &block[BLOCK - COMMIT_HEADER..];
            if let Some(header) = CommitHeader::decode_trailer(tail, &file.header.salt) {
                let is_it = header.sequence == self.expected
                    && header.first_position == self.position.0
                    && at + u64::from(header.total_len) == end;
                if !is_it {
                    return Ok(Place::Other);
                }
                let table_at = end - (COMMIT_HEADER + header.table_len()) as u64;
                let table = decode_table(&header, window.get(table_at, header.table_len())?);
                // The chain goes on with the checksum the front would have had.
                let header_crc = header.encode(&mut [0; COMMIT_HEADER]);
                let payload_at = at + (COMMIT_HEADER + header.table_len()) as u64;
                let bad = Some("header of a commit is damaged; its copy is used");
                return Ok(Place::of(table.map(|table| Readable {
                    header,
                    header_crc,
                    table,
                    payload_at,
                    bad,
                })));
            }
            if CommitHeader::decode(block, &file.header.salt).is_some() && end > at + BLOCK as u64 {
                return Ok(Place::Other);
            }
            end += BLOCK as u64;
        }
        // A file that was cut may end within a block, with the front of a commit in it.
        let all_seen = file.free.capacity.is_multiple_of(BLOCK as u64);
        Ok(if all_seen {
            Place::NothingBehind
        } else {
            Place::Other
        })
    }

    /// Raises the durable mark to the greatest that any commit from `at` to the end of the file knows of.
    fn look_ahead(&mut self, window: &mut Window, file: &Candidate, at: u64) -> io::Result<()> {
        let mut block_at = at;
        while block_at < file.free.capacity {
            let block = window.get(block_at, BLOCK)?;
            if let Some((header, _)) = CommitHeader::decode(block, &file.header.salt) {
                self.durable_mark = self.durable_mark.max(header.durable_through);
            }
            block_at += BLOCK as u64;
        }
        Ok(())
    }

    fn replay(
        &mut self,
        window: &mut Window,
        file: &Candidate,
        commit: &Readable,
        intact: bool,
        visit: &mut dyn FnMut(ScannedEntry<'_>),
    ) -> io::Result<()> {
        let mut payload_at = commit.payload_at;
        for line in &commit.table {
            let payload = window.get(payload_at, line.payload_len as usize)?;
            let kind = EntryKind::from_wire(line.kind);
            let bad = |what| BadBytes {
                path: file.free.file.path().to_owned(),
                offset: payload_at,
                what,
            };
            let payload = if intact || crc32c::crc32c(payload) == line.payload_crc {
                Ok(payload)
            } else {
                let bad = bad("payload of a journal entry does not have its checksum");
                self.damage.push(bad.clone());
                Err(bad)
            };
            match kind {
                Some(kind) => visit(ScannedEntry {
                    position: self.position,
                    kind,
                    log_id: LogId(line.log_id),
                    leader_epoch: LeaderEpoch::from_wire(line.leader_epoch),
                    offset: Offset::new(line.offset),
                    end: Offset::new(line.end_offset),
                    file: &file.free.file,
                    payload_at,
                    payload,
                }),
                None => self.damage.push(bad("journal entry of an unknown kind")),
            }
            payload_at += u64::from(line.payload_len);
            self.position = self.position.next();
        }
        self.previous_header_crc = commit.header_crc;
        self.sealed = commit.header.seal;
        self.expected += 1;
        self.commits += 1;
        self.bytes += u64::from(commit.header.total_len);
        Ok(())
    }
}

fn payloads_are_whole(window: &mut Window, commit: &Readable) -> io::Result<bool> {
    let mut at = commit.payload_at;
    for line in &commit.table {
        let payload = window.get(at, line.payload_len as usize)?;
        if crc32c::crc32c(payload) != line.payload_crc {
            return Ok(false);
        }
        at += u64::from(line.payload_len);
    }
    Ok(true)
}

/// A sliding view of a file.
struct Window {
    file: Arc<dyn IoFile>,
    capacity: u64,
    start: u64,
    bytes: AlignedBuf,
}

impl Window {
    fn new(file: &FreeFile) -> Window {
        Window {
            file: Arc::clone(&file.file),
            capacity: file.capacity,
            start: 0,
            bytes: AlignedBuf::with_capacity(0),
        }
    }

    /// Bytes of the file; zeros beyond its end.
    fn get(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let end = at + len as u64;
        if at < self.start || end > self.start + self.bytes.len() as u64 {
            let start = at / BLOCK as u64 * BLOCK as u64;
            let file_len = usize::try_from(self.capacity).unwrap_or(usize::MAX);
            let wanted = WINDOW.min(file_len).max(len + BLOCK);
            if self.bytes.capacity() < wanted {
                self.bytes = AlignedBuf::with_capacity(wanted.next_multiple_of(BLOCK));
            }
            self.start = start;
            self.file.read_blocks(&mut self.bytes, start)?;
            let read = self.bytes.len();
            self.bytes.set_len(self.bytes.capacity());
            self.bytes.as_mut_slice()[read..].fill(0);
        }
        let from = usize::try_from(at - self.start).unwrap_or(0);
        debug_assert!(at <= self.capacity, "a scan stays within its file");
        Ok(&self.bytes.as_slice()[from..from + len])
    }
}

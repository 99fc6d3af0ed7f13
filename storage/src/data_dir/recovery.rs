//! Opening a data directory: format or check, restore from the checkpoint, replay the journal, begin a new run.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

use parking_lot::{Mutex, RwLock};
use protocol::batch::BatchHeader;
use protocol::model::{TopicIdPartition, base64_uuid};

use super::checkpoint::Checkpoint;
use super::meta::{self, Meta};
use super::reserve::Reserve;
use super::space::Space;
use super::{
    CompactionStatus, DataDir, DataDirConfig, Garbage, Identity, Logs, OpenError, RetentionStatus,
    deleted_dir, log_dir,
};
use crate::io::{Io, OpenOptions};
use crate::journal::format::FIRST_COMMIT;
use crate::journal::{
    BadBytes, EntryKind, JournalFiles, JournalObserver, JournalPosition, JournalQueue,
    JournalWriter, LogId, OpenEntry, ScanStart, ScannedEntry, StoredEntry, scan,
};
use crate::log::NewLog;
use crate::log::descriptors::Descriptors;
use crate::log::{
    BatchBytes, Bypass, CheckpointCount, DirtyCount, Durability, Log, LogConfig, LogEnvironment,
    PageCache, TailBudget, WaitingLogs, is_disk_full,
};

/// In the name of a directory that is of a log made later under the name of another.
const LATER: LogId = LogId(u64::MAX);

/// The one journal file that formatting a directory makes.
const JOURNAL_FILE_FIRST: &str = "0000.journal";

/// What opening found and did.
#[derive(Clone, Debug, Default)]
pub struct RecoveryReport {
    /// The directory was empty and has been formatted.
    pub formatted: bool,
    /// The last stop was clean.
    pub clean: bool,
    /// A tail that was in flight was cut, and no seal preceded it: this replica may miss what others have.
    pub suspect: bool,
    /// Where the journal was cut.
    pub cut: Option<BadBytes>,
    /// Damage below the durable mark. Its records are not served; the others are.
    pub damage: Vec<BadBytes>,
    /// Commits read.
    pub commits: u64,
    /// Bytes of those commits.
    pub bytes: u64,
    /// Batches put back into logs.
    pub batches: u64,
    /// Logs.
    pub logs: usize,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature of DataDir::open"
)]
pub(super) fn open(
    io: Arc<dyn Io>,
    path: &Path,
    identity: &Identity,
    config: DataDirConfig,
    config_of: &dyn Fn(&str) -> LogConfig,
    observer: Arc<dyn JournalObserver>,
    now_ms: i64,
) -> Result<(Arc<DataDir>, RecoveryReport), OpenError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    let mut report = RecoveryReport::default();
    let meta = match Meta::read(io.as_ref(), path)? {
        Some(meta) => check_identity(path, meta, identity)?,
        None => {
            report.formatted = true;
            format(io.as_ref(), path, identity, &config)?
        }
    };
    // A killed process may leave names that are seen and not durable: of a checkpoint, whose successors' files would be used again, or
    // of a journal file.
    let journal_dir = path.join("journal");
    for dir in [&journal_dir, path] {
        io.sync_dir(dir).map_err(at(dir))?;
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        io.sync_dir(parent).map_err(at(parent))?;
    }
    let checkpoint_path = Checkpoint::path(path);
    let bytes = meta::read_small(io.as_ref(), &checkpoint_path).map_err(at(&checkpoint_path))?;
    let checkpoint = Checkpoint::decode(&bytes).map_err(|what| OpenError::Checkpoint {
        path: checkpoint_path.clone(),
        what,
    })?;

    // Logs are restored before the journal's end is known, so the queue they push to gets its position later.
    let entry_bytes_max = entry_bytes_max(&config);
    let environment = LogEnvironment {
        files: Arc::new(Descriptors::new(Arc::clone(&io), config.open_files_max)),
        journal: Arc::new(JournalQueue::new(JournalPosition(0), entry_bytes_max)),
        tails: Arc::new(TailBudget::new(config.tail_bytes_max / 4 * 3)),
        waiting: Arc::new(WaitingLogs::default()),
        unwritten: Arc::new(WaitingLogs::default()),
        dirty: Arc::new(DirtyCount::new(config.unsynced_files_max)),
        condemned: Arc::new(WaitingLogs::default()),
        checkpoints: Arc::new(CheckpointCount::default()),
        page_cache: Arc::new(PageCache::default()),
        bypass: Arc::new(Bypass::new(config.bypass)),
    };
    let start = ScanStart {
        directory_id: meta.directory_id,
        generation: checkpoint.generation,
        clean_end: checkpoint.clean_end,
        files: checkpoint.journal_files,
    };
    let last_seen_ms = checkpoint.written_ms;
    let mut replay = Replay::new(path, checkpoint, config_of, environment.clone(), now_ms);
    let mut scanned = scan(io.as_ref(), &journal_dir, start, &mut |entry| {
        replay.visit(&entry);
    })?;
    if let Some(source) = replay.failed.take() {
        return Err(OpenError::Io {
            path: path.to_owned(),
            source,
        });
    }
    // The checkpoint may speak of positions beyond a cut. They must not be given out again: it would pass for covering them.
    let covered = replay.covered.values().copied().max().unwrap_or_default();
    scanned.next.position = scanned.next.position.max(covered);
    environment.journal.continue_at(scanned.next.position);

    report.clean = scanned.cut.is_none() && start.clean_end.is_some();
    report.suspect = scanned.suspect;
    report.cut = scanned.cut;
    report.damage = scanned.damage;
    report.damage.append(&mut replay.misfits);
    report.commits = scanned.commits;
    report.bytes = scanned.bytes;
    report.batches = replay.batches;
    report.logs = replay.logs.by_id.len();
    let garbage = replay.settle_directories(io.as_ref()).map_err(at(path))?;
    for log in replay.logs.by_id.values() {
        log.salvage(now_ms).map_err(at(log.dir()))?;
        // What was committed beyond is lost here, and what takes its place is not known to be.
        log.set_high_watermark(log.high_watermark().min(log.offsets().end));
    }

    // Nobody else has it: the scan has locked the journal.
    let meta = brought_up(io.as_ref(), path, meta)?;
    let journal_files = Arc::new(JournalFiles::new(
        Arc::clone(&io),
        &journal_dir,
        config.journal_file_bytes,
        config.journal_files,
        scanned.live,
        scanned.free,
        scanned.reopen,
    ));
    let reserve_bytes = journal_files.bytes_max();
    let disk = io.disk_space(path).unwrap_or_default();
    let reserve = Reserve::open(Arc::clone(&io), path, reserve_bytes).map_err(at(path))?;
    let read_only = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let any_file = io.open(&Meta::path(path), read_only).map_err(at(path))?;
    let data_dir = Arc::new(DataDir {
        any_file,
        path: path.to_owned(),
        io: Arc::clone(&io),
        meta,
        environment,
        journal_files,
        logs: RwLock::new(replay.logs),
        writer: Mutex::new(None),
        checkpointing: Mutex::new(()),
        checkpoint_wanted: AtomicBool::new(false),
        retention: RetentionStatus::default(),
        compaction: CompactionStatus::default(),
        compaction_settings: Mutex::new(config.compaction),
        seen_ms: AtomicI64::new(now_ms),
        producer_expiration_ms: AtomicI64::new(config.producer_expiration_ms),
        last_seen_ms,
        reserve,
        space: Space::new(config.free_bytes_min, disk, reserve_bytes),
        garbage: Arc::new(Mutex::new(garbage)),
        config,
    });
    let config = &data_dir.config;
    data_dir
        .journal_files
        .remove_unfinished()
        .map_err(at(&journal_dir))?;
    // A start needs no space on the disk: the writer leaves one file free for it. Where one is missing all the same, after crashes in a row,
    // either a new one or moving everything to the segments will do.
    let has_free = || {
        data_dir
            .journal_files
            .ensure_free(config.journal_first_file_bytes)
    };
    match has_free() {
        Ok(true) => {}
        Err(error) if !is_disk_full(&error) => return Err(at(&journal_dir)(error)),
        _ => {
            data_dir.checkpoint(None).map_err(at(path))?;
            // It cannot release the only file there is.
            has_free().map_err(at(&journal_dir))?;
        }
    }
    let queue = io.queue(config.writer.depth).map_err(at(&journal_dir))?;
    let writer = JournalWriter::start(
        Arc::clone(&data_dir.environment.journal),
        Arc::clone(&data_dir.journal_files),
        queue,
        observer,
        config.writer.clone(),
        data_dir.meta.directory_id,
        scanned.next,
    )
    .map_err(at(&journal_dir))?;
    *data_dir.writer.lock() = Some(writer);
    data_dir.measure_space();
    Ok((data_dir, report))
}

/// The largest entry that fits a journal file of full size, with a margin for headers.
fn entry_bytes_max(config: &DataDirConfig) -> usize {
    let room = config.journal_file_bytes.saturating_sub(64 << 10);
    usize::try_from(room)
        .unwrap_or(usize::MAX)
        .min(i32::MAX as usize)
}

fn check_identity(path: &Path, meta: Meta, identity: &Identity) -> Result<Meta, OpenError> {
    if let Some(expected) = &identity.cluster_id
        && *expected != meta.cluster_id
    {
        return Err(OpenError::OtherCluster {
            path: path.to_owned(),
            found: meta.cluster_id,
            expected: expected.clone(),
        });
    }
    if meta.node_id != identity.node_id {
        return Err(OpenError::OtherNode {
            path: path.to_owned(),
            found: meta.node_id,
            expected: identity.node_id,
        });
    }
    Ok(meta)
}

/// Marks a directory of an older format as one of this version, before anything is written to it that the older one does not know.
fn brought_up(io: &dyn Io, path: &Path, mut meta: Meta) -> Result<Meta, OpenError> {
    if meta.format < meta::FORMAT {
        tracing::info!(path = %path.display(), from = meta.format, to = meta::FORMAT, "the data directory has a newer format from now on: older versions refuse it");
        meta.format = meta::FORMAT;
        meta.write(io, path).map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(meta)
}

/// Makes an empty directory a data directory. `meta.properties` comes last: without it, this starts over.
fn format(
    io: &dyn Io,
    path: &Path,
    identity: &Identity,
    config: &DataDirConfig,
) -> Result<Meta, OpenError> {
    let at = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    io.create_dir_all(path).map_err(at)?;
    for entry in io.read_dir(path).map_err(at)? {
        // What an interrupted format leaves, and what file systems put at their root.
        let known = [
            "journal",
            "checkpoint",
            "checkpoint.tmp",
            "meta.tmp",
            "lost+found",
        ];
        if !known.contains(&entry.name.as_str()) {
            return Err(OpenError::NotOurs {
                path: path.to_owned(),
                what: entry.name,
            });
        }
    }
    let journal = path.join("journal");
    io.create_dir_all(&journal).map_err(at)?;
    let entries = io.read_dir(&journal).map_err(at)?;
    for entry in &entries {
        let is_first = entry.name == JOURNAL_FILE_FIRST;
        // A format makes one file, and nothing is written to it before meta.properties is there. More means that a directory lost its
        // meta.properties, and that what was acknowledged may be in these files.
        if entry.name.ends_with(".journal")
            && (!is_first || was_used(io, &journal.join(&entry.name)).map_err(at)?)
        {
            return Err(OpenError::NotOurs {
                path: path.to_owned(),
                what: entry.name.clone(),
            });
        }
    }
    for entry in entries {
        io.remove_file(&journal.join(&entry.name)).map_err(at)?;
    }
    let bytes = config
        .journal_first_file_bytes
        .min(config.journal_file_bytes);
    JournalFiles::make_first(io, &journal, bytes).map_err(at)?;
    let checkpoint = Checkpoint::default().encode();
    meta::write_durably(io, &Checkpoint::path(path), &checkpoint).map_err(at)?;
    let meta = Meta {
        cluster_id: identity
            .cluster_id
            .clone()
            .unwrap_or_else(|| base64_uuid(identity.new_cluster_id)),
        node_id: identity.node_id,
        directory_id: identity.new_directory_id,
        format: meta::FORMAT,
    };
    meta.write(io, path).map_err(at)?;
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        io.sync_dir(parent).map_err(at)?;
    }
    Ok(meta)
}

/// Whether anything was written to a journal file since it was made of zeros.
fn was_used(io: &dyn Io, path: &Path) -> std::io::Result<bool> {
    let read_only = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let mut headers = vec![0; FIRST_COMMIT as usize];
    let read = io.open(path, read_only)?.read_at(&mut headers, 0)?;
    Ok(headers[..read].iter().any(|byte| *byte != 0))
}

/// Logs on their way back.
struct Replay<'a> {
    path: &'a Path,
    config_of: &'a dyn Fn(&str) -> LogConfig,
    environment: LogEnvironment,
    now_ms: i64,
    logs: Logs,
    /// Entries of a log before this position are in its files.
    covered: HashMap<LogId, JournalPosition>,
    dropped: Vec<(LogId, PathBuf)>,
    misfits: Vec<BadBytes>,
    batches: u64,
    failed: Option<std::io::Error>,
}

impl<'a> Replay<'a> {
    fn new(
        path: &'a Path,
        checkpoint: Checkpoint,
        config_of: &'a dyn Fn(&str) -> LogConfig,
        environment: LogEnvironment,
        now_ms: i64,
    ) -> Replay<'a> {
        let mut logs = Logs {
            next_id: checkpoint.next_log_id,
            ..Logs::default()
        };
        let mut covered = HashMap::with_capacity(checkpoint.logs.len());
        for line in checkpoint.logs {
            covered.insert(line.id, line.position);
            let dir = log_dir(path, &line.topic, line.partition);
            let config = config_of(&line.topic);
            logs.insert(Arc::new(Log::restore(
                line,
                &dir,
                config,
                environment.clone(),
            )));
        }
        Replay {
            path,
            config_of,
            environment,
            now_ms,
            logs,
            covered,
            dropped: Vec::new(),
            misfits: Vec::new(),
            batches: 0,
            failed: None,
        }
    }

    fn visit(&mut self, entry: &ScannedEntry<'_>) {
        let covered = self.covered.get(&entry.log_id);
        if covered.is_some_and(|covered| entry.position < *covered) {
            return;
        }
        let log = self.logs.by_id.get(&entry.log_id).cloned();
        match (entry.kind, log) {
            (EntryKind::Open, None) => self.open(entry, Durability::Fsync),
            (EntryKind::OpenUnjournaled, None) => self.open(entry, Durability::Os),
            (EntryKind::Append, Some(log)) => self.append(&log, entry),
            (EntryKind::Truncate, Some(log)) => {
                if let Err(error) = log.replay_truncate(entry.position, entry.offset) {
                    self.failed.get_or_insert(error);
                }
            }
            (EntryKind::NewLogStart, Some(log)) => log.replay_start(entry.offset),
            (EntryKind::Stored, Some(log)) => self.stored(&log, entry),
            (EntryKind::Drop, log) => self.drop_log(log.as_deref(), entry),
            // Of a log dropped before the checkpoint, or opened before it.
            (_, None) | (EntryKind::Open | EntryKind::OpenUnjournaled, Some(_)) => {}
        }
    }

    fn open(&mut self, entry: &ScannedEntry<'_>, durability: Durability) {
        // An id the checkpoint has given out already is one whose log it knows to be gone.
        if entry.log_id < self.logs.next_id {
            return;
        }
        let Some(open) = entry
            .payload
            .as_ref()
            .ok()
            .and_then(|bytes| OpenEntry::decode(bytes))
        else {
            self.misfit(entry, "the creation of a log is unreadable");
            return;
        };
        let partition = TopicIdPartition {
            topic_id: open.topic_id,
            partition: open.partition,
        };
        if self.logs.by_partition.contains_key(&partition) {
            self.misfit(entry, "a log is created that is there");
            return;
        }
        let dir = log_dir(self.path, &open.topic, partition);
        let config = (self.config_of)(&open.topic);
        let new = NewLog {
            id: entry.log_id,
            partition,
            topic: &open.topic,
            durability,
            start: entry.offset,
        };
        let log = Log::new(new, &dir, config, self.environment.clone());
        self.logs.next_id = LogId(entry.log_id.0 + 1);
        self.logs.insert(Arc::new(log));
    }

    fn append(&mut self, log: &Arc<Log>, entry: &ScannedEntry<'_>) {
        if log.durability() == Durability::Os {
            self.misfit(entry, "an append to a log that is not in the journal");
            return;
        }
        let bytes = match &entry.payload {
            Ok(bytes) => bytes,
            Err(bad) => {
                log.replay_damaged(entry.offset, entry.end, bad.clone());
                return;
            }
        };
        // Memory is sized by what the header says, and nothing but the entry vouches for that.
        let header = BatchHeader::parse(bytes).ok().filter(|header| {
            header.size_in_bytes == bytes.len() && header.end_offset() == entry.end
        });
        let Some(header) = header else {
            let bad = self.misfit(entry, "an appended batch is not the one its entry tells of");
            log.replay_damaged(entry.offset, entry.end, bad);
            return;
        };
        let source = BatchBytes::Journal {
            file: Arc::clone(entry.file),
            at: entry.payload_at,
        };
        let put_back = || log.replay_append(entry.position, header, source.clone(), self.now_ms);
        let Err(error) = put_back() else {
            self.batches += 1;
            return;
        };
        tracing::error!(%error, ?log, "journal entry does not continue its log");
        let bad = BadBytes {
            path: entry.file.path().to_owned(),
            offset: entry.payload_at,
            what: "an appended batch does not continue its log",
        };
        log.replay_damaged(log.offsets().end, entry.offset, bad.clone());
        match put_back() {
            Ok(()) => self.batches += 1,
            Err(_) => log.replay_damaged(entry.offset, entry.end, bad.clone()),
        }
        self.misfits.push(bad);
    }

    fn stored(&mut self, log: &Log, entry: &ScannedEntry<'_>) {
        let what = "what the journal says of a log's files makes no sense";
        let ends = (entry.offset, entry.end);
        let bad = match &entry.payload {
            Err(bad) => bad.clone(),
            Ok(bytes) => {
                let stored = StoredEntry::decode(bytes);
                let put_back = |stored: &StoredEntry| {
                    log.replay_stored(entry.position, ends, stored, self.now_ms)
                };
                match stored.as_ref().map(put_back) {
                    Some(Ok(())) => return,
                    Some(Err(error)) => tracing::error!(%error, ?log, "{what}"),
                    None => tracing::error!(?log, "{what}"),
                }
                self.misfit(entry, what)
            }
        };
        // Nobody knows how much of the files counts.
        log.replay_damaged(log.offsets().end.min(entry.offset), entry.end, bad);
    }

    fn drop_log(&mut self, log: Option<&Log>, entry: &ScannedEntry<'_>) {
        if let Some(log) = log {
            log.set_dropped();
            self.dropped.push((log.id(), log.dir().to_owned()));
            self.logs.remove(log.id());
        } else if let Some(open) = entry
            .payload
            .as_ref()
            .ok()
            .and_then(|bytes| OpenEntry::decode(bytes))
        {
            let partition = TopicIdPartition {
                topic_id: open.topic_id,
                partition: open.partition,
            };
            self.dropped
                .push((entry.log_id, log_dir(self.path, &open.topic, partition)));
        }
    }

    fn misfit(&mut self, entry: &ScannedEntry<'_>, what: &'static str) -> BadBytes {
        let bad = BadBytes {
            path: entry.file.path().to_owned(),
            offset: entry.payload_at,
            what,
        };
        self.misfits.push(bad.clone());
        bad
    }

    /// Puts directories where their logs are: a deletion that is durable is finished, one that is not is undone. Returns what may
    /// be removed.
    fn settle_directories(&self, io: &dyn Io) -> std::io::Result<Vec<Garbage>> {
        let live: BTreeSet<&Path> = self.logs.by_id.values().map(|log| log.dir()).collect();
        let mut garbage = Vec::new();
        for (id, dir) in &self.dropped {
            if !live.contains(dir.as_path()) && io.exists(dir)? {
                let away = deleted_dir(dir, *id);
                if io.exists(&away)? {
                    // A power loss kept both names: of this log, or of one made later under its name and deleted as well.
                    io.remove_dir_all(&away)?;
                }
                io.rename(dir, &away)?;
            }
        }
        for entry in io.read_dir(self.path)? {
            if !entry.is_dir || !entry.name.ends_with("-delete") {
                continue;
            }
            let away = self.path.join(&entry.name);
            let owner = self
                .logs
                .by_id
                .values()
                .find(|log| deleted_dir(log.dir(), log.id()) == away);
            let Some(log) = owner else {
                garbage.push(away);
                continue;
            };
            // Its deletion is undone, and its files are there. What has its name now is of a log that was made after it.
            if io.exists(log.dir())? {
                let later = deleted_dir(log.dir(), LATER);
                if io.exists(&later)? {
                    io.remove_dir_all(&later)?;
                }
                io.rename(log.dir(), &later)?;
                garbage.push(later);
            }
            io.rename(&away, log.dir())?;
            io.sync_dir(self.path)?;
        }
        garbage.sort_unstable();
        garbage.dedup();
        // The checkpoint may still count them: the next one does not.
        let first = 1;
        let of_checkpoint = |path| Garbage {
            path,
            checkpoint: first,
        };
        Ok(garbage.into_iter().map(of_checkpoint).collect())
    }
}

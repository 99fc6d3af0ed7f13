//! Opening all directories: the formatted ones at once, side by side; what becomes of empty ones is decided when the metadata is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker_controller::DirectoryId;
use parking_lot::{Mutex, RwLock};
use storage::data_dir::{DataDir, Meta, OpenError, RecoveryReport, Workers};
use storage::io::Io;
use storage::journal::ScanError;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::verdict::{Facts, Found, Verdict, judge};
use super::{DataDirs, Directory, DirectoryState, journal_task};
use crate::clock::wall_clock_ms;
use crate::metrics::StartReport;
use crate::run::RunError;

/// The kernel may hold a killed broker's lock until its last writes are done: a start waits for it so long.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Opens, or formats, one directory. The second argument is the cluster it must belong to, where that is known.
pub type Opener<'a> =
    &'a (dyn Fn(&Path, Option<&str>) -> Result<(Arc<DataDir>, RecoveryReport), OpenError> + Sync);

/// A directory on its way.
struct Place {
    path: PathBuf,
    takes_partitions: bool,
    found: Found,
    id: Option<DirectoryId>,
    opened: Option<Result<Arc<DataDir>, String>>,
}

/// Directories that are being opened.
pub struct Opening {
    places: Vec<Place>,
    metadata: usize,
    report: StartReport,
}

impl Opening {
    /// Opens the directory of the metadata, and the others that are formatted, whose failure is no reason not to start. Those that
    /// are another cluster's or broker's, or in use, are: somebody has pointed at the wrong ones.
    pub fn begin(
        io: &dyn Io,
        data_dirs: &[PathBuf],
        metadata_dir: &Path,
        open: Opener<'_>,
    ) -> Result<Opening, RunError> {
        let paths = data_dirs.iter().map(|path| (path.clone(), true));
        let only_metadata = (!data_dirs.iter().any(|path| path == metadata_dir))
            .then(|| (metadata_dir.to_owned(), false));
        let mut places = Vec::new();
        let mut cluster_id = None;
        for (path, takes_partitions) in paths.chain(only_metadata) {
            let mut meta = Meta::read(io, &path);
            if path == metadata_dir {
                // Row 3 of the table, before anything is changed.
                let known = meta?;
                cluster_id = known.as_ref().map(|meta| meta.cluster_id.clone());
                meta = Ok(known);
            }
            places.push(Place::new(path, takes_partitions, meta));
        }
        let metadata = places.iter().position(|place| place.path == metadata_dir);
        let Some(metadata) = metadata else {
            unreachable!("the metadata's directory is among them");
        };
        let mut opening = Opening {
            places,
            metadata,
            report: StartReport {
                clean: true,
                ..StartReport::default()
            },
        };
        opening.check_ids()?;
        let mut first = Vec::new();
        for at in 0..opening.places.len() {
            match opening.judge(at, false) {
                Verdict::Open => first.push(at),
                Verdict::Format if at == metadata => first.push(at),
                // Whether it is a new one is known when the metadata is.
                Verdict::Format | Verdict::NotMounted | Verdict::Unreadable => {}
                Verdict::MetadataIsMissing => return Err(opening.metadata_is_missing()),
            }
        }
        opening.open(&first, cluster_id.as_deref(), open)?;
        Ok(opening)
    }

    /// The directory of the metadata.
    pub fn metadata(&self) -> &Arc<DataDir> {
        match &self.places[self.metadata].opened {
            Some(Ok(data_dir)) => data_dir,
            _ => unreachable!("it has been opened, or there is no start"),
        }
    }

    /// Whether no directory holds, or may hold, a log.
    pub fn holds_nothing(&self) -> bool {
        self.places.iter().all(|place| match &place.opened {
            Some(Ok(data_dir)) => data_dir.logs().is_empty(),
            Some(Err(_)) => false,
            None => place.found == Found::Empty,
        })
    }

    /// Opens the rest, as the table says, and starts the threads; the journals are tasks of `runtime`. `assigned` is how many partitions the metadata knows
    /// in each directory of this broker.
    pub fn finish(
        mut self,
        assigned: &BTreeMap<DirectoryId, usize>,
        open: Opener<'_>,
        runtime: &Handle,
    ) -> Result<(DataDirs, StartReport), RunError> {
        let missing = self.missing(assigned);
        let mut to_format = Vec::new();
        for at in 0..self.places.len() {
            if self.places[at].opened.is_some() {
                continue;
            }
            match self.judge(at, !missing.is_empty()) {
                Verdict::NotMounted => {
                    let reason = not_mounted(&missing);
                    self.places[at].opened = Some(Err(reason));
                }
                _ => to_format.push(at),
            }
        }
        let cluster_id = self.metadata().meta().cluster_id.clone();
        self.open(&to_format, Some(&cluster_id), open)?;
        for (id, partitions) in &missing {
            tracing::error!(directory = %id, partitions, "a data directory is missing: its partitions are offline");
        }
        let report = self.report.clone();
        Ok((self.into_data_dirs(runtime)?, report))
    }

    fn judge(&self, at: usize, one_is_missing: bool) -> Verdict {
        let others = self.places.iter().enumerate();
        judge(&Facts {
            is_metadata: at == self.metadata,
            found: self.places[at].found,
            another_may_be_formatted: others
                .filter(|(other, _)| *other != at)
                .any(|(_, place)| place.found != Found::Empty),
            one_is_missing,
        })
    }

    fn check_ids(&self) -> Result<(), RunError> {
        let mut seen = BTreeMap::new();
        for place in &self.places {
            let Some(id) = place.id else { continue };
            if let Some(other) = seen.insert(id, &place.path) {
                return Err(RunError::SameDirectory {
                    first: other.clone(),
                    second: place.path.clone(),
                });
            }
        }
        Ok(())
    }

    fn metadata_is_missing(&self) -> RunError {
        let other = self.places.iter().enumerate();
        let mut other =
            other.filter(|(at, place)| *at != self.metadata && place.found != Found::Empty);
        RunError::MetadataDirectory {
            path: self.places[self.metadata].path.clone(),
            other: other
                .next()
                .map(|(_, place)| place.path.clone())
                .unwrap_or_default(),
        }
    }

    /// Opens these, side by side.
    fn open(
        &mut self,
        which: &[usize],
        cluster_id: Option<&str>,
        open: Opener<'_>,
    ) -> Result<(), RunError> {
        let paths: Vec<_> = which.iter().map(|at| &self.places[*at].path).collect();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let opening: Vec<_> = paths
                .into_iter()
                .map(|path| scope.spawn(move || open_unlocked(path, cluster_id, open)))
                .collect();
            opening.into_iter().map(|thread| thread.join()).collect()
        });
        for (at, outcome) in which.iter().zip(outcomes) {
            let outcome = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let place = &mut self.places[*at];
            match outcome {
                Ok((data_dir, report, took)) => {
                    self.report.add(&report, took);
                    log_recovery(&place.path, &report, took);
                    place.id = Some(DirectoryId::new(data_dir.meta().directory_id));
                    place.opened = Some(Ok(data_dir));
                }
                Err(error) if *at == self.metadata || is_mistake(&error) => {
                    return Err(error.into());
                }
                Err(error) => place.opened = Some(Err(error.to_string())),
            }
        }
        Ok(())
    }

    /// Directories with partitions that are not here. One that cannot be read may be any of them.
    fn missing(&self, assigned: &BTreeMap<DirectoryId, usize>) -> Vec<(DirectoryId, usize)> {
        let here: BTreeSet<_> = self.places.iter().filter_map(|place| place.id).collect();
        let nameless = self
            .places
            .iter()
            .filter(|it| it.found == Found::Unreadable);
        let missing = assigned.iter().filter(|(id, _)| !here.contains(id));
        let missing: Vec<_> = missing.map(|(id, partitions)| (*id, *partitions)).collect();
        if missing.len() <= nameless.count() {
            return Vec::new();
        }
        missing
    }

    fn into_data_dirs(self, runtime: &Handle) -> Result<DataDirs, RunError> {
        let (failures, _) = watch::channel(0);
        let mut workers = Vec::new();
        let mut directories = Vec::with_capacity(self.places.len());
        for place in self.places {
            let opened = place
                .opened
                .unwrap_or_else(|| Err("it was not opened".into()));
            if let Err(reason) = &opened {
                let path = place.path.display();
                tracing::error!(%path, reason, "data directory is offline: its partitions are not served");
            }
            let directory = Arc::new(Directory {
                path: place.path,
                id: place.id,
                takes_partitions: place.takes_partitions,
                state: RwLock::new(match &opened {
                    Ok(data_dir) => DirectoryState::Online(Arc::clone(data_dir)),
                    Err(reason) => DirectoryState::Offline(reason.as_str().into()),
                }),
            });
            if let Ok(data_dir) = opened {
                // Weak, since it holds the directory's data in turn.
                let (failed, failures) = (Arc::downgrade(&directory), failures.clone());
                data_dir.set_offline_listener(Box::new(move |fault| {
                    if let Some(failed) = failed.upgrade() {
                        let reason = fault.to_string().into();
                        let before = std::mem::replace(
                            &mut *failed.state.write(),
                            DirectoryState::Offline(reason),
                        );
                        drop(before);
                    }
                    failures.send_modify(|count| *count += 1);
                }));
                let started = Workers::start_with(data_dir, Arc::new(wall_clock_ms), |writer| {
                    journal_task::spawn(writer, runtime)
                })?;
                workers.push((Arc::clone(&directory), started));
            }
            directories.push(directory);
        }
        Ok(DataDirs {
            directories,
            metadata: self.metadata,
            workers: Mutex::new(workers),
            failures,
        })
    }
}

impl Place {
    fn new(path: PathBuf, takes_partitions: bool, meta: Result<Option<Meta>, OpenError>) -> Place {
        let (found, id, opened) = match meta {
            Ok(Some(meta)) => (
                Found::Formatted,
                Some(DirectoryId::new(meta.directory_id)),
                None,
            ),
            Ok(None) => (Found::Empty, None, None),
            Err(error) => (Found::Unreadable, None, Some(Err(error.to_string()))),
        };
        Place {
            path,
            takes_partitions,
            found,
            id,
            opened,
        }
    }
}

fn not_mounted(missing: &[(DirectoryId, usize)]) -> String {
    let missing: Vec<String> = missing
        .iter()
        .map(|(id, partitions)| format!("{id} with {partitions} partition(s)"))
        .collect();
    format!(
        "it is empty, and this is missing: {}. If it is to be mounted here, mount it. If it is lost, with its partitions, delete their topics or \
         set log.dirs.lost to the id, and start again",
        missing.join(", ")
    )
}

/// Whether an error says that the directory is a wrong one, rather than that it is broken.
fn is_mistake(error: &OpenError) -> bool {
    match error {
        OpenError::OtherCluster { .. }
        | OpenError::OtherNode { .. }
        | OpenError::NotOurs { .. }
        | OpenError::Journal(ScanError::Locked { .. } | ScanError::Foreign { .. }) => true,
        OpenError::Io { .. }
        | OpenError::Meta { .. }
        | OpenError::Checkpoint { .. }
        | OpenError::Journal(ScanError::Io { .. } | ScanError::Unreadable(_)) => false,
    }
}

fn open_unlocked(
    path: &Path,
    cluster_id: Option<&str>,
    open: Opener<'_>,
) -> Result<(Arc<DataDir>, RecoveryReport, Duration), OpenError> {
    let since = Instant::now();
    loop {
        match open(path, cluster_id) {
            // Nothing tells when the lock is free.
            Err(OpenError::Journal(ScanError::Locked { .. }))
                if since.elapsed() < LOCK_WAIT_MAX =>
            {
                std::thread::sleep(LOCK_RETRY);
            }
            Ok((data_dir, report)) => return Ok((data_dir, report, since.elapsed())),
            Err(error) => return Err(error),
        }
    }
}

impl StartReport {
    fn add(&mut self, report: &RecoveryReport, took: Duration) {
        self.clean &= report.clean || report.formatted;
        self.recovery = self.recovery.max(took);
        self.records += report.batches;
        self.bytes += report.bytes;
    }
}

fn log_recovery(path: &Path, report: &RecoveryReport, took: Duration) {
    let path = path.display();
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if report.formatted {
        tracing::info!(%path, millis, "formatted a new data directory");
        return;
    }
    for bad in &report.damage {
        tracing::error!(path = %bad.path.display(), offset = bad.offset, what = bad.what, "damage found in the journal; what it held is not served");
    }
    if let Some(cut) = &report.cut {
        tracing::info!(path = %cut.path.display(), offset = cut.offset, sealed = !report.suspect, "the journal ends here; what was in flight after it was not acknowledged");
    }
    tracing::info!(
        %path,
        clean = report.clean,
        commits = report.commits,
        batches = report.batches,
        bytes = report.bytes,
        logs = report.logs,
        millis,
        "recovered the data directory"
    );
}

//! The threads of a data directory: the journal's writer, write-behind, checkpoints, and what grows.
//!
//! A journal file takes as long to make as the disk takes to write it, and a writer that has none left waits for a checkpoint: the two do not wait for each other.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::retention_clock::{ClockReading, RetentionClock};
use super::{CHECKPOINT_AT, DataDir};
use crate::journal::{JournalEnd, JournalWriter};
use crate::log::{RetentionTime, is_disk_full};

/// How often tails are looked at, when nobody asks earlier.
const TICK: Duration = Duration::from_millis(100);

/// The same while tails hold much.
const SHORT_TICK: Duration = Duration::from_millis(2);

/// After a failure to make a journal file, such as on a full disk, the next try comes so many ticks later.
const GROW_AGAIN_TICKS: u32 = 50;

/// The first look for segments to delete comes so long after the start, in milliseconds: clients come first.
const RETENTION_FIRST_MS: i64 = 30_000;

/// In a round, the kernel is asked to write what each log has in the page cache from before it. Two are less than the 30 s after which it would begin by itself, with all that is so old at
/// once, and in the way of the journal.
const WRITEBACK_ROUND: Duration = Duration::from_secs(12);

/// Steps of a round, at most.
const WRITEBACK_STEPS_MAX: usize = 600;

/// Threads that store what bypasses the journal: of syncs at once each takes less of the disk than one after the other.
const BYPASS_THREADS: usize = 8;

struct Shared {
    data_dir: Arc<DataDir>,
    now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    stop: Mutex<bool>,
    stopped: Condvar,
}

impl Shared {
    /// Waits for a tick. True when it is time to stop.
    fn wait(&self) -> bool {
        self.wait_for(TICK)
    }

    fn wait_for(&self, limit: Duration) -> bool {
        let mut stop = self.stop.lock();
        if !*stop {
            self.stopped.wait_for(&mut stop, limit);
        }
        *stop
    }
}

/// A thread that panics leaves a directory that takes appends and never acknowledges them, or worse. Rather stop: the next start
/// recovers what was acknowledged.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a thread of the data directory panicked; the process ends");
            std::process::abort();
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _abort = AbortOnPanic;
            body()
        })
}

/// The running threads.
pub struct Workers {
    shared: Arc<Shared>,
    journal: JournalRun,
    others: Vec<JoinHandle<()>>,
}

/// Waits for a journal that was closed, and says where it ended, as [`JournalWriter::run`] does. An error when nobody can tell.
pub type JournalRun = Box<dyn FnOnce() -> io::Result<Option<JournalEnd>> + Send + Sync>;

impl Workers {
    /// Starts the threads of a directory that was just opened.
    pub fn start(
        data_dir: Arc<DataDir>,
        now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    ) -> io::Result<Workers> {
        Workers::start_with(data_dir, now_ms, |writer| {
            let journal = spawn("journal", move || writer.run())?;
            Ok(Box::new(move || join(journal)))
        })
    }

    /// The same, but for the journal, whose writer somebody else runs.
    pub fn start_with(
        data_dir: Arc<DataDir>,
        now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
        run_journal: impl FnOnce(JournalWriter) -> io::Result<JournalRun>,
    ) -> io::Result<Workers> {
        let Some(writer) = data_dir.take_writer() else {
            return Err(io::Error::other(
                "the threads of a data directory are started once",
            ));
        };
        let shared = Arc::new(Shared {
            data_dir,
            now_ms,
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        });
        let behind = Arc::clone(&shared);
        let checkpoints = Arc::clone(&shared);
        let growth = Arc::clone(&shared);
        let retention = Arc::clone(&shared);
        let compaction = Arc::clone(&shared);
        let page_cache = Arc::clone(&shared);
        let writeback = Arc::clone(&shared);
        let mut others = vec![
            spawn("write-behind", move || write_behind(&behind))?,
            spawn("checkpoint", move || checkpoint(&checkpoints))?,
            spawn("growth", move || grow(&growth))?,
            spawn("retention", move || retain(&retention))?,
            spawn("compaction", move || compact(&compaction))?,
            spawn("page-cache", move || write_page_cache(&page_cache))?,
            spawn("writeback", move || begin_writebacks(&writeback))?,
        ];
        for _ in 0..BYPASS_THREADS {
            let bypass = Arc::clone(&shared);
            others.push(spawn("bypass", move || store_bypassing(&bypass))?);
        }
        let journal = run_journal(writer)?;
        Ok(Workers {
            shared,
            journal,
            others,
        })
    }

    /// Stops: everything appended becomes durable, is written behind, synced and covered by a last checkpoint, so that the next start
    /// replays nothing. Appending after this is an error of the caller.
    pub fn stop(self) -> io::Result<()> {
        *self.shared.stop.lock() = true;
        self.shared.stopped.notify_all();
        self.shared.data_dir.environment.page_cache.wake();
        self.shared.data_dir.environment.tails.wake();
        self.shared.data_dir.environment.bypass.close();
        for thread in self.others {
            join(thread)?;
        }
        let data_dir = &self.shared.data_dir;
        // Frees files, in case the writer waits for one. On a full disk it cannot, and the next start replays.
        let journaled = data_dir.bypass_no_more();
        let freed = journaled.and_then(|()| data_dir.checkpoint(None));
        data_dir.environment.journal.close();
        let end = (self.journal)()?;
        freed?;
        match end {
            Some(end) => data_dir.checkpoint(Some(end)).map(|_| ()),
            None => Err(io::Error::other(
                "the journal could not be closed; the next start recovers it",
            )),
        }
    }
}

fn join<T>(thread: JoinHandle<T>) -> io::Result<T> {
    thread
        .join()
        .map_err(|_| io::Error::other("a thread of the data directory panicked"))
}

fn write_behind(shared: &Shared) {
    let mut measured = Instant::now();
    loop {
        let tails = &shared.data_dir.environment.tails;
        // Still over the mark: what there is was not durable yet.
        tails.wait(if tails.is_over() { SHORT_TICK } else { TICK });
        if *shared.stop.lock() {
            return;
        }
        if measured.elapsed() >= TICK {
            measured = Instant::now();
            shared.data_dir.measure_space();
        }
        match shared.data_dir.write_behind((shared.now_ms)()) {
            Ok(_) => {}
            Err(error) if is_disk_full(&error) => {
                if shared.wait() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

fn checkpoint(shared: &Shared) {
    let data_dir = &shared.data_dir;
    // What a recovery replayed is moved to the segments soon, so that crashes in a row do not use up the files.
    let mut due = true;
    while !shared.wait() {
        if data_dir.fault().is_some() {
            return;
        }
        due |= data_dir.takes_checkpoint_wish();
        let usage = data_dir.journal_usage();
        let to_recover = usage.live.max(data_dir.unsynced_page_cache_bytes());
        if due || data_dir.is_full() || to_recover as f64 >= usage.capacity as f64 * CHECKPOINT_AT {
            match data_dir.checkpoint(None) {
                Ok(_) => due = false,
                Err(error) if is_disk_full(&error) => due = true,
                Err(_) => return,
            }
        }
        if let Err(error) = data_dir.remove_dropped() {
            tracing::warn!(%error, "cannot remove the files of a deleted partition");
        }
    }
}

/// Makes what is missing of the journal, and of the reserve once that is whole.
fn grow(shared: &Shared) {
    let data_dir = &shared.data_dir;
    let mut again_in = 0;
    while !shared.wait() {
        if data_dir.fault().is_some() {
            return;
        }
        if again_in > 0 {
            again_in -= 1;
            continue;
        }
        let grown = data_dir.grow_journal().and_then(|journal_grown| {
            if journal_grown {
                // It says how many files there are.
                data_dir.wish_checkpoint();
                return Ok(());
            }
            data_dir.grow_reserve().map(|_| ())
        });
        if let Err(error) = grown {
            // Not fatal: the journal works with the files it has.
            tracing::warn!(%error, path = %data_dir.path.display(), "cannot make another journal file, or the reserve");
            again_in = GROW_AGAIN_TICKS;
        }
    }
}

fn retain(shared: &Shared) {
    let data_dir = &shared.data_dir;
    let config = &data_dir.config;
    let since = Instant::now();
    let monotonic_ms = || i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut clock = RetentionClock::new(data_dir.last_seen_ms, config.clock_jump_pause_ms);
    let mut due_ms = config.retention_check_ms.min(RETENTION_FIRST_MS);
    let mut is_stuck = false;
    while !shared.wait() {
        if data_dir.fault().is_some() {
            return;
        }
        let now_ms = monotonic_ms();
        if now_ms >= due_ms {
            let reading = clock.observe((shared.now_ms)(), now_ms);
            if let ClockReading::Jumped(ahead_ms) = reading {
                tracing::error!(
                    ahead_ms,
                    pause_ms = config.clock_jump_pause_ms,
                    "the wall clock has jumped ahead: nothing is deleted for its age for a while"
                );
            }
            data_dir.retain(RetentionTime {
                wall_ms: reading.trusted(),
                monotonic_ms: now_ms,
            });
            due_ms = monotonic_ms().saturating_add(config.retention_check_ms);
        }
        match data_dir.remove_condemned(now_ms) {
            Ok(()) => is_stuck = false,
            Err(error) => {
                if !std::mem::replace(&mut is_stuck, true) {
                    tracing::warn!(%error, "cannot remove the files of deleted segments");
                }
            }
        }
    }
}

/// Compacts as long as there is a log that is dirty enough, and then looks again later.
fn compact(shared: &Shared) {
    let data_dir = &shared.data_dir;
    let mut looked = Instant::now();
    while !shared.wait() {
        let settings = data_dir.compaction_settings();
        let backoff = Duration::from_millis(u64::try_from(settings.backoff_ms).unwrap_or(0));
        if looked.elapsed() < backoff {
            continue;
        }
        while compact_one(shared) {}
        looked = Instant::now();
    }
}

/// True when a log was compacted.
fn compact_one(shared: &Shared) -> bool {
    let data_dir = &shared.data_dir;
    let wall_ms = data_dir
        .retention()
        .trusts_clock()
        .then(|| (shared.now_ms)());
    let begun = Instant::now();
    let mut bytes_done = 0.0;
    let done = data_dir.compact_dirtiest(wall_ms, &mut |bytes| {
        bytes_done += bytes as f64;
        let at_least = bytes_done / data_dir.compaction_settings().bytes_per_second_max.max(1.0);
        let ahead = Duration::try_from_secs_f64(at_least).unwrap_or(Duration::MAX);
        let ahead = ahead.saturating_sub(begun.elapsed());
        match ahead.is_zero() {
            true => !*shared.stop.lock(),
            false => !shared.wait_for(ahead),
        }
    });
    done.is_some()
}

fn write_page_cache(shared: &Shared) {
    let data_dir = &shared.data_dir;
    loop {
        let waiting = data_dir.environment.page_cache.wait(TICK);
        // What is left is written by the last checkpoint.
        let stops = *shared.stop.lock();
        match data_dir.write_page_cache(waiting, (shared.now_ms)()) {
            Ok(()) => {}
            // The other thread says so.
            Err(error) if is_disk_full(&error) => {
                if shared.wait() {
                    return;
                }
            }
            Err(_) => return,
        }
        if stops {
            return;
        }
    }
}

/// Spreads over a round what the kernel is to write.
fn begin_writebacks(shared: &Shared) {
    let data_dir = &shared.data_dir;
    loop {
        let logs = data_dir.take_unwritten();
        let step = logs.len().div_ceil(WRITEBACK_STEPS_MAX).max(1);
        let steps = logs.chunks(step);
        let pause = WRITEBACK_ROUND / u32::try_from(steps.len().max(1)).unwrap_or(u32::MAX);
        for logs in steps {
            for log in logs {
                // What is wrong with the directory was said where it went offline.
                if data_dir.begin_writeback(*log).is_err() {
                    return;
                }
            }
            if shared.wait_for(pause) {
                return;
            }
        }
        if logs.is_empty() && shared.wait_for(WRITEBACK_ROUND) {
            return;
        }
    }
}

fn store_bypassing(shared: &Shared) {
    let data_dir = &shared.data_dir;
    while let Some(log) = data_dir.environment.bypass.wait() {
        // What is wrong with the directory was said where it went offline.
        if data_dir.store_bypassing(log).is_err() {
            return;
        }
    }
}

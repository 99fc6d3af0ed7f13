//! The threads of a data directory: the journal's writer, write-behind, and checkpoints.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::DataDir;
use crate::journal::{JournalEnd, JournalFault};

/// How often tails are looked at, when nobody asks earlier.
const TICK: Duration = Duration::from_millis(100);

/// The share of the journal in use at which a checkpoint begins.
const CHECKPOINT_AT: f64 = 0.5;

struct Shared {
    data_dir: Arc<DataDir>,
    now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    stop: Mutex<bool>,
    stopped: Condvar,
}

impl Shared {
    /// Waits for a tick. True when it is time to stop.
    fn wait(&self) -> bool {
        let mut stop = self.stop.lock();
        if !*stop {
            self.stopped.wait_for(&mut stop, TICK);
        }
        *stop
    }

    /// A failed write or sync of a partition's files takes the directory offline, like one of the journal.
    fn fail(&self, what: &'static str, error: io::Error) {
        let fault = JournalFault { what, error: Arc::new(error) };
        tracing::error!(what, error = %fault.error, path = %self.data_dir.path.display(), "data directory goes offline");
        self.data_dir.environment.journal.fail(&fault);
    }
}

/// The running threads.
pub struct Workers {
    shared: Arc<Shared>,
    journal: JoinHandle<Option<JournalEnd>>,
    others: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads of a directory that was just opened.
    pub fn start(
        data_dir: Arc<DataDir>,
        now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    ) -> io::Result<Workers> {
        let Some(writer) = data_dir.take_writer() else {
            return Err(io::Error::other("the threads of a data directory are started once"));
        };
        let shared = Arc::new(Shared {
            data_dir,
            now_ms,
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        });
        let spawn = |name: &str, body: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(name.to_owned()).spawn(move || body(&shared))
        };
        let others = vec![spawn("write-behind", write_behind)?, spawn("checkpoint", checkpoint)?];
        let journal =
            std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run())?;
        Ok(Workers { shared, journal, others })
    }

    /// Stops: everything appended becomes durable, is written behind, synced and covered by a last checkpoint, so that the next start
    /// replays nothing. Appending after this is an error of the caller.
    pub fn stop(self) -> io::Result<()> {
        *self.shared.stop.lock() = true;
        self.shared.stopped.notify_all();
        for thread in self.others {
            join(thread)?;
        }
        let data_dir = &self.shared.data_dir;
        if data_dir.fault().is_none() {
            // Frees files, in case the writer waits for one.
            data_dir.checkpoint(None)?;
        }
        data_dir.environment.journal.close();
        match join(self.journal)? {
            Some(end) => data_dir.checkpoint(Some(end)).map(|_| ()),
            None => Err(io::Error::other("the data directory is offline; the next start recovers it")),
        }
    }
}

fn join<T>(thread: JoinHandle<T>) -> io::Result<T> {
    thread.join().map_err(|_| io::Error::other("a thread of the data directory panicked"))
}

fn write_behind(shared: &Shared) {
    while !shared.wait() {
        if shared.data_dir.fault().is_some() {
            return;
        }
        if let Err(error) = shared.data_dir.write_behind((shared.now_ms)()) {
            shared.fail("writing partition files", error);
            return;
        }
    }
}

fn checkpoint(shared: &Shared) {
    // What a recovery replayed is moved to the segments soon, so that crashes in a row do not use up the files.
    let mut due = true;
    let mut may_grow = true;
    while !shared.wait() {
        if shared.data_dir.fault().is_some() {
            return;
        }
        if may_grow && let Err(error) = shared.data_dir.grow_journal() {
            // Not fatal: the journal works with the files it has, until the next start tries again.
            tracing::warn!(%error, "cannot make another journal file");
            may_grow = false;
        }
        let usage = shared.data_dir.journal_usage();
        if due || usage.live as f64 >= usage.capacity as f64 * CHECKPOINT_AT {
            due = false;
            if let Err(error) = shared.data_dir.checkpoint(None) {
                shared.fail("writing a checkpoint", error);
                return;
            }
        }
        if let Err(error) = shared.data_dir.remove_dropped() {
            tracing::warn!(%error, "cannot remove the files of a deleted partition");
        }
    }
}

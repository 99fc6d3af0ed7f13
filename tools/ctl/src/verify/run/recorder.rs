//! Notes what happens, in memory and in a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;

use super::Progress;
use crate::{
    CtlError,
    verify::history::{Begin, Event, History, Seen},
};

/// Whoever writes or reads notes here what it is about to do, and what came of it.
pub(super) struct Recorder {
    began: Instant,
    events: Mutex<Notes>,
    /// By partition: the end of what is known to be there.
    known_ends: Vec<AtomicI64>,
    /// By partition: when the last acknowledgement came; 0 for none.
    last_acks_us: Vec<AtomicU64>,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    unknown: AtomicU64,
    read: AtomicU64,
}

struct Notes {
    history: History,
    file: Option<(PathBuf, BufWriter<File>)>,
    /// The first failure; what comes later is not written, so that no line is missing in between.
    failed: Option<io::Error>,
}

impl Recorder {
    pub fn new(begin: Begin, path: Option<&PathBuf>) -> Result<Recorder, CtlError> {
        let file = path.map(|path| {
            // Not over another history, which may be all that is left of something.
            let file = File::create_new(path).map_err(CtlError::file("create", path))?;
            Ok::<_, CtlError>((path.clone(), BufWriter::new(file)))
        });
        let last_acks_us = begin.starts.iter().map(|_| AtomicU64::new(0)).collect();
        let known_ends = begin.starts.iter().copied().map(AtomicI64::new).collect();
        let mut notes = Notes {
            history: History {
                begin: begin.clone(),
                events: Vec::new(),
            },
            file: file.transpose()?,
            failed: None,
        };
        notes.write(&begin);
        Ok(Recorder {
            began: Instant::now(),
            events: Mutex::new(notes),
            known_ends,
            last_acks_us,
            sent: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            read: AtomicU64::new(0),
        })
    }

    /// Microseconds since the begin.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Notes an event. What is noted before something is done comes before whatever follows from it.
    pub fn note(&self, event: Event) {
        match &event {
            Event::Send { batch, .. } => add(&self.sent, batch.count),
            Event::Unknown { batch, .. } => add(&self.unknown, batch.count),
            Event::Ack {
                at_us,
                partition,
                batch,
                offset,
            } => {
                add(&self.acknowledged, batch.count);
                if let Some(last) = of_partition(&self.last_acks_us, *partition) {
                    last.fetch_max(*at_us, Ordering::Relaxed);
                }
                let end = offset.map(|offset| offset + i64::from(batch.count));
                self.known_to(*partition, end);
            }
            Event::Poll(poll) => {
                let records = poll.records.iter().map(|seen| match seen {
                    Seen::Run(run) => run.batch.count,
                    Seen::Foreign { .. } => 1,
                });
                add(&self.read, records.sum());
                let end = poll.records.iter().map(Seen::end).max();
                self.known_to(poll.partition, end);
            }
            _ => {}
        }
        let mut notes = self.notes();
        notes.write(&event);
        notes.history.events.push(event);
    }

    /// The end of what is known to be in a partition: acknowledged, or read.
    pub fn known_end(&self, partition: i32) -> i64 {
        let end = of_partition(&self.known_ends, partition);
        end.map_or(0, |end| end.load(Ordering::SeqCst))
    }

    pub fn progress(&self) -> Progress {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let last_acknowledged = self.last_acks_us.iter().map(|at_us| {
            let at_us = Some(count(at_us)).filter(|at_us| *at_us > 0);
            at_us.map(Duration::from_micros)
        });
        let (sent, acknowledged) = (count(&self.sent), count(&self.acknowledged));
        Progress {
            elapsed: self.began.elapsed(),
            acknowledged,
            waiting: sent.saturating_sub(acknowledged + count(&self.unknown)),
            read: count(&self.read),
            last_acknowledged: last_acknowledged.collect(),
        }
    }

    /// The history; and its file is whole.
    pub fn finish(self) -> (History, Result<(), CtlError>) {
        let mut notes = self.events.into_inner();
        let notes = notes.as_mut().unwrap_or_else(|error| error.get_mut());
        let history = std::mem::take(&mut notes.history);
        let Some((path, mut file)) = notes.file.take() else {
            return (history, Ok(()));
        };
        let written = match notes.failed.take() {
            Some(error) => Err(error),
            None => file.flush(),
        };
        (history, written.map_err(CtlError::file("write", path)))
    }

    fn known_to(&self, partition: i32, end: Option<i64>) {
        let known = of_partition(&self.known_ends, partition);
        if let (Some(end), Some(known)) = (end, known) {
            known.fetch_max(end, Ordering::SeqCst);
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn write(&mut self, line: &impl Serialize) {
        if let Some((_, file)) = self.file.as_mut().filter(|_| self.failed.is_none()) {
            self.failed = write_line(file, line).err();
        }
    }
}

/// Saves a history that was kept in memory only.
pub(super) fn save(history: &History, path: &PathBuf) -> Result<(), CtlError> {
    let save = || {
        let mut file = BufWriter::new(File::create_new(path)?);
        write_line(&mut file, &history.begin)?;
        let mut events = history.events.iter();
        events.try_for_each(|event| write_line(&mut file, event))?;
        file.flush()
    };
    save().map_err(CtlError::file("write", path))
}

fn write_line(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}

fn of_partition<T>(all: &[T], partition: i32) -> Option<&T> {
    usize::try_from(partition).ok().and_then(|at| all.get(at))
}

fn add(counter: &AtomicU64, count: u32) {
    counter.fetch_add(u64::from(count), Ordering::Relaxed);
}
